//! The CSE: tree, journal, notifications, and the operations on them.

mod ae;
mod announce;
mod ask;
mod beacon;
mod check;
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
mod open;
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

use morgana_engine::Notifier;
use morgana_journal::Journal;
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

pub use self::open::OpenError;
use self::timers::Timers;
pub(crate) use self::{create::base_36, discovery::matches, transaction::Transaction};
use crate::{
    Options,
    address::Identity,
    notify::{Courier, Shelf, Subscribers},
    primitive::{Operation, Outcome, Request, Response, ResponseType},
    privilege::{Judge, Wish},
    remote::Rounds,
    status::{Failure, Status},
    time::Time,
    tree::Tree,
};

/// The release of a request that does not say (TS-0001 8.1.2).
pub(crate) const DEFAULT_RELEASE: &str = "2a";

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
