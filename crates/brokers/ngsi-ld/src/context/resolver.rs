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

use super::{Context, is_core_url};
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

type Definitions = Vec<(Box<str>, Option<Box<str>>)>;

/// Fetches, parses and keeps @contexts.
#[derive(Debug)]
pub struct Contexts {
    options: ContextOptions,
    fetcher: Fetcher,
    fetched: Cache<Json>,
    parsed: Cache<Context>,
}

impl Contexts {
    /// An empty cache.
    pub fn new(options: ContextOptions) -> Self {
        let fetcher = Fetcher::new(options.fetch.clone());
        Self { options, fetcher, fetched: Mutex::default(), parsed: Mutex::default() }
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
                        .ok_or_else(|| unavailable(url, "it is a document without @context".to_owned()))?;
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
        let max_age = Duration::from_secs(self.options.cache_seconds);
        let stale = match self.fetched.lock().get(url) {
            Some((since, document)) if since.elapsed() < max_age => return Ok(Arc::clone(document)),
            Some((_, document)) => Some(Arc::clone(document)),
            None => None,
        };
        let fetched = match self.fetcher.get(url, "application/ld+json, application/json").await {
            Ok(body) => {
                Json::parse(&body).map_err(|error| unavailable(url, format!("it is not JSON: {error}")))
            }
            Err(error) => Err(unavailable(url, error.to_string())),
        };
        let document = match (fetched, stale) {
            (Ok(document), _) => Arc::new(document),
            // An old context is better than none; it is asked for again after another period.
            (Err(_), Some(stale)) => stale,
            (Err(error), None) => return Err(error),
        };
        insert(&mut self.fetched.lock(), self.options.cache_entries, url.into(), Arc::clone(&document));
        Ok(document)
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
