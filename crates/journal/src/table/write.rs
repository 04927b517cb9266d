use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{MAGIC, Place, TAIL_MARK, Table};
use crate::{
    TableError, folder,
    frame::{Frame, Kind},
};

/// A block is closed at this size: what is read to find one small record, and as many first keys in memory.
const BLOCK_BYTES: usize = 32 * 1024;

/// A table being written. It has its name only when it is whole and on the disk; dropping it unfinished leaves nothing.
#[derive(Debug)]
pub struct TableWriter {
    path: PathBuf,
    unfinished: PathBuf,
    file: File,
    frame: Frame,
    places: Vec<Place>,
    /// The key of the last record.
    last: Vec<u8>,
    written: u64,
    finished: bool,
}

impl TableWriter {
    /// Starts the table that will be at `path`. One writer a path.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(path: &Path) -> Result<Self, TableError> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".tmp");
        let unfinished = PathBuf::from(unfinished);
        let create = || {
            let mut file = File::create(&unfinished)?;
            file.write_all(&MAGIC)?;
            Ok::<_, io::Error>(file)
        };
        let file = create().map_err(TableError::io("create", &unfinished))?;
        Ok(Self {
            path: path.to_owned(),
            unfinished,
            file,
            frame: Frame::new(),
            places: Vec::new(),
            last: Vec::new(),
            written: MAGIC.len() as u64,
            finished: false,
        })
    }

    /// Adds a record. Keys come in rising order; several records of one key stay in the order they are added. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// When the key is smaller than the one before, or the disk refuses.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), TableError> {
        if key < &*self.last {
            return Err(TableError::Order { file: self.path.clone() });
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        if self.frame.is_empty() {
            self.places.push(Place { first: key.into(), offset: self.written });
        }
        // Keys and values are at most as long as a journal's records, below 4 GiB.
        self.frame.push_parts(&[&(key.len() as u32).to_le_bytes(), key, value]);
        if self.frame.len() >= BLOCK_BYTES { self.write(Kind::Records) } else { Ok(()) }
    }

    fn write(&mut self, kind: Kind) -> Result<(), TableError> {
        let bytes = self.frame.seal(kind, 0);
        self.file.write_all(bytes).map_err(TableError::io("write", &self.unfinished))?;
        self.written += bytes.len() as u64;
        self.frame.clear();
        Ok(())
    }

    /// How many bytes are written by now.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes the table whole and durable under its name, with a note of the owner's beside the records. Blocks on the
    /// disk.
    ///
    /// # Errors
    /// When the disk refuses; there is then no table.
    pub fn finish(mut self, note: &[u8]) -> Result<Table, TableError> {
        if !self.frame.is_empty() {
            self.write(Kind::Records)?;
        }
        let at = self.written;
        self.frame.push(note);
        for Place { first, offset } in &self.places {
            self.frame.push_parts(&[&offset.to_le_bytes(), first]);
        }
        self.write(Kind::Index)?;
        let offset = at.to_le_bytes();
        let tail = [&offset[..], &crc32fast::hash(&offset).to_le_bytes(), &TAIL_MARK].concat();
        let from = &self.unfinished;
        self.file.write_all(&tail).map_err(TableError::io("write", from))?;
        self.file.sync_all().map_err(TableError::io("sync", from))?;
        fs::rename(from, &self.path).map_err(TableError::io("rename", from))?;
        self.finished = true;
        let dir = self.path.parent().unwrap_or(Path::new("."));
        folder::sync(dir).map_err(TableError::io("sync", dir))?;
        Table::open(&self.path)
    }
}

impl Drop for TableWriter {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}
