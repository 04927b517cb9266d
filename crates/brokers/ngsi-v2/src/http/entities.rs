//! `/v2/entities`, `/v2/entities/{id}` and `/v2/entities/{id}/attrs`.

use std::sync::Arc;

use http::Method;

use super::{Handled, Reply, request::Call};
use crate::{
    Action, Entity, EntitySelector, Error, ErrorKind,
    input::{IdRule, parse_entity},
    model::UpdateWords,
    render::{Format, Names, Projection, write_attributes, write_entity},
};

/// `GET /v2/entities`
pub(super) async fn list(call: &Call<'_>) -> Handled {
    let query = call.params.query(&call.service.options, call.scope.paths.clone())?;
    let (mut entities, total) = call.broker().query(&call.scope, &query);
    let attrs = call.params.attrs();
    if !call.params.has("skipForwarding") {
        let names = attrs.clone().unwrap_or_default();
        call.broker().ask_providers(&call.scope, &query.selectors, &names, &mut entities).await;
    }
    let body = render_list(&entities, attrs.as_ref(), call.params.metadata().as_ref(), call.params.format());
    Ok(Reply::json(body).with_total(total))
}

/// Entities as a list.
pub(super) fn render_list(
    entities: &[Arc<Entity>],
    attrs: Option<&Names>,
    metadata: Option<&Names>,
    format: Format,
) -> Vec<u8> {
    let projection = Projection { attrs, metadata, ..Projection::default() };
    let mut body = Vec::with_capacity(64 + 256 * entities.len());
    body.push(b'[');
    for (index, entity) in entities.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        write_entity(entity, &projection, format, &mut body);
    }
    body.push(b']');
    body
}

/// `POST /v2/entities`
pub(super) async fn create(call: &Call<'_>) -> Handled {
    let input = parse_entity(&call.document()?, IdRule::Body, call.params.has("keyValues"))?;
    let id = input.id.clone();
    let upsert = call.params.has("upsert");
    let created = call.broker().create(&call.scope, input, upsert, call.update_options()).await?;
    let location = format!("/v2/entities/{id}?type={}", created.kind);
    Ok(if created.is_new && !upsert { Reply::created(&location) } else { Reply::done().at(&location) })
}

/// `GET /v2/entities/{id}`, and without id and type `GET /v2/entities/{id}/attrs`
pub(super) async fn show(call: &Call<'_>, id: &str, whole: bool) -> Handled {
    let found = call.broker().entity(&call.scope, id, call.kind());
    let attrs = call.params.attrs();
    let entity = if call.params.has("skipForwarding") {
        found?
    } else {
        let mut entities: Vec<_> = match found {
            Ok(entity) => vec![entity],
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let selector = EntitySelector { kind: call.kind().map(Into::into), ..EntitySelector::id(id) };
        let names = attrs.clone().unwrap_or_default();
        call.broker().ask_providers(&call.scope, &[selector], &names, &mut entities).await;
        entities.into_iter().next().ok_or_else(Error::no_entity)?
    };
    let metadata = call.params.metadata();
    let projection =
        Projection { attrs: attrs.as_ref(), metadata: metadata.as_ref(), ..Projection::default() };
    let mut body = Vec::with_capacity(256);
    let write = if whole { write_entity } else { write_attributes };
    write(&entity, &projection, call.params.format(), &mut body);
    Ok(Reply::json(body))
}

/// `DELETE /v2/entities/{id}`
pub(super) async fn delete(call: &Call<'_>, id: &str) -> Handled {
    call.broker().delete(&call.scope, id, call.kind()).await?;
    Ok(Reply::done())
}

/// `POST`, `PATCH` and `PUT` of `/v2/entities/{id}/attrs`
pub(super) async fn update(call: &Call<'_>, id: &str) -> Handled {
    if call.method == Method::PATCH {
        call.scope.paths.for_update(&UpdateWords::PATCH)?;
    }
    let rule = IdRule::Url { id, kind: call.kind() };
    let input = parse_entity(&call.document()?, rule, call.params.has("keyValues"))?;
    let action = match call.method {
        Method::PATCH => Action::Update,
        Method::PUT => Action::Replace,
        _ if call.params.has("append") => Action::AppendStrict,
        _ => Action::Append,
    };
    let options = call.update_options();
    // What is not here may be a provider's.
    let again = (action == Action::Update).then(|| input.clone());
    match (call.broker().update_attributes(&call.scope, action, input, options).await, again) {
        (Err(error), Some(input)) if is_missing(&error) => {
            match call.broker().hand_missing(&call.scope, &[input]).await {
                true => Ok(Reply::done()),
                false => Err(error.into()),
            }
        }
        (result, _) => Ok(result.map(|()| Reply::done())?),
    }
}

/// Whether an update failed because the broker does not have the entity, or some of its attributes.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PartialUpdate | ErrorKind::Unprocessable)
}
