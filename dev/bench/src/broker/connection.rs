//! An HTTP/1.1 connection that costs the generator little: prepared bytes out, one answer in.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A keep-alive connection with one request under way at a time.
pub(super) struct Connection {
    address: String,
    stream: TcpStream,
    read: Vec<u8>,
    /// Whether the last answer said that it closes: the next request needs a new connection.
    closes: bool,
}

/// What an answer says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes of the head with its empty line.
    length: usize,
    body: Body,
    closes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Sized(usize),
    Chunked,
}

impl Connection {
    pub(super) async fn open(address: &str) -> io::Result<Self> {
        let stream = connect(address).await?;
        Ok(Self { address: address.to_owned(), stream, read: Vec::with_capacity(64 * 1024), closes: false })
    }

    /// Sends a request and reads its answer whole; gives the status.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        if self.closes {
            self.stream = connect(&self.address).await?;
        }
        self.stream.write_all(request).await?;
        self.read.clear();
        let head = loop {
            self.more().await?;
            if let Some(head) = head(&self.read)? {
                break head;
            }
        };
        match head.body {
            Body::Sized(length) => {
                while self.read.len() < head.length + length {
                    self.more().await?;
                }
            }
            Body::Chunked => {
                while !self.read.ends_with(b"0\r\n\r\n") {
                    self.more().await?;
                }
            }
        }
        self.closes = head.closes;
        Ok(head.status)
    }

    /// The body of the last answer.
    pub(super) fn body(&self) -> &[u8] {
        let start = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |at| at + 4);
        &self.read[start..]
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection")),
            _ => Ok(()),
        }
    }
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The head of the answer at the start of `read`; `None` while it is not there whole.
fn head(read: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("an answer {what}"));
    let status = read.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let status: u16 = status.ok_or_else(|| malformed("without a status"))?;
    let (mut body, mut closes) = (Body::Sized(0), false);
    for line in read[..end].split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            body = Body::Sized(length.ok_or_else(|| malformed("with a length that is no number"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            body = Body::Chunked;
        } else if name.eq_ignore_ascii_case(b"connection") {
            closes = value.eq_ignore_ascii_case(b"close");
        }
    }
    // These have no body, whatever they say (RFC 9110 6.4.1).
    if matches!(status, 204 | 304) {
        body = Body::Sized(0);
    }
    Ok(Some(Head { status, length: end + 4, body, closes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_long_its_answer_is() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\n{}";
        assert_eq!(
            head(answer).unwrap(),
            Some(Head { status: 200, length: answer.len() - 2, body: Body::Sized(2), closes: false })
        );
        assert_eq!(head(&answer[..30]).unwrap(), None);
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(head(chunked).unwrap().unwrap().body, Body::Chunked);
        let empty = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(head(empty).unwrap().unwrap().body, Body::Sized(0));
        let last = b"HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n";
        assert!(head(last).unwrap().unwrap().closes);
        assert!(head(b"HTTP/1.1 xyz\r\n\r\n").is_err());
    }
}
