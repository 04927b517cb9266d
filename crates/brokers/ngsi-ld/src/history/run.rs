//! The files of the past: sorted runs of changes, entity by entity; the oldest has whole pasts.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use minicbor::{Decode, Encode};
use morgana_journal::{Table, TableError};

use crate::{OpenError, model::Timestamp};

/// How much larger than all that came after it a file may be and still be merged with it.
const MERGE_RATIO: u64 = 2;

/// A file with the changes of some time: the runs from `first` to `last`.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) table: Table,
    pub(super) note: Note,
}

/// What a file says of itself.
#[derive(Debug, Clone, Copy, Default, Encode, Decode)]
pub(super) struct Note {
    /// When the oldest that is in it was written.
    #[n(0)]
    pub(super) oldest: Option<Timestamp>,
}

/// The file of these runs.
pub(super) fn path(dir: &Path, first: u64, last: u64) -> PathBuf {
    dir.join(format!("run-{first:08x}-{last:08x}"))
}

fn numbers_of(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name.strip_prefix("run-")?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    number(first).zip(number(last)).filter(|(first, last)| first <= last)
}

impl Note {
    pub(super) fn encoded(self) -> Vec<u8> {
        // Writing to a vector cannot fail.
        minicbor::to_vec(self).unwrap_or_default()
    }
}

impl Run {
    pub(super) fn new(first: u64, last: u64, table: Table) -> Result<Self, TableError> {
        let note = minicbor::decode(table.note()).map_err(|_| TableError::Corrupt {
            file: table.path().to_owned(),
            offset: table.size(),
            what: "the note of a file of the past cannot be read",
        })?;
        Ok(Self { first, last, table, note })
    }

    /// Opens the files with all runs below `runs`, oldest first, and removes those that a crash left behind.
    pub(super) fn open_all(dir: &Path, runs: u64) -> Result<Vec<Self>, OpenError> {
        let refused = |error| OpenError::Folder(dir.to_owned(), error);
        let mut known: Vec<(u64, u64)> = Vec::new();
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(refused(error)),
        };
        for entry in entries {
            let name = entry.map_err(refused)?.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with("run-")) else { continue };
            match numbers_of(name) {
                // The journal still has what is in it.
                Some((_, last)) if last >= runs => remove(&dir.join(name)),
                Some(found) => known.push(found),
                None if name.ends_with(".tmp") => remove(&dir.join(name)),
                None => {
                    tracing::warn!(file = %dir.join(name).display(), "this is no file of the past; it is left alone")
                }
            }
        }
        // Of those that begin alike the longest comes first: it was merged from what the others have.
        known.sort_unstable_by_key(|(first, last)| (*first, std::cmp::Reverse(*last)));
        let mut files: Vec<Self> = Vec::new();
        let mut next = 0;
        for (first, last) in known {
            let file = path(dir, first, last);
            if last < next {
                remove(&file);
            } else if first == next {
                files.push(Self::new(first, last, Table::open(&file)?)?);
                next = last + 1;
            } else {
                return Err(OpenError::RunMissing { file: path(dir, next, next) });
            }
        }
        if next < runs { Err(OpenError::RunMissing { file: path(dir, next, next) }) } else { Ok(files) }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(file = %path.display(), %error, "cannot remove a superfluous file of the past");
    }
}

/// From which file on files are merged into one, given their sizes, oldest first; `None` when none are. So each is more
/// than twice as large as all after it: there are few files, and each change is written few times.
pub(super) fn merge_from(sizes: &[u64]) -> Option<usize> {
    let (mut from, mut sum) = (sizes.len().checked_sub(1)?, *sizes.last()?);
    while from > 0 && sizes[from - 1] <= sum * MERGE_RATIO {
        from -= 1;
        sum += sizes[from];
    }
    (from + 1 < sizes.len()).then_some(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_few_and_changes_are_written_few_times() {
        let (mut sizes, mut written) = (Vec::new(), 0);
        for count in 1..=4096 {
            sizes.push(1_u64);
            written += 1;
            if let Some(from) = merge_from(&sizes) {
                let merged = sizes.drain(from..).sum();
                written += merged;
                sizes.push(merged);
            }
            assert!(sizes.len() <= 13, "{sizes:?} after {count}");
        }
        assert_eq!(sizes.iter().sum::<u64>(), 4096);
        assert!(written < 4096 * 20, "{written}");
    }

    #[test]
    fn a_small_base_takes_every_change_at_once() {
        assert_eq!(merge_from(&[3, 1000]), Some(0));
        assert_eq!(merge_from(&[1000]), None);
        assert_eq!(merge_from(&[]), None);
    }

    #[test]
    fn names_say_which_runs_a_file_has() {
        let path = path(Path::new("d"), 3, 0x1234);
        assert_eq!(numbers_of(path.file_name().unwrap().to_str().unwrap()), Some((3, 0x1234)));
        for bad in ["run-2-1", "run-1", "run-x-2", "log-1-2"] {
            assert_eq!(numbers_of(bad), None, "{bad}");
        }
    }
}
