//! `/v2/types`.

use super::{Handled, Reply, request::Call};
use crate::{Error, ErrorKind, Json, broker::TypeInfo};

/// `GET /v2/types`
pub(super) fn list(call: &Call<'_>) -> Handled {
    let (offset, limit) = call.params.page(&call.service.options)?;
    let names = call.broker().type_names(&call.scope);
    let total = call.params.has("count").then_some(names.len());
    let page = names.iter().skip(offset).take(limit);
    let items = if call.params.has("values") {
        page.map(|name| Json::String(name.clone())).collect()
    } else {
        let detail = !call.params.has("noAttrDetail");
        let infos = page.filter_map(|name| call.broker().type_info(&call.scope, name));
        infos.map(|info| describe(&info, true, detail)).collect()
    };
    Ok(Reply::json(Json::Array(items).to_text().into_bytes()).with_total(total))
}

/// `GET /v2/types/{type}`
pub(super) fn show(call: &Call<'_>, name: &str) -> Handled {
    let info = call.broker().type_info(&call.scope, name);
    let info = info.ok_or_else(|| Error::new(ErrorKind::NotFound, "Entity type not found"))?;
    let detail = !call.params.has("noAttrDetail");
    Ok(Reply::json(describe(&info, false, detail).to_text().into_bytes()))
}

fn describe(info: &TypeInfo, named: bool, detail: bool) -> Json {
    let mut members = Vec::new();
    if named {
        members.push(("type", Json::String(info.name.clone())));
    }
    let attributes = info.attributes.iter().map(|(name, types)| {
        // Without detail there is no telling which types an attribute has.
        let types = if detail {
            types.iter().map(|kind| Json::String(kind.clone())).collect()
        } else {
            Box::default()
        };
        (name.clone(), Json::object([("types", Json::Array(types))]))
    });
    members.push(("attrs", Json::object(attributes)));
    members.push(("count", Json::Number(info.count as f64)));
    Json::object(members)
}
