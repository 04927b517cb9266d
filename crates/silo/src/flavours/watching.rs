//! Waiting for what a tenant writes into a pipe, where the broker is in this process.

use morgana_engine::Watch;

use crate::metrics;

/// The next change of a pipe. Waits for ever where nothing is watched.
pub(super) async fn next_change<F, T>(watch: &mut Option<Watch<F, T>>) -> T {
    loop {
        let Some(watch) = watch else { return std::future::pending().await };
        match watch.next().await {
            Some(Ok(change)) => return change,
            Some(Err(lagged)) => metrics::commands_missed(&lagged),
            None => return std::future::pending().await,
        }
    }
}
