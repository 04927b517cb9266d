//! What a silo knows for sure: which vThings are connected to it, and which entities each gave it.
//!
//! It is in memory, and in a journal that survives a kill. A flavour keeps one text an entity in
//! it: whatever it needs to show the entity again, or to erase it. What the journal has not yet
//! written when a machine loses power comes back with the next context that the silo asks for.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use minicbor::{Decode, Encode};
use morgana_journal::{
    AppendError, Durability, Journal, OpenError, Options, Snapshot, SnapshotError, Ticket,
};
use morgana_model::{Entity, VThingId};

/// Bytes of log after which a snapshot replaces it: small, because a silo reads it all at a start.
const SNAPSHOT_AFTER_BYTES: u64 = 8 * 1024 * 1024;

/// How many entities are kept as they were read, besides as text.
const PARSED_MOST: usize = 32;
/// The longest text of one of those, in bytes.
const PARSED_BYTES: usize = 16 * 1024;

/// One change, absolute, as the journal asks.
#[derive(Debug, Encode, Decode)]
enum Record<'a> {
    #[n(0)]
    Connect(#[b(0)] &'a str),
    /// Everything of the vThing goes with it.
    #[n(1)]
    Disconnect(#[b(0)] &'a str),
    #[n(2)]
    Set {
        #[b(0)]
        v_thing: &'a str,
        #[b(1)]
        entity: &'a str,
        #[b(2)]
        text: &'a str,
    },
}

type Entities = BTreeMap<Arc<str>, Arc<str>>;

/// A vThing, and the id of an entity of it.
type Key = (VThingId, String);

/// The ledger of one silo.
#[derive(Debug)]
pub(crate) struct Ledger {
    v_things: BTreeMap<VThingId, Entities>,
    /// Entities of one kind often have the same text; then they share it.
    last_text: Arc<str>,
    journal: Journal,
    /// Entities that changed lately, as they are in their texts, so that those need not be read again.
    parsed: HashMap<Key, Entity>,
    /// Entities that [`Self::merge`] changed and the journal does not have yet.
    merged: Vec<Key>,
    /// The disk refused: the silo goes on in memory, and says so once.
    read_only: bool,
}

impl Ledger {
    /// Reads what the last run left in a folder. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be used, or what is in it is damaged.
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        let options = Options {
            dir: dir.to_owned(),
            durability: Durability::Interval,
            snapshot_after_bytes: SNAPSHOT_AFTER_BYTES,
            ..Options::default()
        };
        let mut v_things = BTreeMap::new();
        let mut last_text: Arc<str> = "".into();
        let (journal, _) = Journal::open(options, |_, bytes| {
            let record = minicbor::decode(bytes)?;
            replay(&mut v_things, &mut last_text, &record)
        })?;
        Ok(Self {
            v_things,
            last_text,
            journal,
            parsed: HashMap::new(),
            merged: Vec::new(),
            read_only: false,
        })
    }

    /// The vThings that are connected.
    pub(crate) fn v_things(&self) -> impl Iterator<Item = &VThingId> {
        self.v_things.keys()
    }

    /// The entities that a vThing gave, each with its text.
    pub(crate) fn entities(&self, v_thing: &VThingId) -> impl Iterator<Item = (&str, &str)> {
        self.v_things.get(v_thing).into_iter().flatten().map(|(id, text)| (&**id, &**text))
    }

    /// The text of an entity, if the vThing gave one.
    pub(crate) fn get(&self, v_thing: &VThingId, entity: &str) -> Option<&str> {
        self.v_things.get(v_thing)?.get(entity).map(|text| &**text)
    }

    /// Remembers a vThing.
    pub(crate) fn connect(&mut self, v_thing: &VThingId) {
        if !self.v_things.contains_key(v_thing) {
            self.v_things.insert(v_thing.clone(), Entities::new());
            self.append(&Record::Connect(v_thing.as_str()), Journal::append);
        }
    }

    /// Forgets a vThing and its entities.
    pub(crate) fn disconnect(&mut self, v_thing: &VThingId) {
        self.parsed.retain(|(of, _), _| of != v_thing);
        self.merged.retain(|(of, _)| of != v_thing);
        if self.v_things.remove(v_thing).is_some() {
            self.append(&Record::Disconnect(v_thing.as_str()), Journal::append);
        }
    }

    /// Remembers the text of an entity. The ticket tells when it survives a kill; there is none
    /// while the disk refuses.
    pub(crate) fn set(&mut self, v_thing: &VThingId, entity: &str, text: &str) -> Option<Ticket> {
        self.put(v_thing, entity, text);
        let ticket = self.append(&Record::Set { v_thing: v_thing.as_str(), entity, text }, Journal::append);
        self.snapshot_when_due();
        ticket
    }

    /// Remembers the text of an entity in memory.
    fn put(&mut self, v_thing: &VThingId, entity: &str, text: &str) {
        let text = share(&mut self.last_text, text);
        let entities = match self.v_things.get_mut(v_thing) {
            Some(entities) => entities,
            None => self.v_things.entry(v_thing.clone()).or_default(),
        };
        match entities.get_mut(entity) {
            Some(old) => *old = text,
            None => drop(entities.insert(entity.into(), text)),
        }
    }

    /// Merges what came into the entity that is the text, and remembers it. Gives the whole text, and whether it is
    /// another one than before. All texts of such a ledger are entities. The journal has it after [`Self::write_now`]:
    /// call that after the last of those that come together.
    pub(crate) fn merge(&mut self, v_thing: &VThingId, newer: Entity) -> (String, bool) {
        let key = (v_thing.clone(), newer.id().to_owned());
        let known = self.parsed.remove(&key);
        let read = || self.get(v_thing, &key.1).and_then(|text| serde_json::from_str::<Entity>(text).ok());
        let whole = match known.or_else(read) {
            Some(mut whole) => {
                whole.merge(newer);
                whole
            }
            None => newer,
        };
        // Writing a JSON value into memory does not fail.
        let text = serde_json::to_string(&whole).unwrap_or_default();
        let changed = self.get(v_thing, &key.1) != Some(text.as_str());
        if changed {
            self.put(v_thing, &key.1, &text);
            if self.merged.last() != Some(&key) {
                self.merged.push(key.clone());
            }
        }
        if self.parsed.len() >= PARSED_MOST {
            self.parsed.clear();
        }
        if text.len() <= PARSED_BYTES {
            self.parsed.insert(key, whole);
        }
        (text, changed)
    }

    /// Has the disk written to with all that was merged: each entity once, as it is now, however often it changed.
    pub(crate) fn write_now(&mut self) {
        let mut merged = std::mem::take(&mut self.merged);
        merged.sort_unstable();
        merged.dedup();
        for (v_thing, entity) in &merged {
            let Some(text) = self.v_things.get(v_thing).and_then(|entities| entities.get(entity.as_str()))
            else {
                continue;
            };
            let (v_thing, text) = (v_thing.as_str(), Arc::clone(text));
            self.append(&Record::Set { v_thing, entity, text: &text }, Journal::append_quietly);
        }
        self.journal.write_now();
        // The list keeps its room for the next ones.
        merged.clear();
        self.merged = merged;
        self.snapshot_when_due();
    }

    fn append(
        &mut self,
        record: &Record<'_>,
        how: fn(&Journal, &[u8]) -> Result<Ticket, AppendError>,
    ) -> Option<Ticket> {
        let appended = how(&self.journal, &encode(record));
        if let Err(error) = &appended
            && !self.read_only
        {
            self.read_only = matches!(error, AppendError::ReadOnly { .. });
            tracing::error!(%error, "the silo goes on, but a restart will not know what changes from now on");
        }
        appended.ok()
    }

    /// Starts a snapshot if the log has grown enough. It is written beside the silo's work.
    fn snapshot_when_due(&self) {
        if self.journal.snapshot_due().now_or_never().is_none() {
            return;
        }
        let state = self.v_things.clone();
        match self.journal.begin_snapshot() {
            Ok(snapshot) => drop(tokio::task::spawn_blocking(move || {
                let written = write(snapshot, &state);
                if let Err(error) = written {
                    tracing::warn!(%error, "no snapshot of the silo's ledger; its log grows on");
                }
            })),
            Err(error) => tracing::warn!(%error, "no snapshot of the silo's ledger; its log grows on"),
        }
    }
}

fn write(mut snapshot: Snapshot, state: &BTreeMap<VThingId, Entities>) -> Result<(), SnapshotError> {
    for (v_thing, entities) in state {
        let v_thing = v_thing.as_str();
        snapshot.push(&encode(&Record::Connect(v_thing)))?;
        for (entity, text) in entities {
            snapshot.push(&encode(&Record::Set { v_thing, entity, text }))?;
        }
    }
    tokio::runtime::Handle::current().block_on(snapshot.finish()).map(drop)
}

fn replay(
    v_things: &mut BTreeMap<VThingId, Entities>,
    last_text: &mut Arc<str>,
    record: &Record<'_>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match record {
        Record::Connect(v_thing) => drop(v_things.entry(v_thing.parse()?).or_default()),
        Record::Disconnect(v_thing) => drop(v_things.remove(&v_thing.parse()?)),
        Record::Set { v_thing, entity, text } => {
            let text = share(last_text, text);
            v_things.entry(v_thing.parse()?).or_default().insert((*entity).into(), text);
        }
    }
    Ok(())
}

fn share(last: &mut Arc<str>, text: &str) -> Arc<str> {
    if **last != *text {
        *last = text.into();
    }
    Arc::clone(last)
}

fn encode(record: &Record<'_>) -> Vec<u8> {
    match minicbor::to_vec(record) {
        Ok(bytes) => bytes,
        Err(error) => {
            let never: minicbor::encode::Error<Infallible> = error;
            unreachable!("writing to memory does not fail: {never}")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn everything(ledger: &Ledger) -> Vec<(String, String, String)> {
        let of = |v_thing| {
            let row = move |(id, text): (&str, &str)| (format!("{v_thing}"), id.to_owned(), text.to_owned());
            ledger.entities(v_thing).map(row)
        };
        ledger.v_things().flat_map(of).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_ledger_is_the_same_after_a_restart(
            steps in prop::collection::vec((0usize..3, 0usize..3, "[a-c]", ".{0,5}"), 0..40),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let v_things = ["tv/a", "tv/b", "tv/c"].map(|text| text.parse::<VThingId>().unwrap());
            let mut ledger = Ledger::open(dir.path()).unwrap();
            for (step, v_thing, entity, text) in &steps {
                match step {
                    0 => ledger.connect(&v_things[*v_thing]),
                    1 => ledger.disconnect(&v_things[*v_thing]),
                    _ => drop(ledger.set(&v_things[*v_thing], entity, text)),
                }
            }
            let before = (ledger.v_things().cloned().collect::<Vec<_>>(), everything(&ledger));
            drop(ledger);
            let ledger = Ledger::open(dir.path()).unwrap();
            prop_assert_eq!((ledger.v_things().cloned().collect::<Vec<_>>(), everything(&ledger)), before);
        }
    }

    #[test]
    fn what_was_merged_together_is_written_once_as_it_is_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let v_thing: VThingId = "tv/a".parse().unwrap();
        let entity = |id: &str, value: usize| -> Entity {
            let text = format!(r#"{{"id":"{id}","type":"T","v":{{"type":"Property","value":{value}}}}}"#);
            serde_json::from_str(&text).unwrap()
        };
        let mut ledger = Ledger::open(dir.path()).unwrap();
        for value in 0..100 {
            assert!(ledger.merge(&v_thing, entity("urn:e:1", value)).1, "each is another one than before");
            assert!(ledger.merge(&v_thing, entity("urn:e:2", value / 50)).1 == (value % 50 == 0));
        }
        ledger.write_now();
        let before = everything(&ledger);
        drop(ledger);
        let options = Options { dir: dir.path().to_owned(), ..Options::default() };
        let mut records = 0;
        let count = |_, _: &[u8]| {
            records += 1;
            Ok::<_, Infallible>(())
        };
        drop(Journal::open(options, count).unwrap());
        assert_eq!(records, 2);
        let ledger = Ledger::open(dir.path()).unwrap();
        assert_eq!(everything(&ledger), before);
        assert!(before[0].2.contains(r#""value":99"#), "{before:?}");
    }

    #[tokio::test]
    async fn a_long_log_is_replaced_by_a_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        let v_thing: VThingId = "tv/a".parse().unwrap();
        let mut ledger = Ledger::open(dir.path()).unwrap();
        let size = || -> u64 {
            let files = std::fs::read_dir(dir.path()).unwrap();
            files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum()
        };
        let text = "x".repeat(1_000_000);
        let mut written = 0;
        // Each round the log grows by a megabyte; without a snapshot it would have all of them.
        while written < 40 {
            ledger.set(&v_thing, "urn:e", &text).unwrap().durable().await.unwrap();
            written += 1;
            tokio::task::yield_now().await;
        }
        drop(ledger);
        assert!(size() < 30_000_000, "{} bytes after {written} MB", size());
        let ledger = Ledger::open(dir.path()).unwrap();
        assert_eq!(everything(&ledger), [("tv/a".to_owned(), "urn:e".to_owned(), text)]);
    }
}
