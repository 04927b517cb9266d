//! The legacy setting: VirIoT's own components run unchanged, on loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use morgana_api::SystemDbView;
use morgana_controller::Controller;
use morgana_legacy::{Server, Source};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// Whether VirIoT's own components may run unchanged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LegacyOptions {
    /// The fabric takes components without credentials, and what they read of VirIoT's System DB is shown
    /// in the wire protocol of MongoDB. Whoever reaches this machine's loopback can then be any component.
    pub(crate) enabled: bool,
    /// The port of the view; 0 means any.
    pub(crate) mongo_port: u16,
}

impl Default for LegacyOptions {
    fn default() -> Self {
        Self { enabled: false, mongo_port: 27_017 }
    }
}

struct View(SystemDbView);

#[async_trait]
impl Source for View {
    async fn documents(&self, collection: &str) -> Result<Option<Vec<Value>>, String> {
        self.0.documents(collection).await.map_err(|failure| failure.message)
    }
}

/// Shows the System DB to whoever asks at the address.
///
/// # Errors
/// When it cannot be listened on.
pub(crate) fn show(
    listener: std::net::TcpListener,
    controller: Controller,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let view =
        SystemDbView::new(controller).map_err(|error| Failure::new("cannot show the legacy view", error))?;
    Server::start(listener, Arc::new(View(view)), stop)
        .map_err(|error| Failure::new("cannot show the legacy view", error))?;
    tracing::warn!("legacy is enabled: the fabric takes components without credentials");
    Ok(())
}

/// Listens for the view.
///
/// # Errors
/// When the address is taken, or is not loopback.
pub(crate) fn listen(address: SocketAddr) -> Result<std::net::TcpListener, Failure> {
    Server::bind(address).map_err(|error| {
        Failure::new("cannot show the legacy view (legacy.mongo_port chooses its port)", error)
    })
}
