//! Writes of one entity, and purges, with the part of sources in them (NGSI-LD 5.6).

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{Method, StatusCode, header};

use super::{
    super::{
        HttpOptions, ROOT,
        entities::entity_query,
        params::Params,
        reply,
        request::{Asked, Sent, read},
        service::Handlers,
    },
    answer::{Outcome, Part, of_attributes, of_entity},
    fan::{Fan, looped},
    retrieve::head,
    route::One,
};
use crate::{
    Context, Error, Name,
    model::{Form, Json, Reader, Timestamp},
    query::TypeSelection,
    registrations::Operation,
    sources::{Call, Failure, Plan, Reach, Share, Write, encode},
};

/// Parameters that go with a write.
const HANDED_ON: &[&str] = &["options", "type", "datasetId", "deleteAll", "lang", "format", "observedAt"];

/// Members of an entity that are no attributes.
const PLAIN: &[&str] =
    &["id", "@id", "type", "@type", "scope", "@context", "createdAt", "modifiedAt", "expiresAt", "deletedAt"];

/// A request to write, read as far as its distribution needs.
struct Input {
    id: Box<str>,
    types: Vec<Name>,
    names: Option<Vec<Name>>,
    body: Option<Json>,
    context: Arc<Context>,
    params: Params,
}

pub(super) async fn run(fan: &Fan<'_>, request: Request, one: One, next: &Handlers) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = match read(body, &parts.headers, fan.door.options.body_max_bytes).await {
        Ok(bytes) => bytes,
        Err(refused) => return refused,
    };
    let again = |body: Bytes| again(&parts, body);
    // What its handler will refuse goes to no one.
    let Ok(input) = input(fan, again(bytes.clone()), &one).await else { return next.run(again(bytes)).await };
    let registrations = fan.registrations();
    let plan = Plan::new(
        &registrations,
        Write {
            operations: &[one.operation],
            id: &input.id,
            types: &input.types,
            names: input.names.as_deref(),
        },
    );
    if plan.shares.is_empty() {
        return next.run(again(bytes)).await;
    }
    if fan.is_loop {
        return match plan.shares.iter().find(|share| share.registration.access.mode.is_proxied()) {
            Some(share) => looped(&share.registration.id).into_response(),
            None => next.run(again(bytes)).await,
        };
    }
    let outcomes = {
        let waiting = plan.shares.iter().map(|share| ask(fan, share, &one, &input).boxed()).collect();
        fan.all(waiting).await
    };
    let mut done = Vec::new();
    if let Some(left) = local(fan, &plan, &input) {
        let body = match (&left, &input.body) {
            (Some(names), Some(body)) => {
                serde_json::to_vec(&part(body, &input.context, names)).unwrap_or_default().into()
            }
            _ => bytes,
        };
        let names = terms(&input.context, left.as_deref().or(input.names.as_deref()));
        let response = next.run(again(body)).await;
        if plan.shares.is_empty() {
            return response;
        }
        done.push(Part { registration: None, names, outcome: Outcome::of(response).await });
    }
    for (share, outcome) in plan.shares.iter().zip(outcomes) {
        let names = terms(&input.context, share.names.as_deref().or(input.names.as_deref()));
        done.push(Part { registration: Some(share.registration.id.clone()), names, outcome });
    }
    let success = || match one.operation {
        Operation::CreateEntity => reply::created(&format!("{ROOT}/entities"), &input.id),
        _ => StatusCode::NO_CONTENT.into_response(),
    };
    match one.operation {
        Operation::CreateEntity
        | Operation::DeleteEntity
        | Operation::MergeEntity
        | Operation::ReplaceEntity => of_entity(&input.id, done, success),
        _ => of_attributes(done, success),
    }
}

/// A request again, with another body.
pub(super) fn again(parts: &http::request::Parts, body: Bytes) -> Request {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = parts.headers.clone();
    request.headers_mut().remove(header::CONTENT_LENGTH);
    *request.extensions_mut() = parts.extensions.clone();
    request
}

async fn input(fan: &Fan<'_>, request: Request, one: &One) -> Result<Input, Response> {
    if one.operation == Operation::DeleteEntity || one.operation == Operation::DeleteAttrs {
        let mut parts = head(&request);
        let Asked { params, context, .. } = Asked::from_request_parts(&mut parts, fan.door).await?;
        return bare(fan, one, params, context).map_err(IntoResponse::into_response);
    }
    let sent = Sent::from_request(request, fan.door).await?;
    let refused = |error: Error| error.into_response();
    let context = sent.context(fan.broker()).await.map_err(refused)?;
    let Sent { body, params, .. } = sent;
    if one.attribute.is_some() {
        let bare = bare(fan, one, params, context).map_err(refused)?;
        return Ok(Input { body: Some(body), ..bare });
    }
    let reader = Reader { context: &context, form: params.form().map_err(refused)?, now: Timestamp::now() };
    let fragment = if one.operation == Operation::CreateEntity {
        let entity = Reader { form: Form::Full, ..reader }.entity(body.clone()).map_err(refused)?;
        crate::Fragment { id: Some(entity.id), types: entity.types, ..Default::default() }
    } else {
        reader.fragment(body.clone()).map_err(refused)?
    };
    let id: Box<str> = match (&one.id, fragment.id) {
        (Some(id), _) => (&**id).into(),
        (None, Some(id)) => id,
        (None, None) => return Err(refused(Error::bad("the entity has no id"))),
    };
    let types = match fragment.types {
        types if types.is_empty() => types_of(fan, &id, &params, &context),
        types => types,
    };
    let names = body.as_object().unwrap_or_default().iter().filter(|(name, _)| !PLAIN.contains(&&**name));
    let names = names.map(|(name, _)| Name::new(&context.expand(name))).collect();
    Ok(Input { id, types, names: Some(names), body: Some(body), context, params })
}

/// What a request without a body, or for one attribute, is about.
fn bare(fan: &Fan<'_>, one: &One, params: Params, context: Arc<Context>) -> Result<Input, Error> {
    let id: Box<str> = one.id.clone().unwrap_or_default().into();
    let names = match one.attribute.as_deref() {
        Some(name) => Some(vec![context.name(name, "attribute name")?]),
        None => None,
    };
    let types = types_of(fan, &id, &params, &context);
    Ok(Input { id, types, names, body: None, context, params })
}

/// The types of an entity: as this broker has it, or as the request says.
fn types_of(fan: &Fan<'_>, id: &str, params: &Params, context: &Context) -> Vec<Name> {
    if let Some(entity) = fan.broker().get(id) {
        return entity.types.clone();
    }
    let Ok(Some(text)) = params.get("type") else { return Vec::new() };
    let Ok(Some(selection)) = TypeSelection::parse(text, context) else { return Vec::new() };
    selection.cover().into_iter().cloned().collect()
}

/// What this broker does itself: with a source that has the rest, only what is there (NGSI-LD 5.6.6.4).
fn local(fan: &Fan<'_>, plan: &Plan, input: &Input) -> Option<Option<Vec<Name>>> {
    let left = plan.local.clone()?;
    if input.names.is_none() && plan.proxied && fan.broker().get(&input.id).is_none() {
        return None;
    }
    Some(left)
}

async fn ask(fan: &Fan<'_>, share: &Share, one: &One, input: &Input) -> Outcome {
    if share.operation.is_none() {
        return Outcome::Failed(Failure::NotAllowed.problem());
    }
    let id = encode(&input.id);
    let (method, path) = match one.operation {
        Operation::CreateEntity => (Method::POST, "/entities".to_owned()),
        Operation::DeleteEntity => (Method::DELETE, format!("/entities/{id}")),
        Operation::MergeEntity => (Method::PATCH, format!("/entities/{id}")),
        Operation::ReplaceEntity => (Method::PUT, format!("/entities/{id}")),
        Operation::AppendAttrs => (Method::POST, format!("/entities/{id}/attrs")),
        Operation::UpdateEntity => (Method::PATCH, format!("/entities/{id}/attrs")),
        Operation::UpdateAttrs => (Method::PATCH, format!("/entities/{id}/attrs")),
        Operation::ReplaceAttrs => (Method::PUT, format!("/entities/{id}/attrs")),
        _ => (Method::DELETE, format!("/entities/{id}/attrs")),
    };
    let mut call = Call::new(method, path, &input.context);
    call.query = input.params.pairs(HANDED_ON);
    if one.attribute.is_some() {
        call.attribute = input.names.as_ref().and_then(|names| names.first().cloned());
        call.body = input.body.clone();
    } else if let Some(body) = &input.body {
        call.body = Some(match &share.names {
            Some(names) => part(body, &input.context, names),
            None => body.clone(),
        });
    }
    outcome(fan, share, &call).await
}

pub(super) async fn outcome(fan: &Fan<'_>, share: &Share, call: &Call) -> Outcome {
    match fan.ask(&share.registration, call).await {
        Ok((answer, _)) if answer.response.status() == StatusCode::MULTI_STATUS => {
            Outcome::Partly(answer.response.into_body())
        }
        Ok((answer, _)) => Outcome::Done(answer.response.into_body()),
        Err(failure) => Outcome::Failed(failure.problem()),
    }
}

/// An entity, or a part of one, with these of its attributes only.
pub(super) fn part(body: &Json, context: &Context, names: &[Name]) -> Json {
    let kept =
        |name: &str| PLAIN.contains(&name) || names.iter().any(|kept| kept.as_str() == context.expand(name));
    let members = body.as_object().unwrap_or_default();
    Json::Object(members.iter().filter(|(name, _)| kept(name)).cloned().collect())
}

fn terms(context: &Context, names: Option<&[Name]>) -> Vec<String> {
    names.unwrap_or_default().iter().map(|name| context.compact(name).into_owned()).collect()
}

/// A purge here and at the sources, each narrowed to what the source is registered for (NGSI-LD 5.6.21).
pub(super) async fn purge(fan: &Fan<'_>, request: Request, next: &Handlers) -> Response {
    let mut parts = head(&request);
    let Ok(asked) = Asked::from_request_parts(&mut parts, fan.door).await else {
        return next.run(request).await;
    };
    let strict = HttpOptions { lenient_queries: false, ..HttpOptions::clone(&fan.door.options) };
    let Ok(query) = entity_query(&asked.params, &asked.context, &strict) else {
        return next.run(request).await;
    };
    let wanted = query.wanted();
    let mut shares = Vec::new();
    for registration in fan.registrations() {
        let access = &registration.access;
        let Some(reach) = registration.reach(wanted) else { continue };
        if fan.is_loop {
            if access.mode.is_proxied() {
                return looped(&registration.id).into_response();
            }
            continue;
        }
        let operation = access.allows(Operation::PurgeEntity).then_some(Operation::PurgeEntity);
        if operation.is_some() || access.mode.is_proxied() {
            shares.push((Share { registration, operation, names: None }, reach));
        }
    }
    if shares.is_empty() {
        return next.run(request).await;
    }
    let ask = |(share, reach): &(Share, Reach)| {
        let (share, call) = (share.clone(), purge_call(&asked, reach));
        async move {
            match share.operation {
                Some(_) => outcome(fan, &share, &call).await,
                None => Outcome::Failed(Failure::NotAllowed.problem()),
            }
        }
        .boxed()
    };
    let outcomes = fan.all(shares.iter().map(ask).collect()).await;
    let mut done = vec![Part {
        registration: None,
        names: Vec::new(),
        outcome: Outcome::of(next.run(request).await).await,
    }];
    for ((share, _), outcome) in shares.iter().zip(outcomes) {
        let registration = Some(share.registration.id.clone());
        done.push(Part { registration, names: Vec::new(), outcome });
    }
    of_entity("urn:ngsi-ld:Entity:@all", done, || StatusCode::NO_CONTENT.into_response())
}

fn purge_call(asked: &Asked, reach: &Reach) -> Call {
    let (params, context) = (&asked.params, &asked.context);
    let list = |names: &[Name]| terms(context, Some(names)).join(",");
    let mut call = Call::new(Method::DELETE, "/entities", context);
    call.query = params.pairs(&[
        "type",
        "q",
        "scopeQ",
        "georel",
        "geometry",
        "coordinates",
        "geoproperty",
        "drop",
        "keep",
    ]);
    call = call.with("id", reach.ids.join(","));
    if reach.ids.is_empty() {
        call.query.extend(params.pairs(&["idPattern"]));
    }
    if !call.query.iter().any(|(name, _)| name == "type") {
        call = call.with("type", list(&reach.types));
    }
    // Of a source that has some attributes, only these may go.
    if !call.query.iter().any(|(name, _)| name == "drop" || name == "keep") {
        call = call.with("drop", list(&reach.names));
    }
    call
}
