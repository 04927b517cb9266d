//! The parts of `mqtt5` put together: its router, its sessions and its connections, behind doors of our own.
//!
//! `mqtt5` has a broker that does this itself. It is not used, because its connections write each packet by itself
//! (see [`super::stream`]).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::broker::auth::AuthProvider;
use mqtt5::broker::client_handler::ClientHandler;
use mqtt5::broker::config::BrokerConfig;
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::storage::{FileBackend, MemoryBackend, QueueLimits};
use mqtt5::broker::sys_topics::BrokerStats;
use mqtt5::broker::tls_acceptor::accept_tls_connection;
use mqtt5::broker::transport::BrokerTransport;
use mqtt5::broker::{BrokerEventHandler, DynamicStorage, ResourceLimits, ResourceMonitor, StorageBackend};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};
use tokio_rustls::TlsAcceptor;

use super::options::ServerOptions;
use super::stream::Coalescing;

/// How long connections get to end after they were told to.
const END_WAIT: Duration = Duration::from_secs(5);
/// How long to wait after the operating system refused a connection, so as not to ask at once again: it may be out of
/// files.
const REFUSED_WAIT: Duration = Duration::from_millis(50);

/// What all connections share.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) router: Arc<MessageRouter>,
    pub(super) storage: Arc<DynamicStorage>,
    pub(super) stats: Arc<BrokerStats>,
    config: Arc<BrokerConfig>,
    auth: Arc<dyn AuthProvider>,
    monitor: Arc<ResourceMonitor>,
    shutdown: broadcast::Sender<()>,
}

/// A door that is not open yet.
pub(super) enum Door {
    Plain(TcpListener),
    Tls(TcpListener, TlsAcceptor),
}

/// Where sessions and retained messages are.
pub(super) async fn storage(options: &ServerOptions) -> mqtt5::Result<Arc<DynamicStorage>> {
    let limits =
        QueueLimits { max_messages: options.session_queue_messages, max_bytes: options.session_queue_bytes };
    Ok(Arc::new(match &options.data_dir {
        Some(dir) => DynamicStorage::File(FileBackend::with_queue_limits(dir, limits).await?),
        None => DynamicStorage::Memory(MemoryBackend::with_queue_limits(limits)),
    }))
}

impl Engine {
    pub(super) fn new(
        config: BrokerConfig,
        options: &ServerOptions,
        storage: Arc<DynamicStorage>,
        auth: Arc<dyn AuthProvider>,
        retained: Option<Arc<dyn BrokerEventHandler>>,
    ) -> Self {
        let router = MessageRouter::with_storage(Arc::clone(&storage))
            .with_fallback_queue_limits(QueueLimits {
                max_messages: options.session_queue_messages,
                max_bytes: options.session_queue_bytes,
            })
            .with_retained_limits(options.max_retained_messages, options.max_retained_message_bytes);
        let router = match retained {
            Some(retained) => router.with_event_handler(retained),
            None => router,
        };
        let limits = ResourceLimits {
            max_connections: options.max_connections,
            max_connections_per_ip: options.max_connections,
            max_message_rate_per_client: config.max_message_rate_per_client,
            max_bandwidth_per_client: config.max_bandwidth_per_client,
            max_connection_rate: 10_000,
            rate_limit_window: Duration::from_secs(1),
        };
        Self {
            router: Arc::new(router),
            storage,
            stats: Arc::new(BrokerStats::new()),
            config: Arc::new(config),
            auth,
            monitor: Arc::new(ResourceMonitor::new(limits)),
            shutdown: broadcast::channel(1).0,
        }
    }

    /// Takes over what the last run left.
    pub(super) async fn recover(&self) -> mqtt5::Result<()> {
        let expiry = u32::try_from(self.config.session_expiry_interval.as_secs()).unwrap_or(u32::MAX);
        self.router.recover_sessions(expiry).await?;
        self.storage.cleanup_expired().await?;
        self.router.initialize().await
    }

    /// Hears of [`Engine::shut_down`] from now on.
    pub(super) fn ending(&self) -> broadcast::Receiver<()> {
        self.shutdown.subscribe()
    }

    /// Tells everything to end.
    pub(super) fn shut_down(&self) {
        // An error means that nobody listens any more.
        let _ = self.shutdown.send(());
    }

    /// Serves until [`Engine::shut_down`]; what is due is then written to disk.
    pub(super) async fn run(
        self,
        doors: Vec<Door>,
        mut ending: broadcast::Receiver<()>,
    ) -> mqtt5::Result<()> {
        let (open, mut closed) = mpsc::channel::<()>(1);
        for door in doors {
            match door {
                Door::Plain(listener) => drop(tokio::spawn(self.accept(listener, open.clone()))),
                Door::Tls(listener, acceptor) => {
                    drop(tokio::spawn(self.accept_tls(listener, acceptor, open.clone())));
                }
            }
        }
        drop(open);
        let mut sweep = tokio::time::interval(self.config.storage_config.cleanup_interval);
        loop {
            tokio::select! {
                _ = ending.recv() => break,
                _ = sweep.tick() => {
                    if let Err(error) = self.storage.cleanup_expired().await {
                        tracing::error!(%error, "expired mqtt sessions and messages stay");
                    }
                    self.router.sweep_sessions().await;
                    self.monitor.cleanup_expired_windows().await;
                }
            }
        }
        // Once more, for the doors: when the end came before this task first ran, they were not there to hear of it.
        self.shut_down();
        if tokio::time::timeout(END_WAIT, closed.recv()).await.is_err() {
            tracing::warn!("mqtt connections did not end in time");
        }
        self.storage.shutdown().await
    }

    fn accept(&self, listener: TcpListener, open: mpsc::Sender<()>) -> impl Future<Output = ()> + use<> {
        // Before the task runs, so that it hears of an end that comes at once.
        let (engine, mut ending) = (self.clone(), self.shutdown.subscribe());
        async move {
            while let Some((stream, peer)) = engine.next(&listener, &mut ending).await {
                engine.serve(stream, peer, open.clone());
            }
        }
    }

    fn accept_tls(
        &self,
        listener: TcpListener,
        acceptor: TlsAcceptor,
        open: mpsc::Sender<()>,
    ) -> impl Future<Output = ()> + use<> {
        let (engine, mut ending) = (self.clone(), self.shutdown.subscribe());
        async move {
            while let Some((stream, peer)) = engine.next(&listener, &mut ending).await {
                let (engine, acceptor, open) = (engine.clone(), acceptor.clone(), open.clone());
                // A slow handshake keeps nobody else waiting.
                tokio::spawn(async move {
                    let shaken = accept_tls_connection(&acceptor, stream, peer);
                    match tokio::time::timeout(END_WAIT, shaken).await {
                        Ok(Ok(stream)) => engine.serve(stream, peer, open),
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with a client"),
                        Err(_) => tracing::debug!(%peer, "a client did not finish its TLS handshake"),
                    }
                });
            }
        }
    }

    /// The next connection that is to be served; nothing when the server ends.
    async fn next(
        &self,
        listener: &TcpListener,
        ending: &mut broadcast::Receiver<()>,
    ) -> Option<(TcpStream, SocketAddr)> {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = ending.recv() => return None,
            };
            match accepted {
                Ok((stream, peer)) if self.monitor.can_accept_connection(peer.ip()).await => {
                    // A small message must not wait for the acknowledgement of the one before it (RFC 896).
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%peer, %error, "a client is gone already");
                    }
                    return Some((stream, peer));
                }
                Ok((_, peer)) => tracing::warn!(%peer, "mqtt connection refused: there are too many"),
                Err(error) => {
                    tracing::error!(%error, "an mqtt connection could not be accepted");
                    tokio::time::sleep(REFUSED_WAIT).await;
                }
            }
        }
    }

    fn serve<S>(&self, stream: S, peer: SocketAddr, open: mpsc::Sender<()>)
    where
        S: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
    {
        let transport = BrokerTransport::WebSocket(Box::new(Coalescing::new(stream, peer)));
        let handler = ClientHandler::new(
            transport,
            peer,
            Arc::clone(&self.config),
            Arc::clone(&self.router),
            Arc::clone(&self.auth),
            Some(Arc::clone(&self.storage)),
            Arc::clone(&self.stats),
            Arc::clone(&self.monitor),
            self.shutdown.subscribe(),
        );
        tokio::spawn(async move {
            let outcome = handler.run().await;
            drop(open);
            match outcome {
                Err(error) if !error.is_normal_disconnect() => {
                    tracing::warn!(%peer, %error, "mqtt connection ended");
                }
                _ => {}
            }
        });
    }
}
