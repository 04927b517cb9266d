use std::{
    collections::HashMap,
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use morgana_engine::{FetchOptions, Fetched, Fetcher};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{
    Context, ContextInfo, HostedContexts,
    cache::{DocumentCache, Known},
    hosted::CoreUsage,
    is_core_url,
};
use crate::{Error, ErrorKind, model::Json};

/// How @contexts are fetched and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextOptions {
    /// Where contexts may be fetched from, and how much of them.
    #[serde(flatten)]
    pub fetch: FetchOptions,
    /// Contexts kept in memory, fetched ones and parsed ones each.
    pub cache_entries: usize,
    /// Seconds after which a fetched context is fetched again, where its server does not say (NGSI-LD 5.13.1); meanwhile,
    /// and when that fails, the old one is used.
    pub cache_seconds: u64,
    /// Milliseconds for which a context that could not be fetched is not asked for again.
    pub unreachable_ms: u64,
    /// How many contexts one context may refer to, directly or over others.
    pub max_references: usize,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self {
            fetch: FetchOptions::default(),
            cache_entries: 256,
            cache_seconds: 3600,
            unreachable_ms: 10_000,
            max_references: 16,
        }
    }
}

/// What is kept, and until when.
type Cache<T> = Mutex<HashMap<Box<str>, (Instant, Arc<T>)>>;

/// What a context is made of.
struct Collected {
    definitions: Vec<(Box<str>, Option<Box<str>>)>,
    /// How many others it refers to.
    references: usize,
    /// Until when all of them may be used as they are.
    until: Instant,
}

/// Fetches, parses and keeps @contexts. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Contexts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: ContextOptions,
    fetcher: Fetcher,
    documents: DocumentCache,
    /// One fetch at a time of each document: who comes meanwhile waits for the same answer.
    fetching: Mutex<HashMap<Box<str>, Arc<tokio::sync::Mutex<()>>>>,
    hosted: HostedContexts,
    /// Which of the built-in ones were named.
    core: CoreUsage,
    parsed: Cache<Context>,
}

impl Contexts {
    /// An empty cache, which keeps nothing on disk.
    pub fn new(options: ContextOptions) -> Self {
        Self::in_dir(options, None)
    }

    /// A cache that keeps what it fetched in a folder for the next start.
    pub(crate) fn in_dir(options: ContextOptions, dir: Option<PathBuf>) -> Self {
        let documents = DocumentCache::new(
            options.cache_entries,
            Duration::from_secs(options.cache_seconds),
            Duration::from_millis(options.unreachable_ms),
            dir,
        );
        Self(Arc::new(Shared {
            fetcher: Fetcher::new(options.fetch.clone()),
            options,
            documents,
            fetching: Mutex::default(),
            hosted: HostedContexts::default(),
            core: CoreUsage::default(),
            parsed: Mutex::default(),
        }))
    }

    /// The context that `source` describes: a URL, an object, an array of both; the core @context without one.
    ///
    /// # Errors
    /// `BadRequestData` when it is not a @context, `LdContextNotAvailable` when a URL cannot be fetched.
    pub async fn resolve(&self, source: Option<&Json>) -> Result<Arc<Context>, Error> {
        let Some(source) = source else { return Ok(Context::core()) };
        if is_core(source) {
            self.note_use(source);
            return Ok(Context::core());
        }
        let key =
            serde_json::to_string(source).map_err(|error| Error::bad(error.to_string()))?.into_boxed_str();
        let now = Instant::now();
        if let Some((until, context)) = self.0.parsed.lock().get(&key)
            && now < *until
        {
            self.note_use(source);
            return Ok(Arc::clone(context));
        }
        check_shape(source)?;
        let until = now + Duration::from_secs(self.0.options.cache_seconds);
        let mut collected = Collected { definitions: Vec::new(), references: 0, until };
        self.collect(source, &mut collected).await?;
        let context = Arc::new(Context::new(source.clone(), collected.definitions));
        let kept = (collected.until, Arc::clone(&context));
        insert(&mut self.0.parsed.lock(), self.0.options.cache_entries, key, kept);
        Ok(context)
    }

    /// Collects the definitions of `source` in the order they apply. Boxed because a context may refer to another.
    fn collect<'a>(
        &'a self,
        source: &'a Json,
        into: &'a mut Collected,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>> {
        Box::pin(async move {
            match source {
                Json::Null => into.definitions.clear(),
                Json::Array(items) => {
                    for item in items {
                        self.collect(item, into).await?;
                    }
                }
                Json::String(url) if is_core_url(url) => self.0.core.note(url),
                Json::String(url) => {
                    into.references += 1;
                    if into.references > self.0.options.max_references {
                        let max = self.0.options.max_references;
                        return Err(unavailable(url, format!("@context refers to more than {max} others")));
                    }
                    let (document, until) = self.document(url).await?;
                    into.until = until.map_or(into.until, |until| into.until.min(until));
                    let inner = document.get("@context").ok_or_else(|| unusable(url, WITHOUT_CONTEXT))?;
                    self.collect(inner, into).await?;
                }
                Json::Object(members) => {
                    for (term, definition) in members {
                        if !term.starts_with('@') {
                            into.definitions.push((term.clone(), definition_iri(term, definition)?));
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

    /// A document, and until when it may be used as it is; those of this broker change only when told to.
    async fn document(&self, url: &str) -> Result<(Arc<Json>, Option<Instant>), Error> {
        if let Some(document) = self.0.hosted.use_by_url(url) {
            return Ok((Arc::new(document), None));
        }
        match self.0.documents.get(url) {
            Known::Fresh(document, until) => Ok((document, Some(until))),
            Known::Unreachable(error) => Err(error),
            // An old context is better than a wait; it is fetched beside the request.
            Known::Stale(document, until) => {
                let (contexts, url) = (self.clone(), url.to_owned());
                tokio::spawn(async move { contexts.fetch_once(&url).await.map(drop) });
                Ok((document, Some(until)))
            }
            Known::Nothing => self.fetch_once(url).await.map(|(document, until)| (document, Some(until))),
        }
    }

    /// Fetches a document, unless another is just doing so.
    async fn fetch_once(&self, url: &str) -> Result<(Arc<Json>, Instant), Error> {
        let turn = Arc::clone(self.0.fetching.lock().entry(url.into()).or_default());
        let _turn = turn.lock().await;
        // What the one before fetched, or did not, is this one's answer too.
        let fetched = match self.0.documents.look(url) {
            Known::Fresh(document, until) => Ok((document, until)),
            Known::Unreachable(error) => Err(error),
            Known::Stale(..) | Known::Nothing => match self.fetch(url).await {
                Ok((document, fresh_for)) => {
                    Ok((Arc::clone(&document), self.keep(url, &document, fresh_for)))
                }
                Err(error) => {
                    self.0.documents.fail(url, &error);
                    Err(error)
                }
            },
        };
        self.0.fetching.lock().remove(url);
        fetched
    }

    /// Keeps a fetched document, and lets go what was made of the one before.
    fn keep(&self, url: &str, document: &Arc<Json>, fresh_for: Option<Duration>) -> Instant {
        let (until, changed) = self.0.documents.keep(url, document, fresh_for);
        if changed {
            self.forget_parsed();
        }
        until
    }

    async fn fetch(&self, url: &str) -> Result<(Arc<Json>, Option<Duration>), Error> {
        let fetched = self.0.fetcher.get(url, "application/ld+json, application/json").await;
        let Fetched { body, fresh_for } = fetched.map_err(|error| unavailable(url, error.to_string()))?;
        let document =
            Json::parse(&body).map_err(|error| unusable(url, &format!("it is not JSON: {error}")))?;
        Ok((Arc::new(document), fresh_for))
    }

    /// A parsed context is used without its documents, which still count it.
    fn note_use(&self, source: &Json) {
        match source {
            Json::String(url) if is_core_url(url) => self.0.core.note(url),
            Json::String(url) if self.0.hosted.use_by_url(url).is_none() => self.0.documents.note_use(url),
            Json::Array(items) => items.iter().for_each(|item| self.note_use(item)),
            _ => {}
        }
    }

    /// The contexts that the broker serves.
    pub(crate) fn hosted(&self) -> &HostedContexts {
        &self.0.hosted
    }

    /// The contexts that were fetched and are kept, and the built-in ones that someone has named.
    pub(crate) fn cached(&self) -> Vec<ContextInfo> {
        let mut cached = self.0.documents.infos();
        cached.extend(self.0.core.infos().into_iter().filter(|info| info.hits > 0));
        cached
    }

    /// What is known of a cached or built-in context. That it was looked for counts as a use: it was found in the storage
    /// by its URL (NGSI-LD 5.13.3.5).
    pub(crate) fn find_cached(&self, url: &str) -> Option<ContextInfo> {
        if is_core_url(url) {
            self.0.core.note(url);
            return self.0.core.info(url);
        }
        self.0.documents.note_use(url);
        self.0.documents.infos().into_iter().find(|info| *info.id == *url)
    }

    pub(crate) fn has_cached(&self, url: &str) -> bool {
        self.0.documents.has(url)
    }

    /// Lets a fetched context go. Returns whether there was one.
    pub(crate) fn forget(&self, url: &str) -> bool {
        let found = self.0.documents.forget(url);
        self.forget_parsed();
        found
    }

    /// Lets all parsed contexts go: a document that they were made of has changed.
    pub(crate) fn forget_parsed(&self) {
        self.0.parsed.lock().clear();
    }

    /// Fetches a context again; the old one stays when that fails, or when what comes is no context (NGSI-LD 5.13.5.4).
    pub(crate) async fn reload(&self, url: &str) -> Result<(), Error> {
        let fetched = self.fetch(url).await.and_then(|(document, fresh_for)| {
            let inner = document.get("@context").ok_or_else(|| unusable(url, WITHOUT_CONTEXT))?;
            check_shape(inner)?;
            Ok((document, fresh_for))
        });
        let (document, fresh_for) =
            fetched.map_err(|error| Error::new(ErrorKind::LdContextNotAvailable, error.detail()))?;
        self.keep(url, &document, fresh_for);
        self.forget_parsed();
        Ok(())
    }
}

const WITHOUT_CONTEXT: &str = "it is a document without @context";

/// Refuses what cannot be a context before anything is fetched for it.
fn check_shape(source: &Json) -> Result<(), Error> {
    match source {
        Json::Array(items) => items.iter().try_for_each(check_shape),
        Json::Null | Json::String(_) | Json::Object(_) => Ok(()),
        other => Err(Error::bad(format!(
            "@context must be a URL, an object or an array of both, not {}",
            other.kind()
        ))),
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

/// Inserts, and lets the entry go that would be old first when the cache is full.
fn insert<T>(cache: &mut HashMap<Box<str>, (Instant, T)>, max: usize, key: Box<str>, value: (Instant, T)) {
    if cache.len() >= max.max(1)
        && !cache.contains_key(&key)
        && let Some(first) = cache.iter().min_by_key(|(_, (until, _))| *until).map(|(key, _)| key.clone())
    {
        cache.remove(&first);
    }
    cache.insert(key, value);
}
