use std::cmp::Ordering;

use crate::model::Json;

/// The order of values of all types, from low to high ("Ordering Results").
pub(crate) fn compare_json(one: &Json, other: &Json) -> Ordering {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one.total_cmp(other),
        (Json::String(one), Json::String(other)) => one.cmp(other),
        (Json::Bool(one), Json::Bool(other)) => one.cmp(other),
        (Json::Array(one), Json::Array(other)) => compare_items(one.iter(), other.iter(), compare_json),
        (Json::Object(one), Json::Object(other)) => compare_items(one.iter(), other.iter(), |one, other| {
            one.0.cmp(&other.0).then_with(|| compare_json(&one.1, &other.1))
        }),
        _ => rank(one).cmp(&rank(other)),
    }
}

fn compare_items<T>(
    mut one: impl Iterator<Item = T>,
    mut other: impl Iterator<Item = T>,
    compare: impl Fn(T, T) -> Ordering,
) -> Ordering {
    loop {
        match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => match compare(one, other) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

fn rank(value: &Json) -> u8 {
    match value {
        Json::Null => 0,
        Json::Number(_) => 1,
        Json::String(_) => 2,
        Json::Object(_) => 3,
        Json::Array(_) => 4,
        Json::Bool(_) => 5,
    }
}
