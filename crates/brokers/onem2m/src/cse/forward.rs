//! Requests for other CSEs (TS-0004 7.3.2.6), and requests that this CSE makes of them itself.

use std::time::Duration;

use serde_json::Value;

use super::Cse;
use crate::{
    primitive::{Outcome, Request},
    remote::{next_hop, points_of_access},
    status::{Failure, Status},
    time::{Time, millis},
    tree::Slot,
};

impl Cse {
    /// Sends a request on to the CSE that has its target, or that is nearer to it.
    pub(super) async fn forward(&self, request: &Request, cse: &str) -> Result<Outcome, Failure> {
        let inner = &*self.inner;
        let identity = &inner.identity;
        let from = if cse.starts_with("//") {
            let relative = identity.known_elsewhere(request.originator());
            if relative.starts_with("//") { relative } else { format!("//{}{relative}", identity.provider) }
        } else {
            identity.known_elsewhere(request.originator())
        };
        let key = format!("{} {} {from} {}", request.operation as u8, request.to, plain_id(&request.id));
        let Some(_round) = inner.rounds.enter(key) else {
            let debug = format!("to {}: the request goes round in circles", request.to);
            return Err(Failure::new(Status::TargetNotReachable, debug));
        };
        let (entity, points, slot) = {
            let tree = inner.tree.read();
            let slot = next_hop(&tree, identity, cse, &from)?;
            let csi = tree.at(slot).attributes.text("csi").unwrap_or_default();
            (csi.trim_matches('/').to_owned(), points_of_access(&tree, slot), slot)
        };
        let mut onward = request.clone();
        onward.from = Some(from);
        if onward.id.is_null() {
            onward.id = Value::from(inner.next_request_id());
        }
        // TS-0004 7.3.1.1: every request of release 2 and later says its release.
        onward.release.get_or_insert_with(|| super::DEFAULT_RELEASE.to_owned());
        self.send_to_cse(&entity, &points, &onward, self.patience(request)).await.inspect_err(|failure| {
            tracing::debug!(%failure, csr = slot_name(self, slot), to = request.to, "could not forward");
        })
    }

    /// Tries the points of access of a CSE one after the other.
    pub(super) async fn send_to_cse(
        &self,
        entity: &str,
        points: &[String],
        request: &Request,
        patience: Duration,
    ) -> Result<Outcome, Failure> {
        let mut last = "it has no point of access".to_owned();
        for point in points {
            match self.inner.courier.request(point, entity, request, patience).await {
                Ok(answer) if answer.status.is_success() => {
                    return Ok(Outcome::new(answer.status, answer.content));
                }
                Ok(answer) => return Err(failure_of(answer.status, answer.content, &request.to)),
                Err(why) => last = why,
            }
        }
        Err(Failure::new(Status::TargetNotReachable, format!("to {}: {last}", request.to)))
    }

    /// A request that this CSE makes in its own name, or in that of who made it necessary: carried out here or
    /// forwarded.
    pub(super) async fn exchange(&self, request: &Request) -> Result<Outcome, Failure> {
        match self.inner.identity.elsewhere(&request.to) {
            Some(cse) => Box::pin(self.forward(request, &cse)).await,
            None => Box::pin(self.execute_quietly(request)).await,
        }
    }

    /// How long the answer of another CSE may take.
    fn patience(&self, request: &Request) -> Duration {
        let now = Time::now();
        let until = request.request_expires.as_deref().and_then(|text| Time::parse_from(text, now));
        until.map_or_else(
            || millis(self.inner.limits().request_expiration_ms),
            |until| millis((until.0 - now.0) / 1000),
        )
    }
}

/// A request identifier without what this CSE puts behind it to tell requests apart.
fn plain_id(id: &Value) -> String {
    let text = match id {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.rsplit_once('~') {
        Some((plain, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => plain.to_owned(),
        _ => text,
    }
}

fn failure_of(status: Status, content: Option<Value>, to: &str) -> Failure {
    let debug = content.as_ref().and_then(|content| content.get("m2m:dbg")).and_then(Value::as_str);
    Failure::new(
        status,
        debug.map_or_else(|| format!("to {to}: it answered {}", status.code()), str::to_owned),
    )
}

fn slot_name(cse: &Cse, slot: Slot) -> String {
    let tree = cse.inner.tree.read();
    if tree.get(slot).is_some() { tree.structured(slot) } else { String::new() }
}
