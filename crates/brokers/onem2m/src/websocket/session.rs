//! One open connection.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use tokio_util::sync::CancellationToken;

use super::WebSocketOptions;
use crate::{
    Cse,
    notify::Answer,
    primitive::{Request, Response},
    wire::{self, Form, Incoming},
};

/// How long a message may take to leave: a client that reads nothing holds nobody up for longer.
const SENDING_PATIENCE: Duration = Duration::from_secs(30);

/// Connections are told apart by number.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Who is on the other side.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) form: Form,
    /// The entity that the connection was opened for.
    pub(super) entity: Option<String>,
    pub(super) remote: IpAddr,
    pub(super) authenticated: bool,
}

/// A way to the other side of an open connection. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(super) number: u64,
    form: Form,
    outgoing: mpsc::Sender<Message>,
    /// Requests of the CSE on this connection that wait for their response. Nobody else's response counts.
    waiting: Arc<Mutex<HashMap<String, oneshot::Sender<Answer>>>>,
}

impl Session {
    pub(super) fn new(form: Form, queue: usize) -> (Self, mpsc::Receiver<Message>) {
        let (outgoing, receiver) = mpsc::channel(queue.max(1));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        (Self { number, form, outgoing, waiting: Arc::default() }, receiver)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.outgoing.is_closed()
    }

    /// Sends a request primitive and waits for its response; the caller says how long.
    pub(super) async fn ask(&self, primitive: &Value) -> Result<Answer, String> {
        let id = primitive.get("rqi").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().insert(id.clone(), sender);
        let _forget = Forget { waiting: &self.waiting, id };
        let sent = self.outgoing.send(message(self.form, self.form.write(primitive))).await;
        sent.map_err(|_| "its connection is closed".to_owned())?;
        answer.await.map_err(|_| "its connection was closed".to_owned())
    }

    /// Takes the response to a request of the CSE.
    pub(super) fn answered(&self, response: &Value) {
        let Some(read) = crate::primitive::response_from_json(response.clone()) else { return };
        let id = match read.id {
            Value::String(text) => text,
            other => other.to_string(),
        };
        if let Some(waiting) = self.waiting.lock().remove(&id) {
            // Who asked may have given up meanwhile.
            let _ = waiting.send(Answer { status: read.status, content: read.content });
        }
    }

    /// Nothing comes any more.
    pub(super) fn end(&self) {
        self.waiting.lock().clear();
    }
}

/// Forgets a question when nobody waits for its answer any more.
struct Forget<'a> {
    waiting: &'a Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    id: String,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.id);
    }
}

/// JSON goes as text, CBOR as binary (TS-0020 table 6.2.2.9-1).
fn message(form: Form, bytes: Vec<u8>) -> Message {
    match form {
        Form::Json => Message::text(String::from_utf8_lossy(&bytes).into_owned()),
        Form::Cbor => Message::binary(bytes),
    }
}

/// Carries out the requests that come on a connection, and sends what is for its entity, until it ends.
pub(super) async fn serve(
    cse: &Cse,
    mut stream: WebSocketStream<TcpStream>,
    peer: Peer,
    options: &WebSocketOptions,
    stop: CancellationToken,
) {
    let (session, mut outgoing) = Session::new(peer.form, options.queue);
    let sessions = &cse.inner.courier.sessions;
    if let Some(entity) = &peer.entity {
        sessions.belongs(cse.inner.identity.short_entity(entity), &session);
    }
    let keep_alive = Duration::from_secs(options.keep_alive_seconds.max(1));
    let mut heard = Instant::now();
    let mut pinged = false;
    let mut under_way = FuturesUnordered::new();
    loop {
        let silent_at = heard + if pinged { keep_alive * 2 } else { keep_alive };
        let next = tokio::select! {
            () = stop.cancelled() => None,
            () = sleep_until(silent_at) => {
                if pinged {
                    None
                } else {
                    pinged = true;
                    Some(Message::Ping(bytes::Bytes::new()))
                }
            }
            Some(message) = outgoing.recv() => Some(message),
            Some(answer) = under_way.next() => match answer {
                Some(answer) => Some(message(peer.form, answer)),
                None => continue,
            },
            came = stream.next(), if under_way.len() < options.requests.max(1) => {
                heard = Instant::now();
                pinged = false;
                let bytes = match came {
                    Some(Ok(Message::Text(text))) => bytes::Bytes::from(text),
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    // Pings are answered by the library.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                };
                match Incoming::read(peer.form, &bytes) {
                    Incoming::Response(response) => session.answered(&response),
                    incoming => under_way.push(take(cse, &session, &peer, incoming)),
                }
                continue;
            }
        };
        let Some(next) = next else {
            let _ = tokio::time::timeout(Duration::from_secs(1), stream.close(None)).await;
            break;
        };
        match tokio::time::timeout(SENDING_PATIENCE, stream.send(next)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => break,
        }
    }
    // What was begun is finished: it may be a change.
    while under_way.next().await.is_some() {}
    session.end();
    sessions.ended(&session);
}

/// Carries a request out and gives the message of its response.
async fn take(cse: &Cse, session: &Session, peer: &Peer, incoming: Incoming) -> Option<Vec<u8>> {
    match incoming {
        Incoming::Request { mut request, wrapped } => {
            request.remote = Some(peer.remote);
            request.authenticated = peer.authenticated;
            if request.from.is_none() && !registers(&request) {
                // A connection that was opened for an entity speaks for it.
                request.from.clone_from(&peer.entity);
            }
            let (originator, registers) = (request.from.clone(), registers(&request));
            let response = cse.request(*request).await;
            if peer.entity.is_none() && response.status.is_success() {
                associate(cse, session, originator.as_deref(), &response, registers);
            }
            wire::answer(cse, &response, originator.as_deref(), peer.form, wrapped)
        }
        Incoming::Malformed { response, wrapped } => wire::answer(cse, &response, None, peer.form, wrapped),
        Incoming::Response(_) => None,
    }
}

/// Whether a request registers an AE, which may not have a name yet.
fn registers(request: &Request) -> bool {
    request.ty == Some(crate::types::ty::AE)
}

/// A connection without an entity becomes that of the first one that uses it well, or registers on it.
fn associate(cse: &Cse, session: &Session, originator: Option<&str>, response: &Response, registers: bool) {
    let registered = response.content.as_ref().filter(|_| registers).and_then(|content| {
        let ae = content.get("m2m:ae").or_else(|| content.get("m2m:rce")?.get("m2m:ae"))?;
        ae.get("aei")?.as_str()
    });
    let entity =
        registered.unwrap_or_else(|| cse.inner.identity.short_entity(originator.unwrap_or_default()));
    let is_ae = cse.inner.tree.read().ae(entity).is_some();
    if is_ae {
        cse.inner.courier.sessions.belongs_if_free(entity, session);
    }
}
