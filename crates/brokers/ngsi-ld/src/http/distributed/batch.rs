//! Writes of many entities, with the part of sources in them (NGSI-LD 5.6.7 to 5.6.10, 5.6.20). Each entity is planned
//! for itself; a source that takes batches gets one with all its parts, another gets them one by one.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    super::{
        request::{Sent, read},
        service::Handlers,
    },
    answer::{Outcome, Part, error, multi},
    fan::{Fan, looped},
    route::Batch,
    write::{again, outcome, part},
};
use crate::{
    Context, Error, Name,
    model::{Json, Reader, Timestamp},
    registrations::Operation,
    sources::{Call, Failure, Plan, Share, Write, encode},
};

impl Batch {
    fn path(self) -> &'static str {
        match self {
            Self::Create => "/entityOperations/create",
            Self::Upsert => "/entityOperations/upsert",
            Self::Update => "/entityOperations/update",
            Self::Merge => "/entityOperations/merge",
            Self::Delete => "/entityOperations/delete",
        }
    }

    /// The operations that do it: as a batch, or else one by one.
    fn operations(self) -> &'static [Operation] {
        match self {
            Self::Create => &[Operation::CreateBatch, Operation::CreateEntity],
            Self::Upsert => &[Operation::UpsertBatch],
            Self::Update => &[Operation::UpdateBatch, Operation::AppendAttrs],
            Self::Merge => &[Operation::MergeBatch, Operation::MergeEntity],
            Self::Delete => &[Operation::DeleteBatch, Operation::DeleteEntity],
        }
    }
}

/// One entity of the batch, or one id.
struct Item {
    id: Box<str>,
    json: Json,
    context: Arc<Context>,
}

/// What one source gets: the parts of entities, by their ids.
struct Bundle {
    share: Share,
    items: Vec<Item>,
}

/// What became of each entity.
#[derive(Default)]
struct Result {
    order: Vec<Box<str>>,
    done: HashMap<Box<str>, bool>,
    created: Vec<Value>,
    errors: Vec<Value>,
}

impl Result {
    fn note(&mut self, id: &str, part: &Part) {
        match &part.outcome {
            Outcome::Failed(problem) => self.errors.push(error(id, part, problem)),
            _ => drop(self.done.insert(id.into(), true)),
        }
    }
}

pub(super) async fn run(fan: &Fan<'_>, request: Request, kind: Batch, next: &Handlers) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = match read(body, &parts.headers, fan.door.options.body_max_bytes).await {
        Ok(bytes) => bytes,
        Err(refused) => return refused,
    };
    let Ok(sent) = Sent::from_request(again(&parts, bytes.clone()), fan.door).await else {
        return next.run(again(&parts, bytes)).await;
    };
    let registrations = fan.registrations();
    let (mut bundles, mut local, mut result): (Vec<Bundle>, Vec<Json>, Result) = Default::default();
    for json in sent.body.as_array().unwrap_or_default() {
        let Ok((item, types, names)) = item(fan, &sent, json, kind).await else {
            // The handler says what is wrong with it.
            local.push(json.clone());
            continue;
        };
        let write =
            Write { operations: kind.operations(), id: &item.id, types: &types, names: names.as_deref() };
        let plan = Plan::new(&registrations, write);
        if let (true, Some(share)) =
            (fan.is_loop, plan.shares.iter().find(|share| share.registration.access.mode.is_proxied()))
        {
            return looped(&share.registration.id).into_response();
        }
        result.order.push(item.id.clone());
        let here = names.is_some() || !plan.proxied || fan.broker().get(&item.id).is_some();
        match plan.local.filter(|_| here) {
            Some(None) => local.push(item.json.clone()),
            Some(Some(names)) => local.push(part(&item.json, &item.context, &names)),
            None => {}
        }
        for share in plan.shares.into_iter().filter(|_| !fan.is_loop) {
            let json = match &share.names {
                Some(names) => part(&item.json, &item.context, names),
                None => item.json.clone(),
            };
            let part = Item { id: item.id.clone(), json, context: Arc::clone(&item.context) };
            match bundles.iter_mut().find(|bundle| bundle.share.registration.id == share.registration.id) {
                Some(bundle) => bundle.items.push(part),
                None => bundles.push(Bundle { share, items: vec![part] }),
            }
        }
    }
    if bundles.is_empty() {
        return next.run(again(&parts, bytes)).await;
    }
    let options = sent.params.pairs(&["options", "format", "lang"]);
    let asked = {
        let waiting = bundles.iter().map(|bundle| send(fan, bundle, kind, &options).boxed()).collect();
        fan.all(waiting).await
    };
    if !local.is_empty() {
        let body = serde_json::to_vec(&Json::Array(local.clone().into())).unwrap_or_default();
        let response = next.run(again(&parts, body.into())).await;
        let ids = local.iter().filter_map(id_of).map(Box::from).collect::<Vec<_>>();
        spread(None, &ids, Outcome::of(response).await, kind, &mut result);
    }
    for (bundle, outcomes) in bundles.iter().zip(asked) {
        let registration = Some(bundle.share.registration.id.clone());
        for (ids, outcome) in outcomes {
            spread(registration.clone(), &ids, outcome, kind, &mut result);
        }
    }
    answer(kind, result)
}

fn id_of(json: &Json) -> Option<&str> {
    json.as_str().or_else(|| json.get("id").or_else(|| json.get("@id"))?.as_str())
}

/// An entity of the batch, with its types and the attributes that are written.
async fn item(
    fan: &Fan<'_>,
    sent: &Sent,
    json: &Json,
    kind: Batch,
) -> std::result::Result<(Item, Vec<Name>, Option<Vec<Name>>), Error> {
    if kind == Batch::Delete {
        let id = crate::model::check_uri(json.as_str().unwrap_or_default(), "an entity id")?;
        let types = fan.broker().get(id).map(|entity| entity.types.clone()).unwrap_or_default();
        return Ok((Item { id: id.into(), json: json.clone(), context: Context::core() }, types, None));
    }
    let context = sent.context_of(json, fan.broker()).await?;
    let reader = Reader { context: &context, form: sent.params.form()?, now: Timestamp::now() };
    let fragment = reader.fragment(json.clone())?;
    let id = fragment.id.clone().ok_or_else(|| Error::bad("the entity has no id"))?;
    if fragment.types.is_empty() && matches!(kind, Batch::Create | Batch::Upsert) {
        return Err(Error::bad(format!("entity {id} has no type")));
    }
    let mut names: Vec<Name> = Vec::new();
    let written = fragment.attributes.iter().map(|attribute| &attribute.name);
    for name in written.chain(fragment.deletions.iter().map(|(name, _)| name)) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let types = match fragment.types {
        types if types.is_empty() => {
            fan.broker().get(&id).map(|entity| entity.types.clone()).unwrap_or_default()
        }
        types => types,
    };
    Ok((Item { id, json: json.clone(), context }, types, Some(names)))
}

/// Sends a source its parts. Gives what became of which entities.
async fn send(
    fan: &Fan<'_>,
    bundle: &Bundle,
    kind: Batch,
    options: &[(String, String)],
) -> Vec<(Vec<Box<str>>, Outcome)> {
    let all = || bundle.items.iter().map(|item| item.id.clone()).collect::<Vec<_>>();
    let Some(operation) = bundle.share.operation else {
        return vec![(all(), Outcome::Failed(Failure::NotAllowed.problem()))];
    };
    if operation == kind.operations()[0] {
        // Entities in the same terms go together.
        let mut groups: Vec<(Arc<Context>, Vec<&Item>)> = Vec::new();
        for item in &bundle.items {
            match groups.iter_mut().find(|(context, _)| context.source() == item.context.source()) {
                Some((_, items)) => items.push(item),
                None => groups.push((Arc::clone(&item.context), vec![item])),
            }
        }
        let ask = |(context, items): (Arc<Context>, Vec<&Item>)| {
            let body = Json::Array(items.iter().map(|item| item.json.clone()).collect());
            let mut call = Call::new(Method::POST, kind.path(), &context).with_body(body);
            call.query = options.to_vec();
            let ids = items.iter().map(|item| item.id.clone()).collect();
            async move { (ids, outcome(fan, &bundle.share, &call).await) }.boxed()
        };
        return fan.all(groups.into_iter().map(ask).collect()).await;
    }
    let ask = |item: &Item| {
        let id = encode(&item.id);
        let (method, path) = match kind {
            Batch::Create | Batch::Upsert => (Method::POST, "/entities".to_owned()),
            Batch::Update => (Method::POST, format!("/entities/{id}/attrs")),
            Batch::Merge => (Method::PATCH, format!("/entities/{id}")),
            Batch::Delete => (Method::DELETE, format!("/entities/{id}")),
        };
        let mut call = Call::new(method, path, &item.context);
        if kind != Batch::Delete {
            call = call.with_body(item.json.clone());
            call.query = options.to_vec();
        }
        let ids = vec![item.id.clone()];
        async move { (ids, outcome(fan, &bundle.share, &call).await) }.boxed()
    };
    fan.all(bundle.items.iter().map(ask).collect()).await
}

/// Notes what became of entities that went to one place together.
fn spread(
    registration: Option<Box<str>>,
    ids: &[Box<str>],
    outcome: Outcome,
    kind: Batch,
    result: &mut Result,
) {
    let known: Value = match &outcome {
        Outcome::Done(body) | Outcome::Partly(body) => serde_json::from_slice(body).unwrap_or_default(),
        Outcome::Failed(_) => Value::Null,
    };
    let is_partly = matches!(outcome, Outcome::Partly(_));
    let part = Part { registration, names: Vec::new(), outcome };
    if !is_partly {
        if kind == Batch::Upsert {
            result.created.extend(known.as_array().cloned().unwrap_or_default());
        }
        ids.iter().for_each(|id| result.note(id, &part));
        return;
    }
    let failed: Vec<Value> = known["errors"].as_array().cloned().unwrap_or_default();
    for id in ids {
        match failed.iter().find(|one| one["entityId"].as_str() == Some(id)) {
            Some(one) => {
                let mut one = one.clone();
                if let Some(registration) = &part.registration {
                    one["registrationId"] = json!(registration);
                }
                result.errors.push(one);
            }
            None => result.note(id, &part),
        }
    }
    // An error without a known id is one of an entity that could not even be read.
    let unknown = |one: &&Value| !ids.iter().any(|id| one["entityId"].as_str() == Some(id));
    result.errors.extend(failed.iter().filter(unknown).cloned());
}

fn answer(kind: Batch, result: Result) -> Response {
    let Result { order, done, created, errors } = result;
    if !errors.is_empty() {
        let success: Vec<&str> = order.iter().filter(|id| done.contains_key(*id)).map(|id| &**id).collect();
        return multi(&json!({"success": success, "errors": errors}));
    }
    match kind {
        Batch::Create => (StatusCode::CREATED, axum::Json(json!(order))).into_response(),
        Batch::Upsert if !created.is_empty() => {
            (StatusCode::CREATED, axum::Json(json!(created))).into_response()
        }
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}
