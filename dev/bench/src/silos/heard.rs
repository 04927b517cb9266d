//! Notifications of any standard, and what of ours is in them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::latency::request;

/// An HTTP server that takes notifications and does little else. It answers as a oneM2M entity too.
pub(super) struct Heard {
    pub(super) uri: String,
    arrived: mpsc::UnboundedReceiver<(u64, String)>,
}

impl Heard {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for notifications");
        let uri = format!("http://{}/notify", listener.local_addr().expect("its address"));
        let (sender, arrived) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    let (mut read, mut chunk) = (Vec::new(), [0; 16 * 1024]);
                    while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                        let at = now();
                        read.extend_from_slice(&chunk[..length]);
                        while let Some((body, rest)) = request(&read) {
                            let _ = sender.send((at, String::from_utf8_lossy(&body).into_owned()));
                            let head = String::from_utf8_lossy(&read[..rest - body.len()]).into_owned();
                            read.drain(..rest);
                            if stream.write_all(answer(&head).as_bytes()).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        Self { uri, arrived }
    }

    /// The next notification with the time it came, in nanoseconds since 1970; nothing when none comes for a while.
    pub(super) async fn next(&mut self, patience: Duration) -> Option<(u64, String)> {
        tokio::time::timeout(patience, self.arrived.recv()).await.ok().flatten()
    }

    /// Takes all that comes, until nothing comes for a while.
    pub(super) async fn drain(&mut self, quiet: Duration) {
        while self.next(quiet).await.is_some() {}
    }
}

fn answer(head: &str) -> String {
    let id = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("x-m2m-ri").then(|| value.trim().to_owned())
    });
    let more = id.map(|id| format!("X-M2M-RI: {id}\r\nX-M2M-RSC: 2000\r\n")).unwrap_or_default();
    format!("HTTP/1.1 200 OK\r\n{more}Content-Length: 0\r\n\r\n")
}

/// Nanoseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64)
}

/// How long ago each time in a text was. Times are the only numbers of this size.
pub(super) fn ages(at: u64, text: &str) -> Vec<Duration> {
    let numbers = text.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+')));
    let times = numbers
        .filter_map(|number| number.parse::<f64>().ok())
        .filter(|number| (1e18..3e18).contains(number));
    times.map(|time| Duration::from_nanos(at.saturating_sub(time as u64))).collect()
}

/// The number of the command in a text with the result of one.
pub(super) fn command(text: &str) -> Option<u64> {
    let after = text.split("bench-command-").nth(1)?;
    after.split('-').next()?.parse().ok()
}
