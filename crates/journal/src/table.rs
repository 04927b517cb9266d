//! A table: a file of records in the order of their keys, written once and never changed. What a journal's owner no
//! longer wants in memory goes there; it is read record by record, with only the first key of each block in memory.
//!
//! ```text
//! file  = magic (8 bytes) block* index tail
//! block = a frame of records, each: key length u32 | key | value     (frames as in a journal, crate::frame)
//! index = a frame of records: the owner's note, then for each block: offset u64 | first key
//! tail  = offset of the index u64 | crc32 of these 8 bytes u32 | "TAIL"     (little endian)
//! ```

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

mod cursor;
mod write;

pub use self::{
    cursor::{Cursor, Group},
    write::TableWriter,
};

use crate::{
    TableError,
    frame::{self, HEAD, Head, Kind},
};

/// Starts every table; the last byte is the version of the format.
const MAGIC: [u8; 8] = *b"MORGTBL\x01";
/// Bytes after the index.
const TAIL: usize = 16;
/// Ends every table.
const TAIL_MARK: [u8; 4] = *b"TAIL";

/// A block of a table: its first key and where it is.
#[derive(Debug)]
struct Place {
    first: Box<[u8]>,
    offset: u64,
}

/// An open table. Reads are positioned, so any number of threads may read at once; they block on the disk. A table whose
/// file is removed can be read as long as it is open.
#[derive(Debug)]
pub struct Table {
    file: File,
    path: PathBuf,
    note: Box<[u8]>,
    places: Vec<Place>,
    /// Where the last block ends and the index begins.
    end: u64,
    size: u64,
}

/// A key and a value.
type Record = (Box<[u8]>, Box<[u8]>);

impl Table {
    /// Opens a table and reads its index. Blocks are checked when they are read.
    ///
    /// # Errors
    /// When the file cannot be read, is not a whole table, or its index is damaged.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let file = File::open(path).map_err(TableError::io("open", path))?;
        let size = file.metadata().map_err(TableError::io("open", path))?.len();
        let corrupt = |offset, what| TableError::Corrupt { file: path.to_owned(), offset, what };
        if size < (MAGIC.len() + HEAD + TAIL) as u64 {
            return Err(corrupt(0, "the file is too short for a table"));
        }
        let read = |bytes: &mut [u8], offset| {
            file.read_exact_at(bytes, offset).map_err(TableError::io("read", path))
        };
        let mut magic = [0; MAGIC.len()];
        read(&mut magic, 0)?;
        if magic != MAGIC {
            return Err(corrupt(0, "this is not a table of a known version"));
        }
        let mut tail = [0; TAIL];
        let end = size - TAIL as u64;
        read(&mut tail, end)?;
        let (at, rest) = tail.split_at(8);
        let crc = crc32fast::hash(at).to_le_bytes();
        if rest[..4] != crc || rest[4..] != TAIL_MARK {
            return Err(corrupt(end, "the end of the table is damaged or cut off"));
        }
        let at = at.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let mut index =
            vec![0; end.checked_sub(at).ok_or_else(|| corrupt(end, "the index is beyond the end"))? as usize];
        read(&mut index, at)?;
        let body = body(&index, Kind::Index).map_err(|what| corrupt(at, what))?;
        let mut note = None;
        let mut places = Vec::new();
        for record in frame::records(body) {
            let record = record.ok_or_else(|| corrupt(at, "an index whose records do not fit it"))?;
            if note.is_none() {
                note = Some(Box::from(record));
                continue;
            }
            let (offset, first) =
                record.split_at_checked(8).ok_or_else(|| corrupt(at, "an index with too short a record"))?;
            let offset = offset.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
            places.push(Place { first: first.into(), offset });
        }
        let in_order =
            places.windows(2).all(|two| two[0].offset < two[1].offset && two[0].first <= two[1].first);
        if !in_order || places.last().is_some_and(|last| last.offset >= at) {
            return Err(corrupt(at, "an index that is not in order"));
        }
        let note = note.ok_or_else(|| corrupt(at, "an index without a note"))?;
        Ok(Self { file, path: path.to_owned(), note, places, end: at, size })
    }

    /// What the owner wrote beside the records.
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where the file is, or was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The values with this key, in the order they were written.
    ///
    /// # Errors
    /// When the disk refuses or a block is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Vec<Box<[u8]>>, TableError> {
        let mut found = Vec::new();
        // The block before the first one that starts with the key may end with it.
        let start = self.places.partition_point(|place| *place.first < *key).saturating_sub(1);
        for place in start..self.places.len() {
            if *self.places[place].first > *key {
                break;
            }
            self.each(place, |known, value| {
                if known == key {
                    found.push(value.into());
                }
            })?;
        }
        Ok(found)
    }

    /// Visits the records of a block.
    fn each(&self, place: usize, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), TableError> {
        let offset = self.places[place].offset;
        let end = self.places.get(place + 1).map_or(self.end, |next| next.offset);
        let corrupt = |what| TableError::Corrupt { file: self.path.clone(), offset, what };
        // The index is in order and within the file, as it was checked when the table was opened.
        let mut bytes = vec![0; (end - offset) as usize];
        self.file.read_exact_at(&mut bytes, offset).map_err(TableError::io("read", &self.path))?;
        for record in frame::records(body(&bytes, Kind::Records).map_err(corrupt)?) {
            let split = record.and_then(|record| {
                let (length, rest) = record.split_first_chunk::<4>()?;
                rest.split_at_checked(u32::from_le_bytes(*length) as usize)
            });
            let (key, value) = split.ok_or_else(|| corrupt("a block whose records do not fit it"))?;
            visit(key, value);
        }
        Ok(())
    }

    fn records(&self, place: usize) -> Result<Vec<Record>, TableError> {
        let mut records = Vec::new();
        self.each(place, |key, value| records.push((key.into(), value.into())))?;
        Ok(records)
    }

    /// Removes the file. Who has the table open reads on.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(&self) -> Result<(), TableError> {
        fs::remove_file(&self.path).map_err(TableError::io("remove", &self.path))
    }
}

/// The body of the one frame that `bytes` are.
fn body(bytes: &[u8], kind: Kind) -> Result<&[u8], &'static str> {
    let head = Head::parse(bytes).ok_or("a damaged block header")?;
    if head.kind != kind {
        return Err("a block of another kind than expected");
    }
    let body = &bytes[HEAD..];
    if head.matches(body) { Ok(body) } else { Err("a block whose checksum does not match") }
}
