//! Types and attributes that context sources have (NGSI-LD 5.7.5 to 5.7.10).

use std::sync::Arc;

use futures_util::FutureExt;
use http::{Method, request::Parts};

use axum::extract::FromRequestParts;

use super::{super::request::Asked, fan::Fan, remote::warning, retrieve::body, route::Discover};
use crate::{
    Broker, Context, Error, Kind, Name,
    broker::{AttributeUse, TypeUse},
    model::Json,
    registrations::{Operation, Registration},
    sources::{Call, Failure, encode},
};

/// What sources have, each source narrowed to what it is registered for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Discovered {
    types: Vec<TypeUse>,
    attributes: Vec<AttributeUse>,
    /// Values of NGSILD-Warning headers.
    pub(super) warnings: Vec<String>,
}

/// What this broker and sources have together. An entity that is in several places is counted in each.
impl Discovered {
    /// All types of entities there are.
    pub(crate) fn types(found: Option<&Self>, broker: &Broker) -> Vec<Name> {
        let mut names = broker.types();
        for one in found.into_iter().flat_map(|found| &found.types) {
            add(&mut names, &one.name);
        }
        names
    }

    /// What entities of a type have; `None` when there is none.
    pub(crate) fn type_use(found: Option<&Self>, broker: &Broker, name: &Name) -> Option<TypeUse> {
        let remote = found.into_iter().flat_map(|found| &found.types).filter(|one| one.name == *name);
        remote.fold(broker.type_use(name), |known, one| {
            let Some(mut known) = known else { return Some(one.clone()) };
            known.entities += one.entities;
            for (name, kinds) in &one.attributes {
                match known.attributes.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => kinds.iter().for_each(|kind| add(known, kind)),
                    None => known.attributes.push((name.clone(), kinds.clone())),
                }
            }
            Some(known)
        })
    }

    /// All attributes there are.
    pub(crate) fn attribute_uses(found: Option<&Self>, broker: &Broker) -> Vec<AttributeUse> {
        let mut all = broker.attribute_uses();
        for one in found.into_iter().flat_map(|found| &found.attributes) {
            let Some(known) = all.iter_mut().find(|known| known.name == one.name) else {
                all.push(one.clone());
                continue;
            };
            known.count += one.count;
            one.kinds.iter().for_each(|kind| add(&mut known.kinds, kind));
            one.types.iter().for_each(|name| add(&mut known.types, name));
        }
        all.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        all
    }
}

fn add<T: PartialEq + Clone>(known: &mut Vec<T>, item: &T) {
    if !known.contains(item) {
        known.push(item.clone());
    }
}

/// Asks the sources. A request that its handler will refuse asks no one.
pub(super) async fn ask(fan: &Fan<'_>, mut parts: Parts, what: &Discover) -> Result<Discovered, Error> {
    let Ok(asked) = Asked::from_request_parts(&mut parts, fan.door).await else {
        return Ok(Discovered::default());
    };
    let Ok(details) = asked.params.flag("details") else { return Ok(Discovered::default()) };
    let context = &asked.context;
    let reached = fan.registrations().into_iter().filter_map(|one| {
        let call = call(&one, what, details, context)?;
        Some((one, call))
    });
    let matched = fan.without_loop(reached.collect())?;
    let ask = |(one, call): &(Arc<Registration>, Call)| {
        let (one, call) = (Arc::clone(one), call.clone());
        async move {
            let (answer, wire) = fan.ask(&one, &call).await?;
            let (json, terms) = body(fan, &answer.response, &wire).await?;
            Ok::<_, Failure>((json, terms))
        }
        .boxed()
    };
    let mut found = Discovered::default();
    for ((one, _), answer) in matched.iter().zip(fan.all(matched.iter().map(ask).collect()).await) {
        match answer {
            Ok((json, terms)) => found.take(one, &json, &terms, what),
            Err(failure) => {
                let code = failure.warning();
                found.warnings.extend(code.map(|code| warning(one, code, &failure.to_string())));
            }
        }
    }
    Ok(found)
}

/// How a source is asked; `None` when it has nothing to do with it, or its registration does not allow it.
fn call(registration: &Registration, what: &Discover, details: bool, context: &Arc<Context>) -> Option<Call> {
    let has = |names: &dyn Fn(&Registration) -> Option<Vec<Name>>, term: &str| {
        let name = context.expand(term);
        names(registration).is_none_or(|names| names.iter().any(|known| **known == *name))
    };
    let (operation, path) = match what {
        Discover::Types(None) if details => (Operation::RetrieveEntityTypeDetails, "/types".to_owned()),
        Discover::Types(None) => (Operation::RetrieveEntityTypes, "/types".to_owned()),
        Discover::Types(Some(term)) if has(&types_of, term) => {
            (Operation::RetrieveEntityTypeInfo, format!("/types/{}", encode(&context.expand(term))))
        }
        Discover::Attributes(None) if details => {
            (Operation::RetrieveAttrTypeDetails, "/attributes".to_owned())
        }
        Discover::Attributes(None) => (Operation::RetrieveAttrTypes, "/attributes".to_owned()),
        Discover::Attributes(Some(term)) if has(&names_of, term) => {
            (Operation::RetrieveAttrTypeInfo, format!("/attributes/{}", encode(&context.expand(term))))
        }
        _ => return None,
    };
    let call = Call::new(Method::GET, path, context);
    registration.access.allows(operation).then(|| if details { call.with("details", "true") } else { call })
}

/// The types that a source is registered for; `None` is any.
fn types_of(registration: &Registration) -> Option<Vec<Name>> {
    let parts = registration.information.iter().map(|part| {
        let names: Vec<Name> = part.entities.iter().flat_map(|entity| entity.types.clone()).collect();
        (!names.is_empty()).then_some(names)
    });
    parts.collect::<Option<Vec<_>>>().map(|all| all.concat())
}

/// The attributes that a source is registered for; `None` is any.
fn names_of(registration: &Registration) -> Option<Vec<Name>> {
    let parts =
        registration.information.iter().map(|part| (!part.names.is_empty()).then(|| part.names.clone()));
    parts.collect::<Option<Vec<_>>>().map(|all| all.concat())
}

impl Discovered {
    /// Takes what a source answered; what is not of the form that was asked for is left out.
    fn take(&mut self, registration: &Registration, json: &Json, terms: &Context, what: &Discover) {
        let (types, names) = (types_of(registration), names_of(registration));
        let expanded = |list: Option<&Json>, known: &Option<Vec<Name>>| -> Vec<Name> {
            let items = list.and_then(Json::as_array).unwrap_or_default().iter().filter_map(Json::as_str);
            let names = items.map(|term| Name::new(&terms.expand(term)));
            names.filter(|name| known.as_ref().is_none_or(|known| known.contains(name))).collect()
        };
        let name = |json: &Json, member: &str, known: &Option<Vec<Name>>| {
            let name = Name::new(&terms.expand(json.get(member)?.as_str()?));
            known.as_ref().is_none_or(|known| known.contains(&name)).then_some(name)
        };
        let count = |json: &Json, member: &str| match json.get(member) {
            Some(Json::Number(number)) => number.as_u64().unwrap_or_default() as usize,
            _ => 0,
        };
        let kinds = |json: &Json| -> Vec<Kind> {
            let items = json.get("attributeTypes").and_then(Json::as_array).unwrap_or_default();
            items.iter().filter_map(|kind| Kind::from_name(kind.as_str()?)).collect()
        };
        let items = json.as_array().unwrap_or(std::slice::from_ref(json));
        match what {
            Discover::Types(_) => {
                let bare = |name| TypeUse { name, entities: 0, attributes: Vec::new() };
                self.types.extend(expanded(json.get("typeList"), &types).into_iter().map(bare));
                for one in items {
                    let Some(found) = name(one, "typeName", &types) else { continue };
                    let names_only = expanded(one.get("attributeNames"), &names);
                    let mut attributes: Vec<_> =
                        names_only.into_iter().map(|name| (name, Vec::new())).collect();
                    let details = one.get("attributeDetails").and_then(Json::as_array).unwrap_or_default();
                    attributes.extend(
                        details
                            .iter()
                            .filter_map(|one| Some((name(one, "attributeName", &names)?, kinds(one)))),
                    );
                    self.types.push(TypeUse { name: found, entities: count(one, "entityCount"), attributes });
                }
            }
            Discover::Attributes(_) => {
                let bare = |name| AttributeUse { name, count: 0, kinds: Vec::new(), types: Vec::new() };
                self.attributes.extend(expanded(json.get("attributeList"), &names).into_iter().map(bare));
                for one in items {
                    let Some(found) = name(one, "attributeName", &names) else { continue };
                    self.attributes.push(AttributeUse {
                        name: found,
                        count: count(one, "attributeCount"),
                        kinds: kinds(one),
                        types: expanded(one.get("typeNames"), &types),
                    });
                }
            }
        }
    }
}
