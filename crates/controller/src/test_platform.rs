//! A platform for tests: everything real but the node, on which nothing runs.

use std::net::IpAddr;
use std::sync::Arc;

use morgana_access::{FabricRole, SigningKey};
use morgana_fabric::{Client, ClientOptions, Event, Server, ServerOptions};
use morgana_model::{Credentials, NewUser, Role, Secret, Session, TenantId, WorkloadKind};
use morgana_node::{NodeAgent, SimulatedNode};
use morgana_store::{SqliteOptions, SqliteStore, Store};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::{
    AuditTrail, Builtin, Caller, ConnectionIndex, Controller, FabricPolicy, Options, Origin, Parts, Place,
    Service, SessionKind,
};

/// The password of every user of a test platform.
const PASSWORD: &str = "a password for tests";

/// A controller with a System DB in a temporary folder, a fabric on a port of its own, and a
/// simulated node.
pub struct TestPlatform {
    /// The handle.
    pub controller: Controller,
    /// The node; a test plays the workloads on it.
    pub node: Arc<SimulatedNode>,
    options: Options,
    key: SigningKey,
    store: Arc<dyn Store>,
    fabric: Arc<Server>,
    service: Service,
    folder: TempDir,
}

impl TestPlatform {
    /// How many vSilos a tenant may have.
    pub const SILOS_PER_TENANT: usize = 8;

    /// Starts one. A workload that does not agree to its end is ended after 300 ms.
    ///
    /// # Panics
    /// When it does not start: a test cannot go on without it.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one with other options.
    ///
    /// # Panics
    /// As [`TestPlatform::start`].
    pub async fn start_with(set: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            destroy_grace_milliseconds: 300,
            resync_milliseconds: 500,
            revive_first_seconds: 1,
            max_silos_per_tenant: Self::SILOS_PER_TENANT,
            ..Options::default()
        };
        set(&mut options);
        let folder = TempDir::new().expect("a temporary folder");
        Self::start_in(folder, options, Arc::new(SimulatedNode::new())).await
    }

    async fn start_in(folder: TempDir, options: Options, node: Arc<SimulatedNode>) -> Self {
        let store = SqliteStore::open(folder.path().join("system.db"), SqliteOptions::default())
            .await
            .expect("a store");
        let store: Arc<dyn Store> = Arc::new(store);
        let key = SigningKey::load_or_generate(&folder.path().join("key"), &mut rand::rng()).expect("a key");
        let index = ConnectionIndex::load(&store).await.expect("connections");
        let audit = AuditTrail::default();
        let policy = Arc::new(FabricPolicy::new(key.clone(), Arc::clone(&index), audit.clone()));
        let fabric = Arc::new(Server::start(ServerOptions::default(), policy).await.expect("a fabric"));
        let address = fabric.local_addr();
        let parts = Parts {
            store: Arc::clone(&store),
            key: key.clone(),
            index,
            fabric_server: Arc::clone(&fabric),
            fabric: connect(&fabric, &key, &FabricRole::Controller),
            fabric_address: (address.ip(), address.port()),
            audit,
            node: Arc::clone(&node) as Arc<dyn NodeAgent>,
            first_password: Box::new(|| Secret::new(PASSWORD)),
        };
        let service = Service::start(options.clone(), place(), parts).await.expect("a controller");
        Self { controller: service.controller(), node, options, key, store, fabric, service, folder }
    }

    /// Stops it and starts it anew on the same folder, with a node that has nothing.
    pub async fn restart(self) -> Self {
        self.restart_with(Arc::new(SimulatedNode::new())).await
    }

    /// The same, with a node on which nothing is ready before the test says so.
    pub async fn restart_with_a_slow_node(self) -> Self {
        let node = SimulatedNode::new();
        node.ready_at_once(false);
        self.restart_with(Arc::new(node)).await
    }

    async fn restart_with(self, node: Arc<SimulatedNode>) -> Self {
        let Self { service, store, fabric, folder, options, controller, .. } = self;
        drop(controller);
        service.stop().await;
        if let Some(fabric) = Arc::into_inner(fabric) {
            fabric.stop().await;
        }
        store.close().await;
        Self::start_in(folder, options, node).await
    }

    /// How many commits the System DB has seen.
    pub async fn revision(&self) -> u64 {
        self.store.revision().await.expect("a revision")
    }

    /// The administrator of the first start.
    pub fn administrator(&self) -> Caller {
        Caller::new("admin".parse().expect("an id"), Role::Administrator)
    }

    /// Registers a tenant.
    pub async fn tenant(&self, id: &str) -> Caller {
        let user: TenantId = id.parse().expect("an id");
        let new = NewUser { id: user.clone(), password: Secret::new(PASSWORD), role: Role::Tenant };
        self.controller.register(&self.administrator(), new).await.expect("a new user");
        Caller::new(user, Role::Tenant)
    }

    /// Logs a user in; the value of its `Authorization` header.
    pub async fn authorization(&self, user: &str) -> String {
        let session = self.session(user).await;
        format!("Bearer {}", session.access_token.expose())
    }

    /// Logs a user in.
    pub async fn session(&self, user: &str) -> Session {
        let credentials = Credentials { user_id: user.to_owned(), password: Secret::new(PASSWORD) };
        let origin = Origin::default();
        let login = self.controller.login(credentials, &origin, SessionKind::Refreshed);
        login.await.expect("a session")
    }

    /// What another controller of the platform says when it hands on a request of `client`.
    pub fn handed_on(&self, method: &str, target: &str, client: IpAddr) -> String {
        morgana_access::handed_on(&self.key, method, target, client)
    }

    /// A client of the fabric with the rights of a workload, which a test plays.
    pub fn workload(&self, role: &FabricRole) -> (Client, mpsc::Receiver<Event>) {
        connect(&self.fabric, &self.key, role)
    }
}

fn connect(fabric: &Server, key: &SigningKey, role: &FabricRole) -> (Client, mpsc::Receiver<Event>) {
    let options = ClientOptions::new(fabric.local_addr().to_string(), role.to_string());
    Client::connect(options.with_credentials(role.to_string(), role.password(key)))
}

fn place() -> Place {
    let builtin = |workload, kind: &str, doors: &[u16], ready| Builtin {
        workload,
        kind: kind.to_owned(),
        description: format!("{kind}, simulated"),
        doors: doors.to_vec(),
        ready,
    };
    Place {
        node: "test".parse().expect("an id"),
        zone: "default".parse().expect("an id"),
        builtins: vec![
            builtin(WorkloadKind::ThingVisor, "host", &[], true),
            builtin(WorkloadKind::ThingVisor, "relay", &[8089], true),
            builtin(WorkloadKind::VSilo, "mqtt", &[1883], true),
            builtin(WorkloadKind::VSilo, "onem2m", &[8080], false),
        ],
    }
}
