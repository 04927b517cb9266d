//! JSON to the information model: the three representations (NGSI-LD 4.5.1 to 4.5.4) are told apart, every member is
//! checked, every name is expanded.

use super::{
    Attribute, Entity, Fragment, Json, Kind, Name, Timestamp, check_uri, geometry, null_of,
    proof::PROOF,
    told::{is_dataset, is_instance_list, is_null, is_null_map, is_previous, is_timed, kind_of, simplified},
    uri::shorten,
    value::{date_time, digits, scopes},
};
use crate::{Context, Error, ErrorKind};

/// What an update writes in place of a value to delete it (NGSI-LD 4.5.0).
pub(crate) const NGSI_LD_NULL: &str = "urn:ngsi-ld:null";

/// Attributes of attributes of attributes: how deep they may go.
const MAX_DEPTH: usize = 16;

/// How a request writes attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Normalized or concise; each attribute tells itself.
    #[default]
    Full,
    /// Simplified (`keyValues`): names and bare values.
    Simplified,
    /// Normalized, with as many instances of an attribute as there are (NGSI-LD 4.5.6).
    Temporal,
}

/// Reads what requests say about entities, in one context and at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) context: &'a Context,
    pub(crate) form: Form,
    pub(crate) now: Timestamp,
}

/// An attribute instance of a request: a value, or the wish to delete it.
enum Instance {
    Value(Attribute),
    Deletion(Option<Box<str>>),
}

impl Reader<'_> {
    /// Reads a whole entity (NGSI-LD 5.2.4): id and type are there, nothing is deleted.
    pub(crate) fn entity(&self, json: Json) -> Result<Entity, Error> {
        let invalid = match json.as_object() {
            None => Some(format!("an entity must be a JSON object, not {}", json.kind())),
            Some([]) => Some("the entity is an empty object".to_owned()),
            Some(_) => None,
        };
        if let Some(detail) = invalid {
            return Err(Error::new(ErrorKind::InvalidRequest, detail));
        }
        let fragment = self.fragment(json)?;
        let id = fragment.id.ok_or_else(|| Error::bad("the entity has no id"))?;
        if fragment.types.is_empty() {
            return Err(Error::bad(format!("entity {id} has no type")));
        }
        if let Some((name, _)) = fragment.deletions.first() {
            let name = self.context.compact(name);
            return Err(Error::bad(format!(
                "attribute \"{name}\" is {NGSI_LD_NULL}, but there is nothing to delete"
            )));
        }
        if fragment.scopes.as_ref().is_some_and(Vec::is_empty) && self.form != Form::Temporal {
            return Err(Error::bad(format!(
                "scope is {NGSI_LD_NULL} or empty, but there is nothing to delete"
            )));
        }
        let mut entity = Entity {
            id,
            types: fragment.types,
            scopes: fragment.scopes.unwrap_or_default(),
            created_at: self.now,
            modified_at: self.now,
            attributes: fragment.attributes,
            expires_at: fragment.expires_at.flatten(),
        };
        entity.shrink();
        Ok(entity)
    }

    /// Reads a part of an entity.
    pub(crate) fn fragment(&self, json: Json) -> Result<Fragment, Error> {
        let Json::Object(members) = json else {
            return Err(Error::bad(format!("an entity must be a JSON object, not {}", json.kind())));
        };
        let mut fragment = Fragment::default();
        for (key, value) in members {
            // In the past a deletion is an instance with its time, not an order (NGSI-LD 5.5.4).
            if self.form == Form::Temporal && is_null(&value) {
                return Err(Error::bad(format!(
                    "\"{key}\" is {NGSI_LD_NULL}, but there is nothing to delete"
                )));
            }
            match &*key {
                "id" | "@id" => fragment.id = Some(self.id(&value)?),
                "type" | "@type" => fragment.types = self.types(&value, "type")?,
                // In the past, scopes have times, like attributes (NGSI-LD 4.5.6).
                "scope" if self.form == Form::Temporal && is_timed(&value) => {
                    self.attribute_of(&mut fragment, &key, value)?;
                }
                "scope" => fragment.scopes = Some(scopes(&value)?),
                "expiresAt" if is_null(&value) => fragment.expires_at = Some(None),
                "expiresAt" => fragment.expires_at = Some(Some(date_time(&value, "expiresAt")?)),
                "datasetId" | "instanceId" | "observedAt" => {
                    return Err(Error::bad(format!(
                        "\"{key}\" is a member of attributes and cannot be an attribute itself (NGSI-LD 4.5.1)"
                    )));
                }
                // A context is resolved before; system times are the broker's own (NGSI-LD 4.8).
                "@context" | "createdAt" | "modifiedAt" | "deletedAt" => {}
                _ => self.attribute_of(&mut fragment, &key, value)?,
            }
        }
        Ok(fragment)
    }

    /// Reads the attribute `key` of a request alone, for operations on one attribute.
    pub(crate) fn attribute(&self, key: &str, value: Json) -> Result<Fragment, Error> {
        let mut fragment = Fragment::default();
        self.attribute_of(&mut fragment, key, value)?;
        Ok(fragment)
    }

    /// Expands one type or several.
    pub(crate) fn types(&self, value: &Json, what: &str) -> Result<Vec<Name>, Error> {
        let name = |value: &Json| match value {
            Json::String(term) if term.starts_with(|c: char| c.is_ascii_digit()) => {
                Err(Error::bad(format!("{what} \"{}\" starts with a digit (NGSI-LD 4.6.2)", shorten(term))))
            }
            // What these stand for are members of the entity itself (NGSI-LD 5.2.2).
            Json::String(term) if matches!(&**term, "id" | "type") => {
                Err(Error::bad(format!("{what} \"{term}\" is a reserved name (NGSI-LD 4.6.2)")))
            }
            Json::String(term) => self.context.name(term, what),
            other => Err(Error::bad(format!(
                "{what} must be a string or an array of strings, not {}",
                other.kind()
            ))),
        };
        let types = match value {
            Json::Array(items) => items.iter().map(name).collect::<Result<Vec<_>, _>>()?,
            one => vec![name(one)?],
        };
        if types.is_empty() {
            return Err(Error::bad(format!("{what} must not be empty")));
        }
        let mut distinct = Vec::with_capacity(types.len());
        for name in types {
            if !distinct.contains(&name) {
                distinct.push(name);
            }
        }
        Ok(distinct)
    }

    fn id(&self, value: &Json) -> Result<Box<str>, Error> {
        let text =
            value.as_str().ok_or_else(|| Error::bad(format!("id must be a string, not {}", value.kind())))?;
        if is_null(value) {
            return Err(Error::bad(format!("id is {NGSI_LD_NULL}, which names nothing (NGSI-LD 5.5.4)")));
        }
        check_uri(text, "id").map(Into::into)
    }

    fn attribute_of(&self, fragment: &mut Fragment, key: &str, value: Json) -> Result<(), Error> {
        let name = self.context.name(key, "attribute name")?;
        for instance in self.instances(&name, key, value)? {
            let dataset_id = match &instance {
                Instance::Value(attribute) => attribute.dataset_id(),
                Instance::Deletion(dataset_id) => dataset_id.as_deref(),
            };
            let twice = fragment.attributes.iter().any(|attribute| attribute.is(&name, dataset_id))
                || fragment.deletions.iter().any(|(other, id)| *other == name && id.as_deref() == dataset_id);
            if twice && self.form != Form::Temporal {
                let which = dataset_id.unwrap_or("the default instance");
                return Err(Error::bad(format!("attribute \"{key}\" gives {which} twice (NGSI-LD 4.5.5)")));
            }
            match instance {
                Instance::Value(attribute) => fragment.attributes.push(attribute),
                Instance::Deletion(dataset_id) => fragment.deletions.push((name.clone(), dataset_id)),
            }
        }
        Ok(())
    }

    fn instances(&self, name: &Name, key: &str, value: Json) -> Result<Vec<Instance>, Error> {
        match value {
            Json::Array(items) if self.form != Form::Simplified && is_instance_list(&items) => {
                items.into_iter().map(|item| self.instance(name, key, item, 0)).collect()
            }
            // Several instances, simplified (NGSI-LD 4.5.5).
            Json::Object(members) if self.form == Form::Simplified && is_dataset(&members) => {
                let datasets = members.into_iter().next().map(|(_, datasets)| datasets);
                let Some(Json::Object(datasets)) = datasets else { return Ok(Vec::new()) };
                datasets.into_iter().map(|(id, value)| self.dataset(name, key, &id, value)).collect()
            }
            value => Ok(vec![self.instance(name, key, value, 0)?]),
        }
    }

    fn dataset(&self, name: &Name, key: &str, id: &str, value: Json) -> Result<Instance, Error> {
        let id =
            if id == "@none" { None } else { Some(check_uri(id, &format!("dataset of \"{key}\""))?.into()) };
        Ok(match self.instance(name, key, value, 0)? {
            Instance::Value(mut attribute) if id.is_some() => {
                attribute.details_mut().dataset_id = id;
                Instance::Value(attribute)
            }
            Instance::Deletion(_) => Instance::Deletion(id),
            value => value,
        })
    }

    fn instance(&self, name: &Name, key: &str, value: Json, depth: usize) -> Result<Instance, Error> {
        if is_null(&value) {
            return Ok(Instance::Deletion(None));
        }
        if value == Json::Null {
            return Err(Error::bad(format!("attribute \"{key}\" must not be null; {NGSI_LD_NULL} deletes")));
        }
        if self.form == Form::Simplified {
            let (kind, value) = simplified(value);
            if is_null(&value) || is_null_map(kind, &value) {
                return Ok(Instance::Deletion(None));
            }
            check_core_geometry(key, kind, depth)?;
            let value = self.check_value(kind, value, key)?;
            return Ok(Instance::Value(self.plain(name, kind, value)));
        }
        match value {
            Json::Object(_) if geometry::is_geometry(&value) => {
                geometry::check(&value, &format!("attribute \"{key}\""))?;
                Ok(Instance::Value(self.plain(name, Kind::GeoProperty, value)))
            }
            Json::Object(members) => self.object(name, key, members, depth),
            value => {
                check_core_geometry(key, Kind::Property, depth)?;
                let value = self.check_value(Kind::Property, value, key)?;
                Ok(Instance::Value(self.plain(name, Kind::Property, value)))
            }
        }
    }

    pub(super) fn plain(&self, name: &Name, kind: Kind, value: Json) -> Attribute {
        Attribute {
            name: name.clone(),
            kind,
            value,
            created_at: self.now,
            modified_at: self.now,
            observed_at: None,
            details: None,
            observed_digits: None,
        }
    }

    /// Reads an attribute in the normalized or concise representation.
    fn object(
        &self,
        name: &Name,
        key: &str,
        members: Box<[(Box<str>, Json)]>,
        depth: usize,
    ) -> Result<Instance, Error> {
        if depth >= MAX_DEPTH {
            return Err(Error::bad(format!("attribute \"{key}\" nests deeper than {MAX_DEPTH} attributes")));
        }
        let kind = kind_of(&members, key)?;
        if !members.iter().any(|(_, value)| is_null(value)) {
            check_core_geometry(key, kind, depth)?;
        }
        let mut attribute = self.plain(name, kind, Json::Null);
        let mut deletion = false;
        for (member, value) in members {
            let what = || format!("{member} of attribute \"{key}\"");
            match &*member {
                "type" | "@type" => {}
                _ if *member == *kind.value_member() => {
                    if is_null(&value) || is_null_map(kind, &value) {
                        deletion = true;
                    } else {
                        attribute.value = self.check_value(kind, value, key)?;
                    }
                }
                "observedAt" => {
                    attribute.observed_at = Some(date_time(&value, &what())?);
                    attribute.observed_digits = digits(&value);
                }
                "expiresAt" => attribute.details_mut().expires_at = Some(date_time(&value, &what())?),
                "unitCode" if matches!(kind, Kind::Property | Kind::ListProperty) => {
                    if !matches!(value, Json::String(_)) {
                        return Err(Error::bad(format!("{} must be a string, not {}", what(), value.kind())));
                    }
                    attribute.details_mut().unit_code = Some(value);
                }
                "unitCode" => {
                    return Err(Error::bad(format!("{} does not belong to a {}", what(), kind.name())));
                }
                "entityIdSealed" | "entityTypeSealed" if key != PROOF => {
                    return Err(Error::bad(format!("{} belongs to {PROOF} only", what())));
                }
                "entityIdSealed" | "entityTypeSealed" => {
                    let sealed = self.sealed(&member, value, &what())?;
                    attribute.details_mut().attributes.push(sealed);
                }
                // It says what the kind says already (NGSI-LD 5.2.32).
                "valueType" if kind == Kind::LanguageProperty => {
                    if value.as_str() != Some("langString") {
                        return Err(Error::bad(format!("{} must be \"langString\"", what())));
                    }
                }
                "datasetId" if value.as_str() == Some("@none") => {}
                // It tells instances apart, so it cannot be taken away (NGSI-LD 5.5.8).
                "datasetId" if is_null(&value) => {
                    return Err(Error::bad(format!("{} cannot be {NGSI_LD_NULL}", what())));
                }
                "datasetId" => {
                    let text =
                        value.as_str().ok_or_else(|| Error::bad(format!("{} must be a string", what())))?;
                    attribute.details_mut().dataset_id = Some(check_uri(text, &what())?.into());
                }
                "objectType" if matches!(kind, Kind::Relationship | Kind::ListRelationship) => {
                    attribute.details_mut().object_type = self.types(&value, &what())?;
                }
                "deletedAt" if self.form == Form::Temporal => {
                    attribute.former_mut().deleted_at = Some(date_time(&value, &what())?);
                }
                "createdAt" | "modifiedAt" | "deletedAt" | "instanceId" => {}
                "@context" => {
                    return Err(Error::bad(format!(
                        "{} is not allowed: an entity has one @context for all of it (NGSI-LD 4.4)",
                        what()
                    )));
                }
                _ if member.starts_with("previous")
                    && Kind::ALL.iter().any(|kind| is_previous(&member, *kind)) =>
                {
                    return Err(Error::bad(format!("{} is written by brokers only", what())));
                }
                "value" | "object" | "languageMap" | "vocab" | "json" | "valueList" | "objectList" => {
                    return Err(Error::bad(format!("{} does not belong to a {}", what(), kind.name())));
                }
                _ => {
                    let sub_name = self.context.name(&member, "attribute name")?;
                    let values = match value {
                        Json::Array(items) if is_instance_list(&items) => Vec::from(items),
                        one => vec![one],
                    };
                    for value in values {
                        match self.instance(&sub_name, &member, value, depth + 1)? {
                            Instance::Value(sub) => attribute.details_mut().attributes.push(sub),
                            Instance::Deletion(_) => {
                                return Err(Error::bad(format!("{} cannot be {NGSI_LD_NULL} here", what())));
                            }
                        }
                    }
                }
            }
        }
        if deletion && self.form == Form::Temporal && depth == 0 {
            let at = attribute.deleted_at().or(attribute.observed_at).unwrap_or(self.now);
            attribute.value = null_of(kind);
            attribute.former_mut().deleted_at = Some(at);
            return Ok(Instance::Value(attribute));
        }
        if deletion {
            return Ok(Instance::Deletion(attribute.details.and_then(|details| details.dataset_id)));
        }
        if attribute.value == Json::Null {
            return Err(Error::bad(format!("attribute \"{key}\" has no {}", kind.value_member())));
        }
        if depth == 0 && key == PROOF && attribute.value.as_object().is_none() {
            return Err(Error::bad(format!("value of attribute \"{key}\" must be a proof, a JSON object")));
        }
        if let Some(details) = &mut attribute.details {
            details.attributes.shrink_to_fit();
        }
        Ok(Instance::Value(attribute))
    }
}

/// Refuses an attribute of an entity (depth 0) that has the name of a geometry of the core @context and is none
/// (NGSI-LD 4.7).
fn check_core_geometry(key: &str, kind: Kind, depth: usize) -> Result<(), Error> {
    let geometry = matches!(key, "location" | "observationSpace" | "operationSpace");
    if depth == 0 && geometry && kind != Kind::GeoProperty {
        return Err(Error::bad(format!("attribute \"{key}\" must be a GeoProperty (NGSI-LD 4.7)")));
    }
    Ok(())
}
