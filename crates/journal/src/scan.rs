//! Reads one journal file frame by frame and says how it ends.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use crate::frame::{HEAD, Head, Kind, MAGIC};

/// How a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a whole frame, or an [`Kind::End`] frame.
    Whole {
        /// Whether the last frame says that the snapshot is complete.
        complete: bool,
    },
    /// With the part from `offset` that the writer had grown ahead and not used.
    Unused { offset: u64 },
    /// With bytes from `offset` that no acknowledged record depends on.
    Torn { offset: u64 },
    /// With damage at `offset` to bytes that were once known to be on the disk.
    Corrupt { offset: u64, what: &'static str },
}

/// A body handed to the reader, with the offset of its frame.
pub(crate) type Visit<'a, E> = dyn FnMut(u64, &[u8]) -> Result<(), E> + 'a;

/// Reads `file` from its start and hands each whole body to `visit`, until the end or the first bad frame.
///
/// A bad frame is *torn* when nothing after it says that it was ever safe: group commit writes a frame only after
/// the one before it is on the disk, and each frame says how much was. So if an intact frame further on knows bytes
/// beyond the bad one as synced, acknowledged records were damaged, and that is corruption, which is never cut.
pub(crate) fn scan<E: From<io::Error>>(file: &File, visit: &mut Visit<'_, E>) -> Result<End, E> {
    let total = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    let mut magic = Vec::with_capacity(MAGIC.len());
    reader.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic)?;
    if magic != MAGIC {
        // A crash right after creation leaves a short or zeroed start; a foreign file leaves anything else.
        let fresh = MAGIC.starts_with(&magic) || (magic.iter().all(|byte| *byte == 0) && total <= 4096);
        return Ok(if fresh {
            End::Torn { offset: 0 }
        } else {
            End::Corrupt { offset: 0, what: "this is not a journal file of a known version" }
        });
    }
    let mut offset = MAGIC.len() as u64;
    let mut head_bytes = [0; HEAD];
    let mut body = Vec::new();
    while offset < total {
        let left = total - offset;
        if left < HEAD as u64 {
            return Ok(judge(file, offset, "a cut-off frame header")?);
        }
        reader.read_exact(&mut head_bytes)?;
        let Some(head) = Head::parse(&head_bytes) else {
            return Ok(judge(file, offset, "a damaged frame header")?);
        };
        if head.length as u64 > left - HEAD as u64 {
            return Ok(judge(file, offset, "a cut-off frame")?);
        }
        body.resize(head.length, 0);
        reader.read_exact(&mut body)?;
        if !head.matches(&body) {
            return Ok(judge(file, offset, "a frame whose checksum does not match")?);
        }
        if head.kind == Kind::End {
            return Ok(End::Whole { complete: true });
        }
        visit(offset, &body)?;
        offset += (HEAD + head.length) as u64;
    }
    Ok(End::Whole { complete: false })
}

/// Torn or corrupt: looks for an intact frame after `bad` that knew `bad` as synced.
fn judge(mut file: &File, bad: u64, what: &'static str) -> io::Result<End> {
    file.seek(SeekFrom::Start(bad))?;
    let mut rest = Vec::new();
    file.read_to_end(&mut rest)?;
    if rest.iter().all(|byte| *byte == 0) {
        return Ok(End::Unused { offset: bad });
    }
    let knew = |at: usize| {
        let head = Head::parse(&rest[at..])?;
        let body = rest.get(at + HEAD..at + HEAD + head.length)?;
        (head.synced > bad && head.matches(body)).then_some(())
    };
    Ok(match (1..rest.len()).find_map(knew) {
        Some(()) => End::Corrupt { offset: bad, what },
        None => End::Torn { offset: bad },
    })
}
