//! The temporal representations (NGSI-LD 4.5.6 to 4.5.9, 4.5.19).

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use super::{Aggregation, Part, TimeProperty, is_end};
use crate::{
    Context,
    model::{Attribute, Compacted, Entity, Instance, Kind, Representation, View},
};

/// How the past of an attribute is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Style {
    /// Every instance in full.
    Instances,
    /// Pairs of value and time (`temporalValues`).
    Values(TimeProperty),
    /// Values over periods (`aggregatedValues`).
    Aggregated(Aggregation),
}

/// The past of an entity, that serializes as a style shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evolution<'a> {
    pub(crate) entity: &'a Entity,
    pub(crate) context: &'a Context,
    pub(crate) view: &'a View,
    pub(crate) style: &'a Style,
    /// The part of the time that is shown, when not all of it is. Attributes without an instance in it are empty.
    pub(crate) part: Option<&'a Part>,
    pub(crate) with_context: bool,
}

impl Serialize for Evolution<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { entity, context, view, style, part, with_context } = *self;
        let show = &view.projection;
        let mut map = serializer.serialize_map(None)?;
        if show.member("id") {
            map.serialize_entry("id", &entity.id)?;
        }
        if show.member("type") {
            map.serialize_entry("type", &Compacted(&entity.types, context))?;
        }
        // Scopes with times are written like an attribute, below.
        let timed = entity.attributes.iter().any(|attribute| context.compact(&attribute.name) == "scope");
        if show.member("scope") && !timed && !entity.scopes.is_empty() {
            map.serialize_entry("scope", &entity.scopes)?;
        }
        if view.sys_attrs {
            map.serialize_entry("createdAt", &entity.created_at)?;
            map.serialize_entry("modifiedAt", &entity.modified_at)?;
            if let Some(end) = entity.attributes.iter().find(|one| is_end(one)) {
                map.serialize_entry("deletedAt", &end.modified_at)?;
            }
        }
        for instances in entity.attributes.chunk_by(|a, b| a.name == b.name) {
            let mut shown: Vec<&Attribute> =
                instances.iter().filter(|one| show.attribute(one) && !is_end(one)).collect();
            if let Some(first) = shown.first().copied() {
                shown.retain(|attribute| part.is_none_or(|part| part.has(attribute)));
                let past = Past { first, instances: &shown, context, view, style };
                map.serialize_entry(&*context.compact(&first.name), &past)?;
            }
        }
        if with_context {
            map.serialize_entry("@context", &context.shown())?;
        }
        map.end()
    }
}

/// The past of one attribute.
struct Past<'a> {
    /// An instance of it, also when none is shown.
    first: &'a Attribute,
    instances: &'a [&'a Attribute],
    context: &'a Context,
    view: &'a View,
    style: &'a Style,
}

impl Serialize for Past<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { first, instances, context, view, style } = *self;
        if *style == Style::Instances {
            return serializer.collect_seq(instances.iter().map(|attribute| Instance {
                attribute,
                context,
                view,
            }));
        }
        let mut datasets: Vec<Series<'_>> = Vec::new();
        for instance in instances {
            match datasets.iter_mut().find(|known| known.first.dataset_id() == instance.dataset_id()) {
                Some(known) => known.instances.push(instance),
                None => {
                    datasets.push(Series { first: instance, instances: vec![instance], context, style });
                }
            }
        }
        match &datasets[..] {
            [] => Series { first, instances: Vec::new(), context, style }.serialize(serializer),
            [one] => one.serialize(serializer),
            many => serializer.collect_seq(many),
        }
    }
}

/// The past of one instance of an attribute, as values.
struct Series<'a> {
    first: &'a Attribute,
    instances: Vec<&'a Attribute>,
    context: &'a Context,
    style: &'a Style,
}

impl Serialize for Series<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first = self.first;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", first.kind.name())?;
        if let Some(id) = first.dataset_id() {
            map.serialize_entry("datasetId", id)?;
        }
        match self.style {
            Style::Aggregated(aggregation) => {
                for (method, values) in aggregation.apply(&self.instances) {
                    map.serialize_entry(method, &values)?;
                }
            }
            Style::Values(property) => {
                map.serialize_entry(
                    values_member(first.kind),
                    &Pairs(&self.instances, self.context, *property),
                )?;
            }
            Style::Instances => {}
        }
        map.end()
    }
}

struct Pairs<'a>(&'a [&'a Attribute], &'a Context, TimeProperty);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = View { representation: Representation::Simplified, ..View::default() };
        let mut list = serializer.serialize_seq(None)?;
        // What was deleted has no value, but a time when it went.
        let is_value = |one: &&&Attribute| self.2 == TimeProperty::Deleted || one.deleted_at().is_none();
        for attribute in self.0.iter().filter(is_value) {
            let value = Instance { attribute, context: self.1, view: &view };
            list.serialize_element(&(value, self.2.of(attribute)))?;
        }
        list.end()
    }
}

/// The member that holds the values of a kind (NGSI-LD 4.5.9).
fn values_member(kind: Kind) -> &'static str {
    match kind {
        Kind::Property | Kind::GeoProperty => "values",
        Kind::Relationship => "objects",
        Kind::LanguageProperty => "languageMaps",
        Kind::VocabProperty => "vocabs",
        Kind::JsonProperty => "jsons",
        Kind::ListProperty => "valueLists",
        Kind::ListRelationship => "objectLists",
    }
}
