//! Opening a broker: what the disk has becomes state, and the tasks that keep it start.

use std::{sync::Arc, time::Duration};

use morgana_engine::{HttpClient, HttpTransport, Notifier, Transport};
use morgana_journal::{Journal, Source};
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;

use super::{
    Broker, Inner, OpenError, Options,
    copies::{self, Copies},
    expiry, keep,
    notes::Notes,
    past, periodic, registrations,
    snapshots::Snapshots,
    tenants::{self, Tenants, Who},
    transport::AnyTransport,
    watch::Watchers,
};
use crate::{
    Contexts, Error,
    history::{History, Rules, missing_of},
    model::{Entity, Record, Timestamp, decode_record},
    registrations::Registrations,
    sources::Sources,
    store::Loading,
    subscriptions::Subscriptions,
};

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
    pub(super) fn open_as(
        options: Options,
        transport: Arc<dyn Transport>,
        who: Option<Who>,
    ) -> Result<Self, OpenError> {
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
            if let Some((history, known)) = history.as_ref().zip(known) {
                for past in missing_of(history, known, entity, old, at)? {
                    let _durable_later = history.write(&past)?;
                }
            }
            Ok(())
        };
        let contexts = Contexts::in_dir(options.contexts, Some(journal.dir.join("contexts")));
        let mut caught_up = Ok(());
        let mut catch_up = |entity: Option<&Entity>, old: Option<&Entity>, at: Timestamp| {
            if caught_up.is_ok() {
                caught_up = catch_up(entity, old, at);
            }
        };
        let (journal, _) = Journal::open_prepared(journal, decode_record, |source, record| match record {
            Record::Entity(entity) => {
                let entity = Arc::new(entity);
                let old = entities.put(Arc::clone(&entity));
                if source == Source::Log {
                    catch_up(Some(&entity), old.as_deref(), entity.modified_at);
                }
            }
            Record::NoEntity(id, at) => {
                if let (Some(old), Some(at)) = (entities.remove(&id), at) {
                    catch_up(None, Some(&old), at);
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
        })?;
        caught_up.map_err(OpenError::CatchUp)?;
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
        runtime.spawn(keep::keep_small(
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
}
