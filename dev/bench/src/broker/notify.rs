//! How long a notification takes: from the request that causes it to the listener that gets it.

use std::io;
use std::time::{Duration, Instant};

use morgana_fabric::Event;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::request;

/// How long a notification may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// A text to put into a value. The listener looks for it, wherever the protocol has values.
pub(super) fn mark(number: u64) -> String {
    format!("bench-mark-{number}-")
}

/// The numbers of the marks in a text.
fn marks(text: &[u8]) -> Vec<u64> {
    let start = b"bench-mark-";
    let mut found = Vec::new();
    for at in 0..text.len() {
        if let Some(rest) = text[at..].strip_prefix(start) {
            let digits: Vec<u8> = rest.iter().copied().take_while(u8::is_ascii_digit).collect();
            found.extend(String::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok()));
        }
    }
    found
}

/// Takes notifications and does little else.
pub(super) struct Listener {
    /// Where it takes them, such as `http://host:port/notify`.
    pub(super) uri: String,
    arrived: mpsc::UnboundedReceiver<(u64, Instant)>,
}

impl Listener {
    /// One that takes what comes to an MQTT client that is subscribed already.
    pub(super) fn of_messages(uri: String, mut events: mpsc::Receiver<Event>) -> Self {
        let (sender, arrived) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let now = Instant::now();
                let Event::Message { payload, .. } = event else { continue };
                for number in marks(&payload) {
                    let _ = sender.send((number, now));
                }
            }
        });
        Self { uri, arrived }
    }

    /// An HTTP server.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let uri = format!("http://{}/notify", listener.local_addr()?);
        let (sender, arrived) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    let mut read = Vec::with_capacity(64 * 1024);
                    while let Ok(1..) = stream.read_buf(&mut read).await {
                        let now = Instant::now();
                        while let Some(end) = whole_request(&read) {
                            let marks = marks(&read[..end]);
                            let answer = answer_to(&read[..end]);
                            read.drain(..end);
                            if stream.write_all(&answer).await.is_err() {
                                return;
                            }
                            for number in marks {
                                let _ = sender.send((number, now));
                            }
                        }
                    }
                });
            }
        });
        Ok(Self { uri, arrived })
    }

    /// Where it listens, where it is an HTTP server.
    pub(super) fn address(&self) -> Option<&str> {
        self.uri.strip_prefix("http://")?.split('/').next()
    }

    /// Sends `count` changes, each made by `change` with a mark in it, `rate` a second at an even pace, and gives how
    /// long each notification took from just before the change was sent. What did not come is left out.
    pub(super) async fn measure(
        &mut self,
        address: &str,
        rate: u32,
        count: u64,
        change: impl Fn(u64, &str, &mut Vec<u8>),
    ) -> io::Result<Vec<Duration>> {
        let mut connection = Connection::open(address).await?;
        let mut request = Vec::new();
        self.measure_with(rate, count, async |number, mark| {
            request.clear();
            change(number, mark, &mut request);
            let status = connection.exchange(&request).await?;
            if !(200..300).contains(&status) {
                let why = String::from_utf8_lossy(connection.body()).into_owned();
                return Err(io::Error::other(format!("a change was answered with {status} {why}")));
            }
            Ok(())
        })
        .await
    }

    /// The same with another way of sending.
    pub(super) async fn measure_with(
        &mut self,
        rate: u32,
        count: u64,
        mut send: impl AsyncFnMut(u64, &str) -> io::Result<()>,
    ) -> io::Result<Vec<Duration>> {
        let mut sent_at = Vec::new();
        let mut pace = tokio::time::interval(Duration::from_secs(1) / rate);
        for number in 0..count {
            pace.tick().await;
            let mark = mark(number);
            sent_at.push(Instant::now());
            send(number, &mark).await?;
        }
        let mut took = Vec::new();
        while took.len() < sent_at.len() {
            let Ok(Some((number, at))) = tokio::time::timeout(PATIENCE, self.arrived.recv()).await else {
                break;
            };
            // Another measurement may have used the marks before.
            took.extend(sent_at.get(number as usize).and_then(|sent| at.checked_duration_since(*sent)));
        }
        Ok(took)
    }
}

/// Where the request at the start of `read` ends.
pub(super) fn whole_request(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let end = head + length.unwrap_or(0);
    (read.len() >= end).then_some(end)
}

/// A oneM2M request wants its identifier back and a status of its own; the others want nothing.
fn answer_to(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let identifier = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("x-m2m-ri").then(|| value.trim().to_owned())
    });
    let headers = identifier
        .map_or_else(String::new, |identifier| format!("X-M2M-RI: {identifier}\r\nX-M2M-RSC: 2000\r\n"));
    format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{headers}\r\n").into_bytes()
}

/// Has a listener subscribed: the request is the standard's.
pub(super) async fn subscribe(address: &str, path: &str, headers: &str, body: &str) -> io::Result<()> {
    let mut connection = Connection::open(address).await?;
    let mut bytes = Vec::new();
    request::with_body(&mut bytes, "POST", path, headers, body);
    let status = connection.exchange(&bytes).await?;
    if (200..300).contains(&status) {
        return Ok(());
    }
    let why = String::from_utf8_lossy(connection.body()).into_owned();
    Err(io::Error::other(format!("a subscription was answered with {status} {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_where_it_is() {
        let text = format!(r#"{{"a":"{}","b":["{}"]}}"#, mark(7), mark(123));
        assert_eq!(marks(text.as_bytes()), [7, 123]);
    }

    #[test]
    fn a_request_ends_where_its_body_does() {
        let request = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}POST";
        assert_eq!(whole_request(request), Some(request.len() - 4));
        assert_eq!(whole_request(&request[..request.len() - 5]), None);
    }
}
