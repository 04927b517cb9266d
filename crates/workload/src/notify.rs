//! `sd_notify`: datagrams of `NAME=value` lines on the unix socket that `NOTIFY_SOCKET` names
//! (sd_notify(3), the part that a node needs).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// The environment variable that names the socket.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// What a workload tells its node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notification {
    /// It answers.
    pub ready: bool,
    /// It is going down.
    pub stopping: bool,
    /// A line for people on what it is doing.
    pub status: Option<String>,
}

impl Notification {
    /// Reads a datagram; lines that are not known are passed over, as sd_notify(3) asks.
    pub fn parse(datagram: &str) -> Self {
        let mut notification = Self::default();
        for line in datagram.lines() {
            match line.split_once('=') {
                Some(("READY", "1")) => notification.ready = true,
                Some(("STOPPING", "1")) => notification.stopping = true,
                Some(("STATUS", text)) => notification.status = Some(text.to_owned()),
                _ => {}
            }
        }
        notification
    }
}

/// The workload's side. Without `NOTIFY_SOCKET` (started by hand) it does nothing.
#[derive(Debug)]
pub struct Notifier {
    target: Option<(UnixDatagram, PathBuf)>,
}

impl Notifier {
    /// The notifier for the socket that the environment names.
    ///
    /// # Errors
    /// When a socket of our own cannot be opened.
    pub fn from_env() -> io::Result<Self> {
        Self::to(std::env::var_os(NOTIFY_SOCKET).map(PathBuf::from))
    }

    /// The notifier for a socket, or for nobody.
    ///
    /// # Errors
    /// When a socket of our own cannot be opened.
    pub fn to(path: Option<PathBuf>) -> io::Result<Self> {
        let target = match path {
            Some(path) => Some((UnixDatagram::unbound()?, path)),
            None => None,
        };
        Ok(Self { target })
    }

    /// Tells that the workload answers.
    ///
    /// # Errors
    /// When the node's socket is gone.
    pub fn ready(&self) -> io::Result<()> {
        self.send("READY=1")
    }

    /// Tells that the workload is going down.
    ///
    /// # Errors
    /// When the node's socket is gone.
    pub fn stopping(&self) -> io::Result<()> {
        self.send("STOPPING=1")
    }

    /// Tells people what the workload is doing; one line.
    ///
    /// # Errors
    /// When the node's socket is gone.
    pub fn status(&self, text: &str) -> io::Result<()> {
        self.send(&format!("STATUS={}", text.replace('\n', " ")))
    }

    fn send(&self, line: &str) -> io::Result<()> {
        match &self.target {
            Some((socket, path)) => socket.send_to(line.as_bytes(), path).map(drop),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_reads_what_a_workload_tells() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let node = UnixDatagram::bind(&path).unwrap();
        let workload = Notifier::to(Some(path)).unwrap();
        let mut buffer = [0; 256];
        let mut next = || {
            let length = node.recv(&mut buffer).unwrap();
            Notification::parse(std::str::from_utf8(&buffer[..length]).unwrap())
        };
        workload.ready().unwrap();
        assert_eq!(next(), Notification { ready: true, ..Notification::default() });
        workload.status("two\nlines").unwrap();
        assert_eq!(next().status.as_deref(), Some("two lines"));
    }

    #[test]
    fn unknown_lines_are_passed_over() {
        assert!(Notification::parse("MAINPID=3\nREADY=1\nnonsense").ready);
        assert_eq!(Notification::parse("READY=0"), Notification::default());
    }

    #[test]
    fn nobody_listening_is_no_error_when_nobody_was_named() {
        assert!(Notifier::to(None).unwrap().ready().is_ok());
    }
}
