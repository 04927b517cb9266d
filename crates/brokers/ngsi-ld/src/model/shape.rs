//! GeoJSON to shapes that can be measured and compared.

use geo::{Coord, Geometry, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon};

use super::{Json, geometry};
use crate::Error;

/// The shape that a GeoJSON geometry describes. `what` names it for the error.
pub(crate) fn shape(json: &Json, what: &str) -> Result<Geometry, Error> {
    geometry::check(json, what)?;
    let bad = || Error::bad(format!("{what} must be a GeoJSON geometry (NGSI-LD 4.7)"));
    let kind = json.get("type").and_then(Json::as_str).ok_or_else(bad)?;
    let coordinates = json.get("coordinates").ok_or_else(bad)?;
    let shape = match kind {
        "Point" => coordinate(coordinates).map(|at| Geometry::Point(Point(at))),
        "MultiPoint" => line(coordinates).map(|line| MultiPoint(line.into_points()).into()),
        "LineString" => line(coordinates).map(Geometry::LineString),
        "MultiLineString" => each(coordinates, line).map(|lines| MultiLineString(lines).into()),
        "Polygon" => polygon(coordinates).map(Geometry::Polygon),
        _ => each(coordinates, polygon).map(|polygons| MultiPolygon(polygons).into()),
    };
    shape.ok_or_else(bad)
}

fn each<T>(json: &Json, read: impl Fn(&Json) -> Option<T>) -> Option<Vec<T>> {
    json.as_array()?.iter().map(read).collect()
}

fn coordinate(json: &Json) -> Option<Coord> {
    let position = json.as_array()?;
    Some(Coord { x: position.first()?.as_f64()?, y: position.get(1)?.as_f64()? })
}

fn line(json: &Json) -> Option<LineString> {
    each(json, coordinate).map(LineString)
}

fn polygon(json: &Json) -> Option<Polygon> {
    let mut rings = each(json, line)?.into_iter();
    Some(Polygon::new(rings.next()?, rings.collect()))
}
