//! `/entities/{id}/attrs` and `/entities/{id}/attrs/{attribute}` (NGSI-LD 6.6, 6.7).

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{patch, post},
};
use http::StatusCode;

use super::{
    Route, Shared,
    entities::{has_content, of_types},
    reply,
    request::{Asked, Sent},
};
use crate::{
    Error,
    model::{Json, check_uri},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/entities/{id}/attrs", post(append).patch(update)),
        ("/entities/{id}/attrs/{attribute}", patch(change).put(replace).delete(remove)),
    ]
}

async fn append(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let (context, mode) = (sent.context(&door.broker).await?, sent.params.append_mode());
    of_types(&door, &id, &sent.params, &context)?;
    has_content(&sent.body)?;
    let changes = door.broker.append(&id, sent.body, &context, mode).await?;
    Ok(reply::changes(&changes, &context))
}

async fn update(State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let context = sent.context(&door.broker).await?;
    of_types(&door, &id, &sent.params, &context)?;
    has_content(&sent.body)?;
    let changes = door.broker.update(&id, sent.body, &context).await?;
    Ok(reply::changes(&changes, &context))
}

async fn change(
    State(door): Shared,
    Path((id, attribute)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let context = sent.context(&door.broker).await?;
    of_types(&door, &id, &sent.params, &context)?;
    if attribute == "scope" {
        return Err(Error::bad("scope is no attribute; it is changed together with the entity"));
    }
    let name = context.name(&attribute, "attribute name")?;
    door.broker.partial_update(&id, &name, without_context(sent.body), &context).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn replace(
    State(door): Shared,
    Path((id, attribute)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let context = sent.context(&door.broker).await?;
    of_types(&door, &id, &sent.params, &context)?;
    if attribute == "scope" {
        return Err(Error::bad("scope is no attribute; it is changed together with the entity"));
    }
    let name = context.name(&attribute, "attribute name")?;
    door.broker.replace_attribute(&id, &name, without_context(sent.body), &context).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(
    State(door): Shared,
    Path((id, attribute)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    of_types(&door, &id, &asked.params, &asked.context)?;
    if attribute == "scope" {
        door.broker.delete_scope(&id).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let name = asked.context.name(&attribute, "attribute name")?;
    let dataset_id = asked.params.get("datasetId")?.map(|id| check_uri(id, "datasetId")).transpose()?;
    let all = asked.params.flag("deleteAll")?;
    door.broker.delete_attribute(&id, &name, dataset_id, all).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An attribute's body carries the context as a member, which is none of the attribute's.
fn without_context(body: Json) -> Json {
    match body {
        Json::Object(members) => {
            Json::Object(Vec::from(members).into_iter().filter(|(name, _)| &**name != "@context").collect())
        }
        other => other,
    }
}
