//! Documents of contexts that were fetched: in memory, and on disk for the next start. Those that could not be fetched
//! are remembered for a while too, so that who names them does not wait each time.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    fs,
    hash::{Hash, Hasher},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{ContextInfo, ContextKind, hosted::Usage};
use crate::{
    Error,
    model::{Json, Timestamp},
};

/// How long a context whose server wants it asked for each time, or one that is old, is used nevertheless before it is
/// asked for again: a burst of requests is one fetch.
const FRESH_AT_LEAST: Duration = Duration::from_secs(1);

/// What a server can ask for at most.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A document that was fetched.
#[derive(Debug)]
struct Fetched {
    since: Instant,
    /// Until when it need not be fetched again.
    until: Instant,
    created_at: Timestamp,
    document: Arc<Json>,
    usage: Usage,
    /// Read from the disk, and not yet fetched by this process.
    is_old: bool,
}

/// What is known of a document.
#[derive(Debug)]
pub(super) enum Known {
    /// It may be used until then.
    Fresh(Arc<Json>, Instant),
    /// It should be fetched again, and may be used meanwhile, until then.
    Stale(Arc<Json>, Instant),
    /// It could not be fetched a moment ago.
    Unreachable(Error),
    Nothing,
}

/// The documents there are.
#[derive(Debug)]
pub(super) struct DocumentCache {
    fetched: Mutex<HashMap<Box<str>, Fetched>>,
    failed: Mutex<HashMap<Box<str>, (Instant, Error)>>,
    max: usize,
    fresh_for: Duration,
    failed_for: Duration,
    dir: Option<PathBuf>,
}

impl DocumentCache {
    pub(super) fn new(max: usize, fresh_for: Duration, failed_for: Duration, dir: Option<PathBuf>) -> Self {
        Self {
            fetched: Mutex::default(),
            failed: Mutex::default(),
            max: max.max(1),
            fresh_for,
            failed_for,
            dir,
        }
    }

    /// What is known of a document. That it was found is counted.
    pub(super) fn get(&self, url: &str) -> Known {
        self.note_use(url);
        self.look(url)
    }

    /// What is known of a document, for who does not use it.
    pub(super) fn look(&self, url: &str) -> Known {
        if let Some(known) = self.fetched.lock().get(url) {
            let (document, now) = (Arc::clone(&known.document), Instant::now());
            return if !known.is_old && now < known.until {
                Known::Fresh(document, known.until)
            } else {
                Known::Stale(document, now + FRESH_AT_LEAST)
            };
        }
        if let Some((since, error)) = self.failed.lock().get(url)
            && since.elapsed() < self.failed_for
        {
            return Known::Unreachable(error.clone());
        }
        match self.read_file(url) {
            Some(document) => {
                self.insert(url, &document, None, true);
                Known::Stale(document, Instant::now() + FRESH_AT_LEAST)
            }
            None => Known::Nothing,
        }
    }

    /// Keeps a fetched document for as long as its server says, or else as the options say. Returns until when it is
    /// fresh, and whether it is another than before.
    pub(super) fn keep(
        &self,
        url: &str,
        document: &Arc<Json>,
        fresh_for: Option<Duration>,
    ) -> (Instant, bool) {
        self.failed.lock().remove(url);
        let changed = self.insert(url, document, fresh_for, false);
        if changed {
            self.write_file(url, document);
        }
        (self.end_of(fresh_for), changed)
    }

    /// When what is fetched now is to be fetched again.
    fn end_of(&self, fresh_for: Option<Duration>) -> Instant {
        let fresh_for = match fresh_for {
            // What comes each time anew would have every request wait for its turn.
            Some(said) => said.max(FRESH_AT_LEAST),
            None => self.fresh_for,
        };
        let now = Instant::now();
        now.checked_add(fresh_for).unwrap_or(now + LONGEST)
    }

    fn insert(&self, url: &str, document: &Arc<Json>, fresh_for: Option<Duration>, is_old: bool) -> bool {
        let until = self.end_of(fresh_for);
        let mut fetched = self.fetched.lock();
        if let Some(known) = fetched.get_mut(url) {
            (known.since, known.until, known.is_old) = (Instant::now(), until, is_old);
            return std::mem::replace(&mut known.document, Arc::clone(document)) != *document;
        }
        if fetched.len() >= self.max
            && let Some(oldest) =
                fetched.iter().min_by_key(|(_, known)| known.since).map(|(url, _)| url.clone())
        {
            fetched.remove(&oldest);
            self.remove_file(&oldest);
        }
        let usage = Usage::default();
        let (since, created_at) = (Instant::now(), Timestamp::now());
        let document = Arc::clone(document);
        fetched.insert(url.into(), Fetched { since, until, created_at, document, usage, is_old });
        true
    }

    /// Remembers that a document could not be fetched; an old one is kept and asked for again later.
    pub(super) fn fail(&self, url: &str, error: &Error) {
        if let Some(known) = self.fetched.lock().get_mut(url) {
            (known.since, known.until, known.is_old) = (Instant::now(), self.end_of(None), false);
            return;
        }
        let mut failed = self.failed.lock();
        if failed.len() >= self.max {
            failed.retain(|_, (since, _)| since.elapsed() < self.failed_for);
        }
        if failed.len() < self.max {
            failed.insert(url.into(), (Instant::now(), error.clone()));
        }
    }

    /// Counts that it was found, if the document is there.
    pub(super) fn note_use(&self, url: &str) {
        if let Some(known) = self.fetched.lock().get(url) {
            known.usage.note();
        }
    }

    pub(super) fn has(&self, url: &str) -> bool {
        self.fetched.lock().contains_key(url)
    }

    /// Lets a document go. Returns whether there was one.
    pub(super) fn forget(&self, url: &str) -> bool {
        self.failed.lock().remove(url);
        self.remove_file(url);
        self.fetched.lock().remove(url).is_some()
    }

    pub(super) fn infos(&self) -> Vec<ContextInfo> {
        let info = |(url, known): (&_, &Fetched)| ContextInfo {
            id: Box::clone(url),
            kind: ContextKind::Cached,
            created_at: known.created_at,
            hits: known.usage.hits(),
            last_usage: known.usage.last(),
        };
        self.fetched.lock().iter().map(info).collect()
    }

    /// A file's name says nothing of the URL, which is inside of it.
    fn file(&self, url: &str) -> Option<PathBuf> {
        let mut hasher = DefaultHasher::new();
        url.hash(&mut hasher);
        Some(self.dir.as_ref()?.join(format!("{:016x}.json", hasher.finish())))
    }

    fn read_file(&self, url: &str) -> Option<Arc<Json>> {
        let stored = Json::parse(&fs::read(self.file(url)?).ok()?).ok()?;
        let is_it = stored.get("url").and_then(Json::as_str) == Some(url);
        stored.get("document").filter(|_| is_it).cloned().map(Arc::new)
    }

    /// A cache that cannot be written is smaller, not broken.
    fn write_file(&self, url: &str, document: &Json) {
        let Some(file) = self.file(url) else { return };
        let stored = Json::Object([("url".into(), url.into()), ("document".into(), document.clone())].into());
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(file.parent().unwrap_or(&file))?;
            let unfinished = file.with_extension("new");
            fs::write(&unfinished, serde_json::to_vec(&stored)?)?;
            fs::rename(&unfinished, &file)
        };
        if let Err(error) = write() {
            tracing::warn!(%error, file = %file.display(), "cannot keep a context on disk");
        }
    }

    fn remove_file(&self, url: &str) {
        if let Some(file) = self.file(url) {
            let _ = fs::remove_file(file);
        }
    }
}
