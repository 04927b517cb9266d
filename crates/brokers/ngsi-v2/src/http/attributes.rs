//! `/v2/entities/{id}/attrs/{name}` and its value.

use super::{Handled, Reply, request::Call};
use crate::{
    Attribute, EntityInput, Error, Json,
    input::parse_attribute,
    render::{Projection, write_attribute},
};

fn find<T>(call: &Call<'_>, id: &str, name: &str, then: impl FnOnce(&Attribute) -> T) -> Result<T, Error> {
    let entity = call.broker().entity(&call.scope, id, call.kind())?;
    entity.attribute(name).map(then).ok_or_else(Error::no_attribute)
}

/// `GET /v2/entities/{id}/attrs/{name}`
pub(super) fn show(call: &Call<'_>, id: &str, name: &str) -> Handled {
    let metadata = call.params.metadata();
    let projection = Projection { metadata: metadata.as_ref(), ..Projection::default() };
    let body = find(call, id, name, |attribute| {
        let mut body = Vec::with_capacity(128);
        write_attribute(attribute, &projection, &mut body);
        body
    })?;
    Ok(Reply::json(body))
}

/// `PUT /v2/entities/{id}/attrs/{name}`
pub(super) async fn update(call: &Call<'_>, id: &str, name: &str) -> Handled {
    let attribute = parse_attribute(name, &call.document()?)?;
    let options = call.update_options();
    let again =
        EntityInput { id: id.into(), kind: call.kind().map(Into::into), attributes: vec![attribute.clone()] };
    match call.broker().update_attribute(&call.scope, id, call.kind(), attribute, options).await {
        Err(error) if error.kind() == crate::ErrorKind::NotFound => {
            match call.broker().hand_missing(&call.scope, &[again]).await {
                true => Ok(Reply::done()),
                false => Err(error.into()),
            }
        }
        result => Ok(result.map(|()| Reply::done())?),
    }
}

/// `DELETE /v2/entities/{id}/attrs/{name}`
pub(super) async fn delete(call: &Call<'_>, id: &str, name: &str) -> Handled {
    call.broker().delete_attribute(&call.scope, id, call.kind(), name).await?;
    Ok(Reply::done())
}

/// `GET /v2/entities/{id}/attrs/{name}/value`: objects and arrays as JSON, the rest as text.
pub(super) fn show_value(call: &Call<'_>, id: &str, name: &str) -> Handled {
    let value = match find(call, id, name, |attribute| attribute.value.clone()) {
        Ok(value) => value,
        // Who asks for text only gets the error as text too.
        Err(error) if call.accept.json().is_err() => return Err(Reply::from(error).into_text()),
        Err(error) => return Err(error.into()),
    };
    let body = value.to_text().into_bytes();
    match value {
        Json::Array(_) | Json::Object(_) if call.accept.prefers_json()? => Ok(Reply::json(body)),
        _ => {
            call.accept.text()?;
            Ok(Reply::text(body))
        }
    }
}

/// `PUT /v2/entities/{id}/attrs/{name}/value`
pub(super) async fn update_value(call: &Call<'_>, id: &str, name: &str) -> Handled {
    let value = call.value()?;
    let options = call.update_options();
    call.broker().update_value(&call.scope, id, call.kind(), name, value, options).await?;
    Ok(Reply::done())
}
