//! Subscriptions as the journal keeps them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use morgana_engine::DeliveryCounts;
use thiserror::Error;

use super::definition::{Contexts, Origin, Subscription};
use crate::{
    Context,
    model::{Json, Timestamp},
};

/// Why a stored subscription cannot be used.
#[derive(Debug, Error)]
pub(super) enum ReviveError {
    #[error("its {0} is missing or malformed")]
    Member(&'static str),
    #[error("the terms of its @context are missing")]
    Context,
    #[error(transparent)]
    Document(#[from] crate::Error),
}

/// What names a context in the journal; `None` for the core context, which needs no keeping.
pub(crate) fn context_key(context: &Arc<Context>) -> Option<Box<str>> {
    if Arc::ptr_eq(context, &Context::core()) {
        return None;
    }
    serde_json::to_string(context.source()).ok().map(Into::into)
}

/// The document to store: what was written, when, in which context, and what became of the notifications.
pub(crate) fn stored(subscription: &Subscription, counts: &DeliveryCounts) -> Json {
    let number = |number: u64| Json::Number(number.into());
    let time = |time: Timestamp| Json::Number(time.as_micros().into());
    let mut members: Vec<(Box<str>, Json)> = vec![
        ("document".into(), subscription.document.clone()),
        ("createdAt".into(), time(subscription.created_at)),
        ("modifiedAt".into(), time(subscription.modified_at)),
        ("timeoutMs".into(), number(subscription.delivery.endpoint.timeout.as_millis() as u64)),
    ];
    with_counts(&mut members, counts);
    let Origin { base, via, is_local } = &subscription.origin;
    members.extend(base.clone().map(|base| ("base".into(), Json::String(base))));
    members.extend(via.clone().map(|via| ("via".into(), Json::String(via))));
    members.extend(is_local.then(|| ("isLocal".into(), Json::Bool(true))));
    if let Some(key) = context_key(&subscription.context) {
        members.push(("context".into(), Json::String(key)));
    }
    if !Arc::ptr_eq(&subscription.context, &subscription.notify_context) {
        let key = context_key(&subscription.notify_context);
        members.push(("notifyContext".into(), key.map_or(Json::Null, Json::String)));
    }
    Json::Object(members.into())
}

/// Adds what became of notifications.
pub(crate) fn with_counts(members: &mut Vec<(Box<str>, Json)>, counts: &DeliveryCounts) {
    let number = |number: u64| Json::Number(number.into());
    members.extend([
        ("sent".into(), number(counts.sent)),
        ("failed".into(), number(counts.failed)),
        ("dropped".into(), number(counts.dropped)),
        ("failing".into(), Json::Bool(counts.failing)),
    ]);
    for (name, at) in [
        ("lastAttempt", counts.last_attempt),
        ("lastSuccess", counts.last_success),
        ("lastFailure", counts.last_failure),
    ] {
        members.extend(at.map(|at| (name.into(), Json::Number(Timestamp::from(at).as_micros().into()))));
    }
}

/// What [`with_counts`] added; nothing where it added nothing.
pub(crate) fn counts_of(stored: &Json) -> DeliveryCounts {
    let integer = |name: &str| match stored.get(name) {
        Some(Json::Number(number)) => number.as_i64(),
        _ => None,
    };
    let count = |name: &str| integer(name).and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
    let at = |name: &str| jiff::Timestamp::from_microsecond(integer(name)?).ok();
    DeliveryCounts {
        sent: count("sent"),
        failed: count("failed"),
        dropped: count("dropped"),
        failing: stored.get("failing") == Some(&Json::Bool(true)),
        last_attempt: at("lastAttempt"),
        last_success: at("lastSuccess"),
        last_failure: at("lastFailure"),
        ..DeliveryCounts::default()
    }
}

pub(super) fn revive(
    stored: &Json,
    contexts: &HashMap<Box<str>, Arc<Context>>,
) -> Result<(Subscription, DeliveryCounts), ReviveError> {
    let integer = |name: &str| match stored.get(name) {
        Some(Json::Number(number)) => number.as_i64(),
        _ => None,
    };
    let time =
        |name: &'static str| integer(name).and_then(Timestamp::from_micros).ok_or(ReviveError::Member(name));
    let context = |key: Option<&Json>| match key.and_then(Json::as_str) {
        None => Ok(Context::core()),
        Some(key) => contexts.get(key).cloned().ok_or(ReviveError::Context),
    };
    let document_context = context(stored.get("context"))?;
    let notify_context = match stored.get("notifyContext") {
        None => Arc::clone(&document_context),
        key => context(key)?,
    };
    let contexts = Contexts { document: document_context, notification: notify_context };
    let document = stored.get("document").cloned().ok_or(ReviveError::Member("document"))?;
    let timeout = Duration::from_millis(integer("timeoutMs").map_or(1, |ms| ms.max(1) as u64));
    let subscription =
        Subscription::new(document, contexts, time("createdAt")?, time("modifiedAt")?, timeout)?;
    let text = |name: &str| stored.get(name).and_then(Json::as_str).map(Into::into);
    let is_local = stored.get("isLocal") == Some(&Json::Bool(true));
    let origin = Origin { base: text("base"), via: text("via"), is_local };
    Ok((subscription.from(origin), counts_of(stored)))
}
