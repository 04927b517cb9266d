//! The handle of the controller.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use morgana_access::{Action, Caller, SigningKey, Throttle};
use morgana_fabric::Client;
use morgana_model::{
    Connection, ErrorCode, Failure, Flavour, TenantId, ThingVisor, VSilo, VThing, WorkloadName,
};
use morgana_node::NodeAgent;
use morgana_store::{Store, Table};
use parking_lot::Mutex;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore};

use crate::audit::{self, AuditTrail};
use crate::reconcile::{ReconcilerReport, Reconcilers, WorkloadBook};
use crate::records::{AuditRecord, IdempotencyRecord, SessionRecord, UserRecord};
use crate::streams::Streams;
use crate::tally::Tally;
use crate::{Error, Options, Place, metrics};

/// What users ask of the platform. Cheap to clone.
#[derive(Clone)]
pub struct Controller(Arc<Inner>);

struct Inner {
    options: Options,
    place: Place,
    key: SigningKey,
    store: Arc<dyn Store>,
    tables: Tables,
    node: Arc<dyn NodeAgent>,
    book: Arc<WorkloadBook>,
    fabric: Client,
    fabric_address: (IpAddr, u16),
    published: Arc<dyn Fn(&str) -> u64 + Send + Sync>,
    audit: AuditTrail,
    throttle: Mutex<Throttle>,
    streams: Streams,
    password_checks: Arc<Semaphore>,
    logins_waiting: Arc<Semaphore>,
    structure: RwLock<()>,
    creations: Tally<TenantId>,
    /// Set when they run.
    reconcilers: OnceLock<Reconcilers>,
}

/// What operations work with beside the System DB and the node.
pub(crate) struct Means {
    /// What is remembered of each workload.
    pub(crate) book: Arc<WorkloadBook>,
    /// A client of the fabric with the controller's rights.
    pub(crate) fabric: Client,
    /// Where workloads reach the fabric.
    pub(crate) fabric_address: (IpAddr, u16),
    /// How many messages a user of the fabric has published.
    pub(crate) published: Arc<dyn Fn(&str) -> u64 + Send + Sync>,
    /// Where attempts are noted that changed nothing.
    pub(crate) audit: AuditTrail,
}

struct Tables {
    users: Table<UserRecord>,
    flavours: Table<Flavour>,
    thing_visors: Table<ThingVisor>,
    v_things: Table<VThing>,
    v_silos: Table<VSilo>,
    connections: Table<Connection>,
    sessions: Table<SessionRecord>,
    idempotency: Table<IdempotencyRecord>,
    audit_log: Table<AuditRecord>,
}

impl Controller {
    #[allow(
        clippy::too_many_arguments,
        reason = "each part comes from somewhere else, and this is called once"
    )]
    pub(crate) fn new(
        options: Options,
        place: Place,
        key: SigningKey,
        store: Arc<dyn Store>,
        node: Arc<dyn NodeAgent>,
        means: Means,
    ) -> Self {
        let tables = Tables {
            users: Table::new(Arc::clone(&store)),
            flavours: Table::new(Arc::clone(&store)),
            thing_visors: Table::new(Arc::clone(&store)),
            v_things: Table::new(Arc::clone(&store)),
            v_silos: Table::new(Arc::clone(&store)),
            connections: Table::new(Arc::clone(&store)),
            sessions: Table::new(Arc::clone(&store)),
            idempotency: Table::new(Arc::clone(&store)),
            audit_log: Table::new(Arc::clone(&store)),
        };
        let password_checks = Arc::new(Semaphore::new(options.password_checks_at_once.max(1)));
        let logins_waiting = Arc::new(Semaphore::new(options.logins_waiting.max(1)));
        let throttle = Mutex::new(Throttle::new(options.login.clone()));
        let streams = Streams::new(options.streams_per_user);
        let Means { book, fabric, fabric_address, published, audit } = means;
        let inner = Inner {
            fabric,
            fabric_address,
            published,
            audit,
            throttle,
            streams,
            options,
            place,
            key,
            store,
            tables,
            node,
            book,
            password_checks,
            logins_waiting,
            structure: RwLock::new(()),
            creations: Tally::default(),
            reconcilers: OnceLock::new(),
        };
        Self(Arc::new(inner))
    }

    /// Counts the operation, and turns what went wrong into words for the user.
    pub(crate) async fn operation<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        let result = work.await.map_err(Failure::from);
        metrics::operation(name, result.as_ref().err().map_or("ok", |failure| failure.code.as_str()));
        result
    }

    /// Lets the caller go on if it may do this to what belongs to `owner`.
    pub(crate) fn authorize(
        &self,
        caller: &Caller,
        action: Action,
        owner: Option<&TenantId>,
    ) -> Result<(), Failure> {
        morgana_access::authorize(caller, action, owner).map_err(|denied| {
            let target = owner.map(ToString::to_string).unwrap_or_default();
            let code = ErrorCode::PermissionDenied;
            self.0.audit.note(audit::line(caller, &format!("{action:?}"), target, code.as_str()));
            Failure::new(code, denied.to_string())
        })
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    /// Where this controller runs, and what its binary brings.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.0.key
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.0.store.as_ref()
    }

    pub(crate) fn node(&self) -> &dyn NodeAgent {
        self.0.node.as_ref()
    }

    /// Ends a workload that is ending without waiting for it to agree.
    pub(crate) fn do_not_wait_for(&self, name: WorkloadName) {
        self.0.book.acknowledge(&name);
        if let Some(reconcilers) = self.0.reconcilers.get() {
            reconcilers.wake_workload(name);
        }
    }

    /// What is remembered of each workload.
    pub(crate) fn book(&self) -> &WorkloadBook {
        &self.0.book
    }

    /// Held while something is made that hangs on something else (a silo on its tenant and flavour,
    /// a connection on its silo and vThing): what it hangs on stays meanwhile.
    pub(crate) async fn while_building(&self) -> RwLockReadGuard<'_, ()> {
        self.0.structure.read().await
    }

    /// Held while something is removed that others may hang on: nothing is made meanwhile.
    pub(crate) async fn while_removing(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.structure.write().await
    }

    /// The creations of vSilos that are under way, by tenant.
    pub(crate) fn creations(&self) -> &Tally<TenantId> {
        &self.0.creations
    }

    pub(crate) fn users(&self) -> &Table<UserRecord> {
        &self.0.tables.users
    }

    pub(crate) fn flavours(&self) -> &Table<Flavour> {
        &self.0.tables.flavours
    }

    pub(crate) fn thing_visors(&self) -> &Table<ThingVisor> {
        &self.0.tables.thing_visors
    }

    pub(crate) fn v_things(&self) -> &Table<VThing> {
        &self.0.tables.v_things
    }

    pub(crate) fn v_silos(&self) -> &Table<VSilo> {
        &self.0.tables.v_silos
    }

    pub(crate) fn connections(&self) -> &Table<Connection> {
        &self.0.tables.connections
    }

    pub(crate) fn sessions(&self) -> &Table<SessionRecord> {
        &self.0.tables.sessions
    }

    pub(crate) fn idempotency(&self) -> &Table<IdempotencyRecord> {
        &self.0.tables.idempotency
    }

    pub(crate) fn audit_log(&self) -> &Table<AuditRecord> {
        &self.0.tables.audit_log
    }

    pub(crate) fn audit(&self) -> &AuditTrail {
        &self.0.audit
    }

    pub(crate) fn throttle(&self) -> &Mutex<Throttle> {
        &self.0.throttle
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    pub(crate) fn fabric(&self) -> &Client {
        &self.0.fabric
    }

    /// Where workloads reach the fabric.
    pub fn fabric_address(&self) -> (IpAddr, u16) {
        self.0.fabric_address
    }

    /// How many messages a user of the fabric has published.
    pub(crate) fn published_by(&self, user: &str) -> u64 {
        (self.0.published)(user)
    }

    /// The address of the client whose request another controller hands on, from the header that only one
    /// with the platform's key can write.
    pub fn client_handed_on(&self, method: &str, target: &str, said: &str) -> Option<IpAddr> {
        morgana_access::verify_handed_on(self.key(), method, target, said)
    }

    /// A print of some bytes that only this platform can make (for idempotency keys).
    pub fn print_of(&self, parts: &[&[u8]]) -> String {
        morgana_access::print_of(self.key(), parts)
    }

    pub(crate) fn password_checks(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.password_checks)
    }

    pub(crate) fn logins_waiting(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.logins_waiting)
    }

    pub(crate) fn reconciler_reports(&self) -> Vec<ReconcilerReport> {
        self.0.reconcilers.get().map(Reconcilers::reports).unwrap_or_default()
    }

    /// Tells the controller of its reconcilers, once.
    pub(crate) fn set_reconcilers(&self, reconcilers: Reconcilers) {
        let _ = self.0.reconcilers.set(reconcilers);
    }

    /// Whether the System DB answers.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn check_ready(&self) -> Result<(), Failure> {
        self.store().revision().await.map(drop).map_err(|error| Failure::from(Error::from(error)))
    }

    /// What each workload uses, for metrics.
    pub async fn usage(&self) -> BTreeMap<WorkloadName, morgana_node::Usage> {
        self.node().usage().await
    }
}
