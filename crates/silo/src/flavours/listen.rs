//! Doors, and the servers behind them.

use std::error::Error;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::error::RunError;
use crate::settings::Settings;

/// Listens on a door of the silo.
pub(super) async fn listen(settings: &Settings, inner: u16) -> Result<(TcpListener, SocketAddr), RunError> {
    const ACTION: &str = "listen for the silo's broker";
    let address = settings.door(inner)?;
    let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => RunError::PortTaken { inner, address },
        _ => RunError::failed(ACTION)(error),
    })?;
    let address = listener.local_addr().map_err(RunError::failed(ACTION))?;
    Ok((listener, address))
}

/// A server that may not run yet.
#[derive(Debug)]
pub(super) struct Serving<E>(Option<JoinHandle<Result<(), E>>>);

impl<E: Error + Send + Sync + 'static> Serving<E> {
    pub(super) fn not_yet() -> Self {
        Self(None)
    }

    pub(super) fn start(&mut self, server: impl Future<Output = Result<(), E>> + Send + 'static) {
        self.0 = Some(tokio::spawn(server));
    }

    /// Waits for an end that nobody asked for. It may be dropped at any await.
    pub(super) async fn ended(&mut self) -> RunError {
        let Some(server) = &mut self.0 else { return std::future::pending().await };
        let cause: Box<dyn Error + Send + Sync> = match server.await {
            Ok(Ok(())) => "the server ended".into(),
            Ok(Err(error)) => error.into(),
            Err(panic) => panic.into(),
        };
        self.0 = None;
        RunError::failed("serve the silo's broker")(cause)
    }

    /// Waits for the end that it was told.
    pub(super) async fn stopped(&mut self) {
        if let Some(server) = self.0.take() {
            // An error or a panic of a server that is to end is of no use to anybody.
            let _ = server.await;
        }
    }
}
