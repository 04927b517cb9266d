use std::{
    fs::{self, File},
    io::{self, Write},
    sync::Arc,
};

use crate::{
    SnapshotError, Ticket, folder,
    frame::{Frame, Kind, MAGIC},
    writer::{Shared, frame_is_full},
};

/// A snapshot being written. Dropping it unfinished leaves the journal as it was.
#[derive(Debug)]
pub struct Snapshot {
    shared: Arc<Shared>,
    number: u64,
    rotated: Option<Ticket>,
    file: File,
    frame: Frame,
    written: u64,
    finished: bool,
}

impl Snapshot {
    pub(crate) fn create(shared: Arc<Shared>, number: u64, rotated: Ticket) -> Result<Self, SnapshotError> {
        let path = folder::unfinished(&shared.options.dir);
        let create = || {
            let mut file = File::create(&path)?;
            file.write_all(&MAGIC)?;
            Ok::<_, io::Error>(file)
        };
        match create() {
            Ok(file) => Ok(Self {
                shared,
                number,
                rotated: Some(rotated),
                file,
                frame: Frame::new(),
                written: MAGIC.len() as u64,
                finished: false,
            }),
            Err(error) => {
                shared.snapshot.inner.lock().running = false;
                Err(SnapshotError::io("create", path)(error))
            }
        }
    }

    /// Adds one record of the owner's state. Blocks on the disk, so call it on a blocking thread.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn push(&mut self, record: &[u8]) -> Result<(), SnapshotError> {
        self.frame.push(record);
        if frame_is_full(&self.frame) { self.write(Kind::Records) } else { Ok(()) }
    }

    fn write(&mut self, kind: Kind) -> Result<(), SnapshotError> {
        let bytes = self.frame.seal(kind, self.written);
        let path = || folder::unfinished(&self.shared.options.dir);
        self.file.write_all(bytes).map_err(|error| SnapshotError::io("write", path())(error))?;
        self.written += bytes.len() as u64;
        self.frame.clear();
        Ok(())
    }

    /// Makes the snapshot the one that recovery starts from, and removes the log segments that it replaces. Returns
    /// its size in bytes. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses; the log then still has everything.
    pub async fn finish(mut self) -> Result<u64, SnapshotError> {
        // The log must really go on in the new segment before the old ones go.
        if let Some(rotated) = self.rotated.take() {
            rotated.durable().await?;
        }
        if !self.frame.is_empty() {
            self.write(Kind::Records)?;
        }
        self.write(Kind::End)?;
        let dir = self.shared.options.dir.clone();
        let (from, to) = (folder::unfinished(&dir), folder::snapshot(&dir, self.number));
        self.file.sync_all().map_err(SnapshotError::io("sync", &from))?;
        fs::rename(&from, &to).map_err(SnapshotError::io("rename", &from))?;
        folder::sync(&dir).map_err(SnapshotError::io("sync", &dir))?;
        self.finished = true;
        folder::remove_older_than(&dir, self.number);
        let mut counts = self.shared.snapshot.inner.lock();
        counts.snapshot_bytes = self.written;
        // What was appended since the rotation is in the new segment and still counts.
        counts.log_bytes = fs::metadata(folder::log(&dir, self.number)).map_or(0, |meta| meta.len());
        Ok(self.written)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(folder::unfinished(&self.shared.options.dir));
        }
        self.shared.snapshot.inner.lock().running = false;
    }
}
