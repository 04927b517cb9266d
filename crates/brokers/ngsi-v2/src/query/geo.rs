//! Geographical queries: `georel`, `geometry`, `coords`.

use crate::{
    Error,
    model::{Entity, Shape, location_of},
};

/// How an entity must lie to a reference shape.
#[derive(Debug, Clone, PartialEq)]
pub struct GeoQuery {
    relation: Relation,
    reference: Shape,
}

#[derive(Debug, Clone, PartialEq)]
enum Relation {
    Near { min: Option<f64>, max: Option<f64> },
    CoveredBy,
    Intersects,
    Equals,
    Disjoint,
}

/// The three texts of a geographical query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GeoText<'a> {
    pub(crate) georel: Option<&'a str>,
    pub(crate) geometry: Option<&'a str>,
    pub(crate) coords: Option<&'a str>,
}

/// How an error is worded: URL parameters and expressions in bodies differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GeoWords {
    prefix: &'static str,
    in_url: bool,
}

impl GeoWords {
    /// For the parameters of a URL.
    pub(crate) const URL: Self = Self { prefix: "Invalid query: ", in_url: true };
    /// For the expression of a subscription or of `POST /v2/op/query`.
    pub(crate) const BODY: Self = Self { prefix: "error parsing geo-query fields: ", in_url: false };

    fn error(self, words: &str) -> Error {
        Error::bad(format!("{}{words}", self.prefix))
    }
}

impl GeoText<'_> {
    /// Reads the query, if there is one.
    ///
    /// # Errors
    /// When one of the texts is missing or malformed, or they do not go together.
    pub(crate) fn parse(&self, words: GeoWords) -> Result<Option<GeoQuery>, Error> {
        let (georel, geometry, coords) = match (self.georel, self.geometry, self.coords) {
            (None, None, None) => return Ok(None),
            (Some(georel), Some(geometry), Some(coords)) => (georel, geometry, coords),
            _ if !words.in_url => {
                return Err(Error::bad(
                    "partial geo expression: geometry, georel and coords have to be provided together",
                ));
            }
            (_, Some(_), None) => return Err(words.error("URI param /geometry/ used without /coords/")),
            (_, None, Some(_)) => return Err(words.error("URI param /coords/ used without /geometry/")),
            (Some(_), None, None) => return Err(words.error("URI param /georel/ used without /geometry/")),
            (None, Some(geometry), Some(coords)) => {
                parse_reference(geometry, coords, words)?;
                return Err(words.error("URI param /geometry/ used without /georel/"));
            }
        };
        let relation = parse_relation(georel, words)?;
        let reference = parse_reference(geometry, coords, words)?;
        match (&relation, geometry) {
            (Relation::Near { .. }, geometry) if geometry != "point" => {
                return Err(words.error("georel /near/ used with geometry different than point"));
            }
            (Relation::CoveredBy, "point" | "line") => {
                return Err(words.error(&format!("{geometry} geometry cannot be used with coveredBy georel")));
            }
            _ => {}
        }
        Ok(Some(GeoQuery { relation, reference }))
    }
}

impl GeoQuery {
    /// Whether the entity has a place, and it lies as asked.
    pub fn matches(&self, entity: &Entity) -> bool {
        let Some(place) = location_of(entity) else { return false };
        match self.relation {
            Relation::Near { min, max } => {
                let distance = place.distance(&self.reference);
                min.is_none_or(|min| distance >= min) && max.is_none_or(|max| distance <= max)
            }
            Relation::CoveredBy => place.covered_by(&self.reference),
            Relation::Intersects => place.intersects(&self.reference),
            Relation::Equals => place.equals(&self.reference),
            Relation::Disjoint => !place.intersects(&self.reference),
        }
    }

    /// Meters from the reference; infinite for an entity without a place.
    pub(super) fn distance(&self, entity: &Entity) -> f64 {
        location_of(entity).map_or(f64::INFINITY, |place| place.distance(&self.reference))
    }

    /// Whether results can be ordered by distance.
    pub(super) fn is_near(&self) -> bool {
        matches!(self.relation, Relation::Near { .. })
    }
}

fn parse_relation(text: &str, words: GeoWords) -> Result<Relation, Error> {
    let mut tokens = text.split(';');
    let relation = match tokens.next().unwrap_or_default() {
        "near" => Relation::Near { min: None, max: None },
        "coveredBy" => Relation::CoveredBy,
        "intersects" => Relation::Intersects,
        "equals" => Relation::Equals,
        "disjoint" => Relation::Disjoint,
        // Orion finds the geometry wrong first when both are.
        _ => return Err(words.error("error parsing geometry: Invalid selector in geometry specification")),
    };
    let Relation::Near { mut min, mut max } = relation else {
        return match tokens.next() {
            None => Ok(relation),
            Some(_) => Err(words.error("Invalid modifier in georel parameter")),
        };
    };
    for token in tokens {
        let (name, value) =
            token.split_once(':').ok_or_else(|| words.error("Invalid modifier in georel parameter"))?;
        let meters = value
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|meters| meters.is_finite() && *meters >= 0.0)
            .ok_or_else(|| words.error("Invalid modifier in georel parameter"))?;
        match name.trim() {
            "minDistance" => min = Some(meters),
            "maxDistance" => max = Some(meters),
            _ => return Err(words.error("Invalid modifier in georel parameter")),
        }
    }
    if min.is_none() && max.is_none() {
        return Err(words.error("georel /near/ without either minDistance nor maxDistance"));
    }
    Ok(Relation::Near { min, max })
}

fn parse_reference(geometry: &str, coords: &str, words: GeoWords) -> Result<Shape, Error> {
    if !matches!(geometry, "point" | "line" | "box" | "polygon") {
        return Err(words.error("error parsing geometry: Invalid selector in geometry specification"));
    }
    let point = |text: &str| {
        let (latitude, longitude) = text.split_once(',')?;
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        Some((number(latitude)?, number(longitude)?))
    };
    let points: Vec<(f64, f64)> = coords
        .split(';')
        .map(|text| point(text).ok_or_else(|| words.error("invalid point in URI param /coords/")))
        .collect::<Result<_, _>>()?;
    match (geometry, &*points) {
        ("point", [(latitude, longitude)]) => Ok(Shape::point(*latitude, *longitude)),
        ("line", [_, _, ..]) => Ok(Shape::line(&points)),
        ("box", [one, other]) if Shape::is_real_box(*one, *other) => Ok(Shape::rectangle(*one, *other)),
        ("box", [_, _]) => Err(words.error("box coordinates are not defining an actual box")),
        ("polygon", [first, _, _, .., last]) if first == last => Ok(Shape::polygon(&points)),
        ("polygon", [_, _, _, _, ..]) => Err(words.error("First and last point in polygon not the same")),
        ("polygon", _) => Err(words.error("Too few coordinates for polygon")),
        _ => Err(words.error(&format!("invalid number of coordinates for /{geometry}/"))),
    }
}
