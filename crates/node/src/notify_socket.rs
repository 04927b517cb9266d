use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use morgana_workload::Notification;
use tokio::net::UnixDatagram;

use crate::Error;

/// Longest path of a unix socket, in bytes (unix(7): 108 with the zero at the end).
const MAX_PATH: usize = 107;
/// Longest name of a socket in the folder: `/` and the digits of a 64-bit number.
const MAX_NAME: usize = 21;

/// The folder of the sockets that workloads tell through. It is ours alone (mode 0700).
#[derive(Debug)]
pub(crate) struct SocketFolder {
    path: PathBuf,
    /// The folder was made for this, and goes with it.
    _temporary: Option<tempfile::TempDir>,
}

impl SocketFolder {
    /// `wanted`, when paths in it are not too long for a socket; else a temporary folder.
    pub(crate) fn new(wanted: PathBuf) -> Result<Self, Error> {
        if wanted.as_os_str().as_bytes().len() + MAX_NAME <= MAX_PATH {
            // Sockets of an agent that was killed.
            if wanted.exists() {
                std::fs::remove_dir_all(&wanted).map_err(Error::file("empty the folder", &wanted))?;
            }
            crate::folders::create(&wanted)?;
            return Ok(Self { path: wanted, _temporary: None });
        }
        let made = tempfile::Builder::new().prefix("morgana-").tempdir();
        let temporary = made.map_err(Error::file("create a folder in", std::env::temp_dir()))?;
        Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) })
    }

    /// The path of the socket for an incarnation. No two workloads and no two starts share one: a
    /// workload cannot speak for another, nor for the one before it.
    pub(crate) fn socket(&self, number: u64) -> PathBuf {
        self.path.join(number.to_string())
    }
}

/// The socket of one incarnation of a workload; it is removed when dropped.
#[derive(Debug)]
pub(crate) struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl NotifySocket {
    pub(crate) fn bind(path: PathBuf) -> io::Result<Self> {
        Ok(Self { socket: UnixDatagram::bind(&path)?, path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next notification.
    pub(crate) async fn next(&self) -> Notification {
        loop {
            if self.socket.readable().await.is_err() {
                return std::future::pending().await;
            }
            if let Some(notification) = self.read() {
                return notification;
            }
        }
    }

    /// The buffer lives here and not in the future, so that waiting costs no memory.
    fn read(&self) -> Option<Notification> {
        let mut buffer = [0; 4 * 1024];
        let length = self.socket.try_recv(&mut buffer).ok()?;
        Some(Notification::parse(&String::from_utf8_lossy(&buffer[..length])))
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use morgana_workload::Notifier;

    use super::*;

    #[tokio::test]
    async fn a_node_hears_its_workload_also_below_a_very_deep_folder() {
        let dir = tempfile::tempdir().unwrap();
        for wanted in [dir.path().join("short"), dir.path().join("x".repeat(200))] {
            let folder = SocketFolder::new(wanted).unwrap();
            let socket = NotifySocket::bind(folder.socket(u64::MAX)).unwrap();
            Notifier::to(Some(socket.path().to_owned())).unwrap().ready().unwrap();
            assert!(socket.next().await.ready);
        }
    }

    #[test]
    fn a_socket_of_a_killed_agent_is_not_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let folder = SocketFolder::new(dir.path().join("run")).unwrap();
            std::os::unix::net::UnixDatagram::bind(folder.socket(1)).unwrap();
        }
    }
}
