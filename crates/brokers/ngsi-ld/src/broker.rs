//! The broker: state, journal, subscriptions and watches, and the operations on them.

mod batch;
mod contexts;
mod copies;
mod csource_subscriptions;
mod discovery;
mod entities;
mod entity_maps;
mod expiry;
mod mqtt;
mod mqtt_once;
mod notes;
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

use std::{path::PathBuf, sync::Arc, time::Duration};

use morgana_engine::{HttpClient, HttpTransport, Notifier, NotifierOptions, Transport};
use morgana_journal::{Durability, Journal, SnapshotError, Source, TableError, Ticket};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;
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
    query::{EntityQuery, Page},
    watch::{Change, ChangeKind, Lagged, Watch, WatchFilter},
};
use self::{
    copies::Copies,
    csource_subscriptions::CsourceSubscriptions,
    notes::Notes,
    snapshots::Snapshots,
    tenants::{Tenants, Who},
    transport::AnyTransport,
    watch::Watchers,
};
pub(crate) use self::{past::Instances, purge::Purge};
use crate::{
    Context, ContextOptions, Contexts, Error,
    history::{History, Rules, missing_of},
    model::{
        Changes, Entity, Json, Record, Timestamp, decode_record, encode_context, encode_delete,
        encode_entity, encode_hosted, encode_registration, encode_subscription, live,
    },
    registrations::Registrations,
    sources::{SourceOptions, Sources},
    store::{Loading, Store},
    subscriptions::Subscriptions,
};

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
    /// Where contexts may be fetched from.
    pub contexts: ContextOptions,
    /// How many instances of each attribute's past are kept (NGSI-LD 4.5.6); 0 keeps no past, which saves memory.
    pub history_instances: usize,
    /// For how long the past is kept after it was written, in seconds; 0 for ever.
    pub history_max_age_s: u64,
    /// How notifications are queued and retried.
    pub notifications: NotifierOptions,
    /// Whether notifications go to public addresses only, so that who may subscribe cannot reach into the network of
    /// the broker.
    pub public_endpoints_only: bool,
    /// A file of certificates, in the form PEM, that vouch for `mqtts` servers instead of those of the system.
    pub notification_ca: Option<PathBuf>,
    /// How context sources are asked (NGSI-LD 4.3.6).
    pub sources: SourceOptions,
    /// This broker as its context sources reach it, such as `https://broker.example`, for what they notify (NGSI-LD
    /// 5.8.1.4); as its subscribers reach it when this is not given.
    pub public_url: Option<String>,
    /// How many tenants there may be beside the default one (NGSI-LD 4.14); 0 for a broker of one tenant.
    pub tenants_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        let journal = morgana_journal::Options::default();
        Self {
            dir: PathBuf::from("ngsi-ld"),
            durability: journal.durability,
            sync_interval_ms: journal.sync_interval_ms,
            snapshot_after_bytes: journal.snapshot_after_bytes,
            contexts: ContextOptions::default(),
            history_instances: 0,
            history_max_age_s: 0,
            notifications: NotifierOptions::default(),
            public_endpoints_only: false,
            notification_ca: None,
            sources: SourceOptions::default(),
            public_url: None,
            tenants_max: 1000,
        }
    }
}

/// Why a broker could not be opened.
#[derive(Debug, ThisError)]
pub enum OpenError {
    /// Its state could not be read.
    #[error("cannot open the state of the NGSI-LD broker")]
    Journal(#[from] morgana_journal::OpenError),
    /// There is no tokio runtime for its tasks.
    #[error("an NGSI-LD broker must be opened inside a tokio runtime")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
    /// A folder or file beside the journal cannot be used.
    #[error("cannot use {}", .0.display())]
    Folder(PathBuf, #[source] std::io::Error),
    /// A file of the past cannot be read.
    #[error("cannot open the past of entities")]
    Past(#[from] TableError),
    /// A file of the past is gone.
    #[error("{} is missing, a file of the past; restore it from a copy, or remove its folder to begin a new past", file.display())]
    RunMissing {
        /// The file, or the first of those, that should be there.
        file: PathBuf,
    },
}

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
    /// Opens the broker whose state is in `options.dir`, or starts an empty one there. Blocks while it reads. The
    /// tasks it needs run on the current tokio runtime.
    ///
    /// # Errors
    /// When the state cannot be read, or another process has it open.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let connect = Duration::from_secs(5);
        let public_only = options.public_endpoints_only;
        let client = if public_only { HttpClient::public_only(connect) } else { HttpClient::new(connect) };
        let transport =
            AnyTransport::new(HttpTransport::new(client), public_only, options.notification_ca.clone());
        Self::open_with(options, Arc::new(transport))
    }

    /// Like [`open`](Self::open), with a way of its own to deliver notifications.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(options: Options, transport: Arc<dyn Transport>) -> Result<Self, OpenError> {
        let broker = Self::open_as(options, transport, None)?;
        broker.inner.tenants.restore()?;
        Ok(broker)
    }

    /// Opens one tenant; without an alias it is the default one, and keeps its alias in its folder.
    fn open_as(options: Options, transport: Arc<dyn Transport>, who: Option<Who>) -> Result<Self, OpenError> {
        let runtime = tokio::runtime::Handle::try_current()?;
        let mut entities = Loading::default();
        let mut subscriptions = Subscriptions::default();
        let mut registered = Registrations::default();
        let mut notes = Notes::default();
        let all = options.clone();
        let journal = morgana_journal::Options {
            dir: options.dir,
            durability: options.durability,
            sync_interval_ms: options.sync_interval_ms,
            snapshot_after_bytes: options.snapshot_after_bytes,
            ..morgana_journal::Options::default()
        };
        let max_age = Duration::from_secs(options.history_max_age_s);
        let history = match options.history_instances {
            0 => None,
            max => Some(Arc::new(History::open(&journal.dir, &journal, Rules { max, max_age })?)),
        };
        // What the past knows last; the present may have gone on a little when the process was killed.
        let known = history.as_ref().and_then(|history| history.last());
        // What is copied into a snapshot is nothing that happened.
        let known = known.filter(|_| !matches!(&who, Some(Who { tenant: None, .. })));
        let catch_up = |entity: Option<&Entity>, old: Option<&Entity>, at: Timestamp| -> Result<(), Error> {
            if let Some(history) = history.as_ref().filter(|_| known.is_some_and(|known| known <= at)) {
                for past in missing_of(history, entity, old, at)? {
                    let _durable_later = history.write(&past)?;
                }
            }
            Ok(())
        };
        let contexts = Contexts::in_dir(options.contexts, Some(journal.dir.join("contexts")));
        let (journal, _) = Journal::open(journal, |source: Source, record: &[u8]| {
            match decode_record(record)? {
                Record::Entity(entity) => {
                    let entity = Arc::new(entity);
                    let old = entities.put(Arc::clone(&entity));
                    if source == Source::Log {
                        catch_up(Some(&entity), old.as_deref(), entity.modified_at)?;
                    }
                }
                Record::NoEntity(id, at) => {
                    if let (Some(old), Some(at)) = (entities.remove(&id), at) {
                        catch_up(None, Some(&old), at)?;
                    }
                }
                Record::Subscription(id, document) => subscriptions.restore(id, document),
                Record::NoSubscription(id) => subscriptions.forget(&id),
                Record::Context(key, terms) => subscriptions.restore_context(&key, &terms),
                Record::Hosted(id, kind, document, at) => contexts.hosted().insert(&id, kind, document, at),
                Record::Registration(id, document) => match registrations::revived(&document) {
                    Some(registration) => drop(registered.insert(Arc::new(registration))),
                    None => tracing::error!(registration = %id, "cannot revive a registration"),
                },
                Record::Note(kind, id, document) => notes.put(kind, id, document),
                Record::NoNote(kind, id) => drop(notes.remove(kind, &id)),
                Record::NoRegistration(id) => drop(registered.remove(&id)),
                Record::NoHosted(id) => drop(contexts.hosted().remove(&id)),
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        })?;
        let copies = Copies::restored(&notes, Duration::from_millis(options.sources.copies_check_ms));
        // Written after the journal has locked the folder.
        let (alias, tenant) = match who {
            None => (tenants::alias(&all.dir)?, None),
            Some(Who { alias, tenant }) => (alias.into(), tenant),
        };
        let tenants = Tenants::new(all, Arc::clone(&transport), &alias, tenant);
        let inner = Inner {
            store: RwLock::new(entities.finish()),
            writing: Mutex::new(()),
            journal,
            history,
            contexts,
            subscriptions: RwLock::new(subscriptions),
            registrations: RwLock::new(registered),
            sources: Sources::new(options.sources),
            notes: RwLock::new(notes),
            csource_subscriptions: RwLock::default(),
            copies: Arc::new(copies),
            notifier: Notifier::new(options.notifications, transport, runtime.clone()),
            periodic: Arc::default(),
            watchers: Watchers::default(),
            alias,
            tenants,
            snapshots: Snapshots::default(),
            since: std::time::Instant::now(),
            stop: CancellationToken::new(),
        };
        let broker = Self { inner: Arc::new(inner) };
        broker.revive_subscriptions();
        broker.revive_csource_subscriptions();
        broker.restore_snapshots();
        runtime.spawn(keep_small(
            Arc::downgrade(&broker.inner),
            broker.inner.journal.clone(),
            broker.inner.stop.clone(),
        ));
        if let Some(history) = &broker.inner.history {
            runtime.spawn(Arc::clone(history).keep_small(broker.inner.stop.clone()));
            runtime.spawn(Arc::clone(history).keep_merged(broker.inner.stop.clone()));
            if max_age > Duration::ZERO {
                let (inner, stop) = (Arc::downgrade(&broker.inner), broker.inner.stop.clone());
                runtime.spawn(past::keep_young(inner, max_age, stop));
            }
        }
        runtime
            .spawn(periodic::notify_at_intervals(Arc::downgrade(&broker.inner), broker.inner.stop.clone()));
        runtime.spawn(copies::keep_true(Arc::downgrade(&broker.inner), broker.inner.stop.clone()));
        runtime.spawn(expiry::take_out_expired(Arc::downgrade(&broker.inner), broker.inner.stop.clone()));
        Ok(broker)
    }

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

    /// Runs `change` while no other write runs, and returns when what it wrote is durable.
    async fn write<T>(&self, change: impl FnOnce(&mut Write<'_>) -> Result<T, Error>) -> Result<T, Error> {
        self.inner.journal.room().await?;
        if let Some(history) = &self.inner.history {
            history.room().await?;
        }
        let (result, tickets) = {
            let _writing = self.inner.writing.lock();
            let mut write = Write {
                inner: &self.inner,
                now: Timestamp::now(),
                last: None,
                last_past: None,
                keeps_past: true,
            };
            let result = change(&mut write);
            (result, [write.last, write.last_past])
        };
        for ticket in tickets.into_iter().flatten() {
            ticket.durable().await?;
        }
        result
    }
}

/// A write under way: the only way to change the broker's state.
struct Write<'a> {
    inner: &'a Arc<Inner>,
    now: Timestamp,
    last: Option<Ticket>,
    /// The same, of the journal of the past.
    last_past: Option<Ticket>,
    /// Whether what is written becomes part of the past.
    keeps_past: bool,
}

impl Write<'_> {
    fn get(&self, id: &str) -> Option<Arc<Entity>> {
        let stored = self.inner.store.read().get(id).cloned()?;
        live(&stored, self.now)
    }

    fn append(&mut self, record: &[u8]) -> Result<(), Error> {
        // Tickets resolve in order, so the last one stands for all.
        self.last = Some(self.inner.journal.append(record)?);
        Ok(())
    }

    /// Puts an entity in and tells who wants to know.
    fn put(&mut self, entity: Entity, changes: &Changes) -> Result<(), Error> {
        self.append(&encode_entity(&entity))?;
        if self.inner.history.is_some() {
            let old = self.inner.store.read().get(&entity.id).cloned();
            self.note_past(&entity, old.as_deref(), changes)?;
        }
        let entity = Arc::new(entity);
        let old = self.inner.store.write().put(Arc::clone(&entity));
        let kind = if old.is_none() { ChangeKind::Created } else { ChangeKind::Updated };
        self.tell(&entity, old.as_ref(), kind, changes);
        Ok(())
    }

    /// Takes an entity out and tells who wants to know.
    fn delete(&mut self, id: &str) -> Result<(), Error> {
        if self.get(id).is_none() {
            return Err(Error::entity_not_found(id));
        }
        self.remove(id)
    }

    /// Takes an entity out, be it expired or not.
    fn remove(&mut self, id: &str) -> Result<(), Error> {
        self.append(&encode_delete(id, self.now))?;
        if self.inner.history.is_some()
            && let Some(old) = self.inner.store.read().get(id).cloned()
        {
            self.note_end(&old)?;
        }
        if let Some(old) = self.inner.store.write().remove(id) {
            let mut changes = Changes::all_created(&old);
            changes.deleted = std::mem::take(&mut changes.created);
            self.tell(&old, Some(&old), ChangeKind::Deleted, &changes);
        }
        Ok(())
    }

    fn tell(&self, entity: &Arc<Entity>, old: Option<&Arc<Entity>>, kind: ChangeKind, changes: &Changes) {
        self.inner.watchers.tell(self.last.as_ref(), entity, kind, changes);
        self.inner.notify(self.last.as_ref(), entity, old, kind, changes, self.now);
    }
}

/// Takes a snapshot whenever the log has grown large. Holds the broker only while it takes one.
async fn keep_small(broker: std::sync::Weak<Inner>, journal: Journal, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = journal.snapshot_due() => {}
            () = stop.cancelled() => return,
        }
        let Some(inner) = broker.upgrade() else { return };
        let taken = tokio::task::spawn_blocking(move || inner.snapshot()).await;
        match taken {
            Ok(Ok(bytes)) => tracing::info!(bytes, "took a snapshot"),
            Ok(Err(error)) => tracing::error!(%error, "cannot take a snapshot; the log keeps everything"),
            Err(error) => tracing::error!(%error, "the snapshot ended early"),
        }
    }
}

impl Inner {
    /// Streams the whole state into a snapshot. Entities may change meanwhile: what is read is at least as new as the
    /// start of the snapshot, and later changes are in the log.
    fn snapshot(&self) -> Result<u64, SnapshotError> {
        let mut snapshot = {
            // Not between a record and its change of the memory: the record would be in the log before the snapshot, and
            // the snapshot would have what was before the change.
            let _writing = self.writing.lock();
            self.journal.begin_snapshot()?
        };
        let mut from = Some(0);
        while let Some(start) = from {
            let (entities, next) = self.store.read().scan(None, start, 512);
            for entity in entities {
                snapshot.push(&encode_entity(&entity))?;
            }
            from = next;
        }
        let contexts = {
            // No subscription may rely on a context between its being left out here and being forgotten.
            let _writing = self.writing.lock();
            self.subscriptions.write().contexts_in_use()
        };
        for (key, terms) in contexts {
            snapshot.push(&encode_context(&key, &terms))?;
        }
        for (id, kind, document, at) in self.contexts.hosted().stored() {
            snapshot.push(&encode_hosted(&id, kind, &document, at))?;
        }
        let registered: Vec<_> = self.registrations.read().iter(Timestamp::now()).cloned().collect();
        for one in registered {
            snapshot.push(&encode_registration(&one.id, Some(&registrations::stored(&one))))?;
        }
        for record in self.notes.read().records() {
            snapshot.push(&record)?;
        }
        for (id, document) in self.stored_subscriptions() {
            snapshot.push(&encode_subscription(&id, Some(&document)))?;
        }
        tokio::runtime::Handle::current().block_on(snapshot.finish())
    }
}
