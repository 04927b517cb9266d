//! Entities as GeoJSON features (NGSI-LD 4.5.16, 4.5.17).

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Entity, Joined, Json, Kind, Name, Rendered, View};
use crate::Context;

/// An entity that serializes as a GeoJSON Feature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Feature<'a> {
    pub(crate) entity: &'a Entity,
    pub(crate) context: &'a Context,
    pub(crate) view: &'a View,
    /// The attribute whose value is the geometry.
    pub(crate) geometry: &'a Name,
    pub(crate) with_context: bool,
}

impl Feature<'_> {
    /// The geometry: of the default instance, or of the first one shown.
    fn geometry(&self) -> Option<&Json> {
        let shown = |attribute: &&super::Attribute| {
            attribute.kind == Kind::GeoProperty
                && attribute.value.as_object().is_some()
                && self.view.projection.attribute(attribute)
        };
        let mut instances = self.entity.instances(self.geometry).filter(shown);
        let first = instances.next()?;
        let default = std::iter::once(first).chain(instances).find(|one| one.dataset_id().is_none());
        Some(&default.unwrap_or(first).value)
    }
}

impl Serialize for Feature<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { entity, context, view, with_context, .. } = *self;
        // The id is a member of the feature, not of its properties.
        let mut properties = view.clone();
        properties.projection.omit.push(("id".into(), Name::new("@id")));
        let mut map = serializer.serialize_map(None)?;
        if view.projection.member("id") {
            map.serialize_entry("id", &entity.id)?;
        }
        map.serialize_entry("type", "Feature")?;
        map.serialize_entry("geometry", &self.geometry())?;
        let rendered = Rendered { entity, context, view: &properties, with_context: false };
        map.serialize_entry("properties", &rendered)?;
        if with_context {
            map.serialize_entry("@context", &context.shown())?;
        }
        map.end()
    }
}

/// Entities that serialize as a GeoJSON FeatureCollection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeatureCollection<'a> {
    pub(crate) features: &'a [Feature<'a>],
    pub(crate) context: &'a Context,
    pub(crate) with_context: bool,
}

impl Serialize for FeatureCollection<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "FeatureCollection")?;
        map.serialize_entry("features", self.features)?;
        if self.with_context {
            map.serialize_entry("@context", &self.context.shown())?;
        }
        map.end()
    }
}

/// An entity with linked ones as a GeoJSON Feature: they are in its properties.
pub(crate) fn feature_of(joined: Joined, context: &Context, view: &View, geometry: &Name) -> Json {
    let Joined { entity, projection, shown } = joined;
    let view = View { projection, ..view.clone() };
    let feature = Feature { entity: &entity, context, view: &view, geometry, with_context: false };
    let at = feature.geometry().cloned().unwrap_or(Json::Null);
    let members = Vec::from(if let Json::Object(members) = shown { members } else { Box::default() });
    let (id, properties): (Vec<_>, Vec<_>) = members.into_iter().partition(|(name, _)| &**name == "id");
    let rest: [(Box<str>, Json); 3] = [
        ("type".into(), "Feature".into()),
        ("geometry".into(), at),
        ("properties".into(), Json::Object(properties.into())),
    ];
    Json::Object(id.into_iter().chain(rest).collect())
}

/// Features as a GeoJSON FeatureCollection.
pub(crate) fn collection_of(features: Vec<Json>) -> Json {
    let members: [(Box<str>, Json); 2] =
        [("type".into(), "FeatureCollection".into()), ("features".into(), features.into())];
    Json::Object(members.into())
}
