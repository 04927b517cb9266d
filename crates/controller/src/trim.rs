//! Forgets what is over: sessions, remembered answers, old lines of the audit log.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use morgana_store::{Document, Expect, ListQuery, Table, Transaction};
use tokio_util::sync::CancellationToken;

use crate::error::chain;
use crate::{Controller, Error};

/// How often.
const EVERY: Duration = Duration::from_secs(600);
/// How many records are looked at, and forgotten, in one go.
const BATCH: usize = 500;

/// Trims until told to stop.
pub(crate) async fn run(controller: Controller, stop: CancellationToken) {
    loop {
        if let Err(error) = trim(&controller, Timestamp::now()).await {
            tracing::warn!(error = %chain(&error), "what is over could not be forgotten; it is tried again");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Forgets what is over now; tells how many records.
pub(crate) async fn trim(controller: &Controller, now: Timestamp) -> Result<usize, Error> {
    let hours = |hours: u32| SignedDuration::from_hours(hours.into());
    let options = controller.options();
    let old_audit = now - hours(options.audit_keep_days.saturating_mul(24));
    let old_answer = now - hours(options.idempotency_keep_hours);
    let sessions =
        forget(controller, controller.sessions(), false, |session| session.expires_at < now).await?;
    let answers =
        forget(controller, controller.idempotency(), false, |record| record.at < old_answer).await?;
    // Later lines have greater ids: behind the first young one all are young.
    let lines = forget(controller, controller.audit_log(), true, |line| line.0.at < old_audit).await?;
    Ok(sessions + answers + lines)
}

async fn forget<T: Document>(
    controller: &Controller,
    table: &Table<T>,
    in_order: bool,
    is_over: impl Fn(&T) -> bool,
) -> Result<usize, Error> {
    let mut query = ListQuery::default().limit(BATCH);
    let mut forgotten = 0;
    loop {
        let page = table.list(query.clone()).await?;
        let over: Vec<String> =
            page.iter().filter(|found| is_over(&found.value)).map(|found| found.value.key()).collect();
        let more = page.len() == BATCH && !(in_order && over.len() < page.len());
        query.after = page.last().map(|found| found.value.key());
        if !over.is_empty() {
            forgotten += over.len();
            let mut transaction = Transaction::new();
            for key in over {
                transaction.delete::<T>(key, Expect::Any);
            }
            transaction.commit(controller.store()).await?;
        }
        if !more {
            return Ok(forgotten);
        }
    }
}
