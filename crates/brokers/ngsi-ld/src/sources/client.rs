//! Asking sources, and remembering how that went (NGSI-LD 5.2.9, 5.2.34, 6.3.17).

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use morgana_engine::{FetchError, FetchOptions, Fetcher, Problem};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{ErrorKind, model::Timestamp, registrations::Registration};

/// How context sources are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceOptions {
    /// Hosts (`host` or `host:port`) that may be asked although their addresses are not public; `*` for all.
    pub allow_hosts: Vec<String>,
    /// Milliseconds that a source has for an answer, unless its registration says otherwise.
    pub timeout_ms: u64,
    /// The largest answer that is read, in bytes.
    pub max_bytes: usize,
    /// How many sources are asked at once for one request.
    pub parallel: usize,
    /// How many answers are kept for registrations with a `cacheDuration`.
    pub cache_entries: usize,
    /// Milliseconds after which a source is asked whether it still has the copy of a subscription (NGSI-LD 5.8.1.4); 0 is
    /// never.
    pub copies_check_ms: u64,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            timeout_ms: 5_000,
            max_bytes: 16 * 1024 * 1024,
            parallel: 16,
            cache_entries: 1024,
            copies_check_ms: 300_000,
        }
    }
}

/// Why a source gave nothing to use.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("the source failed a moment ago and is left alone for its cooldown")]
    Cooldown,
    #[error("the source did not answer: {0}")]
    Silent(FetchError),
    #[error("what the source answered is not NGSI-LD: {0}")]
    Invalid(String),
    #[error("the source answered {status}{detail}")]
    Refused {
        status: StatusCode,
        /// The source's own problem, shortened.
        detail: String,
    },
    #[error("the registration does not allow this operation")]
    NotAllowed,
}

impl Failure {
    /// The code of an NGSILD-Warning (NGSI-LD 6.3.17); `None` for what is nothing unusual.
    pub(crate) fn warning(&self) -> Option<u16> {
        match self {
            Self::Cooldown => Some(112),
            Self::Silent(FetchError::Body(_)) | Self::Invalid(_) => Some(111),
            Self::Silent(_) => Some(199),
            Self::Refused { status: StatusCode::NOT_FOUND, .. } | Self::NotAllowed => None,
            Self::Refused { .. } => Some(299),
        }
    }

    /// The problem of the part of an operation that failed so.
    pub(crate) fn problem(&self) -> Problem {
        let (kind, status) = match self {
            Self::NotAllowed => (ErrorKind::Conflict, StatusCode::CONFLICT),
            Self::Cooldown => (ErrorKind::InternalError, StatusCode::SERVICE_UNAVAILABLE),
            Self::Silent(FetchError::Timeout(_)) => (ErrorKind::InternalError, StatusCode::GATEWAY_TIMEOUT),
            Self::Silent(_) | Self::Invalid(_) => (ErrorKind::InternalError, StatusCode::BAD_GATEWAY),
            Self::Refused { status, .. } => (kind_of(*status), *status),
        };
        Problem {
            kind: kind.iri().to_owned(),
            title: kind.title().to_owned(),
            detail: Some(self.to_string()),
            status: status.as_u16(),
        }
    }
}

fn kind_of(status: StatusCode) -> ErrorKind {
    match status {
        StatusCode::NOT_FOUND => ErrorKind::ResourceNotFound,
        StatusCode::CONFLICT => ErrorKind::AlreadyExists,
        StatusCode::BAD_REQUEST => ErrorKind::BadRequestData,
        StatusCode::LOOP_DETECTED => ErrorKind::LoopDetected,
        StatusCode::NOT_IMPLEMENTED | StatusCode::UNPROCESSABLE_ENTITY => ErrorKind::OperationNotSupported,
        _ => ErrorKind::InternalError,
    }
}

/// How often a source was asked, and when that last went well or badly (NGSI-LD 5.2.9).
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceState {
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    pub(crate) last_success: Option<Timestamp>,
    pub(crate) last_failure: Option<Timestamp>,
    failed_at: Option<Instant>,
}

/// What a source answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<Bytes>,
    /// It is an old one, as the source did not answer now.
    pub(crate) is_stale: bool,
}

/// How long a source that did not say what it calls itself is not asked again.
const ALIAS_RETRY: Duration = Duration::from_secs(60);

/// When a source was asked what it calls itself, and what it said.
type Asked = (Instant, Option<Box<str>>);

type Cached = (Instant, Response<Bytes>);

/// Talks to context sources.
#[derive(Debug)]
pub(crate) struct Sources {
    fetcher: Fetcher,
    pub(crate) options: SourceOptions,
    states: Mutex<HashMap<Box<str>, SourceState>>,
    /// What sources call themselves, by registration, and when they were asked.
    aliases: Mutex<HashMap<Box<str>, Asked>>,
    cache: Mutex<HashMap<String, Cached>>,
}

impl Sources {
    pub(crate) fn new(options: SourceOptions) -> Self {
        let fetch = FetchOptions {
            allow_hosts: options.allow_hosts.clone(),
            max_bytes: options.max_bytes,
            timeout_ms: options.timeout_ms,
            ..FetchOptions::default()
        };
        Self {
            fetcher: Fetcher::new(fetch),
            options,
            states: Mutex::default(),
            aliases: Mutex::default(),
            cache: Mutex::default(),
        }
    }

    /// How it went with the source of a registration.
    pub(crate) fn state(&self, registration: &str) -> SourceState {
        self.states.lock().get(registration).cloned().unwrap_or_default()
    }

    /// What a source calls itself in `Via` headers, if its registration says so, or it did. A source that has what this
    /// broker has not is not asked: a request that comes back from there can be done by no one, and has to be told so.
    pub(crate) fn alias(&self, registration: &Registration) -> Option<Box<str>> {
        let told = registration.access.alias.clone();
        told.or_else(|| self.aliases.lock().get(&registration.id)?.1.clone())
    }

    /// Whether a source has to be asked what it calls itself: nothing is known, or it was silent some time ago.
    pub(crate) fn is_nameless(&self, registration: &Registration) -> bool {
        let asked = self.aliases.lock().get(&registration.id).cloned();
        registration.access.alias.is_none()
            && !registration.access.mode.is_proxied()
            && asked.is_none_or(|(at, alias)| alias.is_none() && at.elapsed() > ALIAS_RETRY)
    }

    /// Asks a source what it calls itself (NGSI-LD 5.15.1), by this request. It counts as no question of anyone.
    pub(crate) async fn identify(&self, registration: &Registration, request: Request<Full<Bytes>>) {
        let timeout = registration.access.timeout.unwrap_or(Duration::from_millis(self.options.timeout_ms));
        let answer = self.fetcher.send(request, timeout).await.ok().filter(|one| one.status().is_success());
        let identity = answer.and_then(|one| serde_json::from_slice::<serde_json::Value>(one.body()).ok());
        let alias = identity.and_then(|one| one["contextSourceAlias"].as_str().map(Into::into));
        self.aliases.lock().insert(registration.id.clone(), (Instant::now(), alias));
    }

    /// Forgets what a source calls itself: its registration may lead elsewhere now.
    pub(crate) fn forget_alias(&self, registration: &str) {
        self.aliases.lock().remove(registration);
    }

    /// Forgets a registration that is no more.
    pub(crate) fn forget(&self, registration: &str) {
        self.forget_alias(registration);
        self.states.lock().remove(registration);
        self.cache.lock().retain(|key, _| !key.starts_with(&format!("{registration} ")));
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn ask(
        &self,
        registration: &Registration,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, Failure> {
        let access = &registration.access;
        let key = (access.cache.is_some() && request.method() == Method::GET)
            .then(|| format!("{} {}", registration.id, request.uri()));
        if let (Some(key), Some(max_age)) = (&key, access.cache)
            && let Some((_, response)) = self.cache.lock().get(key).filter(|(at, _)| at.elapsed() < max_age)
        {
            return Ok(Answer { response: response.clone(), is_stale: false });
        }
        let asked = self.ask_now(registration, request).await;
        let Some(key) = key else { return asked.map(|response| Answer { response, is_stale: false }) };
        match asked {
            Ok(response) => {
                self.keep(key, &response);
                Ok(Answer { response, is_stale: false })
            }
            Err(failure @ (Failure::Silent(_) | Failure::Cooldown)) => match self.cache.lock().get(&key) {
                Some((_, response)) => Ok(Answer { response: response.clone(), is_stale: true }),
                None => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }

    fn keep(&self, key: String, response: &Response<Bytes>) {
        let mut cache = self.cache.lock();
        if cache.len() >= self.options.cache_entries.max(1)
            && let Some(oldest) = cache.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone())
        {
            cache.remove(&oldest);
        }
        cache.insert(key, (Instant::now(), response.clone()));
    }

    async fn ask_now(
        &self,
        registration: &Registration,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Failure> {
        let access = &registration.access;
        let failed_at = self.states.lock().get(&registration.id).and_then(|state| state.failed_at);
        if let (Some(cooldown), Some(at)) = (access.cooldown, failed_at)
            && at.elapsed() < cooldown
        {
            return Err(Failure::Cooldown);
        }
        let timeout = access.timeout.unwrap_or(Duration::from_millis(self.options.timeout_ms));
        let result = match self.fetcher.send(request, timeout).await {
            Ok(response) if response.status().is_success() => Ok(response),
            Ok(response) => {
                let detail = detail_of(response.body());
                Err(Failure::Refused { status: response.status(), detail })
            }
            Err(error) => Err(Failure::Silent(error)),
        };
        // A clear answer is one, also when it is no.
        let answered = result.is_ok()
            || matches!(&result, Err(Failure::Refused { status, .. }) if !status.is_server_error());
        let mut states = self.states.lock();
        let state = states.entry(registration.id.clone()).or_default();
        state.sent += 1;
        if answered {
            (state.last_success, state.failed_at) = (Some(Timestamp::now()), None);
        } else {
            state.failed += 1;
            (state.last_failure, state.failed_at) = (Some(Timestamp::now()), Some(Instant::now()));
        }
        result
    }
}

/// What a problem says, shortened.
fn detail_of(body: &[u8]) -> String {
    let problem = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    let text = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or_default();
    if text.is_empty() { String::new() } else { format!(": {}", text.chars().take(200).collect::<String>()) }
}
