//! One entity from several (NGSI-LD 5.7.1.4).

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use futures_util::FutureExt;
use http::{HeaderMap, Method, Response, request::Parts};

use super::{
    super::{Door, request::Asked},
    fan::Fan,
    query::{entities, entity_named},
    remote::Remote,
};
use crate::{
    Context, Error,
    model::{Entity, Json},
    query::TypeSelection,
    registrations::{Operation, Registration},
    sources::{Answer, Call, Failure, Reach, RemoteEntity, Wanted, encode, read_entity, selector},
};

/// Asks the sources that may have something of the entity `id`. A request that its handler will refuse asks no one.
pub(super) async fn ask(fan: &Fan<'_>, mut parts: Parts, id: &str) -> Result<Remote, Error> {
    let Ok(asked) = Asked::from_request_parts(&mut parts, fan.door).await else {
        return Ok(Remote::default());
    };
    let (params, context) = (&asked.params, &asked.context);
    let types = match params.get("type")? {
        Some(types) => TypeSelection::parse(types, context)?,
        None => None,
    };
    let names = params.view(context)?.projection.attributes.unwrap_or_default();
    let ids = [Box::from(id)];
    let wanted = Wanted { ids: &ids, pattern: None, types: types.as_ref(), names: &names };
    gather(fan, id, wanted, context, None).await
}

/// What the sources but one have of an entity, for who asks without a request of a client (NGSI-LD 5.8.6).
pub(in crate::http) async fn others(
    door: &Door,
    id: &str,
    context: &Arc<Context>,
    except: &str,
) -> Result<Vec<RemoteEntity>, Error> {
    let (headers, ids) = (HeaderMap::new(), [Box::from(id)]);
    let wanted = Wanted { ids: &ids, ..Wanted::default() };
    let remote = gather(&Fan::new(door, &headers), id, wanted, context, Some(except)).await?;
    for warning in remote.warnings {
        tracing::warn!(%warning, entity = id, "a context source gave nothing of an entity that is notified of");
    }
    Ok(remote.entities)
}

async fn gather(
    fan: &Fan<'_>,
    id: &str,
    wanted: Wanted<'_>,
    context: &Arc<Context>,
    except: Option<&str>,
) -> Result<Remote, Error> {
    let asked = fan.registrations().into_iter().filter(|one| Some(&*one.id) != except);
    let reached = asked.filter_map(|one| {
        let reach = one.reach(wanted)?;
        call(&one, id, &reach, context).map(|call| (one, call))
    });
    let matched = fan.without_loop(reached.collect())?;
    let mut remote = Remote { takes_part: !matched.is_empty(), ..Remote::default() };
    let ask = |(one, call): &'_ (Arc<Registration>, Call)| {
        let (one, call) = (Arc::clone(one), call.clone());
        async move {
            let (answer, wire) = fan.ask(&one, &call).await?;
            let found = found(fan, &answer, &wire, id).await?;
            Ok::<_, Failure>((answer, found))
        }
        .boxed()
    };
    let answers = fan.all(matched.iter().map(ask).collect()).await;
    for ((one, _), answer) in matched.iter().zip(answers) {
        match answer {
            Ok((answer, found)) => {
                remote.note_age(one, &answer);
                found.into_iter().for_each(|entity| remote.add(one, entity, true));
            }
            Err(failure) => remote.warn(one, &failure),
        }
    }
    Ok(remote)
}

/// A request without its body: a body cannot be shared, and so not be looked at while others are waited for.
pub(super) fn head(request: &Request) -> Parts {
    let mut head = http::Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.headers_mut() = request.headers().clone();
    head.into_parts().0
}

/// How a source is asked for one entity, by what its registration allows.
fn call(registration: &Registration, id: &str, reach: &Reach, context: &Arc<Context>) -> Option<Call> {
    let list = |names: &[crate::Name]| {
        names.iter().map(|name| context.compact(name).into_owned()).collect::<Vec<_>>().join(",")
    };
    let (attrs, types) = (list(&reach.names), list(&reach.types));
    let allows = |operation| registration.access.allows(operation);
    Some(if allows(Operation::RetrieveEntity) {
        Call::new(Method::GET, format!("/entities/{}", encode(id)), context)
            .with("attrs", attrs)
            .with("options", "sysAttrs")
    } else if allows(Operation::QueryEntity) {
        Call::new(Method::GET, "/entities", context)
            .with("id", id)
            .with("type", types)
            .with("attrs", attrs)
            .with("options", "sysAttrs")
    } else if allows(Operation::QueryBatch) {
        let mut members: Vec<(Box<str>, Json)> = vec![
            ("type".into(), "Query".into()),
            ("entities".into(), Json::Array([selector(&[id.into()], None, &types)].into())),
        ];
        if !attrs.is_empty() {
            members.push(("attrs".into(), Json::Array(attrs.split(',').map(Json::from).collect())));
        }
        Call::new(Method::POST, "/entityOperations/query", context)
            .with("options", "sysAttrs")
            .with_body(Json::Object(members.into()))
    } else {
        return None;
    })
}

/// What an answer has of the entity: it may be an entity or a list.
async fn found(
    fan: &Fan<'_>,
    answer: &Answer,
    wire: &Arc<Context>,
    id: &str,
) -> Result<Option<Entity>, Failure> {
    let Answer { response, .. } = answer;
    let (json, context) = body(fan, response, wire).await?;
    match json {
        Json::Array(_) => {
            Ok(entities(fan, &json, &context).await?.into_iter().find(|entity| *entity.id == *id))
        }
        one => {
            let entity = read_entity(&one, &context).map_err(|error| Failure::Invalid(error.to_string()))?;
            entity_named(entity, id).map(Some)
        }
    }
}

/// The body of an answer, and the context that its names are in: its own, or that of its Link header, or that in which
/// the source was asked.
pub(super) async fn body(
    fan: &Fan<'_>,
    response: &Response<bytes::Bytes>,
    wire: &Arc<Context>,
) -> Result<(Json, Arc<Context>), Failure> {
    let json =
        Json::parse(response.body()).map_err(|error| Failure::Invalid(format!("it is not JSON: {error}")))?;
    let link = super::super::request::context_link(response.headers()).ok().flatten().map(Json::from);
    let own = json.get("@context").or(link.as_ref());
    let context = match own {
        Some(source) => fan.broker().context(Some(source)).await.unwrap_or_else(|_| Arc::clone(wire)),
        None => Arc::clone(wire),
    };
    Ok((json, context))
}
