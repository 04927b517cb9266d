use super::operators::{is_operation, nests, operate};
use crate::{
    Error, ErrorKind,
    input::{Action, AttributeInput, EntityInput, parse_attribute_value},
    model::{Attribute, DATE_EXPIRES, Entity, Json, Metadatum, Shape, Time},
};

/// How an update treats what is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpdateOptions {
    /// Metadata of the request replace those there are (`overrideMetadata`).
    pub override_metadata: bool,
    /// What does not change counts as changed (`forcedUpdate`).
    pub forced: bool,
}

/// What a request did with an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EffectKind {
    Appended,
    Updated,
    Deleted,
}

/// An attribute that a request touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) name: Box<str>,
    pub(crate) kind: EffectKind,
    /// Whether type, value or metadata are others now.
    pub(crate) changed: bool,
    /// Whether type or value are others now.
    pub(crate) value_changed: bool,
}

impl Effect {
    /// The end of an attribute.
    pub(crate) fn deleted(name: &str) -> Self {
        Self::of(name, EffectKind::Deleted)
    }

    fn of(name: &str, kind: EffectKind) -> Self {
        Self { name: name.into(), kind, changed: true, value_changed: true }
    }
}

/// What an update made of an entity.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) entity: Entity,
    /// The entity as notifications tell of it, where that is another than the one that is kept.
    pub(crate) told: Option<Entity>,
    pub(crate) effects: Vec<Effect>,
    /// Attributes that the action could not be done with: there already, or missing.
    pub(crate) refused: Vec<Box<str>>,
}

/// The entity that a request creates.
///
/// # Errors
/// When a value cannot be what its type says, or there are two locations.
pub(crate) fn create(input: &EntityInput, kind: &str, path: &str, now: Time) -> Result<Applied, Error> {
    let empty = Entity {
        id: input.id.clone(),
        kind: kind.into(),
        path: path.into(),
        attributes: Vec::new(),
        created: now,
        modified: now,
    };
    let mut applied = apply(&empty, Action::Append, &input.attributes, UpdateOptions::default(), now)?;
    for input in input.attributes.iter().filter(|input| nests(&input.value)) {
        // Orion keeps another array around it, and tells of it without: its users' subscribers and readers know it so.
        applied.told.get_or_insert_with(|| applied.entity.clone());
        if let Some(attribute) = applied.entity.attribute_mut(&input.name) {
            attribute.value = Json::Array([std::mem::replace(&mut attribute.value, Json::Null)].into());
        }
    }
    Ok(applied)
}

/// What `action` with these attributes makes of `old`. Deleting a whole entity is not for here.
///
/// # Errors
/// When a value cannot be what its type says, or there would be two locations.
pub(crate) fn apply(
    old: &Entity,
    action: Action,
    attributes: &[AttributeInput],
    options: UpdateOptions,
    now: Time,
) -> Result<Applied, Error> {
    let mut applied = Applied { entity: old.clone(), told: None, effects: Vec::new(), refused: Vec::new() };
    applied.entity.modified = now;
    if action == Action::Replace {
        let gone = |known: &Attribute| !attributes.iter().any(|input| input.name == known.name);
        applied.effects.extend(
            old.attributes
                .iter()
                .filter(|known| gone(known))
                .map(|known| Effect::of(&known.name, EffectKind::Deleted)),
        );
        applied.entity.attributes.clear();
    }
    for input in attributes {
        match (action, old.attribute(&input.name)) {
            (Action::AppendStrict, Some(_)) | (Action::Update | Action::Delete, None) => {
                applied.refused.push(input.name.clone());
            }
            (Action::Delete, Some(_)) => {
                applied.entity.attributes.retain(|known| known.name != input.name);
                applied.effects.push(Effect::of(&input.name, EffectKind::Deleted));
            }
            (Action::Replace, known) => {
                if let Some(mut new) = fresh(input, now)? {
                    new.created = known.map_or(now, |known| known.created);
                    applied.effects.push(effect(known, &new, input, options));
                    applied.entity.attributes.push(new);
                }
            }
            (_, None) => {
                if let Some(new) = fresh(input, now)? {
                    applied.entity.attributes.push(new);
                    applied.effects.push(Effect::of(&input.name, EffectKind::Appended));
                }
            }
            (_, Some(known)) => {
                let new = merged(known, input, options, now)?;
                applied.effects.push(effect(Some(known), &new, input, options));
                if let Some(place) = applied.entity.attribute_mut(&input.name) {
                    *place = new;
                }
            }
        }
    }
    if action != Action::Delete {
        check_places(old, &applied.entity)?;
    }
    check_end(&applied.entity)?;
    Ok(applied)
}

/// What a new value of one attribute makes of `old`; type and metadata stay.
///
/// # Errors
/// When the attribute is missing, or the value does not fit its type.
pub(crate) fn set_value(
    old: &Entity,
    name: &str,
    value: Json,
    options: UpdateOptions,
    now: Time,
) -> Result<Applied, Error> {
    let known = old.attribute(name).ok_or_else(Error::no_attribute)?;
    let input = AttributeInput {
        name: name.into(),
        kind: known.kind.clone(),
        value: parse_attribute_value(&known.kind, value, &known.metadata)?,
        metadata: None,
    };
    // The metadata stay whatever the options say.
    let options = UpdateOptions { override_metadata: false, ..options };
    apply(old, Action::Update, &[input], options, now)
}

fn effect(
    known: Option<&Attribute>,
    new: &Attribute,
    input: &AttributeInput,
    options: UpdateOptions,
) -> Effect {
    let Some(known) = known else { return Effect::of(&new.name, EffectKind::Appended) };
    // What an operator does is not looked at: it counts as a change, in Orion and so for its users.
    let forced = options.forced || is_operation(&input.value);
    Effect {
        name: new.name.clone(),
        kind: EffectKind::Updated,
        changed: forced || !known.is_same(new),
        value_changed: forced || !known.is_same_without_metadata(new),
    }
}

fn fresh(input: &AttributeInput, now: Time) -> Result<Option<Attribute>, Error> {
    let value = if is_operation(&input.value) {
        match operate(&input.kind, None, &input.value)? {
            Some(value) => value,
            None => return Ok(None),
        }
    } else {
        input.value.clone()
    };
    Ok(Some(Attribute {
        name: input.name.clone(),
        kind: input.kind.clone(),
        value,
        metadata: input.metadata.clone().unwrap_or_default(),
        created: now,
        modified: now,
    }))
}

fn merged(
    known: &Attribute,
    input: &AttributeInput,
    options: UpdateOptions,
    now: Time,
) -> Result<Attribute, Error> {
    let value = if is_operation(&input.value) {
        operate(&input.kind, Some(&known.value), &input.value)?.unwrap_or(Json::Null)
    } else {
        input.value.clone()
    };
    let metadata: Box<[Metadatum]> = match &input.metadata {
        metadata if options.override_metadata => metadata.clone().unwrap_or_default(),
        None => known.metadata.clone(),
        Some(new) if new.is_empty() => Box::default(),
        Some(new) => {
            // Those not mentioned stay ("Metadata update semantics").
            let is_new = |name: &str| new.iter().any(|metadatum| &*metadatum.name == name);
            let kept = known.metadata.iter().filter(|metadatum| !is_new(&metadatum.name));
            new.iter().chain(kept).cloned().collect()
        }
    };
    let (name, kind) = (input.name.clone(), input.kind.clone());
    Ok(Attribute { name, kind, value, metadata, created: known.created, modified: now })
}

/// An entity has at most one location, and a location is a place.
fn check_places(old: &Entity, new: &Entity) -> Result<(), Error> {
    let mut locations = new.attributes.iter().filter(|attribute| attribute.is_location());
    let Some(location) = locations.next() else { return Ok(()) };
    if locations.next().is_some() {
        return Err(Error::new(
            ErrorKind::NoResourcesAvailable,
            "You cannot use more than one geo location attribute when creating an entity. Use ignoreType metadata \
             if you want to add additional informative locations.",
        ));
    }
    let known = old.attribute(&location.name);
    if known.is_some_and(|known| known.is_same(location)) {
        return Ok(());
    }
    Shape::parse(&location.kind, &location.value).map(drop).map_err(|reason| {
        if location.kind.as_ref() == "geo:json" {
            return Error::bad(reason);
        }
        // An attribute that becomes a place has words of its own.
        let of = if known.is_some_and(|known| !known.is_location()) { " for existing attribute" } else { "" };
        Error::bad(format!("error parsing location attribute{of}: {reason}"))
    })
}

/// The end of an entity is a date.
fn check_end(new: &Entity) -> Result<(), Error> {
    if new.attribute(DATE_EXPIRES).is_some() && new.expires().is_none() {
        return Err(Error::bad("error processing date expiration attribute, see log traces"));
    }
    Ok(())
}
