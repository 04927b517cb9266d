use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;
use tokio::time::Instant;

use crate::Log;

/// What a workload may print in a second before it has to wait, in bytes: enough for any honest
/// program, and too little to keep the agent or the disk busy.
const BYTES_PER_SECOND: usize = 1024 * 1024;

/// Copies what comes out of the pipe to the log, until nobody holds the other end.
pub(super) async fn copy(pipe: PipeReader, log: Arc<Log>) -> io::Result<()> {
    let pipe = Receiver::from_owned_fd(OwnedFd::from(pipe))?;
    let mut second = Instant::now();
    let mut printed = 0;
    loop {
        pipe.readable().await?;
        match read_some(&pipe, &log) {
            Ok(0) => return Ok(()),
            Ok(length) => printed += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        if printed >= BYTES_PER_SECOND {
            tokio::time::sleep_until(second + Duration::from_secs(1)).await;
            (second, printed) = (Instant::now(), 0);
        } else if second.elapsed() >= Duration::from_secs(1) {
            (second, printed) = (Instant::now(), 0);
        }
    }
}

/// The buffer lives here and not in the future, so that a quiet workload costs no memory.
fn read_some(pipe: &Receiver, log: &Log) -> io::Result<usize> {
    let mut buffer = [0; 16 * 1024];
    let length = pipe.try_read(&mut buffer)?;
    if let Err(error) = log.append(&buffer[..length]) {
        tracing::warn!(%error, "could not write to the log of a workload");
    }
    Ok(length)
}
