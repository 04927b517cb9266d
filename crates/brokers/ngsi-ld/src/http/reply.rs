use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use morgana_engine::Problem;
use serde::Serialize;

use super::{
    params::{Paging, Params},
    request::{Accepted, Asked},
};
use crate::{
    Changes, Context, Error, ErrorKind,
    model::{Entity, Feature, FeatureCollection, Joined, Json, Rendered, View, collection_of, feature_of},
};

/// NGSI-LD 6.3.2, table 6.3.2-1.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::BadRequestData => StatusCode::BAD_REQUEST,
        ErrorKind::AlreadyExists | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::LoopDetected => StatusCode::LOOP_DETECTED,
        ErrorKind::OperationNotSupported => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::NoMultiTenantSupport => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::ResourceNotFound | ErrorKind::NonexistentTenant => StatusCode::NOT_FOUND,
        ErrorKind::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::TooComplexQuery | ErrorKind::TooManyResults => StatusCode::FORBIDDEN,
        ErrorKind::LdContextNotAvailable => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().iri().to_owned(),
            title: error.kind().title().to_owned(),
            detail: Some(error.detail().to_owned()),
            status: status(error.kind()).as_u16(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(&self).into_response()
    }
}

/// A body in the accepted form. With JSON, a Link header names the context, when a URL can.
pub(super) fn body(
    status: StatusCode,
    body: &impl Serialize,
    context: &Context,
    accepted: Accepted,
) -> Response {
    // Most answers fit, and larger ones grow from here in fewer steps.
    let mut bytes = Vec::with_capacity(1024);
    if let Err(error) = serde_json::to_writer(&mut bytes, body) {
        return Error::new(ErrorKind::InternalError, error.to_string()).into_response();
    }
    let content_type = accepted.content_type();
    let mut response =
        (status, [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], bytes).into_response();
    if !accepted.has_context()
        && let Some(link) = context.link_value()
    {
        response.headers_mut().insert(header::LINK, link.clone());
    }
    response
}

/// One entity.
pub(super) fn entity(
    entity: &Entity,
    context: &Context,
    view: &View,
    accepted: Accepted,
    params: &Params,
) -> Result<Response, Error> {
    let with_context = accepted.has_context();
    if let Some(geometry) = params.geometry_property(context, accepted)? {
        let feature = Feature { entity, context, view, geometry: &geometry, with_context };
        return Ok(body(StatusCode::OK, &feature, context, accepted));
    }
    let rendered = Rendered { entity, context, view, with_context };
    Ok(body(status_of(view, [entity]), &rendered, context, accepted))
}

/// A list of entities.
pub(super) fn entities(
    entities: &[Arc<Entity>],
    context: &Context,
    view: &View,
    accepted: Accepted,
    params: &Params,
) -> Result<Response, Error> {
    let with_context = accepted.has_context();
    if let Some(geometry) = params.geometry_property(context, accepted)? {
        let feature = |entity| Feature { entity, context, view, geometry: &geometry, with_context: false };
        let features: Vec<_> = entities.iter().map(|entity| feature(&**entity)).collect();
        let collection = FeatureCollection { features: &features, context, with_context };
        return Ok(body(StatusCode::OK, &collection, context, accepted));
    }
    let rendered: Vec<_> =
        entities.iter().map(|entity| Rendered { entity, context, view, with_context }).collect();
    Ok(body(status_of(view, entities.iter().map(|one| &**one)), &rendered, context, accepted))
}

/// Entities with those that they point to; `alone` for the answer to a retrieval, which is one entity when nothing else
/// comes beside it.
pub(super) fn joined(
    found: Vec<Joined>,
    alone: bool,
    context: &Context,
    view: &View,
    accepted: Accepted,
    params: &Params,
) -> Result<Response, Error> {
    let alone = alone && found.len() == 1;
    let geometry = params.geometry_property(context, accepted)?;
    let with_context = |shown: Json| match shown {
        Json::Object(members) if accepted.has_context() => {
            let mut members = Vec::from(members);
            members.push(("@context".into(), context.shown()));
            Json::Object(members.into())
        }
        shown => shown,
    };
    let mut shown: Vec<Json> = match &geometry {
        Some(geometry) => found.into_iter().map(|one| feature_of(one, context, view, geometry)).collect(),
        None => found.into_iter().map(|one| one.shown).collect(),
    };
    let answer = if alone {
        with_context(shown.remove(0))
    } else if geometry.is_some() {
        with_context(collection_of(shown))
    } else {
        shown.into_iter().map(with_context).collect::<Vec<_>>().into()
    };
    Ok(body(StatusCode::OK, &answer, context, accepted))
}

/// 203 when an answer is not what the broker has, because an older version of the standard was asked for (NGSI-LD
/// 4.3.6.8).
fn status_of<'a>(view: &View, entities: impl IntoIterator<Item = &'a Entity>) -> StatusCode {
    let altered = view.version.is_some() && entities.into_iter().any(|entity| view.alters(entity));
    if altered { StatusCode::NON_AUTHORITATIVE_INFORMATION } else { StatusCode::OK }
}

/// Adds links to the pages around, and the count (NGSI-LD 6.3.10, 6.3.13). They name the form of this answer, and have
/// the parameters in the order of the alphabet.
pub(super) fn page(
    response: Response,
    path: &str,
    params: &Params,
    paging: Paging,
    more: bool,
    total: Option<usize>,
) -> Response {
    let form = response.headers().get(header::CONTENT_TYPE).and_then(|form| form.to_str().ok());
    let form = form.unwrap_or("application/json").to_owned();
    linked(response, path, |offset| params.with_offset(offset), &form, paging, more, total)
}

/// The same for lists of registrations and subscriptions, whose links have the parameters as they were sent, and name
/// JSON-LD, what those are, unless the client takes JSON alone.
pub(super) fn page_of_documents(
    response: Response,
    asked: &Asked,
    paging: Paging,
    more: bool,
    total: Option<usize>,
) -> Response {
    let form = if asked.takes_ld { Accepted::LdJson } else { Accepted::Json }.content_type();
    let query = |offset| asked.params.as_sent_with_offset(offset);
    linked(response, &asked.path, query, form, paging, more, total)
}

fn linked(
    mut response: Response,
    path: &str,
    query: impl Fn(usize) -> String,
    form: &str,
    paging: Paging,
    more: bool,
    total: Option<usize>,
) -> Response {
    let path = path.trim_end_matches('/');
    let mut link = |offset: usize, rel: &str| {
        let value = format!("<{path}?{}>; rel=\"{rel}\";type=\"{form}\"", query(offset));
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(header::LINK, value);
        }
    };
    if more && paging.limit > 0 {
        link(paging.offset + paging.limit, "next");
    }
    if paging.offset > 0 && paging.limit > 0 {
        link(paging.offset.saturating_sub(paging.limit), "prev");
    }
    if let Some(total) = total {
        response.headers_mut().insert("ngsild-results-count", total.into());
    }
    response
}

/// What became of the attributes that a request named (NGSI-LD 5.2.18).
#[derive(Serialize)]
struct UpdateResult<'a> {
    updated: Vec<&'a str>,
    #[serde(rename = "notUpdated")]
    not_updated: Vec<NotUpdated<'a>>,
}

#[derive(Serialize)]
struct NotUpdated<'a> {
    #[serde(rename = "attributeName")]
    attribute_name: &'a str,
    reason: &'a str,
}

/// 204 when everything was done, 207 with the rest when not. Names are whole IRIs: the answer is in no context.
pub(super) fn changes(changes: &Changes, context: &Context) -> Response {
    if changes.not_updated.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    let done = [&changes.created, &changes.updated, &changes.deleted].into_iter().flatten();
    let result = UpdateResult {
        updated: done.map(|name| &**name).collect(),
        not_updated: changes
            .not_updated
            .iter()
            .map(|refused| NotUpdated { attribute_name: &refused.name, reason: refused.reason })
            .collect(),
    };
    body(StatusCode::MULTI_STATUS, &result, context, Accepted::Json)
}

/// 201 with the place of what was created.
pub(super) fn created(path: &str, id: &str) -> Response {
    let location = HeaderValue::try_from(format!("{path}/{id}"));
    match location {
        Ok(location) => (StatusCode::CREATED, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::CREATED.into_response(),
    }
}
