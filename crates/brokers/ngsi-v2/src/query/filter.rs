//! The Simple Query Language, for attribute values (`q`) and for metadata (`mq`).

use std::cmp::Ordering;

use morgana_engine::Pattern;

use super::{
    compare::compare_json,
    select::compile,
    target::Path,
    value::{Literal, Operand, parse_operand, split_unquoted},
};
use crate::{
    Error,
    model::{Entity, Json},
};

/// Statements that an entity must all meet.
#[derive(Debug, Clone)]
pub struct Filter {
    statements: Vec<Statement>,
    /// Whether what is missing must be missed in an attribute that is there.
    strict: bool,
}

#[derive(Debug, Clone)]
struct Statement {
    path: Path,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Exists,
    Missing,
    Equal(Operand),
    Unequal(Operand),
    Less(Literal),
    LessOrEqual(Literal),
    Greater(Literal),
    GreaterOrEqual(Literal),
    Matches(Pattern),
}

/// Operators in the order they are looked for: longer ones first.
const OPERATORS: [&str; 8] = ["==", "!=", ">=", "<=", "~=", ">", "<", ":"];

impl Filter {
    /// Reads a filter of attribute values.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn parse_q(text: &str) -> Result<Self, Error> {
        Self::parse(text, Path::of_attribute)
    }

    /// Reads a filter of metadata.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn parse_mq(text: &str) -> Result<Self, Error> {
        Self::parse(text, Path::of_metadata)
    }

    fn parse(text: &str, path: impl Fn(&str) -> Result<Path, Error>) -> Result<Self, Error> {
        let trimmed = text.trim();
        if trimmed == ";" {
            return Err(Error::bad("empty q"));
        }
        let mut items = split_unquoted(trimmed, ";");
        // One semicolon at the end is no further statement.
        if items.len() > 1 && items.last().is_some_and(|item| item.trim().is_empty()) {
            items.pop();
        }
        let statements = items
            .into_iter()
            .map(|item| match item.trim() {
                "" => Err(Error::bad("empty q-item")),
                item => Statement::parse(item, &path),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { statements, strict: false })
    }

    /// The filter as subscriptions use it: a metadata element is only missing in an attribute that is there.
    pub(crate) fn for_subscription(self) -> Self {
        Self { strict: true, ..self }
    }

    /// Whether `entity` meets all statements.
    pub fn matches(&self, entity: &Entity) -> bool {
        self.statements.iter().all(|statement| statement.matches(entity, self.strict))
    }
}

impl Statement {
    fn parse(item: &str, path: &impl Fn(&str) -> Result<Path, Error>) -> Result<Self, Error> {
        let Some((at, operator)) = find_operator(item) else {
            return match item.strip_prefix('!') {
                Some(rest) if rest.trim().is_empty() => Err(Error::bad("empty right-hand-side in q-item")),
                Some(rest) => Ok(Self { path: path(rest.trim())?, test: Test::Missing }),
                None => Ok(Self { path: path(item)?, test: Test::Exists }),
            };
        };
        let (left, right) = (item[..at].trim(), item[at + operator.len()..].trim());
        if left.is_empty() {
            return Err(Error::bad("empty left-hand-side in q-item"));
        }
        if right.is_empty() {
            return Err(Error::bad("empty right-hand-side in q-item"));
        }
        let path = path(left)?;
        let one = || match parse_operand(right, false)? {
            Operand::One(literal) => Ok(literal),
            Operand::List(_) | Operand::Range(..) => Err(Error::bad("empty right-hand-side in q-item")),
        };
        let test = match operator {
            "==" | ":" => Test::Equal(parse_operand(right, true)?),
            "!=" => Test::Unequal(parse_operand(right, true)?),
            ">=" => Test::GreaterOrEqual(one()?),
            "<=" => Test::LessOrEqual(one()?),
            ">" => Test::Greater(one()?),
            "<" => Test::Less(one()?),
            _ if right.contains('\'') => return Err(Error::bad("forbidden characters in String Filter")),
            _ => Test::Matches(compile(right).map_err(|_| Error::bad("invalid regex in q-item"))?),
        };
        Ok(Self { path, test })
    }

    fn matches(&self, entity: &Entity, strict: bool) -> bool {
        let Some(target) = self.path.find(entity) else {
            return matches!(self.test, Test::Missing) && (!strict || self.path.may_be_missing(entity));
        };
        match &self.test {
            Test::Exists => true,
            Test::Missing => false,
            Test::Equal(operand) => target.any(|value| equals(value, operand)),
            Test::Unequal(operand) => !target.any(|value| equals(value, operand)),
            Test::Less(literal) => target.any(|value| compare(value, literal) == Some(Ordering::Less)),
            Test::LessOrEqual(literal) => {
                target.any(|value| compare(value, literal).is_some_and(Ordering::is_le))
            }
            Test::Greater(literal) => target.any(|value| compare(value, literal) == Some(Ordering::Greater)),
            Test::GreaterOrEqual(literal) => {
                target.any(|value| compare(value, literal).is_some_and(Ordering::is_ge))
            }
            Test::Matches(pattern) => {
                target.is_text()
                    && target.any(|value| match value {
                        Json::String(text) => pattern.is_match(text),
                        _ => false,
                    })
            }
        }
    }
}

/// The first operator outside of quotes, and where it is.
fn find_operator(item: &str) -> Option<(usize, &'static str)> {
    let mut quoted = false;
    for (index, byte) in item.bytes().enumerate() {
        if byte == b'\'' {
            quoted = !quoted;
        } else if !quoted
            && let Some(operator) = OPERATORS
                .into_iter()
                .find(|operator| item.as_bytes()[index..].starts_with(operator.as_bytes()))
        {
            return Some((index, operator));
        }
    }
    None
}

fn equals(value: &Json, operand: &Operand) -> bool {
    match operand {
        Operand::One(literal) => *value == literal.value,
        Operand::List(literals) => literals.iter().any(|literal| *value == literal.value),
        Operand::Range(from, to) => {
            compare(value, from).is_some_and(Ordering::is_ge)
                && compare(value, to).is_some_and(Ordering::is_le)
        }
    }
}

/// Values of different types have no order here.
fn compare(value: &Json, literal: &Literal) -> Option<Ordering> {
    let comparable = matches!(
        (value, &literal.value),
        (Json::Number(_), Json::Number(_))
            | (Json::String(_), Json::String(_))
            | (Json::Bool(_), Json::Bool(_))
    );
    comparable.then(|| compare_json(value, &literal.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        change::create,
        input::{IdRule, parse_entity},
        model::Time,
    };

    fn entity() -> Entity {
        let body = br#"{"id":"e","type":"T","t":{"value":20,"metadata":{"a":{"value":5},"s":{"value":"x"}}},
            "color":{"value":"black"},"list":{"value":["a","b"]},"open":{"value":true},"none":{"value":null},
            "at":{"type":"DateTime","value":"2016-07-22T10:42:42Z"},"a.b":{"value":{"w":{"x.y":7}}}}"#;
        let input = parse_entity(&Json::parse(body).unwrap(), IdRule::Body, false).unwrap();
        create(&input, "T", "/", Time::from_millis(1000)).unwrap().entity
    }

    #[test]
    fn statements_are_met_by_values() {
        let entity = entity();
        for (q, met) in [
            ("t", true),
            ("!t", false),
            ("x", false),
            ("!x", true),
            ("t==20", true),
            ("t:20", true),
            ("t==20;", true),
            ("t==20;color==red", false),
            ("t=='20'", false),
            ("t!=20", false),
            ("t!=21", true),
            ("t!='20'", true),
            ("x!=1", false),
            ("t>19", true),
            ("t>20", false),
            ("t>=20", true),
            ("t<20", false),
            ("t<=20", true),
            ("t==10..20", true),
            ("t!=10..20", false),
            ("t==1,20", true),
            ("t!=1,2", true),
            ("color==black", true),
            ("color==red,black", true),
            ("color~=ac", true),
            ("color~=^a", false),
            ("color>black", false),
            ("color>=a", true),
            ("color>1", false),
            ("list==a", true),
            ("list!=a", false),
            ("list!=c", true),
            ("list==c,b", true),
            ("open==true", true),
            ("open==false", false),
            ("none==null", true),
            ("none!=null", false),
            ("at>2016-01-01", true),
            ("at<2016-07-22T10:42:42.001Z", true),
            ("at==2016-07-22T12:42:42+02", true),
            ("at==2016-01-01..2017-01-01", true),
            ("'a.b'.w.'x.y'==7", true),
            ("a.b.w==7", false),
            ("dateCreated<2000-01-01", true),
        ] {
            assert_eq!(Filter::parse_q(q).unwrap().matches(&entity), met, "{q}");
        }
        for (mq, met) in
            [("t.a==5", true), ("t.a>5", false), ("t.s~=x", true), ("t.z", false), ("!t.z", true)]
        {
            assert_eq!(Filter::parse_mq(mq).unwrap().matches(&entity), met, "{mq}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_with_a_reason() {
        for (q, words) in [
            ("", "empty q-item"),
            ("a;;b", "empty q-item"),
            ("==1", "empty left-hand-side in q-item"),
            ("a==", "empty right-hand-side in q-item"),
            ("a>1..2", "ranges only valid for equal and not equal ops"),
            ("a>1,2", "lists only valid for equal and not equal ops"),
            ("a==1,,2", "empty item in list"),
            ("a==1..", "empty item in range"),
            ("a==1..b", "invalid range: types mixed"),
            ("a=='b", "non-terminated forced string"),
            ("a=='b'c'", "quote in forced string"),
            (";", "empty q"),
        ] {
            assert_eq!(Filter::parse_q(q).unwrap_err().description(), words, "{q}");
        }
    }
}
