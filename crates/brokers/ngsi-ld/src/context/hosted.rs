//! Contexts that the broker itself serves (NGSI-LD 5.13): hosted ones, and those made for subscriptions.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

use minicbor::{Decode, Encode};
use parking_lot::RwLock;

use super::core::{CORE_VERSIONS, core_url, core_version};
use crate::model::{Json, Timestamp};

/// Where a context comes from (NGSI-LD 5.2.28).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum ContextKind {
    /// A user added it.
    #[n(0)]
    Hosted,
    /// The broker fetched it.
    #[n(1)]
    Cached,
    /// The broker made it, for a subscription.
    #[n(2)]
    ImplicitlyCreated,
}

impl ContextKind {
    pub(crate) const ALL: [Self; 3] = [Self::Hosted, Self::Cached, Self::ImplicitlyCreated];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hosted => "Hosted",
            Self::Cached => "Cached",
            Self::ImplicitlyCreated => "ImplicitlyCreated",
        }
    }
}

/// How often a context was used, and when last.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    hits: AtomicU64,
    last: AtomicI64,
}

impl Usage {
    pub(crate) fn note(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.last.store(Timestamp::now().as_micros(), Ordering::Relaxed);
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(crate) fn last(&self) -> Option<Timestamp> {
        match self.last.load(Ordering::Relaxed) {
            0 => None,
            micros => Timestamp::from_micros(micros),
        }
    }
}

/// What a context is and how it was used, for lists (NGSI-LD 5.2.28).
#[derive(Debug)]
pub(crate) struct ContextInfo {
    /// The URL of a cached context; the broker's own ones have their id.
    pub(crate) id: Box<str>,
    pub(crate) kind: ContextKind,
    pub(crate) created_at: Timestamp,
    pub(crate) hits: u64,
    pub(crate) last_usage: Option<Timestamp>,
}

/// How often each core @context was named. They are built in, so all are as old as this process.
#[derive(Debug)]
pub(super) struct CoreUsage {
    since: Timestamp,
    versions: [Usage; CORE_VERSIONS.len()],
}

impl Default for CoreUsage {
    fn default() -> Self {
        Self { since: Timestamp::now(), versions: Default::default() }
    }
}

impl CoreUsage {
    /// Counts a use.
    pub(super) fn note(&self, url: &str) {
        if let Some(usage) = core_version(url).and_then(|at| self.versions.get(at)) {
            usage.note();
        }
    }

    pub(super) fn info(&self, url: &str) -> Option<ContextInfo> {
        self.infos().into_iter().nth(core_version(url)?)
    }

    /// One for each version.
    pub(super) fn infos(&self) -> Vec<ContextInfo> {
        let info = |(version, usage): (&&str, &Usage)| ContextInfo {
            id: core_url(version).into(),
            kind: ContextKind::Cached,
            created_at: self.since,
            hits: usage.hits(),
            last_usage: usage.last(),
        };
        CORE_VERSIONS.iter().zip(&self.versions).map(info).collect()
    }
}

#[derive(Debug)]
struct Hosted {
    document: Json,
    kind: ContextKind,
    created_at: Timestamp,
    usage: Usage,
}

/// All contexts that the broker serves, by their ids.
#[derive(Debug, Default)]
pub(crate) struct HostedContexts(RwLock<BTreeMap<Box<str>, Hosted>>);

impl HostedContexts {
    pub(crate) fn insert(&self, id: &str, kind: ContextKind, document: Json, created_at: Timestamp) {
        self.0.write().insert(id.into(), Hosted { document, kind, created_at, usage: Usage::default() });
    }

    /// Takes a context out. Returns whether it was there.
    pub(crate) fn remove(&self, id: &str) -> bool {
        self.0.write().remove(id).is_some()
    }

    /// Whether this context was made for a subscription.
    pub(crate) fn is_implicit(&self, id: &str) -> bool {
        self.0.read().get(id).is_some_and(|hosted| hosted.kind == ContextKind::ImplicitlyCreated)
    }

    /// The document behind a URL of this broker, or behind an id. Counts as a use.
    pub(crate) fn use_by_url(&self, url: &str) -> Option<Json> {
        let id = local_id(url);
        let hosted = self.0.read();
        let found = hosted.get(id)?;
        found.usage.note();
        Some(found.document.clone())
    }

    pub(crate) fn document(&self, id: &str) -> Option<Json> {
        self.0.read().get(id).map(|hosted| hosted.document.clone())
    }

    pub(crate) fn infos(&self) -> Vec<ContextInfo> {
        let info = |(id, hosted): (&_, &Hosted)| ContextInfo {
            id: Box::clone(id),
            kind: hosted.kind,
            created_at: hosted.created_at,
            hits: hosted.usage.hits(),
            last_usage: hosted.usage.last(),
        };
        self.0.read().iter().map(info).collect()
    }

    /// What the disk keeps of each context.
    pub(crate) fn stored(&self) -> Vec<(Box<str>, ContextKind, Json, Timestamp)> {
        let stored =
            |(id, one): (&_, &Hosted)| (Box::clone(id), one.kind, one.document.clone(), one.created_at);
        self.0.read().iter().map(stored).collect()
    }
}

/// The id at the end of a URL below `jsonldContexts`, or the text itself.
fn local_id(url: &str) -> &str {
    url.rsplit_once("/ngsi-ld/v1/jsonldContexts/").map_or(url, |(_, id)| id)
}
