//! Running a ThingVisor: everything around the author's own work.

use std::future::Future;
use std::time::{SystemTime, UNIX_EPOCH};

use morgana_fabric::{Client, ClientOptions};
use morgana_workload::{Environment, Notifier, Role, Start};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::core::{State, Update};
use crate::memory::Memory;
use crate::service::Service;
use crate::{Options, RunError, ThingVisor};

/// Runs a ThingVisor on this thread until it is destroyed, gets SIGTERM or SIGINT, or fails. `work`
/// is the author's part; when it comes to a good end the ThingVisor goes on answering for its vThings.
///
/// # Errors
/// [`RunError`]; [`RunError::exit_status`] says it to the node.
pub fn run<W, F>(environment: Environment, options: Options, work: W) -> Result<(), RunError>
where
    W: FnOnce(ThingVisor) -> F,
    F: Future<Output = Result<(), RunError>>,
{
    // One thread: a ThingVisor mostly waits, and every thread costs memory.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| RunError::system("start the runtime", error))?;
    runtime.block_on(async {
        let notifier =
            Notifier::from_env().map_err(|error| RunError::system("reach the node's socket", error))?;
        let stop = stop_on_signals().map_err(|error| RunError::system("listen for signals", error))?;
        serve(environment, options, notifier, stop, work).await
    })
}

/// Runs a ThingVisor inside a runtime, until it is destroyed, `stop` is cancelled, or it fails.
///
/// # Errors
/// [`RunError`].
pub async fn serve<W, F>(
    environment: Environment,
    options: Options,
    notifier: Notifier,
    stop: CancellationToken,
    work: W,
) -> Result<(), RunError>
where
    W: FnOnce(ThingVisor) -> F,
    F: Future<Output = Result<(), RunError>>,
{
    let Role::ThingVisor { id, params } = environment.role.clone() else {
        return Err(RunError::Configuration(
            "this is a ThingVisor, but its environment is a vSilo's".to_owned(),
        ));
    };
    let memory = Memory::open(&environment.data).map_err(|error| {
        RunError::system(format!("use the folder '{}'", environment.data.display()), error)
    })?;
    let remembered = memory.load().unwrap_or_else(|error| {
        tracing::warn!(%error, "remembered context cannot be read");
        Default::default()
    });
    let started_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis() as u64);
    let state = State::new(id.clone(), options.clone(), params.clone(), remembered, started_ms)
        .started_as(Start::from_env());

    let (client, events) = Client::connect(client_options(&environment));
    let (requests, asked) = mpsc::channel(options.request_queue.max(1));
    let first = Update { params, description: String::new(), info: Value::Null };
    let (updates, updated) = watch::channel(first);
    let command_queue = options.command_queue;
    let mut service = Service::new(state, client, memory, notifier, updates, options);
    let visor = ThingVisor { id, environment, requests, updates: updated, command_queue };

    let working = async {
        match work(visor).await {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    };
    let (outcome, destroyed) = tokio::select! {
        served = service.run(events, asked) => {
            let destroyed = served.is_ok();
            (served, destroyed)
        }
        error = working => (Err(error), false),
        () = stop.cancelled() => (Ok(()), false),
    };
    service.leave(destroyed).await;
    outcome
}

fn client_options(environment: &Environment) -> ClientOptions {
    let fabric = &environment.fabric;
    let address = std::net::SocketAddr::new(fabric.host, fabric.port);
    // Its user is its own, so it can be the client id too.
    ClientOptions::new(address.to_string(), fabric.user.clone())
        .with_credentials(fabric.user.clone(), fabric.password.clone())
}

fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    Ok(stop)
}
