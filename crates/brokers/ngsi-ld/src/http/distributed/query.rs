//! Many entities from several (NGSI-LD 5.7.2.4): queries in parameters and in bodies.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{Method, request::Parts};

use super::{
    super::{
        batch,
        entities::entity_query,
        params::Params,
        request::{Asked, Sent, read},
    },
    fan::Fan,
    remote::Remote,
    retrieve::body,
};
use crate::{
    Context, EntityQuery, Error, Name,
    model::{Entity, Json},
    registrations::{Operation, Registration},
    sources::{Call, Failure, Reach, read_entity, selector},
};

/// The most entities that a source is asked for at once, and how often it is asked for more.
pub(super) const PAGE: usize = 1000;
pub(super) const PAGES: usize = 20;

/// A query as it can be handed on.
struct Asking {
    context: Arc<Context>,
    selectors: Vec<Selector>,
    /// Parameters that are filters, as GET has them.
    filters: Vec<(String, String)>,
    csf: Option<EntityQuery>,
    is_split: bool,
    is_ordered: bool,
    /// How many entities are needed; `None` for all.
    needed: Option<usize>,
}

struct Selector {
    query: EntityQuery,
    types: String,
    pattern: Option<String>,
}

/// A source with the calls that ask it, one a selector.
type Asked1 = (Arc<Registration>, Vec<(Call, bool)>);

pub(super) async fn ask(fan: &Fan<'_>, mut parts: Parts) -> Result<Remote, Error> {
    let Ok(asked) = Asked::from_request_parts(&mut parts, fan.door).await else {
        return Ok(Remote::default());
    };
    let (params, context) = (&asked.params, &asked.context);
    let Ok(query) = entity_query(params, context, &fan.door.options) else { return Ok(Remote::default()) };
    let own = |name: &str| params.get(name).map(|value| value.unwrap_or_default().to_owned());
    let selector = Selector { query, types: own("type")?, pattern: params.get("idPattern")?.map(Into::into) };
    let asking = Asking {
        selectors: vec![selector],
        filters: params.pairs(&["q", "scopeQ", "georel", "geometry", "coordinates", "geoproperty"]),
        csf: csf(params.get("csf")?, context)?,
        is_split: params.flag("splitEntities")?,
        is_ordered: params.get("orderBy")?.is_some(),
        needed: needed(fan, params)?,
        context: Arc::clone(context),
    };
    asking.run(fan).await
}

/// As [`ask`], for a query in a body. Gives the request back, as its body was read.
pub(super) async fn ask_in_body(fan: &Fan<'_>, request: Request) -> Result<(Request, Remote), Response> {
    let (parts, body) = request.into_parts();
    let bytes = read(body, &parts.headers, fan.door.options.body_max_bytes).await?;
    let again = || {
        let mut request = Request::new(Body::from(bytes.clone()));
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.headers_mut() = parts.headers.clone();
        *request.extensions_mut() = parts.extensions.clone();
        request
    };
    let Ok(sent) = Sent::from_request(again(), fan.door).await else {
        return Ok((again(), Remote::default()));
    };
    let remote = body_asking(fan, &sent).await.map_err(IntoResponse::into_response)?;
    let remote = match remote {
        Some(asking) => asking.run(fan).await.map_err(IntoResponse::into_response)?,
        None => Remote::default(),
    };
    Ok((again(), remote))
}

async fn body_asking(fan: &Fan<'_>, sent: &Sent) -> Result<Option<Asking>, Error> {
    let context = sent.context(fan.broker()).await?;
    let Ok(batch::Asking { queries: all, order, .. }) = batch::asking(&sent.body, &context) else {
        return Ok(None);
    };
    let text = |member: &str| sent.body.get(member).and_then(Json::as_str).map(str::to_owned);
    let mut filters: Vec<(String, String)> = Vec::new();
    filters.extend(["q", "scopeQ"].into_iter().filter_map(|name| Some((name.to_owned(), text(name)?))));
    for name in ["georel", "geometry", "coordinates", "geoproperty"] {
        let value = match sent.body.get("geoQ").and_then(|geo| geo.get(name)) {
            Some(Json::String(text)) => text.to_string(),
            Some(other) => serde_json::to_string(other).unwrap_or_default(),
            None => continue,
        };
        filters.push((name.to_owned(), value));
    }
    let written = sent.body.get("entities").and_then(Json::as_array).unwrap_or_default();
    let selectors = all.into_iter().enumerate().map(|(at, query)| {
        let text = |member: &str| written.get(at).and_then(|one| one.get(member)).and_then(Json::as_str);
        let pattern = text("id").is_none().then(|| text("idPattern")).flatten().map(Into::into);
        Selector { query, types: text("type").unwrap_or_default().to_owned(), pattern }
    });
    Ok(Some(Asking {
        selectors: selectors.collect(),
        filters,
        csf: csf(text("csf").as_deref(), &context)?,
        is_split: sent.params.flag("splitEntities")?
            || sent.body.get("splitEntities") == Some(&Json::Bool(true)),
        is_ordered: order.is_some() || sent.params.get("orderBy")?.is_some(),
        needed: needed(fan, &sent.params)?,
        context,
    }))
}

fn csf(text: Option<&str>, context: &Context) -> Result<Option<EntityQuery>, Error> {
    text.map(|csf| EntityQuery::default().with_q(csf, context)).transpose()
}

fn needed(fan: &Fan<'_>, params: &Params) -> Result<Option<usize>, Error> {
    let paging = params.paging(&fan.door.options)?;
    Ok((!paging.count).then(|| paging.offset.saturating_add(paging.limit).saturating_add(1)))
}

impl Asking {
    async fn run(self, fan: &Fan<'_>) -> Result<Remote, Error> {
        let matched = fan.registrations().into_iter().filter_map(|one| {
            let calls = self.calls(fan, &one);
            (!calls.is_empty()).then_some((one, calls))
        });
        let matched = fan.without_loop(matched.collect())?;
        if self.is_ordered && !matched.is_empty() {
            return Err(Error::bad(
                "orderBy is for what this broker has alone; add local=true (NGSI-LD 4.23.1, 5.7.2.4)",
            ));
        }
        let mut remote =
            Remote { takes_part: !matched.is_empty(), is_split: self.is_split, ..Remote::default() };
        let waiting = matched.iter().map(|asked| self.one(fan, asked).boxed()).collect();
        for ((one, _), (found, failures)) in matched.iter().zip(fan.all(waiting).await) {
            for (entity, filtered) in found {
                remote.add(one, entity, filtered);
            }
            failures.iter().for_each(|failure| remote.warn(one, failure));
        }
        Ok(remote)
    }

    /// How a source is asked; nothing when it has nothing to do with it. Each call says whether the filters go with it.
    fn calls(&self, fan: &Fan<'_>, registration: &Registration) -> Vec<(Call, bool)> {
        if !self.csf.as_ref().is_none_or(|csf| csf.matches(&registration.source)) {
            return Vec::new();
        }
        let names = self.filters.iter().any(|(name, _)| matches!(&**name, "q" | "geoproperty"));
        // In other terms than the source's a filter would ask for something else.
        let filtered = !self.is_split && (!names || fan.speaks(registration, &self.context));
        let allows = |operation| registration.access.allows(operation);
        let reached = |selector: &Selector| registration.reach(selector.query.wanted());
        let of = |selector: &Selector| Some(self.call(selector, &reached(selector)?, filtered));
        if allows(Operation::QueryEntity) {
            self.selectors.iter().filter_map(of).map(|call| (call, filtered)).collect()
        } else if allows(Operation::QueryBatch) {
            let reached: Vec<_> =
                self.selectors.iter().filter_map(|one| Some((one, reached(one)?))).collect();
            if reached.is_empty() {
                Vec::new()
            } else {
                vec![(self.batch_call(&reached, filtered), filtered)]
            }
        } else {
            Vec::new()
        }
    }

    fn list(&self, names: &[Name]) -> String {
        names.iter().map(|name| self.context.compact(name).into_owned()).collect::<Vec<_>>().join(",")
    }

    fn types(&self, selector: &Selector, reach: &Reach) -> String {
        if selector.types.is_empty() || selector.types == "*" {
            self.list(&reach.types)
        } else {
            selector.types.clone()
        }
    }

    fn call(&self, selector: &Selector, reach: &Reach, filtered: bool) -> Call {
        // Filters may need attributes that no one asked to see; but not of this source, if it has others.
        let mut call = Call::new(Method::GET, "/entities", &self.context)
            .with("type", self.types(selector, reach))
            .with("id", reach.ids.join(","))
            .with("attrs", if self.is_split { String::new() } else { self.list(&reach.names) });
        if reach.ids.is_empty() {
            call = call.with("idPattern", selector.pattern.clone().unwrap_or_default());
        }
        if filtered {
            call.query.extend(self.filters.iter().cloned());
        }
        call.with("options", "sysAttrs").with("limit", self.limit().to_string())
    }

    fn batch_call(&self, reached: &[(&Selector, Reach)], filtered: bool) -> Call {
        let entities = reached
            .iter()
            .map(|(one, reach)| selector(&reach.ids, one.pattern.as_deref(), &self.types(one, reach)));
        let mut members: Vec<(Box<str>, Json)> =
            vec![("type".into(), "Query".into()), ("entities".into(), Json::Array(entities.collect()))];
        let names = reached.iter().map(|(_, reach)| &reach.names);
        if names.clone().all(|names| !names.is_empty()) && !self.is_split {
            let terms = names.flatten().map(|name| Json::from(&*self.context.compact(name)));
            members.push(("attrs".into(), Json::Array(terms.collect())));
        }
        if filtered {
            let mut geo: Vec<(Box<str>, Json)> = Vec::new();
            for (name, value) in &self.filters {
                match &**name {
                    "coordinates" => {
                        geo.extend(Json::parse(value.as_bytes()).ok().map(|it| ("coordinates".into(), it)))
                    }
                    "georel" | "geometry" | "geoproperty" => {
                        geo.push((name.as_str().into(), (&**value).into()))
                    }
                    name => members.push((name.into(), (&**value).into())),
                }
            }
            if !geo.is_empty() {
                members.push(("geoQ".into(), Json::Object(geo.into())));
            }
        }
        Call::new(Method::POST, "/entityOperations/query", &self.context)
            .with("options", "sysAttrs")
            .with("limit", self.limit().to_string())
            .with_body(Json::Object(members.into()))
    }

    fn limit(&self) -> usize {
        self.needed.unwrap_or(PAGE).clamp(1, PAGE)
    }

    /// Everything that one source has, page by page.
    async fn one(
        &self,
        fan: &Fan<'_>,
        (registration, calls): &Asked1,
    ) -> (Vec<(Entity, bool)>, Vec<Failure>) {
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for (call, filtered) in calls {
            let mut read = 0;
            for page in 0..PAGES {
                let call = match page {
                    0 => call.clone(),
                    _ => call.clone().with("offset", read.to_string()),
                };
                let entities = match self.page(fan, registration, &call).await {
                    Ok(entities) => entities,
                    Err(failure) => {
                        failures.push(failure);
                        break;
                    }
                };
                let count = entities.len();
                read += count;
                found.extend(entities.into_iter().map(|entity| (entity, *filtered)));
                let enough = *filtered && self.needed.is_some_and(|needed| read >= needed);
                if count < self.limit() || enough {
                    break;
                }
            }
        }
        // What was not asked for is not taken.
        let asked =
            |entity: &Entity| self.selectors.iter().any(|one| one.query.without_filters().matches(entity));
        found.retain(|(entity, _)| asked(entity));
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
        entities(fan, &json, &context).await
    }
}

/// The entities of a list, each in its own context if it has one.
pub(super) async fn entities(
    fan: &Fan<'_>,
    json: &Json,
    context: &Arc<Context>,
) -> Result<Vec<Entity>, Failure> {
    let invalid = |error: Error| Failure::Invalid(error.to_string());
    let items = match json {
        Json::Array(items) => &**items,
        // Not a list, but what some answer to a query by id.
        Json::Object(_) if json.get("id").is_some() => std::slice::from_ref(json),
        other => return Err(Failure::Invalid(format!("it is {}, not a list of entities", other.kind()))),
    };
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        let own = own_context(fan, item, context).await;
        found.push(read_entity(item, &own).map_err(invalid)?);
    }
    Ok(found)
}

/// The context of an item of a list: its own if it has one that can be had, else that of the list.
pub(super) async fn own_context(fan: &Fan<'_>, item: &Json, of_list: &Arc<Context>) -> Arc<Context> {
    let own = match item.get("@context") {
        Some(source) => fan.broker().context(Some(source)).await.ok(),
        None => None,
    };
    own.unwrap_or_else(|| Arc::clone(of_list))
}

/// The entity, if it is the one that was asked for.
pub(super) fn entity_named(entity: Entity, id: &str) -> Result<Entity, Failure> {
    if *entity.id == *id {
        return Ok(entity);
    }
    Err(Failure::Invalid(format!("it is entity {}, not {id}", entity.id)))
}
