//! One entity of what several have of it (NGSI-LD 4.5.5).

use crate::{
    Context, Error,
    model::{Attribute, Entity, Form, Json, Name, Reader, Timestamp},
    registrations::Mode,
};

/// What one source has of an entity.
#[derive(Debug, Clone)]
pub(crate) struct RemoteEntity {
    pub(crate) mode: Mode,
    pub(crate) entity: Entity,
}

/// Reads an entity that a source answered, with the times it gives. What has no time is older than what has.
pub(crate) fn read_entity(json: &Json, context: &Context) -> Result<Entity, Error> {
    let mut entity = Reader { context, form: Form::Full, now: Timestamp::EPOCH }.entity(json.clone())?;
    let time = |json: &Json, member: &str| Timestamp::parse(json.get(member)?.as_str()?);
    let created = time(json, "createdAt");
    entity.created_at = created.unwrap_or(Timestamp::EPOCH);
    entity.modified_at = time(json, "modifiedAt").unwrap_or(entity.created_at);
    for (key, value) in json.as_object().unwrap_or_default() {
        let name = Name::new(&context.expand(key));
        let instances = value.as_array().unwrap_or(std::slice::from_ref(value));
        for instance in instances {
            let dataset = instance.get("datasetId").and_then(Json::as_str).filter(|id| *id != "@none");
            let Some(attribute) = entity.attributes.iter_mut().find(|one| one.is(&name, dataset)) else {
                continue;
            };
            let created = time(instance, "createdAt").or(created);
            attribute.created_at = created.unwrap_or(Timestamp::EPOCH);
            attribute.modified_at = time(instance, "modifiedAt").unwrap_or(attribute.created_at);
        }
    }
    Ok(entity)
}

/// The entity that all together have; `None` when no one has anything.
///
/// Of two instances of an attribute an exclusive source's holds; then the one that was observed last, then the one that
/// was modified last. An auxiliary source only adds what no one else has.
pub(crate) fn merge(local: Option<&Entity>, remote: &[RemoteEntity]) -> Option<Entity> {
    let mut merged = local.cloned();
    let order = |mode: Mode| match mode {
        Mode::Exclusive => 0,
        Mode::Redirect | Mode::Inclusive => 1,
        Mode::Auxiliary => 2,
    };
    let mut sorted: Vec<_> = remote.iter().collect();
    sorted.sort_by_key(|one| order(one.mode));
    let mut settled: Vec<(Name, Option<Box<str>>)> = Vec::new();
    for RemoteEntity { mode, entity } in sorted {
        let Some(known) = &mut merged else {
            if *mode == Mode::Exclusive {
                settled.extend(entity.attributes.iter().map(key));
            }
            merged = Some(entity.clone());
            continue;
        };
        for name in
            entity.types.iter().filter(|name| !known.types.contains(name)).cloned().collect::<Vec<_>>()
        {
            known.types.push(name);
        }
        for scope in
            entity.scopes.iter().filter(|scope| !known.scopes.contains(scope)).cloned().collect::<Vec<_>>()
        {
            known.scopes.push(scope);
        }
        known.created_at = older(known.created_at, entity.created_at);
        known.modified_at = known.modified_at.max(entity.modified_at);
        for attribute in &entity.attributes {
            let at = known.attributes.iter().position(|one| one.is(&attribute.name, attribute.dataset_id()));
            match (at, mode) {
                (None, _) => insert(&mut known.attributes, attribute.clone()),
                (Some(_), Mode::Auxiliary) => continue,
                (Some(at), Mode::Exclusive) => known.attributes[at] = attribute.clone(),
                (Some(at), _) => {
                    if !settled.contains(&key(attribute)) && is_newer(attribute, &known.attributes[at]) {
                        known.attributes[at] = attribute.clone();
                    }
                }
            }
            if *mode == Mode::Exclusive {
                settled.push(key(attribute));
            }
        }
    }
    let mut merged = merged?;
    let now = Timestamp::now();
    // A time that no one gave is now rather than 1970.
    let known = |time: &mut Timestamp| {
        if *time == Timestamp::EPOCH {
            *time = now;
        }
    };
    [&mut merged.created_at, &mut merged.modified_at].into_iter().for_each(known);
    for attribute in &mut merged.attributes {
        [&mut attribute.created_at, &mut attribute.modified_at].into_iter().for_each(known);
    }
    Some(merged)
}

fn key(attribute: &Attribute) -> (Name, Option<Box<str>>) {
    (attribute.name.clone(), attribute.dataset_id().map(Into::into))
}

fn older(a: Timestamp, b: Timestamp) -> Timestamp {
    match (a == Timestamp::EPOCH, b == Timestamp::EPOCH) {
        (true, _) => b,
        (_, true) => a,
        _ => a.min(b),
    }
}

fn is_newer(one: &Attribute, other: &Attribute) -> bool {
    let when = |attribute: &Attribute| (attribute.observed_at, attribute.modified_at);
    match (one.observed_at, other.observed_at) {
        (Some(a), Some(b)) if a != b => a > b,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        _ => when(one) > when(other),
    }
}

/// Beside the other instances of its name, as entities keep them.
fn insert(attributes: &mut Vec<Attribute>, attribute: Attribute) {
    let at =
        attributes.iter().rposition(|one| one.name == attribute.name).map_or(attributes.len(), |at| at + 1);
    attributes.insert(at, attribute);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(mode: Mode, text: &str) -> RemoteEntity {
        let json = Json::parse(format!(r#"{{"id":"urn:x","type":"T",{text}}}"#).as_bytes()).unwrap();
        RemoteEntity { mode, entity: read_entity(&json, &Context::core()).unwrap() }
    }

    fn value(entity: &Entity, term: &str) -> Option<f64> {
        entity.attribute(&Name::new(&Context::core().expand(term)))?.value.as_f64()
    }

    fn property(value: u32, modified: &str) -> String {
        format!(r#"{{"type":"Property","value":{value},"modifiedAt":"2026-01-01T00:00:{modified}Z"}}"#)
    }

    #[test]
    fn the_latest_of_several_holds_whatever_their_order() {
        let old = remote(Mode::Inclusive, &format!(r#""p":{},"q":{}"#, property(1, "01"), property(5, "09")));
        let new = remote(Mode::Redirect, &format!(r#""p":{},"q":{}"#, property(2, "02"), property(6, "03")));
        let timeless = remote(Mode::Inclusive, r#""p":{"value":3},"r":{"value":4}"#);
        let observed = remote(Mode::Inclusive, r#""r":{"value":7,"observedAt":"2020-01-01T00:00:00Z"}"#);
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let all = [&old, &new, &timeless, &observed];
            let all: Vec<_> = order.iter().map(|at| all[*at].clone()).collect();
            let local = all[0].entity.clone();
            let merged = merge(Some(&local), &all[1..]).unwrap();
            assert_eq!((value(&merged, "p"), value(&merged, "q")), (Some(2.0), Some(5.0)), "{order:?}");
            assert_eq!(value(&merged, "r"), Some(7.0));
        }
    }

    #[test]
    fn an_exclusive_source_holds_and_an_auxiliary_one_only_adds() {
        let local = remote(Mode::Inclusive, &format!(r#""p":{}"#, property(1, "09"))).entity;
        let exclusive = remote(Mode::Exclusive, r#""p":{"value":2}"#);
        let auxiliary =
            remote(Mode::Auxiliary, &format!(r#""p":{},"q":{}"#, property(3, "59"), property(4, "01")));
        let redirect = remote(Mode::Redirect, &format!(r#""p":{}"#, property(5, "59")));
        let merged = merge(Some(&local), &[auxiliary.clone(), redirect, exclusive]).unwrap();
        assert_eq!((value(&merged, "p"), value(&merged, "q")), (Some(2.0), Some(4.0)));
        let merged = merge(Some(&local), &[auxiliary]).unwrap();
        assert_eq!(value(&merged, "p"), Some(1.0));
        assert!(merge(None, &[]).is_none());
    }
}
