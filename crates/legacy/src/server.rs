//! The socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::Source;
use crate::command::carry_out;
use crate::wire::{self, HEAD, Head};

/// Connections at once; each driver keeps a few.
const MAX_CONNECTIONS: usize = 256;
/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(600);
/// How long the rest of a message may take after its head.
const REST: Duration = Duration::from_secs(15);

/// The view on a socket.
#[derive(Debug, Clone, Copy)]
pub struct Server;

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It asks nobody for a password, so it is for this machine alone.
    #[error("the legacy view cannot listen on {0}: it asks for no password, so it listens on loopback only")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("the legacy view cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Server {
    /// Takes a loopback address; nobody is answered yet.
    ///
    /// # Errors
    /// [`ServerError`] when the address is not loopback or cannot be listened on.
    pub fn bind(address: SocketAddr) -> Result<std::net::TcpListener, ServerError> {
        if !address.ip().is_loopback() {
            return Err(ServerError::NotLoopback(address));
        }
        std::net::TcpListener::bind(address).map_err(|source| ServerError::Bind { address, source })
    }

    /// Answers on the listener of [`Server::bind`] until `stop`; has to be called within a runtime.
    ///
    /// # Errors
    /// [`ServerError::Bind`] when the listener cannot be used.
    pub fn start(
        listener: std::net::TcpListener,
        source: Arc<dyn Source>,
        stop: CancellationToken,
    ) -> Result<(), ServerError> {
        let address = listener.local_addr().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let failed = |source| ServerError::Bind { address, source };
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        tokio::spawn(accept(listener, source, stop));
        Ok(())
    }
}

async fn accept(listener: TcpListener, source: Arc<dyn Source>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, from)) = accepted else { continue };
        let (source, stop) = (Arc::clone(&source), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                ended = talk(stream, source.as_ref()) => {
                    if let Err(error) = ended {
                        tracing::debug!(%from, %error, "a legacy connection ended badly");
                    }
                }
                () = stop.cancelled() => {}
            }
        });
    }
}

/// Answers requests until the client goes, says nothing for long, or says something that is no request.
async fn talk(mut stream: TcpStream, source: &dyn Source) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let malformed = |error: wire::WireError| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut head = [0; HEAD];
    loop {
        match timeout(IDLE, stream.read_exact(&mut head)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Ok(()),
        }
        let head = Head::parse(&head).map_err(malformed)?;
        let mut rest = vec![0; head.rest];
        timeout(REST, stream.read_exact(&mut rest)).await.map_err(io::Error::from)??;
        let request = wire::parse(head, &rest).map_err(malformed)?;
        let answer = carry_out(&request.command, source).await;
        if request.is_answered {
            stream.write_all(&wire::answer(request.form, head.request, &answer)).await?;
        }
    }
}
