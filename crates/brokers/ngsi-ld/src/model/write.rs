//! The information model to JSON: the three representations (NGSI-LD 4.5.1 to 4.5.4), straight to the output.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Attribute, Entity, Json, Kind, Name, Representation, View, proof::is_sealed};
use crate::Context;

/// The name of scopes where they are attributes, in the past.
const SCOPE: &str = "https://uri.etsi.org/ngsi-ld/scope";

/// An entity that serializes as a view shows it, in the names of a context.
#[derive(Debug, Clone, Copy)]
pub struct Rendered<'a> {
    /// The entity.
    pub entity: &'a Entity,
    /// Whose terms the names are compacted to.
    pub context: &'a Context,
    /// How it is shown.
    pub view: &'a View,
    /// Whether `@context` is a member, as in `application/ld+json`.
    pub with_context: bool,
}

impl Serialize for Rendered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.members(&mut map)?;
        map.end()
    }
}

impl Rendered<'_> {
    /// Writes the members into a map that has been begun.
    fn members<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let Self { entity, context, view, with_context } = *self;
        let show = &view.projection;
        if show.member("id") {
            map.serialize_entry("id", &entity.id)?;
        }
        if show.member("type") {
            map.serialize_entry("type", &Compacted(&entity.types, context))?;
        }
        if show.member("scope") {
            match &*entity.scopes {
                [] => {}
                [one] => map.serialize_entry("scope", one)?,
                many => map.serialize_entry("scope", many)?,
            }
        }
        if let Some(time) = entity.expires_at
            && view.sys_attrs
            && show.member("expiresAt")
        {
            map.serialize_entry("expiresAt", &time)?;
        }
        if view.sys_attrs {
            if show.member("createdAt") {
                map.serialize_entry("createdAt", &entity.created_at)?;
            }
            if show.member("modifiedAt") {
                map.serialize_entry("modifiedAt", &entity.modified_at)?;
            }
        }
        if let Some(time) = view.deleted_at {
            map.serialize_entry("deletedAt", &time)?;
        }
        let mut rest = &entity.attributes[..];
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|attribute| attribute.name == first.name).count();
            let (instances, after) = rest.split_at(same);
            rest = after;
            let shown: Vec<&Attribute> =
                instances.iter().filter(|attribute| show.attribute(attribute)).collect();
            if !shown.is_empty() {
                map.serialize_entry(
                    &*context.compact(&first.name),
                    &Instances { instances: &shown, context, view },
                )?;
            }
        }
        if with_context {
            map.serialize_entry("@context", &context.shown())?;
        }
        Ok(())
    }
}

/// The instances of one attribute, never none.
pub(crate) struct Instances<'a> {
    pub(crate) instances: &'a [&'a Attribute],
    pub(crate) context: &'a Context,
    pub(crate) view: &'a View,
}

impl Serialize for Instances<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = |attribute| Instance { attribute, context: self.context, view: self.view };
        match self.instances {
            // The default instance alone needs no dataset.
            [one] if one.dataset_id().is_none() || self.view.representation != Representation::Simplified => {
                shown(one).serialize(serializer)
            }
            many if self.view.representation == Representation::Simplified => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("dataset", &Datasets(many, self.context, self.view))?;
                map.end()
            }
            many => serializer.collect_seq(many.iter().map(|one| shown(one))),
        }
    }
}

struct Datasets<'a>(&'a [&'a Attribute], &'a Context, &'a View);

impl Serialize for Datasets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(instances, context, view) = *self;
        let entry = |attribute| {
            (Attribute::dataset_id(attribute).unwrap_or("@none"), Instance { attribute, context, view })
        };
        serializer.collect_map(instances.iter().map(|one| entry(one)))
    }
}

/// One instance of an attribute.
pub(crate) struct Instance<'a> {
    pub(crate) attribute: &'a Attribute,
    pub(crate) context: &'a Context,
    pub(crate) view: &'a View,
}

impl Serialize for Instance<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { attribute, context, view } = *self;
        let kind = shown_kind(attribute, view);
        let value = Value { attribute, value: &attribute.value, context, view };
        if view.representation == Representation::Simplified {
            return match kind {
                Kind::LanguageProperty | Kind::VocabProperty | Kind::JsonProperty => {
                    let mut map = serializer.serialize_map(Some(1))?;
                    map.serialize_entry(kind.value_member(), &value)?;
                    map.end()
                }
                _ => value.serialize(serializer),
            };
        }
        let concise = view.representation == Representation::Concise;
        let bare = attribute.observed_at.is_none() && attribute.details.is_none() && !view.sys_attrs;
        if concise && bare {
            let plain = match kind {
                Kind::Property => {
                    !matches!(attribute.value, Json::Object(_)) && !holds_objects(&attribute.value)
                }
                Kind::GeoProperty => true,
                _ => false,
            };
            if plain {
                return value.serialize(serializer);
            }
        }
        let mut map = serializer.serialize_map(None)?;
        if !concise {
            map.serialize_entry("type", kind.name())?;
        }
        map.serialize_entry(kind.value_member(), &value)?;
        if let Some(previous) = attribute.previous() {
            let previous = Value { attribute, value: previous, context, view };
            map.serialize_entry(kind.previous_member(), &previous)?;
        }
        if kind != attribute.kind
            && let Some((language, _)) = in_language(attribute.kind, &attribute.value, view)
        {
            map.serialize_entry("lang", language)?;
        }
        if !attribute.object_type().is_empty() {
            map.serialize_entry("objectType", &Compacted(attribute.object_type(), context))?;
        }
        if let Some(unit) = attribute.unit_code() {
            map.serialize_entry("unitCode", unit)?;
        }
        if let Some(id) = attribute.dataset_id() {
            map.serialize_entry("datasetId", id)?;
        }
        // Scopes in the past have times and nothing else (NGSI-LD 4.5.6).
        if let Some(id) = attribute.instance_id().filter(|_| &*attribute.name != SCOPE) {
            map.serialize_entry("instanceId", id)?;
        }
        match (attribute.observed_at, attribute.observed_digits) {
            (Some(time), Some(digits)) => map.serialize_entry("observedAt", &time.with_digits(digits))?,
            (Some(time), None) => map.serialize_entry("observedAt", &time)?,
            (None, _) => {}
        }
        if let Some(time) = attribute.expires_at()
            && view.sys_attrs
        {
            map.serialize_entry("expiresAt", &time)?;
        }
        if view.sys_attrs {
            map.serialize_entry("createdAt", &attribute.created_at)?;
            map.serialize_entry("modifiedAt", &attribute.modified_at)?;
        }
        // In the past it is what tells a deletion.
        if let Some(time) =
            attribute.deleted_at().filter(|_| view.sys_attrs || attribute.instance_id().is_some())
        {
            map.serialize_entry("deletedAt", &time)?;
        }
        let mut rest = attribute.attributes();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|sub| sub.name == first.name).count();
            let (instances, after) = rest.split_at(same);
            rest = after;
            let key = context.compact(&first.name);
            if is_sealed(&key) {
                map.serialize_entry(&*key, &Value { attribute: first, value: &first.value, context, view })?;
                continue;
            }
            let instances: Vec<&Attribute> = instances.iter().collect();
            map.serialize_entry(&*key, &Instances { instances: &instances, context, view })?;
        }
        map.end()
    }
}

/// The kind shown: with a language asked for, a language map becomes a Property; what is newer than the version that
/// the client wants becomes a Property or a Relationship (NGSI-LD 4.3.6.8).
fn shown_kind(attribute: &Attribute, view: &View) -> Kind {
    if view.version.is_some_and(|version| attribute.kind.since() > version) {
        return match attribute.kind {
            Kind::ListRelationship => Kind::Relationship,
            _ => Kind::Property,
        };
    }
    match in_language(attribute.kind, &attribute.value, view) {
        Some(_) => Kind::Property,
        None => attribute.kind,
    }
}

/// The language and text that stand for a language map (NGSI-LD 4.15): the first of the wanted that is there, or of
/// those that only differ in region; else the map's `@none`, `en`, or first.
fn in_language<'a>(kind: Kind, value: &'a Json, view: &View) -> Option<(&'a str, &'a Json)> {
    let (Kind::LanguageProperty, Some(wanted)) = (kind, &view.language) else { return None };
    let map = value.as_object()?;
    let find = |language: &str| map.iter().find(|(key, _)| key.eq_ignore_ascii_case(language));
    let base = |language: &str| language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    // As in Accept-Language, a weight says more than the place (RFC 9110, 12.5.4).
    let weighed = |one: &'_ str| {
        let mut parts = one.split(';').map(str::trim);
        let language = parts.next().unwrap_or_default().to_owned();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse::<f32>().ok());
        (language, weight.unwrap_or(1.0))
    };
    let mut wanted: Vec<(String, f32)> = wanted.split(',').map(weighed).collect();
    wanted.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    wanted
        .iter()
        .filter(|(_, weight)| *weight > 0.0)
        .map(|(language, _)| &**language)
        .filter(|one| !one.is_empty() && *one != "*")
        .find_map(|one| find(one).or_else(|| map.iter().find(|(key, _)| base(key) == base(one))))
        .or_else(|| find("@none"))
        .or_else(|| find("en"))
        .or_else(|| map.first())
        .map(|(language, text)| (&**language, text))
}

fn holds_objects(value: &Json) -> bool {
    value.as_array().is_some_and(|items| items.iter().any(|item| matches!(item, Json::Object(_))))
}

/// The value of an attribute in the form its kind is written in.
struct Value<'a> {
    attribute: &'a Attribute,
    value: &'a Json,
    context: &'a Context,
    view: &'a View,
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { attribute, value, context, view } = *self;
        if let Some((_, text)) = in_language(attribute.kind, value, view) {
            return text.serialize(serializer);
        }
        match (attribute.kind, value) {
            (Kind::VocabProperty, Json::String(iri)) => serializer.serialize_str(&context.compact(iri)),
            (Kind::VocabProperty, Json::Array(iris)) => {
                serializer.collect_seq(iris.iter().filter_map(Json::as_str).map(|iri| context.compact(iri)))
            }
            (Kind::ListRelationship, Json::Array(uris))
                if view.representation != Representation::Simplified
                    && shown_kind(attribute, view) == Kind::ListRelationship =>
            {
                serializer.collect_seq(uris.iter().map(|object| Object { object }))
            }
            (_, value) => value.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct Object<'a> {
    object: &'a Json,
}

/// One name as a string, several as an array.
pub(crate) struct Compacted<'a>(pub(crate) &'a [Name], pub(crate) &'a Context);

impl Serialize for Compacted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => serializer.serialize_str(&self.1.compact(one)),
            many => serializer.collect_seq(many.iter().map(|name| self.1.compact(name))),
        }
    }
}
