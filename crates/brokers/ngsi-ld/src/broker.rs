//! The broker: state, journal, subscriptions and watches, and the operations on them.

mod batch;
mod contexts;
mod copies;
mod csource_subscriptions;
mod discovery;
mod entities;
mod entity_maps;
mod expiry;
mod keep;
mod mqtt;
mod mqtt_once;
mod notes;
mod open;
mod options;
mod past;
mod periodic;
mod plan;
mod purge;
mod query;
mod registrations;
mod snapshots;
mod subscribe;
mod tenants;
mod tls;
mod transport;
mod watch;
mod write;

use std::{sync::Arc, time::Duration};

use morgana_engine::Notifier;
use morgana_journal::Journal;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    batch::BatchOperation,
    copies::Notified,
    discovery::{AttributeUse, TypeUse},
    entity_maps::Entries,
};
pub use self::{
    batch::{BatchFailure, BatchResult, UpsertMode},
    entities::AppendMode,
    options::{OpenError, Options},
    query::{EntityQuery, Page},
    watch::{Change, ChangeKind, Lagged, Watch, WatchFilter},
};
use self::{
    copies::Copies,
    csource_subscriptions::CsourceSubscriptions,
    notes::Notes,
    snapshots::Snapshots,
    tenants::{Tenants, Who},
    watch::Watchers,
    write::Write,
};
pub(crate) use self::{past::Instances, purge::Purge};
use crate::{
    Context, Contexts, Error, history::History, model::Json, registrations::Registrations, sources::Sources,
    store::Store, subscriptions::Subscriptions,
};

/// An NGSI-LD broker. Cheap to clone; all clones are the same broker.
///
/// Writes take one short lock, in which the change is decided, appended to the journal and put into memory; the
/// caller then waits for the disk outside of it. Readers only ever wait for the moment in which an entity is swapped.
/// They may see a change a moment before it is acknowledged. When the disk refuses a write, the change is answered with
/// an error, and every later one, until the broker is opened again.
#[derive(Debug, Clone)]
pub struct Broker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: RwLock<Store>,
    /// Orders writes. Whatever it guards is elsewhere, so that readers need not take it.
    writing: Mutex<()>,
    journal: Journal,
    /// The past of entities, when it is kept.
    history: Option<Arc<History>>,
    contexts: Contexts,
    subscriptions: RwLock<Subscriptions>,
    registrations: RwLock<Registrations>,
    sources: Sources,
    notes: RwLock<Notes>,
    csource_subscriptions: RwLock<CsourceSubscriptions>,
    /// The copies of subscriptions at context sources.
    copies: Arc<Copies>,
    notifier: Notifier,
    /// Wakes the task that notifies at intervals.
    periodic: Arc<Notify>,
    watchers: Watchers,
    /// The name of this broker among others (NGSI-LD 5.2.40).
    alias: Box<str>,
    tenants: Tenants,
    snapshots: Snapshots,
    since: std::time::Instant,
    stop: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Broker {
    /// Lets notifications under way finish, writes the counts of subscriptions, and makes everything durable. Changes
    /// after this are refused only by who stops serving; the folder is free when the last clone is gone.
    pub async fn shutdown(&self, patience: Duration) {
        let tenants = self.inner.tenants.all();
        let all = tenants.iter().map(|tenant| tenant.shutdown_one(patience));
        futures_util::future::join(self.shutdown_one(patience), futures_util::future::join_all(all)).await;
    }

    async fn shutdown_one(&self, patience: Duration) {
        self.inner.notifier.shutdown(patience).await;
        if let Err(error) = self.save_counts().await {
            tracing::warn!(%error, "cannot save what became of notifications");
        }
        self.inner.stop.cancel();
    }

    /// The context that a document or a request names; the core context for `None`.
    ///
    /// # Errors
    /// When it is not a context or cannot be fetched.
    pub async fn context(&self, source: Option<&Json>) -> Result<Arc<Context>, Error> {
        self.inner.contexts.resolve(source).await
    }

    /// How long the broker has been open.
    pub fn uptime(&self) -> Duration {
        self.inner.since.elapsed()
    }

    /// How many entities there are.
    pub fn entity_count(&self) -> usize {
        self.inner.store.read().len()
    }
}
