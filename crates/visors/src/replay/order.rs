//! The rows of a file in the order of their time, whatever their order in the file. Only time and
//! place of each row are kept; beyond a bound they are sorted in runs on disk and merged while they are
//! played, so that memory stays flat.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::rows::Place;

/// Rows in one run, which is sorted in memory (1.5 MB).
const RUN_ROWS: usize = 64 * 1024;
/// Rows read at once from each run while merging.
const READ_ROWS: usize = 128;
const ENTRY_BYTES: usize = 24;

/// Time and place of a row. Rows of the same time keep their order in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Milliseconds since 1970.
    pub(super) at_ms: i64,
    /// Where it begins.
    pub(super) place: Place,
}

impl Entry {
    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.at_ms.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.place.line.to_le_bytes());
        bytes[16..].copy_from_slice(&self.place.offset.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let word = |at: usize| std::array::from_fn(|n| bytes[at + n]);
        Self {
            at_ms: i64::from_le_bytes(word(0)),
            place: Place { line: u64::from_le_bytes(word(8)), offset: u64::from_le_bytes(word(16)) },
        }
    }
}

/// Takes rows in the order of the file.
pub(super) struct Sorter {
    run_rows: usize,
    run: Vec<Entry>,
    disk: Option<File>,
    /// Rows of each run on disk.
    runs: Vec<u64>,
    rows: u64,
    last: i64,
    in_order: bool,
}

impl Sorter {
    pub(super) fn new() -> Self {
        Self::with_runs_of(RUN_ROWS)
    }

    fn with_runs_of(run_rows: usize) -> Self {
        Self {
            run_rows,
            run: Vec::new(),
            disk: None,
            runs: Vec::new(),
            rows: 0,
            last: i64::MIN,
            in_order: true,
        }
    }

    /// Takes the next row. Runs go to a file in `folder` that nobody else sees.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn push(&mut self, entry: Entry, folder: &Path) -> io::Result<()> {
        self.in_order &= entry.at_ms >= self.last;
        self.last = entry.at_ms;
        self.rows += 1;
        self.run.push(entry);
        if self.run.len() == self.run_rows { self.spill(folder) } else { Ok(()) }
    }

    fn spill(&mut self, folder: &Path) -> io::Result<()> {
        self.run.sort_unstable();
        let mut disk = match self.disk.take() {
            Some(disk) => disk,
            None => anonymous_file(folder)?,
        };
        let bytes: Vec<u8> = self.run.iter().flat_map(|entry| entry.to_bytes()).collect();
        disk.write_all(&bytes)?;
        self.disk = Some(disk);
        self.runs.push(self.run.len() as u64);
        self.run.clear();
        Ok(())
    }

    /// The order that was found.
    pub(super) fn finish(mut self) -> Order {
        self.run.sort_unstable();
        Order { memory: self.run, disk: self.disk, runs: self.runs, rows: self.rows, in_order: self.in_order }
    }
}

/// A file that is gone when it is closed, however the process ends.
fn anonymous_file(folder: &Path) -> io::Result<File> {
    let path = folder.join("replay-order.tmp");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// The order of the rows; it can be gone through many times.
pub(super) struct Order {
    memory: Vec<Entry>,
    disk: Option<File>,
    runs: Vec<u64>,
    rows: u64,
    in_order: bool,
}

impl Order {
    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether the file has them in this order already.
    pub(super) fn is_files_own(&self) -> bool {
        self.in_order
    }

    /// Goes through the rows in their order.
    pub(super) fn walk(&self) -> Walk<'_> {
        let mut from = 0;
        let mut sources: Vec<Run<'_>> = Vec::with_capacity(self.runs.len());
        for rows in &self.runs {
            sources.push(Run {
                disk: self.disk.as_ref(),
                next: from,
                end: from + rows,
                read: VecDeque::new(),
            });
            from += rows;
        }
        let memory = self.memory.iter().copied();
        Walk { memory, runs: sources, heads: BinaryHeap::new(), started: false }
    }
}

/// One sorted run on disk.
struct Run<'a> {
    disk: Option<&'a File>,
    next: u64,
    end: u64,
    read: VecDeque<Entry>,
}

impl Run<'_> {
    fn next(&mut self) -> io::Result<Option<Entry>> {
        if let (true, Some(disk)) = (self.read.is_empty(), self.disk) {
            let rows = ((self.end - self.next) as usize).min(READ_ROWS);
            let mut bytes = vec![0; rows * ENTRY_BYTES];
            disk.read_exact_at(&mut bytes, self.next * ENTRY_BYTES as u64)?;
            self.read.extend(bytes.chunks_exact(ENTRY_BYTES).map(Entry::from_bytes));
            self.next += rows as u64;
        }
        Ok(self.read.pop_front())
    }
}

/// A walk through the order: all runs merged.
pub(super) struct Walk<'a> {
    memory: std::iter::Copied<std::slice::Iter<'a, Entry>>,
    runs: Vec<Run<'a>>,
    /// The next row of each source, the earliest on top. The source after the last run is memory.
    heads: BinaryHeap<Reverse<(Entry, usize)>>,
    started: bool,
}

impl Walk<'_> {
    /// The next row.
    ///
    /// # Errors
    /// When the runs cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        if !self.started {
            self.started = true;
            for source in 0..=self.runs.len() {
                self.refill(source)?;
            }
        }
        let Some(Reverse((entry, source))) = self.heads.pop() else { return Ok(None) };
        self.refill(source)?;
        Ok(Some(entry))
    }

    fn refill(&mut self, source: usize) -> io::Result<()> {
        let next = match self.runs.get_mut(source) {
            Some(run) => run.next()?,
            None => self.memory.next(),
        };
        self.heads.extend(next.map(|entry| Reverse((entry, source))));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_walk_is_a_stable_sort_in_memory_and_on_disk(times in prop::collection::vec(-5i64..5, 0..400), run_rows in 1usize..100) {
            let folder = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::with_runs_of(run_rows);
            let mut entries = Vec::new();
            for (line, at_ms) in times.iter().enumerate() {
                let entry = Entry { at_ms: *at_ms, place: Place { line: line as u64, offset: 7 * line as u64 } };
                entries.push(entry);
                sorter.push(entry, folder.path()).unwrap();
            }
            let order = sorter.finish();
            prop_assert_eq!(order.rows(), times.len() as u64);
            prop_assert_eq!(order.is_files_own(), times.is_sorted());
            entries.sort_by_key(|entry| entry.at_ms);
            for _ in 0..2 {
                let mut walk = order.walk();
                let mut walked = Vec::new();
                while let Some(entry) = walk.next().unwrap() {
                    walked.push(entry);
                }
                prop_assert_eq!(&walked, &entries);
            }
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
