//! A silo as a process of its own.

use morgana_workload::{Environment, Notifier};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::RunError;
use crate::service::Silo;

/// Runs a silo until it is told to end by SIGTERM, SIGINT or the platform, on one thread and a
/// runtime of its own. Tells the node agent when the silo is ready.
///
/// # Errors
/// See [`RunError`]; [`RunError::exit_code`] is what the process should end with.
pub fn run(kind: &str, environment: Environment) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::failed("start the runtime of the silo"))?;
    runtime.block_on(serve(kind, environment))
}

async fn serve(kind: &str, environment: Environment) -> Result<(), RunError> {
    let notifier = Notifier::from_env().map_err(RunError::failed("open a socket to the node agent"))?;
    let catch = |kind| signal(kind).map_err(RunError::failed("catch signals"));
    let (mut terminate, mut interrupt) = (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
    let mut silo = Silo::start(kind, environment).await?;
    let ready = silo.ready();
    tokio::select! {
        () = ready => tell(notifier.ready()),
        ended = silo.ended() => return ended,
        _ = terminate.recv() => silo.stop(),
        _ = interrupt.recv() => silo.stop(),
    }
    tokio::select! {
        ended = silo.ended() => return ended,
        _ = terminate.recv() => silo.stop(),
        _ = interrupt.recv() => silo.stop(),
    }
    tell(notifier.stopping());
    silo.ended().await
}

/// A node agent that does not listen any more will start the silo again when it is back.
fn tell(told: std::io::Result<()>) {
    if let Err(error) = told {
        tracing::warn!(%error, "the node agent does not listen");
    }
}
