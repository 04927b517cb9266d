//! GeoJSON geometries (RFC 7946) as NGSI-LD 4.7 allows them.

use super::{Json, shorten};
use crate::Error;

/// The geometry types and how deep their coordinates nest; a position has depth 0.
const TYPES: [(&str, usize); 6] = [
    ("Point", 0),
    ("MultiPoint", 1),
    ("LineString", 1),
    ("MultiLineString", 2),
    ("Polygon", 2),
    ("MultiPolygon", 3),
];

/// Whether `json` looks like a geometry: an object with one of the types and coordinates.
pub(super) fn is_geometry(json: &Json) -> bool {
    let kind = json.get("type").and_then(Json::as_str);
    kind.is_some_and(|kind| TYPES.iter().any(|(name, _)| *name == kind)) && json.get("coordinates").is_some()
}

/// Checks that `json` is a geometry. `what` names the attribute for the error.
pub(super) fn check(json: &Json, what: &str) -> Result<(), Error> {
    let bad = |why: &str| Error::bad(format!("{what} must be a GeoJSON geometry (NGSI-LD 4.7): {why}"));
    let kind = json.get("type").and_then(Json::as_str).ok_or_else(|| bad("it has no type"))?;
    let depth = TYPES.iter().find(|(name, _)| *name == kind).map(|(_, depth)| *depth);
    let depth = depth.ok_or_else(|| {
        let names: Vec<_> = TYPES.iter().map(|(name, _)| *name).collect();
        bad(&format!("its type \"{}\" is not one of {}", shorten(kind), names.join(", ")))
    })?;
    let coordinates = json.get("coordinates").ok_or_else(|| bad("it has no coordinates"))?;
    if !nested(coordinates, depth) {
        return Err(bad(&format!("its coordinates are not those of a {kind}")));
    }
    let parts: &[Json] = match (kind, coordinates) {
        ("LineString", line) => std::slice::from_ref(line),
        ("MultiLineString" | "Polygon", Json::Array(parts)) => parts,
        _ => &[],
    };
    for part in parts.iter().filter_map(Json::as_array) {
        if kind == "Polygon" && (part.len() < 4 || part.first() != part.last()) {
            return Err(bad("a ring has at least four positions, and the last is the first"));
        }
        if part.len() < 2 {
            return Err(bad("a line has at least two positions"));
        }
    }
    Ok(())
}

fn nested(json: &Json, depth: usize) -> bool {
    let Some(items) = json.as_array() else { return false };
    if depth == 0 {
        return matches!(items.len(), 2..=4)
            && items.iter().all(|item| item.as_f64().is_some_and(f64::is_finite));
    }
    !items.is_empty() && items.iter().all(|item| nested(item, depth - 1))
}
