//! The right-hand side of a statement.

use crate::{
    Error,
    model::{Json, Time, has_forbidden},
};

/// What a property is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    One(Literal),
    List(Vec<Literal>),
    Range(Literal, Literal),
}

/// One value. A date is its seconds since 1970, as dates are compared as numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Literal {
    pub(super) value: Json,
    pub(super) is_date: bool,
}

impl Literal {
    fn of(value: Json) -> Self {
        Self { value, is_date: false }
    }

    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.value) == std::mem::discriminant(&other.value)
            && self.is_date == other.is_date
    }
}

/// Reads the right-hand side; ranges and lists only where they make sense.
pub(super) fn parse_operand(text: &str, is_equality: bool) -> Result<Operand, Error> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::bad("empty right-hand-side in q-item"));
    }
    let items = split_unquoted(text, ",");
    if items.len() > 1 {
        if !is_equality {
            return Err(Error::bad("lists only valid for equal and not equal ops"));
        }
        return parse_list(&items);
    }
    let bounds = split_unquoted(text, "..");
    match *bounds {
        [from, to] => {
            if !is_equality {
                return Err(Error::bad("ranges only valid for equal and not equal ops"));
            }
            parse_range(from, to)
        }
        _ => Ok(Operand::One(parse_literal(text)?)),
    }
}

fn parse_list(items: &[&str]) -> Result<Operand, Error> {
    let mut literals: Vec<Literal> = Vec::with_capacity(items.len());
    for item in items {
        if item.trim().is_empty() {
            return Err(Error::bad("empty item in list"));
        }
        let literal = parse_literal(item)?;
        // `null` goes with texts, but not with numbers.
        let is_textual = |literal: &Literal| matches!(literal.value, Json::Null | Json::String(_));
        let fits = is_textual(&literal) || matches!(literal.value, Json::Number(_));
        let is_like =
            |known: &Literal| known.is_like(&literal) || (is_textual(known) && is_textual(&literal));
        if !fits || !literals.iter().all(is_like) {
            return Err(Error::bad("invalid JSON value type in list"));
        }
        literals.push(literal);
    }
    Ok(Operand::List(literals))
}

fn parse_range(from: &str, to: &str) -> Result<Operand, Error> {
    if from.trim().is_empty() || to.trim().is_empty() {
        return Err(Error::bad("empty item in range"));
    }
    let (from, to) = (parse_literal(from)?, parse_literal(to)?);
    let fits = |literal: &Literal| matches!(literal.value, Json::Number(_) | Json::String(_));
    if !fits(&from) {
        return Err(Error::bad("invalid data type for /range-from/"));
    }
    if !fits(&to) {
        return Err(Error::bad("invalid data type for /range-to/"));
    }
    if !from.is_like(&to) {
        return Err(Error::bad("invalid range: types mixed"));
    }
    Ok(Operand::Range(from, to))
}

fn parse_literal(text: &str) -> Result<Literal, Error> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('\'') {
        let inner = rest.strip_suffix('\'').ok_or_else(|| Error::bad("non-terminated forced string"))?;
        if inner.contains('\'') {
            return Err(Error::bad("quote in forced string"));
        }
        return string(inner);
    }
    match text {
        "true" => return Ok(Literal::of(Json::Bool(true))),
        "false" => return Ok(Literal::of(Json::Bool(false))),
        "null" => return Ok(Literal::of(Json::Null)),
        _ => {}
    }
    let starts_like_number =
        text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'));
    if starts_like_number && let Ok(number) = text.parse::<f64>() {
        return Ok(Literal::of(Json::Number(number)));
    }
    if let Some(time) = Time::parse(text) {
        return Ok(Literal { value: Json::Number(time.as_seconds()), is_date: true });
    }
    string(text)
}

fn string(text: &str) -> Result<Literal, Error> {
    if has_forbidden(text) {
        return Err(Error::bad("forbidden characters in String Filter"));
    }
    Ok(Literal::of(text.into()))
}

/// The parts of a text between separators outside of single quotes.
pub(super) fn split_unquoted<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut from, mut quoted, mut index) = (0, false, 0);
    while index < text.len() {
        let rest = &text.as_bytes()[index..];
        if rest[0] == b'\'' {
            quoted = !quoted;
        } else if !quoted && rest.starts_with(separator.as_bytes()) {
            parts.push(&text[from..index]);
            index += separator.len();
            from = index;
            continue;
        }
        index += 1;
    }
    parts.push(&text[from..]);
    parts
}
