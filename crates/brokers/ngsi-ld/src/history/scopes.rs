//! When which scopes held (NGSI-LD 4.18): from when they were set until they were changed or taken away.

use super::{Span, TimeProperty, time};
use crate::{
    model::{Attribute, Entity, Json, Kind, Name, Timestamp},
    query::ScopeQuery,
};

/// The name that scopes with times have.
const SCOPE: &str = "https://uri.etsi.org/ngsi-ld/scope";

/// Whether an instance says which scopes held from some time on.
pub(crate) fn is_scope(attribute: &Attribute) -> bool {
    &*attribute.name == SCOPE
}

/// The instance that says that an entity has these scopes since `at`; that there are none is a deletion (4.5.6).
pub(crate) fn scope_instance(scopes: &[Box<str>], at: Timestamp) -> Attribute {
    let value = match scopes {
        [one] => Json::String(one.clone()),
        many => Json::Array(many.iter().cloned().map(Json::String).collect()),
    };
    let mut attribute = Attribute {
        name: Name::new(SCOPE),
        kind: Kind::Property,
        value,
        created_at: at,
        modified_at: at,
        observed_at: None,
        details: None,
        observed_digits: None,
    };
    if scopes.is_empty() {
        attribute.former_mut().deleted_at = Some(at);
    } else {
        // A change of the present has no other time (NGSI-LD 4.5.6).
        attribute.observed_at = Some(at);
    }
    attribute
}

/// The scopes that an instance says.
pub(super) fn texts(attribute: &Attribute) -> impl Iterator<Item = Box<str>> {
    let value = &attribute.value;
    let items = value.as_array().unwrap_or(std::slice::from_ref(value));
    items.iter().filter_map(Json::as_str).map(Into::into)
}

/// Scopes in the order of time, each list with when it began to hold.
pub(crate) struct Timeline(Vec<(Option<Timestamp>, Vec<Box<str>>)>);

impl Timeline {
    /// The scopes of an entity's past. Those without a time held from the beginning.
    pub(crate) fn of(entity: &Entity, property: TimeProperty) -> Self {
        let mut spans = vec![(None, entity.scopes.clone())];
        let timed = entity.attributes.iter().filter(|one| is_scope(one));
        spans.extend(timed.map(|one| (Some(when(one, property)), texts(one).collect())));
        spans.sort_by_key(|(from, _)| *from);
        Self(spans)
    }

    /// Whether the scopes at a time are selected.
    pub(crate) fn holds_at(&self, query: &ScopeQuery, at: Timestamp) -> bool {
        let spans = self.0.partition_point(|(from, _)| from.is_none_or(|from| from <= at));
        spans.checked_sub(1).is_some_and(|last| query.selects(&self.0[last].1))
    }

    /// Whether the scopes at some time of the span are selected.
    pub(crate) fn holds_within(&self, query: &ScopeQuery, span: Option<Span>) -> bool {
        let ends = self.0.iter().skip(1).map(|(from, _)| *from).chain([None]);
        self.0.iter().zip(ends).any(|((from, scopes), end)| {
            let meets = span.is_none_or(|span| {
                let begins = from.zip(span.to).is_none_or(|(from, to)| from < to);
                begins && end.zip(span.from).is_none_or(|(end, from)| end > from)
            });
            meets && query.selects(scopes)
        })
    }
}

/// The time of an instance that counts, or the one it is ordered by.
pub(crate) fn when(attribute: &Attribute, property: TimeProperty) -> Timestamp {
    property.of(attribute).unwrap_or_else(|| time(attribute))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::scope_query;

    fn at(minute: u32) -> Timestamp {
        Timestamp::parse(&format!("2026-03-01T12:{minute:02}:00Z")).unwrap()
    }

    #[test]
    fn a_scope_holds_until_it_is_changed() {
        let scope = |scopes: &[&str], minute| {
            let scopes: Vec<Box<str>> = scopes.iter().map(|one| (*one).into()).collect();
            scope_instance(&scopes, at(minute))
        };
        let entity = Entity {
            id: "urn:e:1".into(),
            types: Vec::new(),
            scopes: Vec::new(),
            created_at: at(0),
            modified_at: at(0),
            attributes: vec![scope(&["/A"], 10), scope(&["/B", "/C"], 20), scope(&[], 30)],
            expires_at: None,
        };
        let timeline = Timeline::of(&entity, TimeProperty::Observed);
        let query = |text| scope_query(text).unwrap();
        for (text, minute, holds) in
            [("/A", 9, false), ("/A", 10, true), ("/A", 20, false), ("/B;/C", 25, true), ("/B", 30, false)]
        {
            assert_eq!(timeline.holds_at(&query(text), at(minute)), holds, "{text} {minute}");
        }
        let span = |from, to| Some(Span { from: Some(at(from)), to: Some(at(to)) });
        assert!(timeline.holds_within(&query("/A"), span(15, 16)));
        assert!(!timeline.holds_within(&query("/A"), span(20, 40)));
        assert!(!timeline.holds_within(&query("/#"), span(31, 40)));
        assert!(!timeline.holds_within(&query("/#"), span(0, 10)));
        assert!(timeline.holds_within(&query("/C"), None));
    }
}
