use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use morgana_engine::{FetchOptions, Fetcher};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{Context, ContextInfo, ContextKind, HostedContexts, hosted::Usage, is_core_url};
use crate::{
    Error, ErrorKind,
    model::{Json, Timestamp},
};

/// How @contexts are fetched and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextOptions {
    /// Where contexts may be fetched from, and how much of them.
    #[serde(flatten)]
    pub fetch: FetchOptions,
    /// Contexts kept in memory, fetched ones and parsed ones each.
    pub cache_entries: usize,
    /// Seconds after which a fetched context is fetched again.
    pub cache_seconds: u64,
    /// How many contexts one context may refer to, directly or over others.
    pub max_references: usize,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self { fetch: FetchOptions::default(), cache_entries: 256, cache_seconds: 3600, max_references: 16 }
    }
}

/// What is kept, and since when.
type Cache<T> = Mutex<HashMap<Box<str>, (Instant, Arc<T>)>>;

/// A document that was fetched.
#[derive(Debug)]
struct Fetched {
    since: Instant,
    created_at: Timestamp,
    document: Arc<Json>,
    usage: Usage,
}

type Definitions = Vec<(Box<str>, Option<Box<str>>)>;

/// Fetches, parses and keeps @contexts.
#[derive(Debug)]
pub struct Contexts {
    options: ContextOptions,
    fetcher: Fetcher,
    fetched: Mutex<HashMap<Box<str>, Fetched>>,
    hosted: HostedContexts,
    parsed: Cache<Context>,
}

impl Contexts {
    /// An empty cache.
    pub fn new(options: ContextOptions) -> Self {
        let fetcher = Fetcher::new(options.fetch.clone());
        Self {
            options,
            fetcher,
            fetched: Mutex::default(),
            hosted: HostedContexts::default(),
            parsed: Mutex::default(),
        }
    }

    /// The context that `source` describes: a URL, an object, an array of both; the core @context without one.
    ///
    /// # Errors
    /// `BadRequestData` when it is not a @context, `LdContextNotAvailable` when a URL cannot be fetched.
    pub async fn resolve(&self, source: Option<&Json>) -> Result<Arc<Context>, Error> {
        let Some(source) = source.filter(|source| !is_core(source)) else { return Ok(Context::core()) };
        let key =
            serde_json::to_string(source).map_err(|error| Error::bad(error.to_string()))?.into_boxed_str();
        let max_age = Duration::from_secs(self.options.cache_seconds);
        if let Some((since, context)) = self.parsed.lock().get(&key)
            && since.elapsed() < max_age
        {
            self.note_use(source);
            return Ok(Arc::clone(context));
        }
        let mut definitions = Definitions::new();
        let mut references = 0;
        self.collect(source, &mut definitions, &mut references).await?;
        let context = Arc::new(Context::new(source.clone(), definitions));
        insert(&mut self.parsed.lock(), self.options.cache_entries, key, Arc::clone(&context));
        Ok(context)
    }

    /// Collects the definitions of `source` in the order they apply. Boxed because a context may refer to another.
    fn collect<'a>(
        &'a self,
        source: &'a Json,
        definitions: &'a mut Definitions,
        references: &'a mut usize,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>> {
        Box::pin(async move {
            match source {
                Json::Null => definitions.clear(),
                Json::Array(items) => {
                    for item in items {
                        self.collect(item, definitions, references).await?;
                    }
                }
                Json::String(url) if is_core_url(url) => {}
                Json::String(url) => {
                    *references += 1;
                    if *references > self.options.max_references {
                        let max = self.options.max_references;
                        return Err(unavailable(url, format!("@context refers to more than {max} others")));
                    }
                    let document = self.document(url).await?;
                    let inner = document
                        .get("@context")
                        .ok_or_else(|| unusable(url, "it is a document without @context"))?;
                    self.collect(inner, definitions, references).await?;
                }
                Json::Object(members) => {
                    for (term, definition) in members {
                        if !term.starts_with('@') {
                            definitions.push((term.clone(), definition_iri(term, definition)?));
                        }
                    }
                }
                other => {
                    return Err(Error::bad(format!(
                        "@context must be a URL, an object or an array of both, not {}",
                        other.kind()
                    )));
                }
            }
            Ok(())
        })
    }

    async fn document(&self, url: &str) -> Result<Arc<Json>, Error> {
        if let Some(document) = self.hosted.use_by_url(url) {
            return Ok(Arc::new(document));
        }
        let max_age = Duration::from_secs(self.options.cache_seconds);
        let stale = match self.fetched.lock().get(url) {
            Some(known) => {
                known.usage.note();
                if known.since.elapsed() < max_age {
                    return Ok(Arc::clone(&known.document));
                }
                Some(Arc::clone(&known.document))
            }
            None => None,
        };
        let document = match (self.fetch(url).await, stale) {
            (Ok(document), _) => document,
            // An old context is better than none; it is asked for again after another period.
            (Err(_), Some(stale)) => stale,
            (Err(error), None) => return Err(error),
        };
        self.keep(url, &document);
        Ok(document)
    }

    async fn fetch(&self, url: &str) -> Result<Arc<Json>, Error> {
        let body = self.fetcher.get(url, "application/ld+json, application/json").await;
        let body = body.map_err(|error| unavailable(url, error.to_string()))?;
        Json::parse(&body).map(Arc::new).map_err(|error| unusable(url, &format!("it is not JSON: {error}")))
    }

    /// Keeps a fetched document, and lets the oldest go when there are too many.
    fn keep(&self, url: &str, document: &Arc<Json>) {
        let mut fetched = self.fetched.lock();
        if let Some(known) = fetched.get_mut(url) {
            (known.since, known.document) = (Instant::now(), Arc::clone(document));
            return;
        }
        if fetched.len() >= self.options.cache_entries.max(1)
            && let Some(oldest) =
                fetched.iter().min_by_key(|(_, known)| known.since).map(|(url, _)| url.clone())
        {
            fetched.remove(&oldest);
        }
        let usage = Usage::default();
        usage.note();
        let (since, created_at) = (Instant::now(), Timestamp::now());
        fetched.insert(url.into(), Fetched { since, created_at, document: Arc::clone(document), usage });
    }

    /// A parsed context is used without its documents, which still count it.
    fn note_use(&self, source: &Json) {
        match source {
            Json::String(url) => {
                if self.hosted.use_by_url(url).is_none()
                    && let Some(known) = self.fetched.lock().get(url)
                {
                    known.usage.note();
                }
            }
            Json::Array(items) => items.iter().for_each(|item| self.note_use(item)),
            _ => {}
        }
    }

    /// The contexts that the broker serves.
    pub(crate) fn hosted(&self) -> &HostedContexts {
        &self.hosted
    }

    /// The contexts that were fetched and are kept.
    pub(crate) fn cached(&self) -> Vec<ContextInfo> {
        let info = |(url, known): (&_, &Fetched)| ContextInfo {
            id: Box::clone(url),
            kind: ContextKind::Cached,
            created_at: known.created_at,
            hits: known.usage.hits(),
            last_usage: known.usage.last(),
        };
        self.fetched.lock().iter().map(info).collect()
    }

    pub(crate) fn has_cached(&self, url: &str) -> bool {
        self.fetched.lock().contains_key(url)
    }

    /// Lets a fetched context go. Returns whether there was one.
    pub(crate) fn forget(&self, url: &str) -> bool {
        let found = self.fetched.lock().remove(url).is_some();
        self.forget_parsed();
        found
    }

    /// Lets all parsed contexts go: a document that they were made of has changed.
    pub(crate) fn forget_parsed(&self) {
        self.parsed.lock().clear();
    }

    /// Fetches a context again; the old one stays when that fails.
    pub(crate) async fn reload(&self, url: &str) -> Result<(), Error> {
        let document = self.fetch(url).await?;
        self.keep(url, &document);
        self.forget_parsed();
        Ok(())
    }
}

/// Whether `source` is nothing but the core @context.
fn is_core(source: &Json) -> bool {
    match source {
        Json::String(url) => is_core_url(url),
        Json::Array(items) => items.iter().all(is_core),
        _ => false,
    }
}

/// The IRI of one term definition; `None` takes the term away.
fn definition_iri(term: &str, definition: &Json) -> Result<Option<Box<str>>, Error> {
    match definition {
        Json::Null => Ok(None),
        Json::String(iri) => Ok(Some(iri.clone())),
        Json::Object(_) if definition.get("@context").is_some() => Err(Error::bad(format!(
            "@context: the definition of \"{term}\" has an @context of its own, which NGSI-LD does not know (5.5.7)"
        ))),
        Json::Object(_) => match definition.get("@id") {
            Some(Json::String(iri)) => Ok(Some(iri.clone())),
            Some(Json::Null) => Ok(None),
            // Without @id the term is a name of the vocabulary, with a coercion.
            None => Ok(Some(term.into())),
            Some(other) => {
                Err(Error::bad(format!("@context: @id of \"{term}\" must be a string, not {}", other.kind())))
            }
        },
        other => Err(Error::bad(format!(
            "@context: \"{term}\" must be a string or an object, not {}",
            other.kind()
        ))),
    }
}

/// What was fetched is no context, which trying again would not change.
fn unusable(url: &str, why: &str) -> Error {
    Error::bad(format!("@context {url} cannot be used: {why}"))
}

fn unavailable(url: &str, why: String) -> Error {
    Error::new(ErrorKind::LdContextNotAvailable, format!("@context {url} cannot be used: {why}"))
}

/// Inserts, and lets the oldest entry go when the cache is full.
fn insert<T>(cache: &mut HashMap<Box<str>, (Instant, T)>, max: usize, key: Box<str>, value: T) {
    if cache.len() >= max.max(1)
        && !cache.contains_key(&key)
        && let Some(oldest) = cache.iter().min_by_key(|(_, (since, _))| *since).map(|(key, _)| key.clone())
    {
        cache.remove(&oldest);
    }
    cache.insert(key, (Instant::now(), value));
}
