//! The load: closed-loop clients on one thread, so that two cores serve both them and the broker.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::case::Case;
use super::connection::Connection;

/// Requests before the clock starts are for connections, caches and branch predictors.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a load came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Requests that were answered with success while the clock ran.
    pub(crate) answered: u64,
    /// Requests that were answered with anything else, at any time.
    pub(crate) refused: u64,
    /// How the first of them was answered.
    pub(crate) refusal: Option<String>,
    /// How long the clock ran.
    pub(crate) elapsed: Duration,
    /// How long each answer took.
    pub(crate) took: Vec<Duration>,
}

/// Runs a case for `lasting` on a thread of its own. `clock` is told when the clock starts and stops.
pub(crate) async fn run(
    address: &str,
    case: &Case,
    first: u64,
    lasting: Duration,
    clock: impl Fn() + Send + Sync + 'static,
) -> io::Result<Outcome> {
    let (address, case) = (address.to_owned(), case.clone());
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(clients(address, case, first, lasting, clock))
    })
    .await
    .map_err(io::Error::other)?
}

async fn clients(
    address: String,
    case: Case,
    first: u64,
    lasting: Duration,
    clock: impl Fn(),
) -> io::Result<Outcome> {
    let numbers = Arc::new(AtomicU64::new(first));
    let mut connections = Vec::with_capacity(case.clients);
    for _ in 0..case.clients {
        connections.push(Connection::open(&address).await?);
    }
    let start = Instant::now() + WARM_UP;
    let mut clients = JoinSet::new();
    for connection in connections {
        clients.spawn(one(connection, case.clone(), Arc::clone(&numbers), start, start + lasting));
    }
    tokio::time::sleep_until(start.into()).await;
    clock();
    tokio::time::sleep_until((start + lasting).into()).await;
    clock();
    let mut all = Outcome { elapsed: lasting, ..Outcome::default() };
    while let Some(ended) = clients.join_next().await {
        let one = ended.map_err(io::Error::other)??;
        all.answered += one.answered;
        all.refused += one.refused;
        all.refusal = all.refusal.or(one.refusal);
        all.took.extend(one.took);
    }
    Ok(all)
}

async fn one(
    mut connection: Connection,
    case: Case,
    numbers: Arc<AtomicU64>,
    start: Instant,
    end: Instant,
) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut request = Vec::with_capacity(4096);
    let mut sent = Instant::now();
    while sent < end {
        request.clear();
        (case.make)(numbers.fetch_add(1, Ordering::Relaxed), &mut request);
        let status = connection.exchange(&request).await?;
        let arrived = Instant::now();
        // 207 says that some part of it was refused (RFC 4918, 13).
        if !(200..300).contains(&status) || status == 207 {
            outcome.refused += 1;
            outcome.refusal.get_or_insert_with(|| {
                format!("{status} {}", String::from_utf8_lossy(connection.body()).trim())
            });
        } else if sent >= start && arrived <= end {
            outcome.answered += 1;
            outcome.took.push(arrived - sent);
        }
        sent = arrived;
    }
    Ok(outcome)
}
