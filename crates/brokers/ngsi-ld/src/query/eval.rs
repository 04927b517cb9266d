//! A query against an entity.

use std::cmp::Ordering;

use super::{
    expression::{Choice, Expression, Operand, Path, Query, Test},
    lexer::Operator,
};
use crate::model::{Attribute, Entity, Find, Json, Kind, Timestamp};

impl Query {
    /// Whether the entity matches; `find` gives the entities that relationships point to.
    pub(crate) fn matches_with(&self, entity: &Entity, find: &Find<'_>) -> bool {
        expression(&self.0, entity, find)
    }
}

fn expression(expression_: &Expression, entity: &Entity, find: &Find<'_>) -> bool {
    match expression_ {
        Expression::All(parts) => parts.iter().all(|part| expression(part, entity, find)),
        Expression::Any(parts) => parts.iter().any(|part| expression(part, entity, find)),
        Expression::Term(term) => any_linked(&term.path, &term.test, entity, find) != term.negated,
    }
}

/// Follows the relationships of a path; the test is that of the entities at its end.
fn any_linked(path: &Path, test: &Option<Test>, entity: &Entity, find: &Find<'_>) -> bool {
    let Some(linked) = &path.linked else { return term(path, test, entity) };
    let mut relationships = Vec::new();
    attributes(path, 0, &entity.attributes, &mut relationships);
    let mut ids = relationships
        .into_iter()
        .filter(|attribute| matches!(attribute.kind, Kind::Relationship | Kind::ListRelationship))
        .flat_map(|attribute| texts(&attribute.value));
    ids.any(|id| {
        let target = find(id).filter(|entity| linked.hint.as_ref().is_none_or(|hint| entity.has_type(hint)));
        target.is_some_and(|entity| any_linked(linked, test, &entity, find))
    })
}

/// The attributes at the end of a path.
fn attributes<'a>(path: &Path, step: usize, among: &'a [Attribute], found: &mut Vec<&'a Attribute>) {
    let Some((_, name)) = path.names.get(step) else { return };
    for attribute in among.iter().filter(|attribute| attribute.name == *name) {
        if step + 1 == path.names.len() {
            found.push(attribute);
        } else {
            attributes(path, step + 1, attribute.attributes(), found);
        }
    }
}

/// A thing that a path leads to.
#[derive(Clone, Copy)]
enum Target<'a> {
    Json(&'a Json),
    /// An expanded name, compared with expanded operands.
    Name(&'a Json),
    /// URIs of other entities, which are equal or not, and nothing else.
    Link(&'a Json),
    Time(Timestamp),
}

fn term(path: &Path, test: &Option<Test>, entity: &Entity) -> bool {
    let mut targets = Vec::new();
    match &*path.first {
        "createdAt" if path.names.len() == 1 => targets.push(Target::Time(entity.created_at)),
        "modifiedAt" if path.names.len() == 1 => targets.push(Target::Time(entity.modified_at)),
        _ => collect(path, 0, &entity.attributes, &mut targets),
    }
    match test {
        None => !targets.is_empty(),
        Some(Test::Pattern(pattern, wanted)) => {
            let found = |target: &Target<'_>| match target {
                Target::Json(json) | Target::Name(json) => texts(json).any(|text| pattern.is_match(text)),
                Target::Link(_) => false,
                Target::Time(time) => pattern.is_match(&time.to_string()),
            };
            // A relationship has no text (NGSI-LD 4.9).
            targets.retain(|target| !matches!(target, Target::Link(_)));
            !targets.is_empty() && targets.iter().any(found) == *wanted
        }
        // Unequal is the contrary of equal, for what is there (NGSI-LD 4.9).
        Some(Test::Compare(Operator::Unequal, choices)) => {
            !targets.is_empty() && !targets.iter().any(|target| any_choice(*target, Operator::Equal, choices))
        }
        Some(Test::Compare(operator, choices)) => {
            if *operator != Operator::Equal {
                targets.retain(|target| !matches!(target, Target::Link(_)));
            }
            targets.iter().any(|target| any_choice(*target, *operator, choices))
        }
    }
}

/// Follows the path from `attributes`, over every instance.
fn collect<'a>(path: &Path, step: usize, attributes: &'a [Attribute], targets: &mut Vec<Target<'a>>) {
    let Some((_, name)) = path.names.get(step) else { return };
    for attribute in attributes.iter().filter(|attribute| attribute.name == *name) {
        let Some((term, _)) = path.names.get(step + 1) else {
            value(attribute, path, targets);
            continue;
        };
        let last = step + 2 == path.names.len();
        match &**term {
            "observedAt" if last => targets.extend(attribute.observed_at.map(Target::Time)),
            "createdAt" if last => targets.push(Target::Time(attribute.created_at)),
            "modifiedAt" if last => targets.push(Target::Time(attribute.modified_at)),
            "unitCode" if last => targets.extend(attribute.unit_code().map(Target::Json)),
            _ => collect(path, step + 1, attribute.attributes(), targets),
        }
    }
}

/// The value of an attribute, or what lies inside it.
fn value<'a>(attribute: &'a Attribute, path: &Path, targets: &mut Vec<Target<'a>>) {
    match (attribute.kind, &path.inside[..]) {
        (Kind::VocabProperty, []) if path.expands => targets.push(Target::Name(&attribute.value)),
        (Kind::Relationship | Kind::ListRelationship, []) => targets.push(Target::Link(&attribute.value)),
        (Kind::LanguageProperty, [language]) if &**language != "*" => {
            targets.extend(attribute.value.get(language).map(Target::Json));
        }
        // Any language will do.
        (Kind::LanguageProperty, _) => {
            targets.extend(
                attribute.value.as_object().into_iter().flatten().map(|(_, text)| Target::Json(text)),
            );
        }
        (_, path) => targets.extend(walk(&attribute.value, path).map(Target::Json)),
    }
}

fn walk<'a>(value: &'a Json, path: &[Box<str>]) -> Option<&'a Json> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

fn texts(json: &Json) -> impl Iterator<Item = &str> {
    json.as_array().unwrap_or(std::slice::from_ref(json)).iter().filter_map(Json::as_str)
}

fn any_choice(target: Target<'_>, operator: Operator, choices: &[Choice]) -> bool {
    choices.iter().any(|choice| match choice {
        Choice::One(operand) => any_item(target, |order| accepts(operator, order), operand),
        Choice::Range(from, to) => {
            let items = items(target);
            items.into_iter().any(|item| {
                compare(item, from).is_some_and(Ordering::is_ge)
                    && compare(item, to).is_some_and(Ordering::is_le)
            })
        }
    })
}

/// Whether the target, or an item of it when it is a list, compares with `operand` as asked.
fn any_item(target: Target<'_>, accepts: impl Fn(Ordering) -> bool, operand: &Operand) -> bool {
    items(target).into_iter().any(|item| compare(item, operand).is_some_and(&accepts))
}

fn items(target: Target<'_>) -> Vec<Target<'_>> {
    match target {
        Target::Json(Json::Array(items)) => items.iter().map(Target::Json).collect(),
        Target::Name(Json::Array(items)) => items.iter().map(Target::Name).collect(),
        Target::Link(Json::Array(items)) => items.iter().map(Target::Link).collect(),
        one => vec![one],
    }
}

fn accepts(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::Unequal => order.is_ne(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessEqual => order.is_le(),
        Operator::Matches | Operator::MatchesNot => false,
    }
}

/// Compares two values of one type; values of different types do not compare.
fn compare(target: Target<'_>, operand: &Operand) -> Option<Ordering> {
    match (target, operand) {
        (Target::Json(Json::Number(number)), Operand::Number(other)) => number.as_f64()?.partial_cmp(other),
        (Target::Json(Json::Bool(bool)), Operand::Bool(other)) => Some(bool.cmp(other)),
        (Target::Json(Json::String(text)) | Target::Link(Json::String(text)), Operand::Text(other, _)) => {
            Some((**text).cmp(other))
        }
        (Target::Name(Json::String(name)), Operand::Text(_, expanded)) => Some((**name).cmp(expanded)),
        (Target::Json(Json::String(text)), Operand::DateTime(time, written)) => {
            match Timestamp::parse(text) {
                Some(own) => Some(own.cmp(time)),
                None => Some((**text).cmp(written)),
            }
        }
        // A typed value: {"@type": "DateTime", "@value": "..."} (NGSI-LD 4.6.3).
        (Target::Json(json @ Json::Object(_)), operand) => {
            compare(Target::Json(json.get("@value")?), operand)
        }
        (Target::Time(time), Operand::DateTime(other, _)) => Some(time.cmp(other)),
        (Target::Time(time), Operand::Text(text, _)) => Some(time.cmp(&Timestamp::parse(text)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Context,
        model::{Form, Json, Reader, Timestamp},
        query::Query,
    };

    fn matches(q: &str) -> bool {
        let context = Context::core();
        let reader = Reader {
            context: &context,
            form: Form::Full,
            now: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
        };
        let entity = Json::parse(
            br#"{"id": "urn:x:1", "type": "Car",
              "speed": {"type": "Property", "value": 55, "unitCode": "KMH", "observedAt": "2026-01-01T10:00:00Z",
                        "accuracy": {"type": "Property", "value": 0.9}},
              "brand": {"type": "Property", "value": "Alfa Romeo; (old)"},
              "tags": {"type": "Property", "value": ["a", "b"]},
              "sold": {"type": "Property", "value": false},
              "address": {"type": "Property", "value": {"city": {"name": "Roma"}}},
              "owner": {"type": "Relationship", "object": "urn:person:1"},
              "label": {"type": "LanguageProperty", "languageMap": {"it": "macchina", "en": "car"}},
              "state": {"type": "VocabProperty", "vocab": "parked"},
              "bought": {"type": "Property", "value": {"@type": "DateTime", "@value": "2020-05-05T00:00:00Z"}}}"#,
        )
        .unwrap();
        let entity = reader.entity(entity).unwrap();
        let query = Query::parse(q, &context).unwrap_or_else(|error| panic!("{q}: {error}"));
        let state = context.name("state", "").unwrap();
        query.expanding(&[state]).matches_with(&entity, &|id| {
            let person = format!(r#"{{"id": "{id}", "type": "Person", "name": {{"value": "Anna"}}}}"#);
            Some(std::sync::Arc::new(reader.entity(Json::parse(person.as_bytes()).unwrap()).unwrap()))
        })
    }

    #[test]
    fn queries_of_clause_4_9_match_as_they_say() {
        for q in [
            "speed",
            "speed==55",
            "speed>54.9;speed<=55",
            "speed==50..60",
            "speed==1,55",
            "speed!=54",
            "speed!=60..70",
            "speed.accuracy==0.9",
            "speed.unitCode==\"KMH\"",
            "speed.observedAt>=2026-01-01T00:00:00Z",
            "brand==\"Alfa Romeo; (old)\"",
            "brand~=^Alfa.*\\(old\\)$",
            "brand!~=Fiat",
            "tags==\"b\"",
            "tags!=\"c\"",
            "sold==false",
            "address[city.name]==\"Roma\"",
            "owner==urn:person:1",
            "owner==\"urn:person:1\"",
            "label==\"car\"",
            "label[it]==\"macchina\"",
            "label[*]==\"car\"",
            "state==parked",
            "bought<2021-01-01T00:00:00Z",
            "modifiedAt<2027-01-01T00:00:00Z",
            "none|speed",
            "none;speed|sold==false",
            "(none|speed);(tags==\"a\"|none)",
            "https://uri.etsi.org/ngsi-ld/default-context/speed==55",
            "owner{name}==\"Anna\"",
            "owner{Person:name}==\"Anna\"",
            "modifiedAt<\"2027-01-01T00:00:00Z\"",
            "!none",
            "!none;speed>50",
            "!speed.none|none",
        ] {
            assert!(matches(q), "{q}");
        }
        for q in [
            "none",
            "speed==54",
            "speed!=55",
            "speed==\"55\"",
            "speed>55",
            "tags!=\"b\"",
            "sold==true",
            "address[city.zip]",
            "label[fr]",
            "none!=1",
            "none!~=x",
            "speed;none",
            "none;(speed|sold)",
            "owner>\"urn:a\"",
            "owner~=urn",
            "owner{name}==\"Berta\"",
            "owner{Car:name}==\"Anna\"",
            "speed{name}",
            "!speed",
            "!none;!brand",
        ] {
            assert!(!matches(q), "{q}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused_with_the_reason() {
        let nested = format!("{}a{}", "(".repeat(100), ")".repeat(100));
        for q in [
            "",
            ";",
            "a==",
            "a==1;",
            "==1",
            "(a",
            "a)",
            "a b==1",
            "a==\"x",
            "a>1,2",
            "a~=[",
            "a~=x**",
            "!a==1",
            "!",
            "a~=(a{1000}){1000}",
            "a[b==1",
            nested.as_str(),
        ] {
            assert!(Query::parse(q, &Context::core()).is_err(), "{q}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(q in "[a-c.\\[\\](){}|;,=<>~!\"\\\\ 0-9é]{0,40}") {
            let _ = Query::parse(&q, &Context::core());
        }
    }
}
