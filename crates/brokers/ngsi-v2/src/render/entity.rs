use super::projection::{Names, Projection, Shown, ShownMetadatum};
use crate::model::{Attribute, Entity, Json, write_text};

/// How an entity is represented.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// Attributes with type, value and metadata.
    #[default]
    Normalized,
    /// Attributes with their value only.
    KeyValues,
    /// A list of values.
    Values,
    /// A list of values, none twice.
    Unique,
}

/// Appends an entity.
pub(crate) fn write_entity(entity: &Entity, projection: &Projection<'_>, format: Format, out: &mut Vec<u8>) {
    if matches!(format, Format::Values | Format::Unique) {
        return write_attributes(entity, projection, format, out);
    }
    out.extend_from_slice(b"{\"id\":");
    write_text(&entity.id, out);
    out.extend_from_slice(b",\"type\":");
    write_text(&entity.kind, out);
    for attribute in projection.attributes(entity) {
        out.push(b',');
        write_member(&attribute, projection, format, out);
    }
    out.push(b'}');
}

/// Appends the attributes of an entity, without its id and type.
pub(crate) fn write_attributes(
    entity: &Entity,
    projection: &Projection<'_>,
    format: Format,
    out: &mut Vec<u8>,
) {
    let mut shown = projection.attributes(entity);
    if matches!(format, Format::Values | Format::Unique) && projection.attrs.is_none_or(Names::is_empty) {
        // A list of values needs an order that does not depend on how the entity came about.
        shown.sort_by(|one, other| one.name().cmp(other.name()));
    }
    match format {
        Format::Normalized | Format::KeyValues => {
            out.push(b'{');
            for (index, attribute) in shown.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_member(attribute, projection, format, out);
            }
            out.push(b'}');
        }
        Format::Values => write_list(shown.iter().map(Shown::value), out),
        Format::Unique => {
            let mut values: Vec<&Json> = Vec::with_capacity(shown.len());
            for attribute in &shown {
                if !values.contains(&attribute.value()) {
                    values.push(attribute.value());
                }
            }
            write_list(values.into_iter(), out);
        }
    }
}

fn write_list<'a>(values: impl Iterator<Item = &'a Json>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        value.write(out);
    }
    out.push(b']');
}

fn write_member(attribute: &Shown<'_>, projection: &Projection<'_>, format: Format, out: &mut Vec<u8>) {
    write_text(attribute.name(), out);
    out.push(b':');
    match (format, attribute) {
        (Format::Normalized, Shown::User(attribute)) => write_attribute(attribute, projection, out),
        (Format::Normalized, Shown::Computed { kind, value, .. }) => {
            write_parts(kind, value, &[], out);
        }
        _ => attribute.value().write(out),
    }
}

/// Appends one attribute with type, value and metadata.
pub(crate) fn write_attribute(attribute: &Attribute, projection: &Projection<'_>, out: &mut Vec<u8>) {
    if attribute.metadata.is_empty() && projection.metadata.is_none() {
        return write_parts(&attribute.kind, &attribute.value, &[], out);
    }
    write_parts(&attribute.kind, &attribute.value, &projection.metadata(attribute), out);
}

fn write_parts(kind: &str, value: &Json, metadata: &[ShownMetadatum<'_>], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    write_text(kind, out);
    out.extend_from_slice(b",\"value\":");
    value.write(out);
    out.extend_from_slice(b",\"metadata\":{");
    for (index, metadatum) in metadata.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_text(metadatum.name, out);
        out.extend_from_slice(b":{\"type\":");
        write_text(metadatum.kind, out);
        out.extend_from_slice(b",\"value\":");
        metadatum.value.write(out);
        out.push(b'}');
    }
    out.extend_from_slice(b"}}");
}
