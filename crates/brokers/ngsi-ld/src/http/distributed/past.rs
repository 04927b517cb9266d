//! The past of entities, as context sources have it (NGSI-LD 5.7.3.4, 5.7.4.4).

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, Method, request::Parts};
use uuid::Uuid;

use super::{
    super::{
        Door, batch,
        entities::entity_query,
        request::{Asked, Sent, read},
        temporal::window,
    },
    fan::Fan,
    query::{PAGE, PAGES, own_context},
    remote::warning,
    retrieve::body,
    write::again,
};
use crate::{
    Broker, Context, Entity, EntityQuery, Error, Name,
    history::{Window, together},
    model::{Json, Timestamp},
    registrations::{Operation, Registration},
    sources::{Call, Failure, Reach, Wanted, encode, read_entity, selector},
};

/// What sources have of the past.
#[derive(Debug, Default)]
pub(crate) struct RemotePast {
    entities: Vec<Entity>,
    /// Of each entity, the registration that it came by.
    origins: Vec<Box<str>>,
}

impl RemotePast {
    /// The entities, each as one source has it.
    pub(crate) fn entities(found: Option<&Self>) -> &[Entity] {
        found.map_or(&[], |found| &found.entities)
    }

    /// Who has the past of each of these entities: registrations, and `@none` for this broker (NGSI-LD 5.2.39).
    pub(crate) async fn sources(
        found: Option<&Self>,
        broker: &Broker,
        ids: impl IntoIterator<Item = &str>,
    ) -> Result<HashMap<Box<str>, Vec<Box<str>>>, Error> {
        let mut all: HashMap<Box<str>, Vec<Box<str>>> =
            ids.into_iter().map(|id| (id.into(), Vec::new())).collect();
        for (entity, origin) in found.into_iter().flat_map(|one| one.entities.iter().zip(&one.origins)) {
            if let Some(sources) = all.get_mut(&entity.id).filter(|sources| !sources.contains(origin)) {
                sources.push(origin.clone());
            }
        }
        for (id, sources) in &mut all {
            // What no other has was found here.
            if sources.is_empty() || broker.has_past(id).await? {
                sources.insert(0, "@none".into());
            }
        }
        Ok(all)
    }
}

/// What a source is asked for.
struct Asking<'a> {
    context: &'a Arc<Context>,
    window: Window,
    /// The temporal query, as parameters.
    time: Vec<(String, String)>,
    /// With filters, other attributes count than those that are shown.
    has_filters: bool,
    names: Vec<Name>,
    /// One entity, or else all that are selected.
    id: Option<&'a str>,
    selectors: Vec<(EntityQuery, Option<String>)>,
}

type Found = (RemotePast, Vec<String>);

/// Parameters that say what of the past is asked for.
const TIME: &[&str] = &["timerel", "timeAt", "endTimeAt", "timeproperty"];

/// Filters, which are looked at here, where all parts of an entity come together.
const FILTERS: &[&str] = &["q", "scopeQ", "georel"];

/// Asks for one entity, or for all that the parameters select. A request that its handler will refuse asks no one.
pub(super) async fn ask(fan: &Fan<'_>, mut parts: Parts, id: Option<&str>) -> Result<Found, Error> {
    let Ok(asked) = Asked::from_request_parts(&mut parts, fan.door).await else {
        return Ok(Found::default());
    };
    let (params, context) = (&asked.params, &asked.context);
    let (Ok(window), Ok(view)) = (window(params), params.temporal_view(context)) else {
        return Ok(Found::default());
    };
    let selectors = match id {
        Some(_) => vec![(EntityQuery::default(), None)],
        None => match entity_query(params, context, &fan.door.options) {
            Ok(query) => vec![(query, params.get("idPattern")?.map(Into::into))],
            Err(_) => return Ok(Found::default()),
        },
    };
    let asking = Asking {
        context,
        window,
        time: params.pairs(TIME),
        has_filters: !params.pairs(FILTERS).is_empty(),
        names: view.projection.attributes.unwrap_or_default(),
        id,
        selectors,
    };
    asking.run(fan).await
}

/// As [`ask`], for a query in a body. Gives the request back, as its body was read.
pub(super) async fn ask_in_body(
    fan: &Fan<'_>,
    request: Request,
) -> Result<(Request, RemotePast, Vec<String>), Response> {
    let (parts, body) = request.into_parts();
    let bytes = read(body, &parts.headers, fan.door.options.body_max_bytes).await?;
    let again = || again(&parts, bytes.clone());
    let found = match Sent::from_request(again(), fan.door).await {
        Ok(sent) => in_body(fan, &sent).await.map_err(IntoResponse::into_response)?,
        Err(_) => Found::default(),
    };
    Ok((again(), found.0, found.1))
}

async fn in_body(fan: &Fan<'_>, sent: &Sent) -> Result<Found, Error> {
    let context = sent.context(fan.broker()).await?;
    in_query(fan, &sent.body, &context).await
}

/// What sources have for a query, for who makes one without a request of a client.
pub(in crate::http) async fn of_query(
    door: &Door,
    query: &Json,
    context: &Arc<Context>,
) -> Result<RemotePast, Error> {
    if !door.broker.has_sources() {
        return Ok(RemotePast::default());
    }
    let headers = HeaderMap::new();
    let (found, warnings) = in_query(&Fan::new(door, &headers), query, context).await?;
    for warning in warnings {
        tracing::warn!(%warning, "a context source gave nothing of the past");
    }
    Ok(found)
}

async fn in_query(fan: &Fan<'_>, body: &Json, context: &Arc<Context>) -> Result<Found, Error> {
    let Ok(batch::Asking { queries, projection, .. }) = batch::asking(body, context) else {
        return Ok(Found::default());
    };
    let temporal = body.get("temporalQ");
    let Ok(window) = temporal.map(Window::from_json).transpose() else { return Ok(Found::default()) };
    let text = |name: &&str| Some(((*name).to_owned(), temporal?.get(name)?.as_str()?.to_owned()));
    let written = body.get("entities").and_then(Json::as_array).unwrap_or_default();
    let pattern = |at: usize| Some(written.get(at)?.get("idPattern")?.as_str()?.to_owned());
    let asking = Asking {
        context,
        window: window.unwrap_or_default(),
        time: TIME.iter().filter_map(text).collect(),
        has_filters: ["q", "scopeQ", "geoQ"].iter().any(|name| body.get(name).is_some()),
        names: projection.attributes.unwrap_or_default(),
        id: None,
        selectors: queries.into_iter().enumerate().map(|(at, query)| (query, pattern(at))).collect(),
    };
    asking.run(fan).await
}

impl Asking<'_> {
    async fn run(self, fan: &Fan<'_>) -> Result<Found, Error> {
        let may_know = |one: &Arc<Registration>| one.may_know(&self.window);
        let reached = fan.registrations_of_all_times().into_iter().filter(may_know).filter_map(|one| {
            let calls: Vec<Call> = self.selectors.iter().filter_map(|part| self.call(&one, part)).collect();
            (!calls.is_empty()).then_some((one, calls))
        });
        let matched = fan.without_loop(reached.collect())?;
        let waiting = matched.iter().map(|(one, calls)| self.one(fan, one, calls).boxed()).collect();
        let (mut all, mut warnings) = (RemotePast::default(), Vec::new());
        for ((one, _), (found, failures)) in matched.iter().zip(fan.all(waiting).await) {
            all.origins.extend(found.iter().map(|_| one.id.clone()));
            all.entities.extend(found);
            for failure in failures {
                let code = failure.warning();
                warnings.extend(code.map(|code| warning(one, code, &failure.to_string())));
            }
        }
        Ok((all, warnings))
    }

    /// How a source is asked; `None` when it has nothing of it, or its registration does not allow it.
    fn call(
        &self,
        registration: &Registration,
        (query, pattern): &(EntityQuery, Option<String>),
    ) -> Option<Call> {
        let allows = |operation| registration.access.allows(operation);
        let own = self.id.map(|id| [Box::from(id)]);
        let names = if self.has_filters { &[][..] } else { &self.names };
        let wanted = match &own {
            Some(ids) => Wanted { ids, names, ..Wanted::default() },
            None => Wanted { names, ..query.wanted() },
        };
        let Reach { ids, types, names } = registration.reach(wanted)?;
        let list = |names: &[Name]| {
            names.iter().map(|name| self.context.compact(name).into_owned()).collect::<Vec<_>>().join(",")
        };
        let context = self.context;
        let mut call = match self.id {
            Some(id) if allows(Operation::RetrieveTemporal) => {
                Call::new(Method::GET, format!("/temporal/entities/{}", encode(id)), context)
            }
            _ if allows(Operation::QueryTemporal) => {
                let call = Call::new(Method::GET, "/temporal/entities", context)
                    .with("type", list(&types))
                    .with("id", ids.join(","));
                let pattern = pattern.clone().filter(|_| ids.is_empty()).unwrap_or_default();
                call.with("idPattern", pattern).with("limit", PAGE.to_string())
            }
            None if allows(Operation::QueryTemporalBatch) => {
                let entities = selector(&ids, pattern.as_deref(), &list(&types));
                let mut members: Vec<(Box<str>, Json)> = vec![
                    ("type".into(), "Query".into()),
                    ("entities".into(), Json::Array([entities].into())),
                ];
                if !names.is_empty() {
                    let terms = names.iter().map(|name| Json::from(&*context.compact(name)));
                    members.push(("attrs".into(), Json::Array(terms.collect())));
                }
                let time = self.time.iter().map(|(name, value)| (name.as_str().into(), (&**value).into()));
                members.push(("temporalQ".into(), Json::Object(time.collect())));
                return Some(
                    Call::new(Method::POST, "/temporal/entityOperations/query", context)
                        .with("options", "sysAttrs")
                        .with("limit", PAGE.to_string())
                        .with_body(Json::Object(members.into())),
                );
            }
            _ => return None,
        };
        call = call.with("attrs", list(&names));
        call.query.extend(self.time.iter().cloned());
        // What a filter needs may be older than what is shown.
        if let Some(last) = self.window.last.filter(|_| !self.has_filters) {
            call = call.with("lastN", last.to_string());
        }
        Some(call.with("options", "sysAttrs"))
    }

    /// Everything that one source has, page by page.
    async fn one(
        &self,
        fan: &Fan<'_>,
        registration: &Registration,
        calls: &[Call],
    ) -> (Vec<Entity>, Vec<Failure>) {
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for call in calls {
            let mut read = 0;
            for page in 0..PAGES {
                let call =
                    if page == 0 { call.clone() } else { call.clone().with("offset", read.to_string()) };
                match self.page(fan, registration, &call).await {
                    Ok(entities) => {
                        let count = entities.len();
                        read += count;
                        found.extend(entities);
                        if count < PAGE {
                            break;
                        }
                    }
                    Err(failure) => {
                        failures.push(failure);
                        break;
                    }
                }
            }
        }
        (found, failures)
    }

    async fn page(
        &self,
        fan: &Fan<'_>,
        registration: &Registration,
        call: &Call,
    ) -> Result<Vec<Entity>, Failure> {
        let (answer, wire) = fan.ask(registration, call).await?;
        let (json, context) = body(fan, &answer.response, &wire).await?;
        let items = json.as_array().unwrap_or(std::slice::from_ref(&json));
        let mut found = Vec::with_capacity(items.len());
        for item in items {
            let own = own_context(fan, item, &context).await;
            let entity = read_past(item, &own);
            let entity = entity.map_err(|error| Failure::Invalid(error.to_string()))?;
            let wanted = match self.id {
                Some(id) => *entity.id == *id,
                None => self.selectors.iter().any(|(query, _)| query.without_filters().matches(&entity)),
            };
            // What was not asked for is not taken.
            found.extend(wanted.then_some(entity));
        }
        Ok(found)
    }
}

/// Reads the past of an entity (NGSI-LD 4.5.6): every instance by itself, with its times and its id.
fn read_past(json: &Json, context: &Context) -> Result<Entity, Error> {
    let members = json.as_object().ok_or_else(|| Error::bad("it is no entity"))?;
    let is_plain = |name: &str| matches!(name, "id" | "@id" | "type" | "@type" | "createdAt" | "modifiedAt");
    let plain: Vec<_> = members.iter().filter(|(name, _)| is_plain(name)).cloned().collect();
    let mut whole = read_entity(&Json::Object(plain.clone().into()), context)?;
    // When it ended at a source says nothing of the whole, which may be there elsewhere.
    let is_left_out = |name: &str| is_plain(name) || matches!(name, "@context" | "deletedAt");
    for (name, value) in members.iter().filter(|(name, _)| !is_left_out(name)) {
        if &**name == "scope" {
            if let Ok(scopes) = crate::model::scopes(value) {
                whole.scopes = scopes;
            }
            continue;
        }
        for instance in value.as_array().unwrap_or(std::slice::from_ref(value)) {
            let mut one = plain.clone();
            one.push((name.clone(), instance.clone()));
            for mut attribute in read_entity(&Json::Object(one.into()), context)?.attributes {
                let id = instance.get("instanceId").and_then(Json::as_str).map(Box::from);
                let id = id.unwrap_or_else(|| format!("urn:ngsi-ld:Instance:{}", Uuid::new_v4()).into());
                attribute.details_mut().instance_id = Some(id);
                if attribute.created_at == Timestamp::EPOCH {
                    attribute.created_at = attribute.observed_at.unwrap_or(Timestamp::EPOCH);
                    attribute.modified_at = attribute.created_at;
                }
                whole.attributes.push(attribute);
            }
        }
    }
    let bare = Entity { attributes: Vec::new(), ..whole.clone() };
    Ok(together(Some(bare), &[&whole]).unwrap_or(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_past_has_every_instance_in_the_order_of_time() {
        let json = Json::parse(
            br#"{"id":"urn:x","type":"T","p":[
                {"type":"Property","value":2,"observedAt":"2026-01-02T00:00:00Z","instanceId":"urn:i:2"},
                {"type":"Property","value":1,"observedAt":"2026-01-01T00:00:00Z"}]}"#,
        );
        let past = read_past(&json.unwrap(), &Context::core()).unwrap();
        let values: Vec<_> = past.attributes.iter().map(|one| one.value.as_f64()).collect();
        assert_eq!(values, [Some(1.0), Some(2.0)]);
        assert_eq!(past.attributes[1].instance_id(), Some("urn:i:2"));
        assert!(past.attributes[0].instance_id().is_some());
        assert!(read_past(&Json::Null, &Context::core()).is_err());
    }
}
