//! The connections that are open: those of entities that connected, and those of the CSE to `ws` targets.

use std::{collections::HashMap, time::Duration};

use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Uri, header};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{WebSocketOptions, handshake::subprotocol, session::Session};
use crate::{
    notify::Answer,
    wire::{Form, Incoming},
};

const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// A connection of the CSE on which nothing was said for so long is closed; the next notification opens it again.
const IDLE: Duration = Duration::from_secs(60);

/// The open connections.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    entities: Mutex<HashMap<String, Session>>,
    targets: Mutex<HashMap<String, Session>>,
}

impl Sessions {
    /// Whether an entity has a connection.
    pub(crate) fn has(&self, entity: &str) -> bool {
        self.entities.lock().get(entity).is_some_and(Session::is_open)
    }

    /// An entity has this connection from now on: there is at most one between two nodes (TS-0020 5.2).
    pub(super) fn belongs(&self, entity: &str, session: &Session) {
        self.entities.lock().insert(entity.to_owned(), session.clone());
    }

    /// As [`Self::belongs`], unless the entity has another one that is open.
    pub(super) fn belongs_if_free(&self, entity: &str, session: &Session) {
        let mut entities = self.entities.lock();
        if !entities.get(entity).is_some_and(Session::is_open) {
            entities.insert(entity.to_owned(), session.clone());
        }
    }

    pub(super) fn ended(&self, session: &Session) {
        self.entities.lock().retain(|_, known| known.number != session.number);
    }

    /// Sends a request primitive over the connection of an entity and waits for its response.
    pub(crate) async fn ask_entity(&self, entity: &str, primitive: &Value) -> Result<Answer, String> {
        let session = self.entities.lock().get(entity).filter(|session| session.is_open()).cloned();
        match session {
            Some(session) => session.ask(primitive).await,
            None => Err(format!("{entity} has no open WebSocket connection")),
        }
    }

    /// Sends a request primitive to a `ws` URI and waits for its response.
    pub(crate) async fn ask_target(
        &self,
        uri: &Uri,
        form: Form,
        primitive: &Value,
    ) -> Result<Answer, String> {
        let name = format!("{uri} {}", subprotocol(form));
        let open = self.targets.lock().get(&name).filter(|session| session.is_open()).cloned();
        if let Some(session) = open
            && let Ok(answer) = session.ask(primitive).await
        {
            return Ok(answer);
        }
        let connected = tokio::time::timeout(CONNECT_PATIENCE, connect(uri, form)).await;
        let stream = connected.map_err(|_| "it does not let connect".to_owned())??;
        let (session, outgoing) = Session::new(form, WebSocketOptions::default().queue);
        tokio::spawn(carry(stream, session.clone(), outgoing, form));
        {
            let mut targets = self.targets.lock();
            targets.retain(|_, known| known.is_open());
            targets.insert(name, session.clone());
        }
        session.ask(primitive).await
    }
}

async fn connect(uri: &Uri, form: Form) -> Result<WebSocketStream<TcpStream>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut request = uri.into_client_request().map_err(|error| text(&error))?;
    let name = HeaderValue::from_static(subprotocol(form));
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    let address = (uri.host().unwrap_or_default().trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(address).await.map_err(|error| text(&error))?;
    stream.set_nodelay(true).map_err(|error| text(&error))?;
    let limits = WebSocketOptions::default().limits();
    let connected = client_async_with_config(request, stream, Some(limits)).await;
    connected.map(|(stream, _)| stream).map_err(|error| text(&error))
}

/// Moves messages between a session and its connection. Only responses are taken on it: a target of notifications
/// registers, and sends requests, over a connection of its own.
async fn carry(
    mut stream: WebSocketStream<TcpStream>,
    session: Session,
    mut outgoing: mpsc::Receiver<Message>,
    form: Form,
) {
    loop {
        tokio::select! {
            message = outgoing.recv() => {
                let Some(message) = message else { break };
                if stream.send(message).await.is_err() {
                    break;
                }
            }
            came = stream.next() => {
                let bytes = match came {
                    Some(Ok(Message::Text(text))) => bytes::Bytes::from(text),
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                };
                if let Incoming::Response(response) = Incoming::read(form, &bytes) {
                    session.answered(&response);
                }
            }
            () = tokio::time::sleep(IDLE) => {
                let _ = tokio::time::timeout(Duration::from_secs(1), stream.close(None)).await;
                break;
            }
        }
    }
    drop(outgoing);
    session.end();
}
