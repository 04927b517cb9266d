//! Non-blocking requests (TS-0001 8.2.2, TS-0004 7.3.1.3): the answer is the address of a request resource, which has
//! the result when it is there.

use serde_json::{Map, Value, json};

use super::{Cse, create::base_36};
use crate::{
    primitive::{Outcome, Request, Response, ResponseType, response_to_json},
    status::{Failure, Status},
    time::Time,
    tree::{Attributes, ROOT, Resource},
    types::ty,
};

/// m2m:requestStatus.
const COMPLETED: u64 = 1;
const FAILED: u64 = 2;
pub(super) const PENDING: u64 = 3;

impl Cse {
    /// Takes a request to be carried out in the background.
    pub(super) async fn accept(&self, request: &Request) -> Result<Outcome, Failure> {
        let permit = std::sync::Arc::clone(&self.inner.background).try_acquire_owned().map_err(|_| {
            let most = self.inner.options.background_requests;
            Failure::new(
                Status::InternalServerError,
                format!("{most} requests are under way; ask again later"),
            )
        })?;
        let (ri, address) = self
            .write(|transaction| {
                let resource =
                    request_resource(transaction.inner.next_sequence(), request, transaction.now, |wanted| {
                        transaction.expiration(wanted)
                    });
                let ri = resource.ri.to_string();
                let slot = transaction.insert(resource)?;
                Ok((ri, transaction.tree.structured(slot)))
            })
            .await?;
        let cse = self.clone();
        let carried = Request { shown: false, ..request.clone() };
        let reference = address.clone();
        tokio::spawn(async move {
            let _permit = permit;
            cse.finish(&carried, &ri).await;
        });
        let status = match request.response_type {
            ResponseType::NonBlockingSync => Status::AcceptedNonBlockingSync,
            _ => Status::AcceptedNonBlockingAsync,
        };
        Ok(Outcome::new(status, Some(json!({ "m2m:uri": reference }))))
    }

    /// Carries the request out, keeps the result, and tells who is to be told.
    async fn finish(&self, request: &Request, ri: &str) {
        let result = self.carry_out(request).await;
        let response = Response::to(request, result);
        let kept = self
            .write(|transaction| {
                let Some(slot) = transaction.tree.by_id(ri) else { return Ok(()) };
                let from = transaction.inner.identity.cse_id();
                let result = response_to_json(&response, Some(request.originator()), &from, false);
                let now = transaction.now;
                let resource = transaction.tree.at_mut(slot);
                let status = if response.status.is_success() { COMPLETED } else { FAILED };
                resource.attributes.set("rs", Value::from(status));
                resource.attributes.set("ors", result);
                resource.modified = now;
                resource.state_tag += 1;
                transaction.keep(slot)?;
                transaction.tell(&crate::notify::Event::updated(
                    slot,
                    request,
                    &["rs".to_owned(), "ors".to_owned()],
                ))
            })
            .await;
        if let Err(failure) = kept {
            tracing::warn!(%failure, request = ri, "the result of a non-blocking request was not kept");
        }
        if request.response_type == ResponseType::NonBlockingAsync {
            self.send_result(request, &response).await;
        }
    }

    /// Notifies the result: to the URIs of the request, or else to the originator itself (TS-0001 8.2.2.3).
    async fn send_result(&self, request: &Request, response: &Response) {
        let targets = if request.notify.is_empty() {
            vec![request.originator().to_owned()]
        } else {
            request.notify.clone()
        };
        let from = self.inner.identity.cse_id();
        let content = response_to_json(response, Some(request.originator()), &from, true);
        for target in targets {
            if let Err(failure) = self.call(&target, content.clone(), None).await {
                tracing::debug!(%failure, %target, "the result of a request could not be delivered");
            }
        }
    }
}

/// The request resource (TS-0001 9.6.12).
fn request_resource(
    sequence: u64,
    request: &Request,
    now: Time,
    expiration: impl FnOnce(Option<Time>) -> Time,
) -> Resource {
    let mut meta = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            meta.insert(name.to_owned(), value);
        }
    };
    put("ty", request.ty.map(Value::from));
    put("rvi", request.release.clone().map(Value::from));
    put("rqet", request.request_expires.clone().map(Value::from));
    put("rset", request.result_expires.clone().map(Value::from));
    put("oet", request.operation_time.clone().map(Value::from));
    put("ot", request.originated.clone().map(Value::from));
    put("rp", request.result_persistence.clone().map(Value::from));
    put("vsi", request.vendor.clone());
    put("ec", request.event_category.map(Value::from));
    put("rcn", request.result_content.map(|content| Value::from(content as u8)));
    let mut kind = Map::new();
    kind.insert("rtv".to_owned(), Value::from(request.response_type as u8));
    if !request.notify.is_empty() {
        kind.insert("nu".to_owned(), Value::from(request.notify.clone()));
    }
    put("rt", Some(Value::from(kind)));
    let mut attributes = Attributes::default();
    attributes.set("lbl", json!([request.originator()]));
    attributes.set("op", Value::from(request.operation as u8));
    attributes.set("tg", Value::from(request.to.as_str()));
    attributes.set("org", Value::from(request.originator()));
    attributes.set("rid", request.id.clone());
    attributes.set("mi", Value::from(meta));
    if let Some(content) = &request.content {
        attributes.set("pc", content.clone());
    }
    attributes.set("rs", Value::from(PENDING));
    attributes.set("ors", json!({ "rsc": Status::Accepted.code(), "rqi": request.id }));
    let persistence = request.result_persistence.as_deref();
    let stays = persistence.and_then(|text| Time::parse_from(text, now));
    let ends = request.result_expires.as_deref().or(request.request_expires.as_deref());
    let ends = stays.or_else(|| ends.and_then(|text| Time::parse_from(text, now)));
    Resource {
        ty: ty::REQ,
        root: "m2m:req".into(),
        ri: format!("req{}", base_36(sequence)).into(),
        rn: format!("req_{}", base_36(sequence)).into(),
        parent: Some(ROOT),
        sequence,
        created: now,
        modified: now,
        expires: expiration(ends),
        state_tag: 0,
        size: 0,
        creator: request.originator().into(),
        attributes,
        family: None,
    }
}
