//! What a ThingVisor remembers over a restart: the context of each vThing, one
//! [`ContextMessage`] a line.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use morgana_model::{ContextMessage, Entity, VThingId};

const FILE: &str = "context.jsonl";

/// The file in the data folder.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
}

impl Memory {
    /// The memory in a folder, which is made where it is missing.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { path: folder.join(FILE) })
    }

    /// What was saved. A line that cannot be read is left out: its vThing starts without a context,
    /// as it would on its first day.
    pub(crate) fn load(&self) -> io::Result<BTreeMap<VThingId, Vec<Entity>>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(error),
        };
        let mut contexts = BTreeMap::new();
        for line in BufReader::new(file).split(b'\n') {
            match serde_json::from_slice::<ContextMessage>(&line?) {
                Ok(ContextMessage { data, meta }) => {
                    contexts.extend(meta.v_thing.map(|id| (id, data)));
                }
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "remembered context cannot be read");
                }
            }
        }
        Ok(contexts)
    }

    /// Replaces what was saved: all or nothing.
    pub(crate) fn save(&self, contexts: &[ContextMessage]) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = BufWriter::new(File::create(&new)?);
        for context in contexts {
            serde_json::to_writer(&mut file, context)?;
            file.write_all(b"\n")?;
        }
        // Without a sync a power cut could leave an empty file behind the new name.
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()?;
        fs::rename(&new, &self.path)
    }

    /// Forgets all.
    pub(crate) fn forget(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use morgana_model::Meta;

    use super::*;

    fn context(name: &str, value: i32) -> ContextMessage {
        let entity = Entity::builder("urn:x", "T").property("n", value).build().unwrap();
        ContextMessage { data: vec![entity], meta: Meta::of_vthing(&name.parse().unwrap()) }
    }

    #[test]
    fn what_was_saved_last_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(&folder.path().join("new/folder")).unwrap();
        assert!(memory.load().unwrap().is_empty());
        memory.save(&[context("tv/a", 1), context("tv/b", 1)]).unwrap();
        memory.save(&[context("tv/a", 2)]).unwrap();
        let loaded = memory.load().unwrap();
        assert_eq!(loaded, BTreeMap::from([("tv/a".parse().unwrap(), context("tv/a", 2).data)]));
        memory.forget().unwrap();
        memory.forget().unwrap();
        assert!(memory.load().unwrap().is_empty());
    }

    #[test]
    fn a_broken_line_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        memory.save(&[context("tv/a", 1)]).unwrap();
        let good = fs::read_to_string(&memory.path).unwrap();
        fs::write(&memory.path, format!("{{\"data\n\u{fffd}\n{good}{}", &good[..20])).unwrap();
        assert_eq!(memory.load().unwrap().len(), 1);
    }
}
