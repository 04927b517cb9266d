//! The CSE: tree, journal, notifications, and the operations on them.

mod ae;
mod announce;
mod ask;
mod beacon;
mod consult;
mod create;
mod cross;
mod delete;
mod discovery;
mod expiry;
mod fence;
mod flex;
mod forward;
mod group;
mod instances;
mod links;
mod mgmt;
mod nonblocking;
mod polling;
mod registrar;
mod registration;
mod result;
mod retrieve;
mod schedule;
mod series;
mod subscribe;
mod timers;
mod transaction;
mod update;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use morgana_engine::{HttpClient, Notifier};
use morgana_journal::{Journal, Source};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use thiserror::Error as ThisError;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use self::timers::Timers;
pub(crate) use self::{create::base_36, discovery::matches, transaction::Transaction};
use crate::{
    Options,
    address::Identity,
    notify::{Courier, Found, Polled, Shelf, Subscribers},
    primitive::{Operation, Outcome, Request, Response, ResponseType, ResultContent},
    privilege::{Judge, Wish},
    remote::Rounds,
    status::{Failure, Status},
    time::Time,
    tree::{Attributes, Recovery, Resource, Tree},
    types::{self, ty},
};

/// The release of a request that does not say (TS-0001 8.1.2).
pub(crate) const DEFAULT_RELEASE: &str = "2a";

/// Why a CSE could not be opened.
#[derive(Debug, ThisError)]
pub enum OpenError {
    /// Its state could not be read.
    #[error("cannot open the state of the oneM2M CSE")]
    Journal(#[from] morgana_journal::OpenError),
    /// There is no tokio runtime for its tasks.
    #[error("a oneM2M CSE must be opened inside a tokio runtime")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
}

/// A Common Services Entity. Cheap to clone; all clones are the same CSE.
///
/// A write takes one lock, in which it is decided, appended to the journal and put into memory; the caller then waits
/// for the disk outside of it, together with all who wrote meanwhile.
#[derive(Debug, Clone)]
pub struct Cse {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) identity: Identity,
    pub(crate) tree: RwLock<Tree>,
    pub(crate) journal: Journal,
    sequence: AtomicU64,
    pub(crate) notifier: Notifier,
    pub(crate) courier: Arc<Courier>,
    pub(crate) subscribers: Subscribers,
    limits: Mutex<Limits>,
    background: Arc<tokio::sync::Semaphore>,
    pub(crate) rounds: Rounds,
    pub(crate) announcer: announce::Announcer,
    descendants: Arc<Notify>,
    pub(crate) timers: Timers,
    pub(crate) windows: cross::Windows,
    /// Notifications that wait for something.
    pub(crate) shelf: Arc<Shelf>,
    /// One more waits for a schedule.
    pub(crate) held: Arc<Notify>,
    stop: CancellationToken,
}

/// The times that the upper tester may shorten.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_expiration_seconds: u64,
    pub(crate) expiration_check_seconds: u64,
    pub(crate) request_expiration_ms: i64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
        self.timers.stop_all();
    }
}

impl Cse {
    /// Opens the CSE whose state is in `options.dir`, or starts an empty one there. Blocks while it reads. The tasks
    /// it needs run on the current tokio runtime.
    ///
    /// # Errors
    /// When the state cannot be read, or another process has it open.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let runtime = tokio::runtime::Handle::try_current()?;
        let identity = Identity {
            cse: options.cse_id.trim_matches('/').to_owned(),
            name: options.cse_name.clone(),
            provider: options.sp_id.clone(),
            registrar: options.registrar.as_ref().map(|registrar| registrar.cse_id.clone()),
        };
        let journal = morgana_journal::Options {
            dir: options.dir.clone(),
            durability: options.durability,
            sync_interval_ms: options.sync_interval_ms,
            snapshot_after_bytes: options.snapshot_after_bytes,
            ..morgana_journal::Options::default()
        };
        let mut recovery = Recovery::default();
        let mut found = Found::default();
        let (journal, _) = Journal::open(journal, |_: Source, record: &[u8]| {
            if Found::is_one(record) { found.take(record) } else { recovery.take(record) }
        })?;
        let newest = recovery.newest();
        let tree = recovery.build(base(&options, &identity));
        let shelf = Arc::new(Shelf::new(journal.clone(), found));
        let polled = Polled::new(Arc::clone(&shelf), options.polling_queue);
        let courier = Arc::new(Courier::new(HttpClient::new(Duration::from_secs(3)), polled));
        let notifier =
            Notifier::new(options.notifications.clone(), Arc::clone(&courier) as Arc<_>, runtime.clone());
        let limits = Limits {
            max_expiration_seconds: options.max_expiration_seconds,
            expiration_check_seconds: options.expiration_check_seconds,
            request_expiration_ms: i64::try_from(options.request_expiration_seconds * 1000)
                .unwrap_or(i64::MAX),
        };
        let inner = Inner {
            identity,
            tree: RwLock::new(tree),
            journal,
            // Later than every number of an earlier run, even of resources that are gone (none makes a million a second
            // for long), and even where the clock was set back: children come after their parents by their numbers.
            sequence: AtomicU64::new(Time::now().0.unsigned_abs().max(newest + 1)),
            notifier,
            courier,
            subscribers: Subscribers::default(),
            limits: Mutex::new(limits),
            background: Arc::new(tokio::sync::Semaphore::new(options.background_requests)),
            rounds: Rounds::default(),
            announcer: announce::Announcer::default(),
            descendants: Arc::default(),
            timers: Timers::default(),
            windows: cross::Windows::default(),
            shelf,
            held: Arc::default(),
            stop: CancellationToken::new(),
            options,
        };
        let cse = Self { inner: Arc::new(inner) };
        runtime.spawn(expiry::run(Arc::downgrade(&cse.inner), cse.inner.stop.clone()));
        runtime.spawn(expiry::keep_small(
            Arc::downgrade(&cse.inner),
            cse.inner.journal.clone(),
            cse.inner.stop.clone(),
        ));
        cse.revive_series();
        cse.revive_beacons();
        cse.revive_fences();
        cse.revive_windows();
        cse.inner.revive_waiting(&cse.inner);
        runtime.spawn(crate::notify::watch_pending(Arc::downgrade(&cse.inner), cse.inner.stop.clone()));
        if let Some(registrar) = cse.inner.options.registrar.clone() {
            runtime.spawn(registrar::run(Arc::downgrade(&cse.inner), registrar, cse.inner.stop.clone()));
        }
        Ok(cse)
    }

    /// Lets notifications under way finish for at most `patience`, and ends the CSE's tasks. The folder is free when
    /// the last clone is gone.
    pub async fn shutdown(&self, patience: Duration) {
        self.inner.notifier.shutdown(patience).await;
        self.inner.stop.cancel();
    }

    /// How many resources there are, with the CSEBase.
    pub fn resource_count(&self) -> usize {
        self.inner.tree.read().len()
    }

    /// The CSE-ID, with its slash.
    pub fn cse_id(&self) -> String {
        self.inner.identity.cse_id()
    }

    /// Takes the notifications for an entity in this process: those whose target is `entity`, or a URI with it as the
    /// path (`mqtt://host/<entity>`). At most `capacity` of them wait. Dropping the receiver ends it.
    pub fn listen(&self, entity: &str, capacity: usize) -> mpsc::Receiver<Value> {
        self.inner.courier.listen(entity, capacity)
    }

    /// Carries a request out and gives its response (TS-0004 7.3.1).
    pub async fn request(&self, request: Request) -> Response {
        let silent = request.response_type == ResponseType::None;
        let mut response = match self.inner.check(&request) {
            Err(failure) => Response::to(&request, Err(failure)),
            Ok(()) => match request.response_type {
                ResponseType::NonBlockingSync | ResponseType::NonBlockingAsync => {
                    let result = self.accept(&request).await;
                    Response::to(&request, result)
                }
                ResponseType::Blocking | ResponseType::Flexible | ResponseType::None => {
                    let result = self.carry_out(&request).await;
                    Response::to(&request, result)
                }
            },
        };
        response.silent = silent;
        response
    }

    /// Does what a checked request asks for, within its time.
    async fn carry_out(&self, request: &Request) -> Result<Outcome, Failure> {
        if let Some(at) = &request.operation_time {
            let wait = Time::parse_from(at, Time::now()).map_or(0, |time| (time.0 - Time::now().0) / 1000);
            tokio::time::sleep(crate::time::millis(wait)).await;
        }
        self.execute(request).await
    }

    /// Does it now.
    pub(crate) async fn execute(&self, request: &Request) -> Result<Outcome, Failure> {
        self.watch_clock(request);
        if request.to.starts_with('/')
            && let Some(cse) = self.inner.identity.elsewhere(&request.to)
        {
            return Box::pin(self.forward(request, &cse)).await;
        }
        match self.execute_here(request).await {
            Err(refused) if refused.status == Status::OriginatorHasNoPrivilege => {
                Box::pin(self.consult(request, refused)).await
            }
            result => result,
        }
    }

    /// Carries out what has its target here.
    async fn execute_here(&self, request: &Request) -> Result<Outcome, Failure> {
        if let Some(outcome) = self.virtual_target(request).await {
            return outcome;
        }
        match request.operation {
            Operation::Create => self.create(request).await,
            Operation::Retrieve => self.retrieve(request).await,
            Operation::Update => self.update(request).await,
            Operation::Delete => self.delete(request).await,
            Operation::Notify => self.notify(request).await,
        }
    }

    /// Does it now and here, without what follows for other CSEs.
    async fn execute_quietly(&self, request: &Request) -> Result<Outcome, Failure> {
        match request.operation {
            Operation::Create => self.create_quietly(request).await.map(|(outcome, _)| outcome),
            Operation::Retrieve => self.retrieve(request).await,
            Operation::Update => self.update_quietly(request).await.map(|(outcome, _)| outcome),
            Operation::Delete => self.delete_quietly(request).await.map(|(outcome, _)| outcome),
            Operation::Notify => self.notify(request).await,
        }
    }

    /// Runs a change while no other runs, and returns when what it wrote is durable.
    pub(crate) async fn write<T>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.inner.journal.room().await?;
        let (result, tickets) = {
            let mut transaction = Transaction::begin(self);
            let result = change(&mut transaction);
            (result, transaction.finish())
        };
        for ticket in tickets.into_iter().flatten() {
            ticket.durable().await?;
        }
        result
    }
}

impl Inner {
    pub(crate) fn judge<'a>(&'a self, tree: &'a Tree) -> Judge<'a> {
        Judge {
            tree,
            identity: &self.identity,
            administrators: &self.options.administrators,
            inherit: self.options.inherit_access,
        }
    }

    /// Resolves when a CSE registered or went.
    fn descendants_changed(&self) -> impl Future<Output = ()> + Send + 'static {
        let changed = Arc::clone(&self.descendants);
        async move { changed.notified().await }
    }

    /// A CSE is known from now on: what was to be announced to it can be, and those above are to know.
    pub(crate) fn cse_came(&self, tree: &Tree, csr: u32) {
        let registrar = self.identity.registrar.as_deref();
        let Some(csi) = tree.at(csr).attributes.text("csi") else { return };
        self.announcer.retry(tree, csi);
        if Some(csi) != registrar {
            self.descendants.notify_one();
        }
    }

    pub(crate) fn cse_went(&self) {
        self.descendants.notify_one();
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn limits(&self) -> Limits {
        *self.limits.lock()
    }

    pub(crate) fn change_limits(&self, change: impl FnOnce(&mut Limits)) {
        change(&mut self.limits.lock());
    }

    /// What is wrong with a request before its target is looked at (TS-0004 7.3.2.1).
    fn check(&self, request: &Request) -> Result<(), Failure> {
        if let Some(release) = &request.release
            && !self.options.releases().contains(&release.as_str())
        {
            let spoken = self.options.releases().join(", ");
            let debug = format!("rvi {release}: this CSE speaks {spoken}");
            return Err(Failure::new(Status::ReleaseVersionNotSupported, debug));
        }
        let registers = request.operation == Operation::Create && request.ty == Some(ty::AE);
        if request.originator().is_empty() && !registers {
            return Err(Failure::bad("fr: the request has no originator"));
        }
        if request.to.is_empty() {
            return Err(Failure::bad("to: the request has no target"));
        }
        if request.ty.is_some() && request.operation != Operation::Create {
            return Err(Failure::bad("ty: only a CREATE request has a resource type"));
        }
        if request.operation == Operation::Create && request.ty.is_none() {
            return Err(Failure::bad("ty: a CREATE request must have a resource type"));
        }
        let now = Time::now();
        for (name, value) in [
            ("rqet", &request.request_expires),
            ("rset", &request.result_expires),
            ("oet", &request.operation_time),
        ] {
            let Some(text) = value else { continue };
            let time = Time::parse_from(text, now).ok_or_else(|| {
                Failure::bad(format!("{name}: {text} is not a timestamp or a number of milliseconds"))
            })?;
            if name != "oet" && time <= now {
                return Err(Failure::new(Status::RequestTimeout, format!("{name}: {text} is over")));
            }
        }
        let time = |text: &Option<String>| text.as_deref().and_then(|text| Time::parse_from(text, now));
        let (request_end, result_end) = (time(&request.request_expires), time(&request.result_expires));
        let start = time(&request.operation_time);
        if request_end.zip(result_end).is_some_and(|(request_end, result_end)| result_end < request_end) {
            return Err(Failure::bad("rset: the result expires before the request"));
        }
        if start.is_some_and(|start| [request_end, result_end].into_iter().flatten().any(|end| end < start)) {
            return Err(Failure::bad("oet: the operation begins after the request or its result expired"));
        }
        if let Some(text) = &request.result_persistence
            && Time::parse_from(text, now).is_none()
        {
            return Err(Failure::bad(format!("rp: {text} is neither a duration nor a timestamp")));
        }
        let wanted = request.wants();
        if !wanted.fits(request.operation, request.filter.is_discovery()) {
            return Err(Failure::bad(format!("rcn {}: it does not go with this operation", wanted as u8)));
        }
        if !request.attributes.is_empty()
            && (request.operation != Operation::Retrieve || wanted != ResultContent::Attributes)
        {
            return Err(Failure::bad("atrl: a list of attributes goes with RETRIEVE and rcn 1 only"));
        }
        if wanted == ResultContent::SemanticContent {
            return Err(Failure::new(Status::NotImplemented, "rcn 10: this CSE has no semantic content"));
        }
        Ok(())
    }

    /// Checks a privilege and says who lacks which.
    pub(crate) fn demand(&self, tree: &Tree, slot: u32, wish: &Wish<'_>) -> Result<(), Failure> {
        if self.judge(tree).allows(slot, wish) {
            return Ok(());
        }
        let debug = format!(
            "{} has no privilege {} on {}",
            if wish.originator.is_empty() { "an unknown originator" } else { wish.originator },
            wish.operation,
            tree.structured(slot)
        );
        Err(Failure::new(Status::OriginatorHasNoPrivilege, debug))
    }
}

/// The CSEBase.
fn base(options: &Options, identity: &Identity) -> Resource {
    let now = Time::now();
    let mut attributes = Attributes::default();
    attributes.set("cst", Value::from(options.cse_type));
    attributes.set("csi", Value::from(identity.cse_id()));
    attributes.set("spi", Value::from(format!("//{}", identity.provider)));
    attributes.set("srt", Value::from(types::supported().collect::<Vec<_>>()));
    attributes.set("poa", Value::from(options.points_of_access.clone()));
    attributes.set("csz", Value::from(vec!["application/json", "application/cbor"]));
    attributes.set("srv", Value::from(options.releases().to_vec()));
    Resource {
        ty: ty::CB,
        root: "m2m:cb".into(),
        ri: identity.cse.as_str().into(),
        rn: identity.name.as_str().into(),
        parent: None,
        sequence: 0,
        created: now,
        modified: now,
        expires: Time::NEVER,
        state_tag: 0,
        size: 0,
        creator: identity.cse_id().into(),
        attributes,
        family: None,
    }
}
