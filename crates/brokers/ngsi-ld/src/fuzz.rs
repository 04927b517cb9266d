//! What fuzz targets (`fuzz/`) and tests drive: each function takes any bytes and must come back, whatever they are. What
//! was read must also be the same after it was written and read again.

use std::sync::{Arc, LazyLock};

use crate::{
    Context, Representation, View,
    history::{Aggregation, Evolution, Style, Window, duration},
    model::{
        Entity, Feature, Form, Json, Reader, Record, Rendered, Timestamp, decode_record, encode_entity,
        scopes,
    },
    query::{
        GeoQuery, Order, OrderParts, Query, TypeSelection, coordinates, id_pattern,
        members::{Mode, projection},
        scope_query,
    },
};

/// One attribute of each kind, in several places and at several times.
const SAMPLE: &str = r#"{"id":"urn:s:1","type":["T","U"],"scope":["/a/b","/c"],
"n":{"type":"Property","value":{"m":[1,2.5,{"k":null}],"t":"x"},"unitCode":"CEL","observedAt":"2026-01-01T00:00:00Z",
"sub":{"type":"Property","value":"y"}},
"m":[{"type":"Property","value":1},{"type":"Property","value":true,"datasetId":"urn:d:1"}],
"r":{"type":"Relationship","object":["urn:s:1","urn:s:2"],"objectType":"T"},
"l":{"type":"LanguageProperty","languageMap":{"en":"a","@none":"b"}},
"v":{"type":"VocabProperty","vocab":"T"},"j":{"type":"JsonProperty","json":{"@x":1}},
"p":{"type":"ListProperty","valueList":[1,"2"]},"q":{"type":"ListRelationship","objectList":[{"object":"urn:s:1"}]},
"location":[{"type":"GeoProperty","value":{"type":"Point","coordinates":[8.5,44.5]}},{"type":"GeoProperty",
"datasetId":"urn:d:2","value":{"type":"Polygon","coordinates":[[[0,0],[9,0],[9,9],[0,0]]]}}]}"#;

static ENTITY: LazyLock<Option<Arc<Entity>>> = LazyLock::new(|| {
    let json = Json::parse(SAMPLE.as_bytes()).ok()?;
    reader(Form::Full, &Context::core()).entity(json).ok().map(Arc::new)
});

fn reader(form: Form, context: &Context) -> Reader<'_> {
    Reader { context, form, now: Timestamp::from_micros(1).unwrap_or_else(Timestamp::now) }
}

/// The entity that queries are put to.
///
/// # Panics
/// When the sample of this module is no entity.
fn sample() -> &'static Arc<Entity> {
    let found = ENTITY.as_ref();
    assert!(found.is_some(), "the sample is an entity");
    found.unwrap_or_else(|| unreachable!())
}

/// An entity, a part of one, an attribute, scopes, and the past, from JSON.
pub fn entity(bytes: &[u8]) {
    let Ok(json) = Json::parse(bytes) else { return };
    let context = Context::core();
    let _ = scopes(&json);
    for form in [Form::Full, Form::Simplified] {
        let reader = reader(form, &context);
        let _ = reader.attribute("a", json.clone());
        let _ = reader.fragment(json.clone());
        let Ok(entity) = reader.entity(json.clone()) else { continue };
        let kept = decode_record(&encode_entity(&entity));
        assert!(matches!(kept, Ok(Record::Entity(kept)) if kept == entity), "what was kept is read");
        shown(&entity, &context);
    }
    if let Ok(entity) = reader(Form::Temporal, &context).entity(json) {
        past(&entity, "PT1H");
    }
}

/// Every representation can be written, and what is normalized is read as the same.
fn shown(entity: &Entity, context: &Context) {
    for representation in [Representation::Concise, Representation::Simplified, Representation::Normalized] {
        let view = View { representation, sys_attrs: true, ..View::default() };
        let rendered = Rendered { entity, context, view: &view, with_context: false };
        let text = serde_json::to_vec(&rendered);
        let read = text.ok().and_then(|text| Json::parse(&text).ok());
        assert!(read.is_some(), "what was written is JSON");
        if let (Representation::Normalized, Some(json)) = (representation, read) {
            let again = reader(Form::Full, context).entity(json);
            assert!(again.is_ok(), "what was shown is refused: {again:?}");
            assert_eq!(again.ok().as_ref(), Some(entity), "what was shown is read as the same");
        }
    }
    let view = View { language: Some("en".into()), version: Some(3), ..View::default() };
    let _ = serde_json::to_vec(&Rendered { entity, context, view: &view, with_context: true });
    if let Some(attribute) = entity.attributes.first() {
        let feature =
            Feature { entity, context, view: &view, geometry: &attribute.name, with_context: false };
        let _ = serde_json::to_vec(&feature);
    }
}

fn past(entity: &Entity, period: &str) {
    let (context, window) = (Context::core(), Window::default());
    let methods = ["totalCount", "distinctCount", "sum", "avg", "min", "max", "stddev", "sumsq"];
    let aggregated =
        duration(period).and_then(|period| Aggregation::new(methods, period, None, window.property));
    let styles = [Style::Instances, Style::Values(window.property)];
    for style in styles.into_iter().chain(aggregated.ok().map(Style::Aggregated)) {
        let view = View { sys_attrs: true, ..View::default() };
        let evolution = Evolution {
            entity,
            context: &context,
            view: &view,
            style: &style,
            part: None,
            with_context: true,
        };
        assert!(serde_json::to_vec(&evolution).is_ok(), "the past can be written");
    }
}

/// A query (`q`, `csf`), a type selection, a scope query, a pattern of ids, a projection or an ordering: each reads the
/// same text.
pub fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (context, sample) = (Context::core(), sample());
    if let Ok(query) = Query::parse(text, &context) {
        let query = query.expanding(&sample.types);
        let find = |_: &str| Some(Arc::clone(sample));
        let _ = (query.matches_with(sample, &find), query.needs(), query.is_system(), query.links());
        let _ = query.mentioned();
    }
    if let Ok(Some(selection)) = TypeSelection::parse(text, &context) {
        let _ = (selection.matches(&sample.types), selection.cover());
    }
    if let Ok(scopes) = scope_query(text) {
        let _ = (scopes.matches(sample), scopes.mentions("/a/b"));
    }
    let _ = id_pattern(text);
    for mode in [Mode::Pick, Mode::Omit] {
        if let Ok(projection) = projection(text, mode, &context) {
            let _ = (projection.shows(sample), projection.links());
        }
    }
    let parts = OrderParts { keys: Some(text), from: None, geometry: None, collation: Some("de") };
    if let Ok(Some(order)) = Order::parse(parts, &context) {
        let _ = (order.by_id(), order.compare(sample, sample));
    }
    let parts = OrderParts { keys: Some("n"), from: None, geometry: None, collation: Some(text) };
    let _ = Order::parse(parts, &context);
}

/// A geo-query: the lines are `georel`, `geometry`, `coordinates` and `geoproperty`. Or a `geoQ` in JSON.
pub fn geo(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (context, sample) = (Context::core(), sample());
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (georel, geometry, text) = (next(), next(), next());
    let from_lines = coordinates(text).and_then(|coordinates| {
        let keys = format!("location;{}", if georel.len() % 2 == 0 { "dist-asc" } else { "dist-desc" });
        let parts = OrderParts {
            keys: Some(&keys),
            from: Some(&coordinates),
            geometry: Some(geometry),
            collation: None,
        };
        if let Ok(Some(order)) = Order::parse(parts, &context) {
            let _ = order.compare(sample, sample);
        }
        let parts =
            crate::query::GeoParts { georel, geometry, coordinates: &coordinates, property: lines.next() };
        GeoQuery::parse(parts, &context)
    });
    let in_json = Json::parse(bytes).map(|json| GeoQuery::from_json(&json, &context));
    for query in from_lines.into_iter().chain(in_json.into_iter().flatten()) {
        let _ = (query.area(), query.property());
        let _ = query.matches(sample);
    }
}

/// A temporal query: the lines are `timerel`, `timeAt`, `endTimeAt`, `timeproperty` and a period. Or a `temporalQ` in JSON.
pub fn temporal(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let mut next = || lines.next().filter(|line| !line.is_empty());
    let from_lines = Window::parse(next(), next(), next(), next(), Some(2));
    let period = next().unwrap_or("P1D");
    let in_json = Json::parse(bytes).map(|json| Window::from_json(&json));
    for window in from_lines.into_iter().chain(in_json.into_iter().flatten()) {
        past(&window.of(sample()), period);
    }
    if let Some(time) = Timestamp::parse(text) {
        assert_eq!(Timestamp::from_micros(time.as_micros()), Some(time), "a time is kept");
    }
}
