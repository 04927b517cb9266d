//! A connection whose small writes go out together.
//!
//! `mqtt5` writes each packet by itself: a system call, and a wake-up of the reader, for every message to every
//! subscriber. Here what it writes waits until it next reads, which it does as soon as it has nothing more to write;
//! so a message alone is not delayed, and a batch is one write.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use mqtt5::MqttError;
use mqtt5::broker::transport::WebSocketTransport;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Writes wait for room in the socket when so many bytes are here.
const WRITE_BYTES: usize = 64 * 1024;
/// How much memory a connection with little to write keeps for it, in bytes.
const KEPT_BYTES: usize = 8 * 1024;
/// After so many small writes in a row the memory of a large one is given back.
const SMALL_WRITES: u8 = 32;

/// A stream that holds writes back until the next read.
pub(super) struct Coalescing<S: AsyncRead + AsyncWrite + Unpin> {
    stream: S,
    peer: SocketAddr,
    output: BytesMut,
    /// Small writes since the last large one.
    small: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Coalescing<S> {
    pub(super) fn new(stream: S, peer: SocketAddr) -> Self {
        Self { stream, peer, output: BytesMut::new(), small: 0 }
    }

    /// Hands what waits to the stream, as far as it takes it.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.small = if self.output.len() > KEPT_BYTES { 0 } else { self.small.saturating_add(1) };
        while !self.output.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(written);
        }
        if self.small >= SMALL_WRITES && self.output.capacity() > KEPT_BYTES {
            self.output = BytesMut::new();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Coalescing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A peer that takes nothing is still heard; its waker is set for both.
        if !self.output.is_empty()
            && let Poll::Ready(Err(error)) = self.poll_drain(cx)
        {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Coalescing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.output.len() >= WRITE_BYTES {
            ready!(self.poll_drain(cx))?;
        }
        self.output.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// Does nothing: `mqtt5` flushes after every packet, and then reads.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What `mqtt5` says last, why it ends the connection, it says without reading again.
impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Coalescing<S> {
    fn drop(&mut self) {
        if !self.output.is_empty() {
            // What the socket has no room for is lost, as it is with any connection that ends.
            let _ = self.poll_drain(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// The one kind of transport that `mqtt5` lets others bring is named after WebSocket.
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> WebSocketTransport for Coalescing<S> {
    fn peer_addr(&self) -> Result<SocketAddr, MqttError> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn peer() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1))
    }

    #[tokio::test]
    async fn writes_go_out_together_at_the_next_read() {
        let (mut client, server) = duplex(1024);
        let mut server = Coalescing::new(server, peer());
        for packet in [b"one".as_slice(), b"two", b"three"] {
            server.write_all(packet).await.unwrap();
            server.flush().await.unwrap();
        }
        let mut heard = [0; 64];
        let nothing = std::future::poll_fn(|cx| {
            Poll::Ready(Pin::new(&mut client).poll_read(cx, &mut ReadBuf::new(&mut heard)).is_pending())
        });
        assert!(nothing.await, "nothing is written before the next read");
        client.write_all(b"?").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'?');
        let length = client.read(&mut heard).await.unwrap();
        assert_eq!(&heard[..length], b"onetwothree", "all of it is one read");
    }

    #[tokio::test]
    async fn last_words_go_out_when_the_connection_is_dropped() {
        let (mut client, server) = duplex(1024);
        let mut server = Coalescing::new(server, peer());
        server.write_all(b"goodbye").await.unwrap();
        drop(server);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"goodbye");
    }

    #[tokio::test]
    async fn a_peer_that_reads_nothing_stops_the_writer() {
        let (_client, server) = duplex(16);
        let mut server = Coalescing::new(server, peer());
        let chunk = [0; 1024];
        let mut taken = 0;
        let stopped = std::future::poll_fn(|cx| {
            while taken <= 2 * WRITE_BYTES {
                match Pin::new(&mut server).poll_write(cx, &chunk) {
                    Poll::Ready(Ok(written)) => taken += written,
                    _ => return Poll::Ready(true),
                }
            }
            Poll::Ready(false)
        });
        assert!(stopped.await, "the writer waits");
        assert_eq!(taken, WRITE_BYTES);
    }
}
