use std::{collections::HashMap, future::Future};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The tasks of resources that do something by themselves, by resourceID: beacons, time windows, location policies.
#[derive(Debug, Default)]
pub(crate) struct Timers(Mutex<HashMap<Box<str>, CancellationToken>>);

impl Timers {
    /// Starts the task of a resource, and ends the one before.
    pub(crate) fn start(&self, ri: &str, task: impl Future<Output = ()> + Send + 'static) {
        let token = CancellationToken::new();
        if let Some(before) = self.0.lock().insert(ri.into(), token.clone()) {
            before.cancel();
        }
        tokio::spawn(async move { token.run_until_cancelled(task).await });
    }

    /// Ends the task of a resource.
    pub(crate) fn stop(&self, ri: &str) {
        if let Some(token) = self.0.lock().remove(ri) {
            token.cancel();
        }
    }

    /// Ends all.
    pub(crate) fn stop_all(&self) {
        self.0.lock().drain().for_each(|(_, token)| token.cancel());
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.stop_all();
    }
}
