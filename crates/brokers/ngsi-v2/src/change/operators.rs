//! Update operators: `$inc` and its like ("Update operators for attribute values").

use std::cmp::Ordering;

use crate::{
    Error, ErrorKind,
    model::{Json, Time, is_date_type},
    query::compare_json,
};

const OPERATORS: [&str; 10] =
    ["$inc", "$mul", "$min", "$max", "$push", "$addToSet", "$pull", "$pullAll", "$set", "$unset"];

/// Whether a value is an update operator rather than a value.
pub(crate) fn is_operation(value: &Json) -> bool {
    value.as_object().is_some_and(|members| members.iter().any(|(name, _)| OPERATORS.contains(&&**name)))
}

/// Whether an operator adds one object or array to an array.
pub(super) fn nests(value: &Json) -> bool {
    let first = value.as_object().and_then(|members| members.first());
    first.is_some_and(|(name, argument)| {
        matches!(&**name, "$push" | "$addToSet")
            && matches!(argument, Json::Object(_) | Json::Array(_))
            && argument.get("$each").is_none()
    })
}

/// What an operator makes of `old`; `None` when there was no value and there is still none.
///
/// # Errors
/// When the operator does not fit the value.
pub(super) fn operate(kind: &str, old: Option<&Json>, operation: &Json) -> Result<Option<Json>, Error> {
    let members = operation.as_object().unwrap_or_default();
    let of = |name: &str| members.iter().find(|(key, _)| &**key == name).map(|(_, value)| value);
    let set = of("$set");
    let unset = of("$unset");
    if set.is_some() || unset.is_some() {
        return set_and_unset(old, set, unset);
    }
    let Some((operator, argument)) = members.iter().find(|(name, _)| OPERATORS.contains(&&**name)) else {
        return Ok(Some(operation.clone()));
    };
    match &**operator {
        "$inc" => arithmetic("increment", old, argument, |old, by| old + by).map(Some),
        "$mul" => arithmetic("multiply", old, argument, |old, by| old * by).map(Some),
        "$min" => extreme(kind, old, argument, Ordering::Less).map(Some),
        "$max" => extreme(kind, old, argument, Ordering::Greater).map(Some),
        "$push" => {
            let mut items = array(old, "$push")?.to_vec();
            let at = position(argument, items.len())?;
            items.splice(at..at, each(argument).iter().cloned());
            Ok(Some(items.into()))
        }
        "$addToSet" => {
            let mut items = array(old, "$addToSet")?.to_vec();
            for item in each(argument) {
                if !items.contains(item) {
                    items.push(item.clone());
                }
            }
            Ok(Some(items.into()))
        }
        "$pull" => pulled(old, "$pull", |item| item == argument),
        _ => {
            let unwanted = argument.as_array().ok_or_else(|| wrong("$pullAll needs an array"))?;
            pulled(old, "$pullAll", |item| unwanted.contains(item))
        }
    }
}

/// Orion hands the error of its database on as an internal one.
fn wrong(description: impl Into<String>) -> Error {
    Error::new(ErrorKind::InternalServerError, description)
}

fn arithmetic(what: &str, old: Option<&Json>, by: &Json, act: fn(f64, f64) -> f64) -> Result<Json, Error> {
    let by = by.as_f64().ok_or_else(|| wrong(format!("Cannot {what} with non-numeric argument")))?;
    let old = match old {
        None => 0.0,
        Some(old) => old.as_f64().ok_or_else(|| wrong(format!("Cannot {what} a value that is no number")))?,
    };
    Ok(Json::Number(act(old, by)))
}

fn extreme(kind: &str, old: Option<&Json>, argument: &Json, wanted: Ordering) -> Result<Json, Error> {
    let argument = match argument.as_str().filter(|_| is_date_type(kind)) {
        Some(text) => match Time::parse(text) {
            Some(time) => Json::from(&*time.to_string()),
            None => return Err(Error::bad("date has invalid format in attribute value")),
        },
        None => argument.clone(),
    };
    let first = if is_date_type(kind) { Json::from("1970-01-01T00:00:00.000Z") } else { Json::Number(0.0) };
    let old = old.unwrap_or(&first);
    Ok(if compare_json(&argument, old) == wanted { argument } else { old.clone() })
}

/// The items to add: those of `$each`, or the argument itself.
fn each(argument: &Json) -> &[Json] {
    argument.get("$each").and_then(Json::as_array).unwrap_or(std::slice::from_ref(argument))
}

/// Where to add: at `$position`, which counts from the end when it is negative; otherwise behind all.
fn position(argument: &Json, length: usize) -> Result<usize, Error> {
    let Some(position) = argument.get("$position").filter(|_| argument.get("$each").is_some()) else {
        return Ok(length);
    };
    match position.as_f64().filter(|at| at.fract() == 0.0) {
        // Beyond either end it is that end.
        Some(at) if at < 0.0 => Ok((length as f64 + at).max(0.0) as usize),
        Some(at) => Ok(at.min(length as f64) as usize),
        None => Err(wrong("$position needs a whole number")),
    }
}

fn array<'a>(old: Option<&'a Json>, operator: &str) -> Result<&'a [Json], Error> {
    match old {
        None => Ok(&[]),
        Some(old) => old.as_array().ok_or_else(|| wrong(format!("{operator} works on arrays only"))),
    }
}

fn pulled(
    old: Option<&Json>,
    operator: &str,
    unwanted: impl Fn(&Json) -> bool,
) -> Result<Option<Json>, Error> {
    if old.is_none() {
        return Ok(None);
    }
    let kept = array(old, operator)?.iter().filter(|item| !unwanted(item)).cloned();
    Ok(Some(Json::Array(kept.collect())))
}

fn set_and_unset(
    old: Option<&Json>,
    set: Option<&Json>,
    unset: Option<&Json>,
) -> Result<Option<Json>, Error> {
    let mut members = match (old, set) {
        // A value that is no object takes the place of whatever there was.
        (_, Some(value)) if value.as_object().is_none() => return Ok(Some(value.clone())),
        (None, None) => return Ok(None),
        (None, Some(_)) => Vec::new(),
        (Some(Json::Object(members)), _) => members.to_vec(),
        (Some(old), None) => return Ok(Some(old.clone())),
        (Some(_), Some(_)) => return Err(wrong("$set works on objects only")),
    };
    let removed = unset.and_then(Json::as_object).unwrap_or_default();
    for (name, value) in set.and_then(Json::as_object).unwrap_or_default() {
        if removed.iter().any(|(removed, _)| removed == name) {
            return Err(wrong(format!("{name} is both in $set and in $unset")));
        }
        match members.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value.clone(),
            None => members.push((name.clone(), value.clone())),
        }
    }
    members.retain(|(name, _)| !removed.iter().any(|(removed, _)| removed == name));
    Ok(Some(Json::Object(members.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(old: &str, operation: &str) -> Option<String> {
        let parse = |text: &str| Json::parse(text.as_bytes()).unwrap();
        let old = (!old.is_empty()).then(|| parse(old));
        operate("T", old.as_ref(), &parse(operation)).unwrap().map(|value| value.to_text())
    }

    #[test]
    fn operators_work_on_the_value_there_is() {
        for (old, operation, new) in [
            ("2", r#"{"$inc":2}"#, "4"),
            ("3", r#"{"$mul":2}"#, "6"),
            ("2", r#"{"$min":1}"#, "1"),
            ("2", r#"{"$max":10}"#, "10"),
            ("2", r#"{"$max":1}"#, "2"),
            ("[1,2,3]", r#"{"$push":3}"#, "[1,2,3,3]"),
            ("[1]", r#"{"$push":{"$each":[4,5]}}"#, "[1,4,5]"),
            ("[1,2]", r#"{"$push":{"$each":[-1,0],"$position":0}}"#, "[-1,0,1,2]"),
            ("[1,2]", r#"{"$push":{"$each":[9],"$position":-1}}"#, "[1,9,2]"),
            ("[1,2]", r#"{"$push":{"$each":[9],"$position":7}}"#, "[1,2,9]"),
            ("[1,2]", r#"{"$addToSet":2}"#, "[1,2]"),
            ("[1,2]", r#"{"$addToSet":{"x":1}}"#, r#"[1,2,{"x":1}]"#),
            ("[1,2,3]", r#"{"$pull":2}"#, "[1,3]"),
            ("[1,2,3]", r#"{"$pullAll":[2,3]}"#, "[1]"),
            (r#"{"X":1,"Y":2}"#, r#"{"$set":{"Y":20,"Z":30}}"#, r#"{"X":1,"Y":20,"Z":30}"#),
            (r#"{"X":1,"Y":2}"#, r#"{"$unset":{"X":1}}"#, r#"{"Y":2}"#),
            (r#"{"X":1}"#, r#"{"$set":{"Y":2},"$unset":{"X":1}}"#, r#"{"Y":2}"#),
            ("1", r#"{"$set":"foo"}"#, "\"foo\""),
        ] {
            assert_eq!(made(old, operation).as_deref(), Some(new), "{old} {operation}");
        }
    }

    #[test]
    fn without_a_value_they_start_from_nothing() {
        assert_eq!(made("", r#"{"$inc":4}"#).unwrap(), "4");
        assert_eq!(made("", r#"{"$mul":4}"#).unwrap(), "0");
        assert_eq!(made("", r#"{"$push":4}"#).unwrap(), "[4]");
        assert_eq!(made("", r#"{"$set":{"X":1}}"#).unwrap(), r#"{"X":1}"#);
        for ignored in [r#"{"$pull":4}"#, r#"{"$pullAll":[4]}"#, r#"{"$unset":{"X":1}}"#] {
            assert_eq!(made("", ignored), None);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |old: &str, operation: &str| {
            let parse = |text: &str| Json::parse(text.as_bytes()).unwrap();
            operate("T", Some(&parse(old)), &parse(operation)).is_err()
        };
        assert!(refused("2", r#"{"$inc":"foo"}"#));
        assert!(refused("\"x\"", r#"{"$inc":1}"#));
        assert!(refused("\"x\"", r#"{"$push":1}"#));
        assert!(refused("[1]", r#"{"$push":{"$each":[1],"$position":"x"}}"#));
        assert!(refused("{}", r#"{"$set":{"X":1},"$unset":{"X":1}}"#));
    }
}
