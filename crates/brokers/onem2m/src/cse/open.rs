//! Opening a CSE: what the disk has becomes its tree, and the tasks that keep it start.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use morgana_engine::{HttpClient, Notifier};
use morgana_journal::{Journal, Source};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use thiserror::Error as ThisError;
use tokio_util::sync::CancellationToken;

use super::{Cse, Inner, Limits, announce, cross, expiry, registrar, timers::Timers};
use crate::{
    Options,
    address::Identity,
    notify::{Courier, Found, Polled, Shelf, Subscribers},
    remote::Rounds,
    time::Time,
    tree::{Attributes, Recovery, Resource},
    types::{self, ty},
};

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
