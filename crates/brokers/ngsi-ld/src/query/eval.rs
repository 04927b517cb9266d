//! A query against an entity.

use std::cmp::Ordering;

use super::{
    lexer::Operator,
    parser::{Choice, Expression, Operand, Path, Query, Term, Test},
};
use crate::model::{Attribute, Entity, Json, Kind, Timestamp};

impl Query {
    /// Whether the entity matches.
    pub(crate) fn matches(&self, entity: &Entity) -> bool {
        expression(&self.0, entity)
    }
}

fn expression(expression_: &Expression, entity: &Entity) -> bool {
    match expression_ {
        Expression::All(parts) => parts.iter().all(|part| expression(part, entity)),
        Expression::Any(parts) => parts.iter().any(|part| expression(part, entity)),
        Expression::Term(term) => self::term(term, entity),
    }
}

/// A thing that a path leads to.
#[derive(Clone, Copy)]
enum Target<'a> {
    Json(&'a Json),
    /// An expanded name, compared with expanded operands.
    Name(&'a Json),
    Time(Timestamp),
}

fn term(term: &Term, entity: &Entity) -> bool {
    let mut targets = Vec::new();
    match &*term.path.first {
        "createdAt" if term.path.names.len() == 1 => targets.push(Target::Time(entity.created_at)),
        "modifiedAt" if term.path.names.len() == 1 => targets.push(Target::Time(entity.modified_at)),
        _ => collect(&term.path, 0, &entity.attributes, &mut targets),
    }
    match &term.test {
        None => !targets.is_empty(),
        Some(Test::Pattern(pattern, wanted)) => {
            let found = |target: &Target<'_>| match target {
                Target::Json(json) | Target::Name(json) => texts(json).any(|text| pattern.is_match(text)),
                Target::Time(time) => pattern.is_match(&time.to_string()),
            };
            !targets.is_empty() && targets.iter().any(found) == *wanted
        }
        // Unequal is the contrary of equal, for what is there (NGSI-LD 4.9).
        Some(Test::Compare(Operator::Unequal, choices)) => {
            !targets.is_empty() && !targets.iter().any(|target| any_choice(*target, Operator::Equal, choices))
        }
        Some(Test::Compare(operator, choices)) => {
            targets.iter().any(|target| any_choice(*target, *operator, choices))
        }
    }
}

/// Follows the path from `attributes`, over every instance.
fn collect<'a>(path: &Path, step: usize, attributes: &'a [Attribute], targets: &mut Vec<Target<'a>>) {
    let Some((_, name)) = path.names.get(step) else { return };
    for attribute in attributes.iter().filter(|attribute| attribute.name == *name) {
        let Some((term, _)) = path.names.get(step + 1) else {
            value(attribute, &path.inside, targets);
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
fn value<'a>(attribute: &'a Attribute, inside: &[Box<str>], targets: &mut Vec<Target<'a>>) {
    match (attribute.kind, inside) {
        (Kind::VocabProperty, []) => targets.push(Target::Name(&attribute.value)),
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
        (Target::Json(Json::String(text)), Operand::Text(other, _)) => Some((**text).cmp(other)),
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
        Query::parse(q, &context).unwrap_or_else(|error| panic!("{q}: {error}")).matches(&entity)
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
