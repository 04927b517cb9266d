//! The CoAP binding (TS-0008) over UDP: a request is a CoAP request, a notification is one of the CSE's own.
//!
//! [`Endpoint`] is the message layer without a socket, `read` and `write` map primitives; here are the socket and the
//! clock.

mod blocks;
mod endpoint;
mod options;
mod read;
mod write;

use std::{
    collections::HashMap,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use coap_lite::Packet;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::Uri;
use morgana_engine::ServerError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::endpoint::{Effect, Endpoint};
use self::{endpoint::Exchange, options::Row};
use crate::{Cse, notify::Answer, status::Failure, wire, wire::Form};

/// The largest datagram.
const DATAGRAM: usize = 65_535;

/// How the CoAP binding behaves. The times are those of RFC 7252 4.8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CoapOptions {
    /// Milliseconds until a message that is not acknowledged is sent again; each later wait is twice as long.
    pub ack_timeout_ms: u64,
    /// Milliseconds that a receiver of notifications may take to answer.
    pub answer_timeout_ms: u64,
    /// Contents larger than 2^(this + 4) bytes go in blocks of so many; at most 6, 1024 bytes.
    pub block_exponent: u8,
    /// The largest content, in bytes.
    pub body_max_bytes: usize,
    /// The bytes of all contents on their way in blocks, each way.
    pub transfers_max_bytes: usize,
    /// Requests that are remembered, so that none is carried out twice.
    pub remembered_messages: usize,
    /// Requests that are carried out at once; of more, nothing is read.
    pub requests: usize,
    /// Notifications that may wait to leave.
    pub queue: usize,
}

impl Default for CoapOptions {
    fn default() -> Self {
        Self {
            ack_timeout_ms: 2_000,
            answer_timeout_ms: 90_000,
            block_exponent: blocks::LARGEST,
            body_max_bytes: 1024 * 1024,
            transfers_max_bytes: 16 * 1024 * 1024,
            remembered_messages: 20_000,
            requests: 256,
            queue: 1_000,
        }
    }
}

/// A request of the CSE for the task with the socket.
#[derive(Debug)]
struct Question {
    to: SocketAddr,
    packet: Packet,
    answer: oneshot::Sender<Result<Answer, String>>,
}

/// Sends requests to `coap` URIs.
#[derive(Debug)]
pub(crate) struct CoapCaller {
    questions: mpsc::Sender<Question>,
}

impl CoapCaller {
    /// Sends a request primitive and waits for its answer.
    pub(crate) async fn ask(&self, uri: &Uri, form: Form, primitive: &Value) -> Result<Answer, String> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(5683);
        let found = tokio::net::lookup_host((host, port)).await;
        let to = found.ok().and_then(|mut found| found.next()).ok_or("its host is not known")?;
        let (answer, answered) = oneshot::channel();
        let question = Question { to, packet: write::request(primitive, uri, form), answer };
        let gone = || "the CoAP binding has ended".to_owned();
        self.questions.send(question).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

type Responding = Pin<Box<dyn Future<Output = (Exchange, Option<Packet>)> + Send>>;

/// Serves a CSE over CoAP on a socket until `stop`; requests under way are finished.
///
/// # Errors
/// When the socket fails.
pub async fn serve_coap(
    socket: UdpSocket,
    cse: Cse,
    options: CoapOptions,
    stop: CancellationToken,
) -> Result<(), ServerError> {
    let (questions, mut asked) = mpsc::channel(options.queue.max(1));
    cse.inner.courier.use_coap(CoapCaller { questions });
    let mut binding = Binding {
        endpoint: Endpoint::new(&options, rand::random::<u64>),
        socket: Arc::new(socket),
        cse,
        waiting: HashMap::new(),
        under_way: FuturesUnordered::new(),
        started: Instant::now(),
    };
    let numbers = AtomicU64::new(0);
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let due = binding.endpoint.next_due();
        let wait = due
            .map_or(Duration::from_secs(60), |due| Duration::from_millis(due.saturating_sub(binding.now())));
        let socket = Arc::clone(&binding.socket);
        let effects = tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(wait) => binding.endpoint.tick(binding.now()),
            Some((exchange, packet)) = binding.under_way.next() => {
                let now = binding.now();
                packet.map(|packet| binding.endpoint.respond(&exchange, packet, now)).unwrap_or_default()
            }
            Some(question) = asked.recv() => {
                let ask = numbers.fetch_add(1, Ordering::Relaxed);
                binding.waiting.insert(ask, question.answer);
                let now = binding.now();
                binding.endpoint.ask(ask, question.to, question.packet, options.answer_timeout_ms, now)
            }
            came = socket.recv_from(&mut buffer), if binding.under_way.len() < options.requests.max(1) => {
                match came {
                    Ok((length, from)) => {
                        let now = binding.now();
                        binding.endpoint.datagram(from, &buffer[..length], now)
                    }
                    // The port of a receiver is closed: what was sent there is sent again, or given up.
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => continue,
                    Err(error) => return Err(error.into()),
                }
            }
        };
        binding.carry_out(effects).await;
    }
    while let Some((exchange, packet)) = binding.under_way.next().await {
        let now = binding.now();
        let effects = packet.map(|packet| binding.endpoint.respond(&exchange, packet, now));
        binding.carry_out(effects.unwrap_or_default()).await;
    }
    Ok(())
}

struct Binding {
    endpoint: Endpoint,
    socket: Arc<UdpSocket>,
    cse: Cse,
    waiting: HashMap<u64, oneshot::Sender<Result<Answer, String>>>,
    under_way: FuturesUnordered<Responding>,
    started: Instant,
}

impl Binding {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(to, bytes) => {
                    if let Err(error) = self.socket.send_to(&bytes, to).await {
                        tracing::debug!(%to, %error, "a CoAP message did not leave");
                    }
                }
                Effect::Take(exchange, packet) => {
                    let cse = self.cse.clone();
                    self.under_way.push(Box::pin(async move {
                        let answer = take(&cse, exchange.from, &packet).await;
                        (exchange, answer)
                    }));
                }
                Effect::Answered(ask, answer) => {
                    if let Some(waiting) = self.waiting.remove(&ask) {
                        let answer = answer.map(|packet| read::answer(&packet)).map_err(str::to_owned);
                        // Who asked may have given up meanwhile.
                        let _ = waiting.send(answer);
                    }
                }
            }
        }
    }
}

/// Carries a request out; nothing when the originator wants no answer.
async fn take(cse: &Cse, from: SocketAddr, packet: &Packet) -> Option<Packet> {
    let row = Row::of(packet);
    let failed = |failure: Failure| {
        let id = read::request_id(packet);
        write::response(&wire::refused(failure, id), None, row, Form::Json)
    };
    let form = match read::accepted(packet) {
        Ok(form) => form,
        Err(failure) => return Some(failed(failure)),
    };
    let mut request = match read::request(packet) {
        Ok(request) => request,
        Err(failure) => return Some(failed(failure)),
    };
    request.remote = Some(from.ip());
    let operation = request.operation;
    let response = cse.request(request).await;
    if response.silent {
        return None;
    }
    Some(write::response(&response, Some(operation), row, form))
}

/// Reads a request and gives it up, for tests with any input.
pub(crate) fn read_request(packet: &Packet) {
    let _ = (read::accepted(packet), read::request(packet), Row::of(packet), read::answer(packet));
}
