//! Geo-queries (NGSI-LD 4.10): where entities are.

use geo::{
    BoundingRect, Closest, CoordsIter, Distance, Geometry, Haversine, HaversineClosestPoint, Intersects,
    Point, Relate,
};

use crate::{
    Context, Error,
    model::{Entity, Json, Kind, Name, shape, shorten},
    store::Area,
};

/// A parsed geo-query.
#[derive(Debug, Clone)]
pub(crate) struct GeoQuery {
    property: Name,
    relation: Relation,
    reference: Geometry,
}

/// How an entity's geometry has to lie to the reference geometry.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Relation {
    /// At most so many metres away.
    Within(f64),
    /// At least so many metres away.
    Beyond(f64),
    Inside,
    Contains,
    Overlaps,
    Intersects,
    Equals,
    Disjoint,
}

/// The parts of a geo-query as a request has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GeoParts<'a> {
    pub(crate) georel: &'a str,
    pub(crate) geometry: &'a str,
    pub(crate) coordinates: &'a Json,
    pub(crate) property: Option<&'a str>,
}

impl GeoQuery {
    /// Parses a geo-query.
    pub(crate) fn parse(parts: GeoParts<'_>, context: &Context) -> Result<Self, Error> {
        let geometry = Json::Object(
            [("type".into(), parts.geometry.into()), ("coordinates".into(), parts.coordinates.clone())]
                .into(),
        );
        Ok(Self {
            property: context.name(parts.property.unwrap_or("location"), "geoproperty")?,
            relation: Relation::parse(parts.georel)?,
            reference: shape(&geometry, "the geometry of a geo-query")?,
        })
    }

    /// Reads a `geoQ` member (NGSI-LD 5.2.13).
    pub(crate) fn from_json(json: &Json, context: &Context) -> Result<Self, Error> {
        let text = |member: &str| json.get(member).and_then(Json::as_str);
        let need =
            |member: &str| text(member).ok_or_else(|| Error::bad(format!("geoQ: {member} must be a string")));
        let coordinates = match json.get("coordinates") {
            Some(Json::String(text)) => coordinates(text)?,
            Some(other) => other.clone(),
            None => return Err(Error::bad("geoQ: coordinates are missing")),
        };
        let parts = GeoParts {
            georel: need("georel")?,
            geometry: need("geometry")?,
            coordinates: &coordinates,
            property: text("geoproperty"),
        };
        Self::parse(parts, context)
    }

    /// The attribute that is looked at.
    pub(crate) fn property(&self) -> &Name {
        &self.property
    }

    /// A rectangle that everything that matches touches, west, south, east and north in degrees; `None` when what
    /// matches may be anywhere.
    pub(crate) fn area(&self) -> Option<Area> {
        let rect = self.reference.bounding_rect()?;
        let (min, max) = (rect.min(), rect.max());
        let exact = [min.x, min.y, max.x, max.y];
        match self.relation {
            Relation::Within(metres) => {
                // A degree of latitude is at least 110.5 km long; one of longitude shrinks towards the poles.
                let tall = metres / 110_000.0;
                let highest = (min.y.abs().max(max.y.abs()) + tall).min(90.0);
                let shrink = highest.to_radians().cos();
                if shrink < 0.02 {
                    return Some([-180.0, min.y - tall, 180.0, max.y + tall]);
                }
                let wide = tall / shrink;
                if min.x - wide < -180.0 || max.x + wide > 180.0 {
                    return Some([-180.0, min.y - tall, 180.0, max.y + tall]);
                }
                Some([min.x - wide, min.y - tall, max.x + wide, max.y + tall])
            }
            Relation::Inside
            | Relation::Contains
            | Relation::Overlaps
            | Relation::Intersects
            | Relation::Equals => Some(exact),
            Relation::Beyond(_) | Relation::Disjoint => None,
        }
    }

    /// Whether an instance of the entity's geo-property lies as asked.
    pub(crate) fn matches(&self, entity: &Entity) -> bool {
        entity
            .instances(&self.property)
            .filter(|attribute| attribute.kind == Kind::GeoProperty)
            .filter_map(|attribute| shape(&attribute.value, "").ok())
            .any(|target| self.relation.holds(&target, &self.reference))
    }
}

/// Reads coordinates that a URL has as JSON text.
pub(crate) fn coordinates(text: &str) -> Result<Json, Error> {
    Json::parse(text.as_bytes())
        .map_err(|_| Error::bad(format!("coordinates: \"{}\" is not a JSON array", shorten(text))))
}

impl Relation {
    fn parse(text: &str) -> Result<Self, Error> {
        let bad = || {
            Error::bad(format!(
                "georel \"{}\" is not one of near;maxDistance==metres, near;minDistance==metres, within, contains, \
                 overlaps, intersects, equals, disjoint",
                shorten(text)
            ))
        };
        let metres = |text: &str| {
            text.strip_prefix("==")?.parse().ok().filter(|metres: &f64| *metres > 0.0 && metres.is_finite())
        };
        let relation = match text {
            "within" => Some(Self::Inside),
            "contains" => Some(Self::Contains),
            "overlaps" => Some(Self::Overlaps),
            "intersects" => Some(Self::Intersects),
            "equals" => Some(Self::Equals),
            "disjoint" => Some(Self::Disjoint),
            _ => match (text.strip_prefix("near;maxDistance"), text.strip_prefix("near;minDistance")) {
                (Some(rest), _) => metres(rest).map(Self::Within),
                (None, Some(rest)) => metres(rest).map(Self::Beyond),
                (None, None) => None,
            },
        };
        relation.ok_or_else(bad)
    }

    fn holds(self, target: &Geometry, reference: &Geometry) -> bool {
        match self {
            Self::Within(metres) => distance(target, reference) <= metres,
            Self::Beyond(metres) => distance(target, reference) >= metres,
            Self::Inside => target.relate(reference).is_within(),
            Self::Contains => target.relate(reference).is_contains(),
            Self::Overlaps => target.relate(reference).is_overlaps(),
            Self::Intersects => target.relate(reference).is_intersects(),
            // The same coordinates are equal even where the shape crosses itself, which has no topology.
            Self::Equals => target == reference || target.relate(reference).is_equal_topo(),
            Self::Disjoint => target.relate(reference).is_disjoint(),
        }
    }
}

/// Metres between a GeoJSON geometry and a reference; `None` when it is no geometry.
pub(super) fn metres_to(value: &Json, reference: &Geometry) -> Option<f64> {
    shape(value, "").ok().map(|target| distance(&target, reference))
}

/// Metres between two shapes on the earth: 0 where they meet, else from the corners of one to the nearest point of the
/// other and the other way round.
fn distance(a: &Geometry, b: &Geometry) -> f64 {
    if a.intersects(b) {
        return 0.0;
    }
    let from = |corners: &Geometry, shape: &Geometry| {
        corners.coords_iter().map(|at| distance_to(Point(at), shape)).fold(f64::INFINITY, f64::min)
    };
    from(a, b).min(from(b, a))
}

fn distance_to(point: Point, shape: &Geometry) -> f64 {
    match shape.haversine_closest_point(&point) {
        Closest::Intersection(nearest) | Closest::SinglePoint(nearest) => Haversine.distance(point, nearest),
        Closest::Indeterminate => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(relation: &str, target: &str, geometry: &str, coordinates: &str) -> bool {
        let target = shape(&Json::parse(target.as_bytes()).unwrap(), "target").unwrap();
        let parts = GeoParts {
            georel: relation,
            geometry,
            coordinates: &super::coordinates(coordinates).unwrap(),
            property: None,
        };
        let query = GeoQuery::parse(parts, &Context::core()).unwrap();
        query.relation.holds(&target, &query.reference)
    }

    const POINT: &str = r#"{"type": "Point", "coordinates": [12.0, 41.0]}"#;
    const SQUARE: &str = "[[[11.0, 40.0], [13.0, 40.0], [13.0, 42.0], [11.0, 42.0], [11.0, 40.0]]]";
    const ROOM: &str = r#"{"type": "Polygon", "coordinates": [[[12.0, 41.0], [14.0, 41.0], [14.0, 43.0], [12.0, 43.0], [12.0, 41.0]]]}"#;

    #[test]
    fn relations_of_clause_4_10_hold_as_they_say() {
        // A thousandth of a degree of latitude is 111 m.
        assert!(holds("near;maxDistance==112", POINT, "Point", "[12.0, 41.001]"));
        assert!(!holds("near;maxDistance==110", POINT, "Point", "[12.0, 41.001]"));
        assert!(holds("near;minDistance==110", POINT, "Point", "[12.0, 41.001]"));
        assert!(holds("near;maxDistance==1", POINT, "Polygon", SQUARE));
        assert!(holds("within", POINT, "Polygon", SQUARE));
        assert!(!holds("within", ROOM, "Polygon", SQUARE));
        assert!(holds("overlaps", ROOM, "Polygon", SQUARE));
        assert!(holds("intersects", ROOM, "Polygon", SQUARE));
        assert!(!holds("disjoint", ROOM, "Polygon", SQUARE));
        assert!(holds("contains", ROOM, "Point", "[13.0, 42.0]"));
        assert!(holds("equals", POINT, "Point", "[12.0, 41.0]"));
        assert!(holds("disjoint", POINT, "Point", "[12.0, 42.0]"));
        let bow = "[[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]";
        let target = format!(r#"{{"type": "Polygon", "coordinates": {bow}}}"#);
        assert!(holds("equals", &target, "Polygon", bow));
    }

    #[test]
    fn what_is_no_geo_query_is_refused() {
        let at = super::coordinates("[1, 2]").unwrap();
        for (georel, geometry) in [
            ("near", "Point"),
            ("near;maxDistance==-1", "Point"),
            ("near;maxDistance==0", "Point"),
            ("near;maxDistance==5;minDistance==1", "Point"),
            ("near;maxDistance=1", "Point"),
            ("beside", "Point"),
            ("within", "Polygon"),
            ("within", "Circle"),
        ] {
            let parts = GeoParts { georel, geometry, coordinates: &at, property: None };
            assert!(GeoQuery::parse(parts, &Context::core()).is_err(), "{georel} {geometry}");
        }
        assert!(super::coordinates("[1, 2").is_err());
    }
}
