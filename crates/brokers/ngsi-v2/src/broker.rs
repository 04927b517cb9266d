//! The broker: state, journal and subscriptions of every service, and the operations on them.

mod deliver;
mod discover;
mod forward;
mod keep;
mod mqtt;
mod read;
mod register;
mod scope;
mod statistics;
mod subscribe;
mod tenant;
mod update;
mod watch;
mod write;

use std::{path::PathBuf, sync::Arc, time::Duration};

use http::Uri;
use morgana_engine::{HttpClient, HttpTransport, Notifier, NotifierOptions};
use morgana_journal::{Durability, Journal, Source};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;
use tokio_util::sync::CancellationToken;

pub(crate) use self::scope::correlator as new_correlator;
pub(crate) use self::{
    discover::TypeInfo,
    statistics::{Answered, Places, Statistics, Traffic},
};
use self::{keep::keep, mqtt::MqttClients, tenant::Tenants};
pub use self::{
    scope::Scope,
    update::Created,
    watch::{Watch, WatchFilter, Watched},
};
use crate::model::{Record, decode_record};

/// How a broker keeps its state and talks to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The folder of the broker's state; one broker at a time.
    pub dir: PathBuf,
    /// When a change is acknowledged.
    pub durability: Durability,
    /// Milliseconds between two writes to the disk with `interval`.
    pub sync_interval_ms: u64,
    /// A snapshot is taken once the log is larger than this and than the last snapshot, in bytes.
    pub snapshot_after_bytes: u64,
    /// Whether `Fiware-Service` keeps services apart (Orion's `-multiservice`). Without it there is one service and
    /// the header is only handed on.
    pub multiservice: bool,
    /// Milliseconds between two looks for entities that ended and counters to write down.
    pub keep_interval_ms: u64,
    /// Milliseconds that an endpoint or a context provider has to answer, unless the subscription says otherwise.
    pub http_timeout_ms: u64,
    /// Whether endpoints and context providers must have public addresses, so that who may subscribe cannot reach into
    /// the network of the broker.
    pub public_endpoints_only: bool,
    /// How notifications are queued.
    pub notifications: NotifierOptions,
}

impl Default for Options {
    fn default() -> Self {
        let journal = morgana_journal::Options::default();
        Self {
            dir: PathBuf::from("ngsi-v2"),
            durability: journal.durability,
            sync_interval_ms: journal.sync_interval_ms,
            snapshot_after_bytes: journal.snapshot_after_bytes,
            multiservice: false,
            keep_interval_ms: 1_000,
            http_timeout_ms: 5_000,
            public_endpoints_only: false,
            notifications: NotifierOptions::default(),
        }
    }
}

/// Why a broker could not be opened.
#[derive(Debug, ThisError)]
pub enum OpenError {
    /// Its state could not be read.
    #[error("cannot open the state of the NGSIv2 broker")]
    Journal(#[from] morgana_journal::OpenError),
    /// There is no tokio runtime for its tasks.
    #[error("an NGSIv2 broker must be opened inside a tokio runtime")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
}

/// An NGSIv2 broker. Cheap to clone; all clones are the same broker.
///
/// Writes take one short lock, in which the change is decided, appended to the journal and put into memory; the
/// caller then waits for the disk outside of it. Readers only ever wait for the moment in which an entity is swapped.
#[derive(Debug, Clone)]
pub struct Broker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tenants: Tenants,
    /// Orders writes. Whatever it guards is elsewhere, so that readers need not take it.
    writing: Mutex<()>,
    journal: Journal,
    notifier: Notifier,
    client: HttpClient,
    mqtt: Arc<MqttClients>,
    options: Options,
    statistics: Arc<Statistics>,
    watchers: watch::Watchers,
    stop: CancellationToken,
}

/// How much a broker has.
#[derive(Debug, Default)]
pub(crate) struct Size {
    pub(crate) entities: usize,
    pub(crate) subscriptions: usize,
    pub(crate) registrations: usize,
    /// Subscriptions that were looked at closely for changes.
    pub(crate) looked_at: u64,
    /// Notifications that full queues dropped.
    pub(crate) dropped: u64,
    /// Notifications that are queued or under way.
    pub(crate) waiting: u64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Broker {
    /// Opens the broker whose state is in `options.dir`, or starts an empty one there. Blocks while it reads. The
    /// tasks it needs run on the current tokio runtime.
    ///
    /// # Errors
    /// When the state cannot be read, or another process has it open.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let runtime = tokio::runtime::Handle::try_current()?;
        let tenants = Tenants::new(options.multiservice);
        let journal = morgana_journal::Options {
            dir: options.dir.clone(),
            durability: options.durability,
            sync_interval_ms: options.sync_interval_ms,
            snapshot_after_bytes: options.snapshot_after_bytes,
            ..morgana_journal::Options::default()
        };
        let (journal, _) = Journal::open(journal, |_: Source, record: &[u8]| {
            let (service, record) = decode_record(record)?;
            let tenant = tenants.for_write(service);
            tenants.keep(Arc::clone(&tenant));
            match record {
                Record::Entity(entity) => drop(tenant.store.write().put(Arc::new(entity))),
                Record::NoEntity { id, kind, path } => drop(tenant.store.write().remove(&id, &kind, &path)),
                Record::Subscription(stored) => tenant.restore_subscription(stored),
                Record::NoSubscription(id) => drop(tenant.subscriptions.write().remove(&id)),
                Record::Registration(stored) => tenant.registrations.write().restore(&stored),
                Record::NoRegistration(id) => drop(tenant.registrations.write().remove(&id)),
            }
            Ok::<_, minicbor::decode::Error>(())
        })?;
        let timeout = Duration::from_millis(options.http_timeout_ms);
        let client = match options.public_endpoints_only {
            true => HttpClient::public_only(timeout),
            false => HttpClient::new(timeout),
        };
        let transport = Arc::new(HttpTransport::new(client.clone()));
        let notifier = Notifier::new(options.notifications.clone(), transport, runtime.clone());
        let inner = Inner {
            tenants,
            writing: Mutex::new(()),
            journal,
            notifier,
            client,
            mqtt: Arc::new(MqttClients::new(options.public_endpoints_only)),
            options,
            statistics: Arc::default(),
            watchers: watch::Watchers::default(),
            stop: CancellationToken::new(),
        };
        let broker = Self { inner: Arc::new(inner) };
        for tenant in broker.inner.tenants.all() {
            for subscription in tenant.subscriptions.read().iter() {
                broker.inner.open_lane(&subscription.id);
            }
        }
        runtime.spawn(keep(
            Arc::downgrade(&broker.inner),
            broker.inner.journal.clone(),
            broker.inner.stop.clone(),
        ));
        Ok(broker)
    }

    /// Lets notifications under way finish, writes the counts of subscriptions, and makes everything durable. The
    /// folder is free when the last clone is gone.
    pub async fn shutdown(&self, patience: Duration) {
        self.inner.notifier.shutdown(patience).await;
        if let Err(error) = self.save_counts().await {
            tracing::warn!(%error, "cannot save what became of notifications");
        }
        self.inner.stop.cancel();
    }

    /// How many entities there are, in all services.
    pub fn entity_count(&self) -> usize {
        self.inner.tenants.all().iter().map(|tenant| tenant.store.read().len()).sum()
    }

    /// How many services there are in which something is, with the default one.
    pub fn service_count(&self) -> usize {
        self.inner.tenants.all().len()
    }

    /// How much there is, in all services.
    pub(crate) fn size(&self) -> Size {
        let mut size = Size { entities: self.entity_count(), ..Size::default() };
        for tenant in self.inner.tenants.all() {
            size.registrations += tenant.registrations.read().iter().count();
            let subscriptions = tenant.subscriptions.read();
            size.looked_at += subscriptions.looked_at();
            for subscription in subscriptions.iter() {
                size.subscriptions += 1;
                if let Some(counts) = self.inner.notifier.counts(&subscription.id) {
                    size.dropped += counts.dropped;
                    size.waiting += counts.waiting;
                }
            }
        }
        size
    }

    pub(crate) fn statistics(&self) -> &Statistics {
        &self.inner.statistics
    }
}

impl Inner {
    /// Opens the queue of a subscription. Each delivery knows itself where it goes.
    fn open_lane(&self, subscription: &str) {
        let endpoint = morgana_engine::Endpoint {
            uri: Uri::default(),
            headers: http::HeaderMap::new(),
            timeout: Duration::from_millis(self.options.http_timeout_ms),
        };
        self.notifier.open(subscription, endpoint, morgana_engine::DeliveryCounts::default());
    }
}
