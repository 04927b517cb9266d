use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use morgana_model::Endpoints;
use morgana_runtime::{Exit, Instance, Launch, Log};
use morgana_workload::{Environment, NOTIFY_SOCKET, Start};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::in_full;
use crate::Assignment;
use crate::notify_socket::NotifySocket;
use crate::shared::Shared;

/// How long one that does not get ready keeps others from being started.
const PERMIT: Duration = Duration::from_secs(2);

/// What runs of a workload right now.
pub(super) enum Run {
    Nothing,
    Launching {
        launched: BoxFuture<'static, Result<Up, NotStarted>>,
        /// It is to be ended as soon as it has been started, with this grace.
        stop: Option<Duration>,
    },
    Up(Up),
}

/// A workload that was started.
pub(super) struct Up {
    instance: Arc<dyn Instance>,
    socket: NotifySocket,
    ended: BoxFuture<'static, Exit>,
    /// Held until it is ready or [`PERMIT`] is over.
    permit: Option<(OwnedSemaphorePermit, Instant)>,
}

/// Why it was not.
pub(super) struct NotStarted {
    reason: String,
    permanent: bool,
}

/// What a start needs.
pub(super) struct Launching {
    pub(super) assignment: Assignment,
    pub(super) start: Start,
    pub(super) endpoints: Endpoints,
    pub(super) data: PathBuf,
    pub(super) log: Arc<Log>,
}

/// What a run tells.
pub(super) enum Happened {
    Started(Arc<dyn Instance>),
    NotStarted { reason: String, permanent: bool },
    Ready,
    Ended(Exit),
}

impl Run {
    pub(super) fn start(shared: Arc<Shared>, launching: Launching) -> Self {
        Self::Launching { launched: launch(shared, launching).boxed(), stop: None }
    }

    /// One that ends before it begins.
    pub(super) fn failed(reason: String) -> Self {
        let failed = NotStarted { reason, permanent: false };
        Self::Launching { launched: std::future::ready(Err(failed)).boxed(), stop: None }
    }

    /// Ends what runs. A start that is under way goes on first: it cannot be taken back.
    pub(super) fn stop(&mut self, grace: Duration) {
        match self {
            Self::Nothing => {}
            Self::Launching { stop, .. } => *stop = Some(grace),
            Self::Up(up) => up.stop(grace),
        }
    }

    /// The next thing that happens. May be dropped and called again without missing anything.
    pub(super) async fn next(&mut self) -> Happened {
        match self {
            Self::Nothing => std::future::pending().await,
            Self::Launching { launched, stop } => match launched.await {
                Ok(mut up) => {
                    if let Some(grace) = stop {
                        up.stop(*grace);
                    }
                    let instance = Arc::clone(&up.instance);
                    *self = Self::Up(up);
                    Happened::Started(instance)
                }
                Err(NotStarted { reason, permanent }) => {
                    *self = Self::Nothing;
                    Happened::NotStarted { reason, permanent }
                }
            },
            Self::Up(up) => {
                let happened = up.next().await;
                if matches!(happened, Happened::Ended(_)) {
                    *self = Self::Nothing;
                }
                happened
            }
        }
    }
}

impl Up {
    fn stop(&mut self, grace: Duration) {
        let instance = Arc::clone(&self.instance);
        self.ended = async move { instance.terminate(grace).await }.boxed();
    }

    async fn next(&mut self) -> Happened {
        loop {
            let permit_until = self.permit.as_ref().map(|(_, until)| *until);
            let permit_is_over = async {
                match permit_until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                exit = &mut self.ended => return Happened::Ended(exit),
                notification = self.socket.next() => {
                    if let Some(status) = notification.status {
                        tracing::debug!(status, "a workload tells");
                    }
                    if notification.ready {
                        self.permit = None;
                        return Happened::Ready;
                    }
                }
                () = permit_is_over => self.permit = None,
            }
        }
    }
}

async fn launch(shared: Arc<Shared>, launching: Launching) -> Result<Up, NotStarted> {
    let Launching { assignment, start, endpoints, data, log } = launching;
    let retry = |reason: String| NotStarted { reason, permanent: false };
    let permit = Arc::clone(&shared.starts).acquire_owned().await;
    let permit = permit.map_err(|_| retry("the node agent is being shut down".to_owned()))?;
    let socket =
        NotifySocket::bind(shared.sockets.socket(shared.next_socket.fetch_add(1, Ordering::Relaxed)))
            .map_err(|error| retry(format!("could not open the socket it tells through: {error}")))?;
    let environment = Environment {
        role: assignment.role,
        fabric: assignment.fabric,
        data: data.clone(),
        listen: shared.options.listen,
        doors: doors(&assignment.doors, &endpoints),
    };
    let mut variables = shared.options.further_variables.clone();
    variables.extend(environment.to_variables());
    variables.extend(start.to_variables());
    variables.insert(NOTIFY_SOCKET.to_owned(), socket.path().to_string_lossy().into_owned());
    let launch = Launch {
        name: assignment.name,
        image: assignment.image,
        variables,
        data,
        log,
        limits: shared.options.limits,
    };
    let instance = shared
        .runtime
        .start(launch)
        .await
        .map_err(|error| NotStarted { permanent: error.is_permanent(), reason: in_full(error) })?;
    let waiting = Arc::clone(&instance);
    Ok(Up {
        instance,
        socket,
        ended: async move { waiting.wait().await }.boxed(),
        permit: Some((permit, Instant::now() + PERMIT)),
    })
}

/// Inner port to outer port.
fn doors(inner: &[u16], endpoints: &Endpoints) -> BTreeMap<u16, u16> {
    inner.iter().filter_map(|door| Some((*door, *endpoints.get(&format!("{door}/tcp"))?))).collect()
}
