//! What of an operation concerns a registration (NGSI-LD 5.12, 4.3.6.1).

use morgana_engine::Pattern;

use crate::{
    model::Name,
    query::TypeSelection,
    registrations::{EntityInfo, Information, Registration},
};

/// What a source has of one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cover {
    Nothing,
    /// All of it.
    All,
    /// These attributes.
    Names(Vec<Name>),
}

impl Cover {
    pub(crate) fn has(&self, name: &Name) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Names(names) => names.contains(name),
        }
    }
}

/// Which entities a query asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    /// None is any.
    pub(crate) ids: &'a [Box<str>],
    pub(crate) pattern: Option<&'a Pattern>,
    pub(crate) types: Option<&'a TypeSelection>,
    /// None is all.
    pub(crate) names: &'a [Name],
}

/// What of a query a source can answer: the query must be narrowed to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// None is any.
    pub(crate) ids: Vec<Box<str>>,
    /// None is what the query says.
    pub(crate) types: Vec<Name>,
    /// None is all.
    pub(crate) names: Vec<Name>,
}

impl Registration {
    /// What the source has of the entity `id`; without types, of whatever type it is.
    pub(crate) fn covers(&self, id: &str, types: &[Name]) -> Cover {
        let has = |info: &EntityInfo| {
            info.may_be(id) && (types.is_empty() || info.types.iter().any(|name| types.contains(name)))
        };
        let mut names = Vec::new();
        for part in &self.information {
            if !part.entities.is_empty() && !part.entities.iter().any(has) {
                continue;
            }
            if part.names.is_empty() {
                return Cover::All;
            }
            names.extend(part.names.iter().cloned());
        }
        if names.is_empty() { Cover::Nothing } else { Cover::Names(names) }
    }

    /// What the source can answer of a query; `None` when nothing.
    pub(crate) fn reach(&self, wanted: Wanted<'_>) -> Option<Reach> {
        let mut reach: Option<Reach> = None;
        for part in self.information.iter().filter_map(|part| part.reach(wanted)) {
            reach = Some(match reach {
                None => part,
                // Of two parts, the wider one holds.
                Some(known) => Reach {
                    ids: both(known.ids, part.ids),
                    types: both(known.types, part.types),
                    names: both(known.names, part.names),
                },
            });
        }
        reach
    }
}

/// Everything of both, where nothing stands for anything.
fn both<T: PartialEq>(mut known: Vec<T>, other: Vec<T>) -> Vec<T> {
    if known.is_empty() || other.is_empty() {
        return Vec::new();
    }
    for item in other {
        if !known.contains(&item) {
            known.push(item);
        }
    }
    known
}

impl Information {
    fn reach(&self, wanted: Wanted<'_>) -> Option<Reach> {
        let common: Vec<_> = wanted.names.iter().filter(|name| self.names.contains(*name)).cloned().collect();
        let names = match (self.names.is_empty(), wanted.names.is_empty()) {
            (true, _) => wanted.names.to_vec(),
            (false, true) => self.names.clone(),
            (false, false) if common.is_empty() => return None,
            (false, false) => common,
        };
        if self.entities.is_empty() {
            return Some(Reach { ids: wanted.ids.to_vec(), types: Vec::new(), names });
        }
        let mut ids = Vec::new();
        let (mut types, mut any_id, mut found) = (Vec::new(), false, false);
        for info in &self.entities {
            if !wanted.types.is_none_or(|types| may_match(types, &info.types)) {
                continue;
            }
            match &info.id {
                Some(id) => {
                    if !(wanted.ids.is_empty() || wanted.ids.contains(id))
                        || wanted.pattern.is_some_and(|pattern| !pattern.is_match(id))
                    {
                        continue;
                    }
                    ids.push(id.clone());
                }
                None if wanted.ids.is_empty() => any_id = true,
                None => {
                    let known = ids.len();
                    ids.extend(wanted.ids.iter().filter(|id| info.may_be(id)).cloned());
                    if ids.len() == known {
                        continue;
                    }
                }
            }
            found = true;
            types
                .extend(info.types.iter().filter(|name| !types.contains(*name)).cloned().collect::<Vec<_>>());
        }
        ids.sort_unstable();
        ids.dedup();
        if any_id {
            ids.clear();
        }
        found.then_some(Reach { ids, types, names })
    }
}

/// Whether an entity with one of these types, and maybe others, may be selected.
fn may_match(selection: &TypeSelection, types: &[Name]) -> bool {
    selection.cover().iter().any(|name| types.contains(name)) || selection.matches(types)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Context,
        model::{Json, Timestamp},
    };

    fn registration(information: &str) -> Registration {
        let text = format!(
            r#"{{"id":"urn:r","type":"ContextSourceRegistration","endpoint":"http://x","information":{information}}}"#
        );
        let (json, now) = (Json::parse(text.as_bytes()).unwrap(), Timestamp::now());
        Registration::new(json, now, now).unwrap()
    }

    #[test]
    fn a_source_covers_what_it_is_registered_for() {
        let one = registration(
            r#"[{"entities":[{"id":"urn:a","type":"T"}],"propertyNames":["p"]},
                {"entities":[{"idPattern":"^urn:b","type":"U"}]}]"#,
        );
        let (t, u, p) = (Name::new("T"), Name::new("U"), Name::new("p"));
        assert_eq!(one.covers("urn:a", std::slice::from_ref(&t)), Cover::Names(vec![p.clone()]));
        assert_eq!(one.covers("urn:a", &[]), Cover::Names(vec![p]));
        assert_eq!(one.covers("urn:a", std::slice::from_ref(&u)), Cover::Nothing);
        assert_eq!(one.covers("urn:b:1", &[t, u]), Cover::All);
        assert_eq!(one.covers("urn:c", &[]), Cover::Nothing);
    }

    #[test]
    fn a_query_is_narrowed_to_what_a_source_has() {
        let one = registration(r#"[{"entities":[{"id":"urn:a","type":"T"}],"propertyNames":["p","q"]}]"#);
        let names = [Name::new("q"), Name::new("z")];
        let types = TypeSelection::parse("T", &Context::core()).unwrap();
        assert_eq!(types, TypeSelection::parse("T", &Context::core()).unwrap());
        let reach = one.reach(Wanted { names: &names, ..Wanted::default() }).unwrap();
        assert_eq!((&*reach.ids[0], reach.names), ("urn:a", vec![Name::new("q")]));
        assert!(one.reach(Wanted { names: &names[1..], ..Wanted::default() }).is_none());
        assert!(one.reach(Wanted { ids: &["urn:b".into()], ..Wanted::default() }).is_none());
        // The type is written out here, and expanded there.
        assert!(one.reach(Wanted { types: types.as_ref(), ..Wanted::default() }).is_none());
        let wide = registration(r#"[{"entities":[{"type":"T"}]},{"propertyNames":["z"]}]"#);
        assert_eq!(wide.reach(Wanted::default()).unwrap(), Reach::default());
        let ids = [Box::from("urn:b")];
        assert_eq!(wide.reach(Wanted { ids: &ids, ..Wanted::default() }).unwrap().ids, ids);
    }
}
