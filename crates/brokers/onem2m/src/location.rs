//! Places (the attribute `loc`, TS-0001 9.6.1.3): `{"typ": n, "crd": "GeoJSON coordinates"}`.

use serde_json::Value;

/// A geometry as GeoJSON has it; positions are (longitude, latitude).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Geometry {
    /// m2m:geometryType: 1 Point, 2 LineString, 3 Polygon, 4 MultiPoint, 5 MultiLineString, 6 MultiPolygon.
    pub(crate) kind: u64,
    pub(crate) positions: Vec<(f64, f64)>,
}

impl Geometry {
    /// Reads the attribute `loc`.
    pub(crate) fn of(value: &Value) -> Result<Self, &'static str> {
        let object = value.as_object().ok_or("it must be an object with typ and crd")?;
        if object.keys().any(|key| key != "typ" && key != "crd") {
            return Err("it has members other than typ and crd");
        }
        let kind = object.get("typ").and_then(Value::as_u64).ok_or("its member typ must be a number")?;
        let text = object.get("crd").and_then(Value::as_str).ok_or("its member crd must be a string")?;
        let coordinates: Value =
            serde_json::from_str(text).map_err(|_| "its member crd must be JSON in a string")?;
        Self::from_parts(kind, &coordinates)
    }

    /// Reads a geometry from its type and its GeoJSON coordinates.
    pub(crate) fn from_parts(kind: u64, coordinates: &Value) -> Result<Self, &'static str> {
        const DEPTHS: [usize; 6] = [0, 1, 2, 1, 2, 3];
        let depth = kind.checked_sub(1).and_then(|index| DEPTHS.get(usize::try_from(index).ok()?));
        let depth = *depth.ok_or("its member typ must be 1 to 6")?;
        let mut positions = Vec::new();
        collect(coordinates, depth, &mut positions).ok_or("its coordinates do not fit its type")?;
        let enough = match kind {
            1 => positions.len() == 1,
            2 => positions.len() >= 2,
            3 => positions.len() >= 4 && positions.first() == positions.last(),
            _ => !positions.is_empty(),
        };
        if enough {
            Ok(Self { kind, positions })
        } else {
            Err("it has too few positions for its type, or is not closed")
        }
    }

    /// Whether all of `other` is within this polygon, or at this place.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.positions.iter().all(|position| match self.kind {
            3 => self.has_inside(*position),
            _ => self.positions.contains(position),
        })
    }

    /// Whether some of `other` is within this polygon, or at this place, or the other way round.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let touches = |a: &Self, b: &Self| {
            b.positions.iter().any(|position| match a.kind {
                3 => a.has_inside(*position),
                _ => a.positions.contains(position),
            })
        };
        touches(self, other) || touches(other, self)
    }

    /// Even-odd rule over the outer ring.
    fn has_inside(&self, (x, y): (f64, f64)) -> bool {
        let mut inside = false;
        for pair in self.positions.windows(2) {
            let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
            if (x1, y1) == (x, y) || (x2, y2) == (x, y) {
                return true;
            }
            if (y1 > y) != (y2 > y) && x < (x2 - x1) * (y - y1) / (y2 - y1) + x1 {
                inside = !inside;
            }
        }
        inside
    }
}

/// A region for geo-fences (the attribute `gta` of a locationPolicy), as a GeoJSON polygon whose ring need not be closed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Area(Geometry);

impl Area {
    /// Reads `{"type": "Polygon", "coordinates": [[[x, y], ...]]}`, also as JSON in a string.
    pub(crate) fn of(value: &Value) -> Result<Self, &'static str> {
        let object = from_text(value).ok_or("it must be a GeoJSON polygon")?;
        if object.get("type").and_then(Value::as_str) != Some("Polygon") {
            return Err("its type must be Polygon");
        }
        let mut positions = Vec::new();
        let coordinates = object.get("coordinates").unwrap_or(&Value::Null);
        collect(coordinates, 2, &mut positions).ok_or("its coordinates are not those of a polygon")?;
        if positions.first() != positions.last() {
            positions.extend(positions.first().copied());
        }
        if positions.len() < 4 {
            return Err("a polygon has at least three corners");
        }
        Ok(Self(Geometry { kind: 3, positions }))
    }

    /// Whether a GeoJSON point is inside; nothing when it is none.
    pub(crate) fn has(&self, point: &Value) -> Option<bool> {
        let object = from_text(point)?;
        let mut positions = Vec::new();
        if object.get("type").and_then(Value::as_str) != Some("Point") {
            return None;
        }
        collect(object.get("coordinates")?, 0, &mut positions)?;
        Some(self.0.has_inside(*positions.first()?))
    }
}

/// An object, or the object that a string holds as JSON.
fn from_text(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => serde_json::from_str(text).ok().filter(Value::is_object),
        Value::Object(_) => Some(value.clone()),
        _ => None,
    }
}

fn collect(value: &Value, depth: usize, positions: &mut Vec<(f64, f64)>) -> Option<()> {
    let list = value.as_array()?;
    if depth > 0 {
        return list.iter().try_for_each(|entry| collect(entry, depth - 1, positions));
    }
    let [x, y, ..] = list.as_slice() else { return None };
    positions.push((x.as_f64()?, y.as_f64()?));
    Some(())
}
