//! Places of entities, and how they lie to each other.

use geo::{
    BoundingRect, Contains, Coord, CoordsIter, Distance, Haversine, HaversineClosestPoint, Intersects,
    LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon, Rect, Relate,
};

use super::{Entity, Json, entity::ignores_type};

/// A place on the Earth: a geometry in longitude and latitude.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape(geo::Geometry<f64>);

impl Shape {
    /// A point.
    pub(crate) fn point(latitude: f64, longitude: f64) -> Self {
        Self(Point::new(longitude, latitude).into())
    }

    /// A line through points, each latitude and longitude.
    pub(crate) fn line(points: &[(f64, f64)]) -> Self {
        Self(line_string(points).into())
    }

    /// A polygon along points, each latitude and longitude.
    pub(crate) fn polygon(points: &[(f64, f64)]) -> Self {
        Self(Polygon::new(line_string(points), Vec::new()).into())
    }

    /// A box between two corners, each latitude and longitude.
    pub(crate) fn rectangle(one: (f64, f64), other: (f64, f64)) -> Self {
        let corners = Rect::new(coord(one), coord(other));
        Self(corners.to_polygon().into())
    }

    /// The place that a value of one of the `geo:` types describes.
    pub(crate) fn parse(kind: &str, value: &Json) -> Result<Self, GeoErrorText> {
        match kind {
            "geo:point" => {
                let text = value.as_str().ok_or("geo:point needs a string as value")?;
                let (latitude, longitude) = parse_coordinates(text)?;
                Ok(Self::point(latitude, longitude))
            }
            "geo:json" => match value {
                Json::Object(_) => parse_geojson(value).map(Self).ok_or_else(|| "Database Error".into()),
                _ => Err("geo:json needs an object or null as value".into()),
            },
            _ => {
                let texts: Option<Vec<&str>> =
                    value.as_array().and_then(|items| items.iter().map(Json::as_str).collect());
                let texts =
                    texts.ok_or("geo:line, geo:box and geo:polygon needs array of strings as value")?;
                let points = texts.into_iter().map(parse_coordinates).collect::<Result<Vec<_>, _>>()?;
                Self::simple(kind, &points)
            }
        }
    }

    fn simple(kind: &str, points: &[(f64, f64)]) -> Result<Self, GeoErrorText> {
        match (kind, points) {
            ("geo:line", [_, _, ..]) => Ok(Self::line(points)),
            ("geo:line", _) => Err("geo:line uses at least 2 coordinates".into()),
            ("geo:box", [one, other]) => Ok(Self::rectangle(*one, *other)),
            ("geo:box", _) => Err("geo:box uses exactly 2 coordinates".into()),
            (_, [first, _, _, .., last]) if first == last => Ok(Self::polygon(points)),
            (_, [_, _, _, _, ..]) => Err("geo:polygon first and last coordinates must match".into()),
            _ => Err("geo:polygon uses at least 4 coordinates".into()),
        }
    }

    /// Meters between the nearest points of the two.
    pub(crate) fn distance(&self, point: &Self) -> f64 {
        let geo::Geometry::Point(from) = point.0 else { return f64::INFINITY };
        match &self.0 {
            geo::Geometry::Point(to) => Haversine.distance(from, *to),
            geo::Geometry::MultiPoint(points) => {
                points.iter().map(|to| Haversine.distance(from, *to)).fold(f64::INFINITY, f64::min)
            }
            other if other.intersects(&from) => 0.0,
            other => match other.haversine_closest_point(&from) {
                geo::Closest::SinglePoint(to) => Haversine.distance(from, to),
                geo::Closest::Intersection(_) => 0.0,
                geo::Closest::Indeterminate => other
                    .coords_iter()
                    .map(|to| Haversine.distance(from, to.into()))
                    .fold(f64::INFINITY, f64::min),
            },
        }
    }

    /// Whether all of this lies in `other`, its border included.
    pub(crate) fn covered_by(&self, other: &Self) -> bool {
        match &self.0 {
            geo::Geometry::Point(point) => other.0.intersects(point),
            inner => other.0.contains(inner) || other.0.relate(inner).is_covers(),
        }
    }

    /// Whether the two have a point in common.
    pub(crate) fn intersects(&self, other: &Self) -> bool {
        let apart = match (self.0.bounding_rect(), other.0.bounding_rect()) {
            (Some(one), Some(other)) => !one.intersects(&other),
            _ => true,
        };
        !apart && self.0.intersects(&other.0)
    }

    /// Whether the two are written with the same points, of a box its corners.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self == other || self.0.relate(&other.0).is_equal_topo()
    }

    /// Whether the two corners of a box span an area.
    pub(crate) fn is_real_box(one: (f64, f64), other: (f64, f64)) -> bool {
        one.0 != other.0 && one.1 != other.1
    }
}

/// Why a value is no place, in Orion's words.
pub(crate) type GeoErrorText = std::borrow::Cow<'static, str>;

fn coord((latitude, longitude): (f64, f64)) -> Coord<f64> {
    Coord { x: longitude, y: latitude }
}

fn line_string(points: &[(f64, f64)]) -> LineString<f64> {
    points.iter().map(|point| coord(*point)).collect()
}

/// Reads `latitude, longitude`.
pub(crate) fn parse_coordinates(text: &str) -> Result<(f64, f64), GeoErrorText> {
    let read = || {
        let (latitude, longitude) = text.split_once(',')?;
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let (latitude, longitude) = (number(latitude)?, number(longitude)?);
        (latitude.abs() <= 90.0 && longitude.abs() <= 180.0).then_some((latitude, longitude))
    };
    read().ok_or_else(|| format!("geo coordinates format error [see Orion user manual]: {text}").into())
}

fn parse_geojson(value: &Json) -> Option<geo::Geometry<f64>> {
    let coordinates = value.get("coordinates");
    let line = |value: &Json| -> Option<LineString<f64>> { value.as_array()?.iter().map(position).collect() };
    let polygon = |value: &Json| -> Option<Polygon<f64>> {
        let mut rings = value.as_array()?.iter().map(line).collect::<Option<Vec<_>>>()?.into_iter();
        let outer = rings.next()?;
        let closed = |ring: &LineString<f64>| ring.0.len() >= 4 && ring.is_closed();
        let inner: Vec<_> = rings.collect();
        (closed(&outer) && inner.iter().all(closed)).then(|| Polygon::new(outer, inner))
    };
    Some(match value.get("type")?.as_str()? {
        "Point" => Point(position(coordinates?)?).into(),
        "MultiPoint" => {
            let points = coordinates?.as_array()?.iter().map(|value| position(value).map(Point));
            MultiPoint(points.collect::<Option<Vec<_>>>()?).into()
        }
        "LineString" => line(coordinates?).filter(|line| line.0.len() >= 2)?.into(),
        "MultiLineString" => {
            MultiLineString(coordinates?.as_array()?.iter().map(line).collect::<Option<Vec<_>>>()?).into()
        }
        "Polygon" => polygon(coordinates?)?.into(),
        "MultiPolygon" => {
            MultiPolygon(coordinates?.as_array()?.iter().map(polygon).collect::<Option<Vec<_>>>()?).into()
        }
        "Feature" => parse_geojson(value.get("geometry")?)?,
        "FeatureCollection" => match value.get("features")?.as_array()? {
            [feature] => parse_geojson(feature)?,
            _ => return None,
        },
        _ => return None,
    })
}

fn position(value: &Json) -> Option<Coord<f64>> {
    let [x, y, ..] = value.as_array()? else { return None };
    let (x, y) = (x.as_f64()?, y.as_f64()?);
    (x.abs() <= 180.0 && y.abs() <= 90.0).then_some(Coord { x, y })
}

/// The place of an entity: that of its one location attribute; of several, the one that says it is the default.
pub(crate) fn location_of(entity: &Entity) -> Option<Shape> {
    let mut locations = entity.attributes.iter().filter(|attribute| attribute.is_location());
    let attribute = locations.next()?;
    debug_assert!(!ignores_type(&attribute.metadata));
    Shape::parse(&attribute.kind, &attribute.value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: &str, json: &str) -> Result<Shape, GeoErrorText> {
        Shape::parse(kind, &Json::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn values_of_the_geo_types_are_places() {
        let square = parse("geo:polygon", r#"["0,0","0,10","10,10","10,0","0,0"]"#).unwrap();
        let inside = parse("geo:point", r#""5, 5""#).unwrap();
        let border = parse("geo:json", r#"{"type":"Point","coordinates":[10,5]}"#).unwrap();
        let outside = parse("geo:point", r#""11,5""#).unwrap();
        assert!(inside.covered_by(&square) && border.covered_by(&square) && !outside.covered_by(&square));
        let across = parse("geo:line", r#"["5,5","5,20"]"#).unwrap();
        assert!(across.intersects(&square) && !across.covered_by(&square));
        assert!(!outside.intersects(&square));
        let rectangle = parse("geo:box", r#"["0,0","10,10"]"#).unwrap();
        assert!(rectangle.equals(&square) && rectangle.covered_by(&square));
    }

    #[test]
    fn distances_are_in_meters_on_the_ground() {
        let madrid = Shape::point(40.418_889, -3.691_944);
        let leganes = Shape::point(40.316_667, -3.75);
        let meters = madrid.distance(&leganes);
        assert!((12_000.0..13_000.0).contains(&meters), "{meters}");
        let line = parse("geo:line", r#"["40.4,-3.8","40.4,-3.6"]"#).unwrap();
        assert!(line.distance(&madrid) < 2_200.0);
    }

    #[test]
    fn what_is_no_place_is_refused_with_a_reason() {
        for (kind, json, words) in [
            ("geo:point", r#""foo""#, "geo coordinates format error [see Orion user manual]: foo"),
            ("geo:line", r#""1,1""#, "geo:line, geo:box and geo:polygon needs array of strings as value"),
            ("geo:line", r#"["1,1"]"#, "geo:line uses at least 2 coordinates"),
            ("geo:polygon", r#"["1,1"]"#, "geo:polygon uses at least 4 coordinates"),
            (
                "geo:polygon",
                r#"["1,1","2,2","3,3","4,4"]"#,
                "geo:polygon first and last coordinates must match",
            ),
            ("geo:json", "1", "geo:json needs an object or null as value"),
        ] {
            assert_eq!(parse(kind, json).unwrap_err(), words);
        }
        assert!(parse("geo:json", r#"{"type":"Point","coordinates":[200,5]}"#).is_err());
    }
}
