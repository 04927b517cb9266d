//! A controller that waits for the lead: it holds the door open and hands requests to the one that
//! leads (docs/decisions/0010-two-controllers.md).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use morgana_access::SigningKey;
use morgana_api::HANDED_ON;
use morgana_model::{ErrorCode, Problem};
use morgana_store::{Document, Expect, Kind, PostgresStore, Store, Table};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::shared_key;

/// How often the lead is asked for.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How long the one that leads may take to take a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Headers of one connection, not of the message (RFC 9110 section 7.6.1).
const HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Who leads, for those on standby.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Leader {
    /// Where it answers.
    url: String,
    /// Since when it leads.
    since: Timestamp,
    /// Who vouches for its certificate, in PEM form. Whoever can write the System DB can be anyone anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority: Option<String>,
}

const NAME: &str = "controller";

impl Document for Leader {
    const KIND: Kind = Kind::Lease;

    fn key(&self) -> String {
        NAME.to_owned()
    }
}

/// Waits until this controller leads.
///
/// # Errors
/// When the System DB is closed, or this one has led before.
pub(crate) async fn wait_for_the_lead(store: &PostgresStore) -> Result<(), Failure> {
    loop {
        match store.lead().await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error @ morgana_store::Error::Server { .. }) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the lead cannot be asked for now");
            }
            Err(error) => return Err(Failure::new("cannot ask for the lead", error)),
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Tells the others where this one, which leads, answers.
pub(crate) async fn tell(
    store: &Arc<dyn Store>,
    url: &str,
    authority: Option<String>,
) -> Result<(), Failure> {
    let leader = Leader { url: url.to_owned(), since: Timestamp::now(), authority };
    let told = Table::<Leader>::new(Arc::clone(store)).put(&leader, Expect::Any).await;
    told.map(drop).map_err(|error| Failure::new("cannot tell that this controller leads", error))
}

#[derive(Clone)]
struct Standby {
    store: Arc<dyn Store>,
    leaders: Table<Leader>,
    /// The key of the platform since a leader of then.
    key: Arc<Mutex<Option<(Timestamp, SigningKey)>>>,
    /// The client for a leader of this authority.
    client: Arc<Mutex<(Option<String>, reqwest::Client)>>,
    own: Arc<str>,
}

impl Standby {
    /// A client that trusts the one that leads: by the authority that it named, or as the machine does.
    fn client_for(&self, leader: &Leader) -> Result<reqwest::Client, reqwest::Error> {
        let mut known = self.client.lock();
        if known.0 != leader.authority {
            *known = (leader.authority.clone(), client(leader.authority.as_deref())?);
        }
        Ok(known.1.clone())
    }

    /// The key that the one that leads has, too; it is looked up once for each leader.
    async fn key_of(&self, leader: &Leader) -> Option<SigningKey> {
        if let Some((since, key)) = self.key.lock().as_ref()
            && *since == leader.since
        {
            return Some(key.clone());
        }
        match shared_key::find(&self.store).await {
            Ok(Some(key)) => {
                *self.key.lock() = Some((leader.since, key.clone()));
                Some(key)
            }
            // The one that leads puts it there before it answers.
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "the signing key cannot be looked up; a request goes on as our own");
                None
            }
        }
    }

    /// What the one that leads is told of where a request came from.
    async fn said_of(
        &self,
        leader: &Leader,
        method: &str,
        target: &str,
        client: Option<IpAddr>,
    ) -> HeaderValue {
        let signed = match (self.key_of(leader).await, client) {
            (Some(key), Some(client)) => morgana_access::handed_on(&key, method, target, client),
            _ => "1".to_owned(),
        };
        HeaderValue::from_str(&signed).unwrap_or(HeaderValue::from_static("1"))
    }
}

fn client(authority: Option<&str>) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_PATIENCE)
        .redirect(reqwest::redirect::Policy::none());
    if let Some(pem) = authority {
        builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(pem.as_bytes())?);
    }
    builder.build()
}

/// What a controller on standby answers; `own` is its own URL.
pub(crate) fn router(store: &PostgresStore, own: &str) -> Result<Router, Failure> {
    let client = client(None).map_err(|error| Failure::new("cannot reach other controllers", error))?;
    let client = Arc::new(Mutex::new((None, client)));
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let leaders = Table::new(Arc::clone(&store));
    let standby = Standby { store, leaders, key: Arc::default(), client, own: own.into() };
    Ok(Router::new()
        .route("/healthz", get(async || "on standby"))
        .route("/readyz", get(async || unavailable("this controller is on standby; ask the one that leads")))
        .fallback(hand_on)
        .with_state(standby))
}

async fn hand_on(State(standby): State<Standby>, request: Request) -> Response {
    let leader = match standby.leaders.get(NAME).await {
        Ok(Some(leader)) => leader.value,
        Ok(None) => return unavailable("no controller leads yet; try again"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "who leads cannot be looked up");
            return unavailable("the system database does not answer; try again");
        }
    };
    // The one that led may have had our own address before us.
    if leader.url == *standby.own || request.headers().contains_key(HANDED_ON) {
        return unavailable("the controller that led is gone and another is taking over; try again");
    }
    let client = match standby.client_for(&leader) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                leader = leader.url,
                "the certificate that the one that leads has named cannot be used"
            );
            return unavailable(
                "the controller that leads cannot be reached over TLS; ask it at its own address",
            );
        }
    };
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    // As it is sent: a URL has one form of a path such as `/v1/./login`, and that is what is signed.
    let Ok(url) = reqwest::Url::parse(&format!("{}{target}", leader.url)) else {
        return unavailable(
            "the controller that leads has told no URL that can be asked; ask it at its own address",
        );
    };
    let from = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|from| from.0.ip());
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let sent = format!("{}{query}", url.path());
    let said = standby.said_of(&leader, parts.method.as_str(), &sent, from).await;
    let mut headers = without_hop(&parts.headers);
    headers.remove(header::HOST);
    headers.insert(HANDED_ON, said);
    let asked = client
        .request(parts.method, url)
        .headers(headers)
        .body(reqwest::Body::wrap_stream(body.into_data_stream()))
        .send()
        .await;
    match asked {
        Ok(answer) => {
            let (status, headers) = (answer.status(), without_hop(answer.headers()));
            (status, headers, Body::from_stream(answer.bytes_stream())).into_response()
        }
        Err(error) if error.is_connect() => {
            // Most often it is gone; if it is its certificate that nobody vouches for, this says so.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                leader = leader.url,
                "the one that leads is not reached"
            );
            unavailable(
                "the controller that led does not answer, and another is taking over; nothing was done, try again",
            )
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a request was cut off");
            refusal(
                StatusCode::BAD_GATEWAY,
                "the controller that leads went away in the middle; look whether it was done before trying again",
            )
        }
    }
}

fn without_hop(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in &HOP {
        headers.remove(name);
    }
    headers
}

fn unavailable(detail: &str) -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// A problem (RFC 9457) that VirIoT's clients can read, too: they look for `message`.
fn refusal(status: StatusCode, detail: &str) -> Response {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(flatten)]
        problem: Problem,
        message: &'a str,
    }
    let code = ErrorCode::Unavailable;
    let problem = Problem {
        kind: format!("urn:morgana:error:{}", code.as_str()),
        title: code.as_str().replace('_', " "),
        status: status.as_u16(),
        detail: detail.to_owned(),
    };
    let body = serde_json::to_string(&Body { problem, message: detail }).unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::RETRY_AFTER, "1")];
    (status, headers, body).into_response()
}
