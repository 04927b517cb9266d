//! URLs as clients write them. `q=temperature<10` is no valid URL: `<` has to be encoded, yet clients of NGSIv2 send it
//! as it is, and Orion takes it. The HTTP library refuses such a request line, so it is encoded before the library
//! sees it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A connection whose request lines have no characters that a URL must not have.
#[derive(Debug)]
pub(super) struct LenientStream {
    inner: TcpStream,
    place: Place,
    /// What was read and encoded and not yet handed on.
    pending: Vec<u8>,
}

/// Where in a request the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At its beginning: nothing was read since the last answer.
    Start,
    /// In its request line.
    Line,
    /// Behind that.
    Rest,
}

const METHODS: [&[u8]; 7] = [b"GET /", b"POST /", b"PUT /", b"PATCH /", b"DELETE /", b"OPTIONS /", b"HEAD /"];

impl LenientStream {
    /// Wraps a connection for the HTTP library.
    pub(super) fn wrap(inner: TcpStream) -> TokioIo<Self> {
        TokioIo::new(Self { inner, place: Place::Start, pending: Vec::new() })
    }
}

fn is_strange(byte: u8) -> bool {
    matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7f..)
}

/// What was read, with the strange characters of the request line encoded; `None` when there are none.
fn encode(place: &mut Place, read: &[u8]) -> Option<Vec<u8>> {
    match place {
        Place::Rest => return None,
        Place::Start => {
            *place = Place::Rest;
            if !METHODS.iter().any(|method| read.starts_with(method)) {
                return None;
            }
            *place = Place::Line;
        }
        Place::Line => {}
    }
    let end = read.iter().position(|byte| *byte == b'\n');
    if end.is_some() {
        *place = Place::Rest;
    }
    let (line, rest) = read.split_at(end.unwrap_or(read.len()));
    if !line.iter().copied().any(is_strange) {
        return None;
    }
    let mut encoded = Vec::with_capacity(read.len() + 32);
    for byte in line {
        if is_strange(*byte) {
            encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            encoded.push(*byte);
        }
    }
    encoded.extend_from_slice(rest);
    Some(encoded)
}

impl AsyncRead for LenientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.pending.is_empty() {
            let before = out.filled().len();
            match Pin::new(&mut this.inner).poll_read(context, out) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
            let Some(encoded) = encode(&mut this.place, &out.filled()[before..]) else {
                return Poll::Ready(Ok(()));
            };
            out.set_filled(before);
            this.pending = encoded;
        }
        let count = this.pending.len().min(out.remaining());
        out.put_slice(&this.pending[..count]);
        this.pending.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LenientStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // A client sends its next request after it has the answer.
        this.place = Place::Start;
        Pin::new(&mut this.inner).poll_write(context, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.place = Place::Start;
        Pin::new(&mut this.inner).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(reads: &[&str]) -> String {
        let mut place = Place::Start;
        let parts = reads
            .iter()
            .map(|read| encode(&mut place, read.as_bytes()).unwrap_or_else(|| read.as_bytes().to_vec()));
        String::from_utf8(parts.flatten().collect()).unwrap()
    }

    #[test]
    fn only_the_request_line_is_encoded() {
        assert_eq!(
            encoded(&["GET /v2/entities?q=a<1;b>\"x\" HTTP/1.1\r\nX: <>\r\n\r\n"]),
            "GET /v2/entities?q=a%3C1;b%3E%22x%22 HTTP/1.1\r\nX: <>\r\n\r\n"
        );
        assert_eq!(
            encoded(&["GET /a?q=", "b<1 HTTP/1.1\r\nX: ", "<>\r\n\r\n"]),
            "GET /a?q=b%3C1 HTTP/1.1\r\nX: <>\r\n\r\n"
        );
    }

    #[test]
    fn what_is_no_request_stays() {
        let body = r#"{"a":"<"}"#;
        assert_eq!(encoded(&[body]), body);
        let request = "GET /v2/entities?q=a==1 HTTP/1.1\r\n\r\n";
        assert_eq!(encoded(&[request]), request);
    }
}
