//! `morgana up`: the whole platform on one machine.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use morgana_access::{FabricRole, SigningKey, generate_password};
use morgana_controller::{AuditTrail, ConnectionIndex, FabricPolicy, Parts, Service};
use morgana_fabric::{Client, ClientOptions, Server, TlsDoor};
use morgana_model::Secret;
use morgana_node::{Keeper, Node, NodeAgent};
use morgana_store::{PostgresStore, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::arguments::UpArguments;
use crate::configuration::Configuration;
use crate::endpoints::{Endpoints, reachable};
use crate::failure::Failure;
use crate::system_db::SystemDb;
use crate::{legacy, logging, places, shared_key, standby, tls};

/// The key of tokens and fabric credentials in the data folder.
pub(crate) const SIGNING_KEY: &str = "signing.key";
/// Where the parts are, in the data folder.
const ENDPOINTS: &str = "endpoints.json";
/// The password of the first administrator, where the operator chooses it.
const ADMIN_PASSWORD: &str = "MORGANA_ADMIN_PASSWORD";
/// How long requests under way may take at the end.
const REQUEST_PATIENCE: Duration = Duration::from_secs(1);
/// How long requests may take that were handed on when this controller takes the lead.
const STANDBY_PATIENCE: Duration = Duration::from_millis(100);
/// The end comes within this, whatever hangs.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(9);
/// How long the keeper of an earlier run may end what that has left running.
const KEEPER_PATIENCE: Duration = Duration::from_secs(60);
/// How long a keeper may take to go when it is not needed.
const DISMISSAL_PATIENCE: Duration = Duration::from_millis(500);
/// How often the metrics recorder folds what it was told.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Runs the platform until it is told to stop.
pub(crate) fn run(arguments: &UpArguments) -> Result<(), Failure> {
    let configuration = Configuration::read(arguments)?;
    let filter = configuration.log.clone();
    // Before there is any other thread.
    let keeper = Keeper::make(move || drop(logging::start(&filter)));
    logging::start(&configuration.log)?;
    let keeper = keeper
        .inspect_err(
            |error| tracing::warn!(%error, "a kill of the platform may leave processes until the next start"),
        )
        .ok();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)))
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start", error))?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut platform = tokio::select! {
            started = Platform::start(configuration, keeper) => started?,
            // Nothing was promised yet; the node's workloads end with this process.
            () = signals.next() => return Ok(()),
        };
        platform.run_until(signals.next()).await?;
        if tokio::time::timeout(SHUTDOWN_DEADLINE, platform.stop()).await.is_err() {
            tracing::warn!("not everything came to its end in time; it is ended now");
        }
        Ok(())
    });
    // What hangs is left behind rather than waited for.
    runtime.shutdown_background();
    outcome
}

/// Everything that runs.
struct Platform {
    system_db: SystemDb,
    store: Arc<dyn Store>,
    fabric: Arc<Server>,
    fabric_client: Client,
    node: Arc<Node>,
    keeper: Option<Keeper>,
    service: Service,
    stop_serving: CancellationToken,
    serving: JoinHandle<()>,
}

impl Platform {
    async fn start(mut configuration: Configuration, keeper: Option<Keeper>) -> Result<Self, Failure> {
        let data = configuration.data.clone();
        prepare_data_folder(&data)?;
        let metrics = start_metrics()?;
        let system_db = SystemDb::open(&configuration).await?;
        let store = system_db.store();
        let tls = {
            let advertise = configuration.advertise.as_deref();
            tls::prepare(&configuration.tls, &data, configuration.listen, advertise)?
        };
        let mut rest = listen(configuration.listen, configuration.port).await?;
        let address =
            rest.local_addr().map_err(|error| Failure::new("cannot tell the port of the REST API", error))?;
        let key_file = data.join(SIGNING_KEY);
        let key = match &system_db {
            SystemDb::Embedded(_) => SigningKey::load_or_generate(&key_file, &mut rand::rng())
                .map_err(|error| Failure::new("cannot use the signing key", error))?,
            SystemDb::Shared { store: shared, .. } => {
                let own = Endpoints::advertised(&configuration, address, tls.is_some());
                let door = tls.as_ref().map(|tls| Arc::clone(&tls.server));
                rest = stand_by(shared, rest, door, &configuration.api.server, &own).await?;
                standby::tell(&store, &own, tls.as_ref().and_then(|tls| tls.authority.clone())).await?;
                shared_key::load(&store, &key_file).await?
            }
        };
        if let Some(tls) = &tls {
            let listen = free_address(SocketAddr::new(configuration.listen, configuration.tls.mqtt_port))?;
            let (certificate, key) = (tls.certificate.clone(), tls.key.clone());
            configuration.fabric.tls = Some(TlsDoor { listen, certificate, key });
        }
        let legacy = legacy_door(&mut configuration)?;
        let index = ConnectionIndex::load(&store)
            .await
            .map_err(|error| Failure::new("cannot read the connections of silos", error))?;
        let audit = AuditTrail::default();
        let policy = FabricPolicy::new(key.clone(), Arc::clone(&index), audit.clone());
        let policy = Arc::new(if legacy.is_some() { policy.with_legacy() } else { policy });
        let fabric = Server::start(configuration.fabric.clone(), policy).await.map_err(|error| {
            Failure::new("cannot start the fabric (choose its port with --mqtt-port)", error)
        })?;
        let fabric = Arc::new(fabric);
        let fabric_address = SocketAddr::new(reachable(fabric.local_addr().ip()), fabric.local_addr().port());
        let role = FabricRole::Controller;
        let client_options = ClientOptions::new(fabric_address.to_string(), role.to_string())
            .with_credentials(role.to_string(), role.password(&key));
        let (fabric_client, fabric_events) = Client::connect(client_options);
        let keeper = kept(keeper, configuration.node.state_dir()).await?;
        let node = Node::start(configuration.node.clone())
            .await
            .map_err(|error| Failure::new("cannot start the node agent", error))?;
        let node = Arc::new(node);
        let parts = Parts {
            store: Arc::clone(&store),
            key,
            index,
            fabric_server: Arc::clone(&fabric),
            fabric: (fabric_client.clone(), fabric_events),
            fabric_address: (fabric_address.ip(), fabric_address.port()),
            audit,
            node: Arc::clone(&node) as Arc<dyn NodeAgent>,
            first_password: Box::new(first_password),
        };
        let service = Service::start(configuration.controller.clone(), places::place(&configuration), parts)
            .await
            .map_err(|error| Failure::new("cannot start the controller", error))?;

        let mut endpoints = Endpoints::new(address, fabric.local_addr());
        if let Some(door) = &configuration.fabric.tls {
            endpoints = endpoints.with_tls(address, door.listen);
        }
        let render = Arc::new({
            let fabric = Arc::downgrade(&fabric);
            move || {
                if let Some(fabric) = fabric.upgrade() {
                    fabric.record_metrics("fabric");
                }
                metrics.render()
            }
        });
        let router = morgana_api::router(service.controller(), render, &configuration.api);
        let stop_serving = CancellationToken::new();
        if let Some((listener, address)) = legacy {
            endpoints = endpoints.with_mongo(address);
            legacy::show(listener, service.controller(), stop_serving.clone())?;
        }
        let serving = tokio::spawn(morgana_api::serve(
            rest,
            router,
            tls.map(|tls| tls.server),
            configuration.api.server.clone(),
            stop_serving.clone(),
            REQUEST_PATIENCE,
        ));
        let file = data.join(ENDPOINTS);
        endpoints
            .write(&file)
            .map_err(|error| Failure::new(format_args!("cannot write {}", file.display()), error))?;
        println!(
            "morgana is ready: REST {}, fabric {}, data {}",
            endpoints.rest_url(),
            endpoints.mqtt_url(),
            data.display()
        );
        Ok(Self { system_db, store, fabric, fabric_client, node, keeper, service, stop_serving, serving })
    }

    /// Serves until told to stop.
    async fn run_until(&mut self, told_to_stop: impl Future<Output = ()>) -> Result<(), Failure> {
        tokio::select! {
            () = told_to_stop => Ok(()),
            () = self.system_db.lost_lead() => {
                // Not one moment for a graceful end: another controller may start the workloads by now.
                Err(Failure::plain("this controller leads no more, and ends with its workloads"))
            }
            ended = &mut self.serving => match ended {
                Ok(()) => Err(Failure::plain("the REST API ended by itself")),
                Err(error) => Err(Failure::new("the REST API ended by itself", error)),
            },
        }
    }

    /// Stops in the order of dependence: no new requests, no new decisions, then the workloads
    /// while the fabric still carries their last words, then the fabric and the database.
    async fn stop(self) {
        self.stop_serving.cancel();
        if let Err(error) = self.serving.await {
            tracing::warn!(%error, "the REST API ended badly");
        }
        self.service.stop().await;
        self.node.shutdown().await;
        if let Some(keeper) = self.keeper {
            let dismissed = tokio::task::spawn_blocking(move || keeper.dismiss(DISMISSAL_PATIENCE));
            let _ = dismissed.await;
        }
        self.fabric_client.close().await;
        match Arc::into_inner(self.fabric) {
            Some(fabric) => fabric.stop().await,
            None => tracing::warn!("somebody still holds the fabric's server; it ends with the process"),
        }
        self.store.close().await;
        tracing::info!("stopped");
    }
}

/// Answers for the controller that leads until this one does; the door is open all the time.
async fn stand_by(
    store: &PostgresStore,
    rest: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    options: &morgana_api::ServerOptions,
    own: &str,
) -> Result<TcpListener, Failure> {
    let failed = |error| Failure::new("cannot keep the port of the REST API", error);
    let rest = rest.into_std().map_err(failed)?;
    let door = TcpListener::from_std(rest.try_clone().map_err(failed)?).map_err(failed)?;
    let stop = CancellationToken::new();
    let router = standby::router(store, own)?;
    let serving =
        tokio::spawn(morgana_api::serve(door, router, tls, options.clone(), stop.clone(), STANDBY_PATIENCE));
    println!("morgana is on standby: REST {own}");
    standby::wait_for_the_lead(store).await?;
    tracing::info!("this controller leads");
    stop.cancel();
    if let Err(error) = serving.await {
        tracing::warn!(%error, "the door of the standby ended badly");
    }
    TcpListener::from_std(rest).map_err(failed)
}

/// Has the keeper watch over the node's workloads; none where it cannot.
async fn kept(keeper: Option<Keeper>, state_dir: PathBuf) -> Result<Option<Keeper>, Failure> {
    let Some(keeper) = keeper else { return Ok(None) };
    let watching = tokio::task::spawn_blocking(move || {
        let outcome = keeper.watch_over(&state_dir, KEEPER_PATIENCE);
        (keeper, outcome)
    });
    let failed = "cannot start the node agent";
    match watching.await.map_err(|error| Failure::new(failed, error))? {
        (keeper, Ok(())) => Ok(Some(keeper)),
        (_, Err(error)) if error.kind() == ErrorKind::TimedOut => Err(Failure::new(failed, error)),
        (_, Err(error)) => {
            tracing::warn!(%error, "a kill of the platform may leave processes until the next start");
            Ok(None)
        }
    }
}

/// What tells the platform to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let failed = |error| Failure::new("cannot listen for signals", error);
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) {
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
    }
}

/// The folder is its owner's alone: it holds keys, and what tenants store.
fn prepare_data_folder(data: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::new(format_args!("cannot use data folder {}", data.display()), error);
    if !data.exists() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed)?;
    }
    let metadata = fs::metadata(data).map_err(failed)?;
    if !metadata.is_dir() {
        return Err(Failure::plain(format!("cannot use data folder {}: it is not a folder", data.display())));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        tracing::warn!(folder = %data.display(), "the data folder can be read by others; chmod 700 is advised");
    }
    Ok(())
}

fn start_metrics() -> Result<PrometheusHandle, Failure> {
    let handle = PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| Failure::new("cannot start counting", error))?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(METRICS_UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// An address with a port, where any will do: one that is free now.
fn free_address(address: SocketAddr) -> Result<SocketAddr, Failure> {
    let busy = |error| {
        Failure::new(
            format_args!("cannot listen for MQTT with TLS on {address} (tls.mqtt_port chooses it)"),
            error,
        )
    };
    let listener = std::net::TcpListener::bind(address).map_err(busy)?;
    listener.local_addr().map_err(busy)
}

/// The door of the legacy view, where it is asked for; workloads are told of it as VirIoT tells them.
fn legacy_door(
    configuration: &mut Configuration,
) -> Result<Option<(std::net::TcpListener, SocketAddr)>, Failure> {
    if !configuration.legacy.enabled {
        return Ok(None);
    }
    let listener = legacy::listen(SocketAddr::new(configuration.listen, configuration.legacy.mongo_port))?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::new("cannot tell the port of the legacy view", error))?;
    configuration.node.further_variables.extend([
        ("systemDatabaseIP".to_owned(), address.ip().to_string()),
        ("systemDatabasePort".to_owned(), address.port().to_string()),
    ]);
    Ok(Some((listener, address)))
}

async fn listen(address: IpAddr, port: u16) -> Result<TcpListener, Failure> {
    let address = SocketAddr::new(address, port);
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(format_args!("cannot listen on {address} (choose another with --port)"), error)
    })
}

/// The operator's choice, or one that is made up and said once.
fn first_password() -> Secret {
    match std::env::var(ADMIN_PASSWORD) {
        Ok(password) => Secret::new(password),
        Err(_) => {
            let password = generate_password(&mut rand::rng());
            println!(
                "the administrator is 'admin' with the password {} (this is said once; {ADMIN_PASSWORD} sets it)",
                password.expose()
            );
            password
        }
    }
}
