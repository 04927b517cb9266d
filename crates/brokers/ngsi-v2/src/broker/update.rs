//! Writing entities.

use std::sync::Arc;

use super::{Broker, Scope, write::Write};
use crate::{
    Entity, Error, ErrorKind, Json,
    change::{self, Applied, UpdateOptions},
    input::{Action, AttributeInput, DEFAULT_ENTITY_TYPE, EntityInput, Update},
    model::UpdateWords,
};

/// What became of a request to create an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The entity's type.
    pub kind: Box<str>,
    /// Whether it is new.
    pub is_new: bool,
}

/// The longest id, type and service path together, in bytes: Orion's database has such a limit, and its users meet it.
const KEY_MAX: usize = 1000;

impl Broker {
    /// Creates an entity (`POST /v2/entities`); with `upsert`, one that is there is written instead.
    ///
    /// # Errors
    /// When it is there already, or cannot be what it should be.
    pub async fn create(
        &self,
        scope: &Scope,
        input: EntityInput,
        upsert: bool,
        options: UpdateOptions,
    ) -> Result<Created, Error> {
        let path = scope.paths.for_update(&UpdateWords::COMMON)?;
        let kind = input.kind.as_deref().unwrap_or(DEFAULT_ENTITY_TYPE);
        self.write(scope, |write| {
            let known = write.find(&input.id, Some(kind), path);
            match known.first() {
                Some(_) if !upsert => return Err(Error::new(ErrorKind::Unprocessable, "Already Exists")),
                Some(known) => {
                    let applied =
                        change::apply(known, Action::Append, &input.attributes, options, write.now)?;
                    write.put(applied)?;
                }
                None => write.create(&input, kind, path)?,
            }
            Ok(Created { kind: kind.into(), is_new: known.is_empty() })
        })
        .await
    }

    /// Writes attributes of one entity (`POST`, `PATCH` and `PUT` of `/v2/entities/{id}/attrs`).
    ///
    /// # Errors
    /// When there is no such entity, or several, or some attributes could not be written; the others are.
    pub async fn update_attributes(
        &self,
        scope: &Scope,
        action: Action,
        input: EntityInput,
        options: UpdateOptions,
    ) -> Result<(), Error> {
        let words = if action == Action::Update { &UpdateWords::PATCH } else { &UpdateWords::COMMON };
        let path = scope.paths.for_update(words)?;
        let outcome = self
            .write(scope, |write| {
                let known = write.only(&input.id, input.kind.as_deref(), path)?;
                let applied = change::apply(&known, action, &input.attributes, options, write.now)?;
                write.finish(&input, applied)
            })
            .await?;
        Report::new(action, vec![outcome]).result()
    }

    /// Writes one attribute that is there (`PUT /v2/entities/{id}/attrs/{name}`).
    ///
    /// # Errors
    /// When there is no such entity or attribute, or several entities.
    pub async fn update_attribute(
        &self,
        scope: &Scope,
        id: &str,
        kind: Option<&str>,
        attribute: AttributeInput,
        options: UpdateOptions,
    ) -> Result<(), Error> {
        let path = scope.paths.for_update(&UpdateWords::COMMON)?;
        self.write(scope, |write| {
            let known = write.only(id, kind, path)?;
            if known.attribute(&attribute.name).is_none() {
                return Err(Error::no_attribute());
            }
            let applied = change::apply(&known, Action::Update, &[attribute], options, write.now)?;
            write.put(applied)
        })
        .await
    }

    /// Writes the value of one attribute; type and metadata stay (`PUT …/attrs/{name}/value`).
    ///
    /// # Errors
    /// When there is no such entity or attribute, or several entities.
    pub async fn update_value(
        &self,
        scope: &Scope,
        id: &str,
        kind: Option<&str>,
        name: &str,
        value: Json,
        options: UpdateOptions,
    ) -> Result<(), Error> {
        let path = scope.paths.for_update(&UpdateWords::COMMON)?;
        self.write(scope, |write| {
            let known = write.only(id, kind, path)?;
            let applied = change::set_value(&known, name, value, options, write.now)?;
            write.put(applied)
        })
        .await
    }

    /// Takes one attribute away.
    ///
    /// # Errors
    /// When there is no such entity or attribute, or several entities.
    pub async fn delete_attribute(
        &self,
        scope: &Scope,
        id: &str,
        kind: Option<&str>,
        name: &str,
    ) -> Result<(), Error> {
        let path = scope.paths.for_update(&UpdateWords::COMMON)?;
        self.write(scope, |write| {
            let known = write.only(id, kind, path)?;
            let input = AttributeInput::named(name);
            let applied =
                change::apply(&known, Action::Delete, &[input], UpdateOptions::default(), write.now)?;
            if !applied.refused.is_empty() {
                return Err(Error::no_attribute());
            }
            write.put(applied)
        })
        .await
    }

    /// Takes an entity out.
    ///
    /// # Errors
    /// When there is none, or several.
    pub async fn delete(&self, scope: &Scope, id: &str, kind: Option<&str>) -> Result<(), Error> {
        let path = scope.paths.for_update(&UpdateWords::COMMON)?;
        self.write(scope, |write| {
            let known = write.only(id, kind, path)?;
            write.remove(&known)
        })
        .await
    }

    /// Writes several entities (`POST /v2/op/update`).
    ///
    /// # Errors
    /// When some entities or attributes could not be written; the others are.
    pub async fn update(&self, scope: &Scope, update: &Update, options: UpdateOptions) -> Result<(), Error> {
        let path = scope.paths.for_update(&UpdateWords::COMMON)?;
        let outcomes = self
            .write(scope, |write| {
                update
                    .entities
                    .iter()
                    .map(|input| write.update_one(update.action, input, path, options))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        Report::new(update.action, outcomes).result()
    }
}

impl Write<'_> {
    /// The one entity that a request names.
    fn only(&self, id: &str, kind: Option<&str>, path: &str) -> Result<Arc<Entity>, Error> {
        let mut found = self.find(id, kind, path).into_iter();
        let entity = found.next().ok_or_else(Error::no_entity)?;
        if found.next().is_some() {
            return Err(Error::ambiguous());
        }
        Ok(entity)
    }

    fn create(&mut self, input: &EntityInput, kind: &str, path: &str) -> Result<(), Error> {
        if input.id.len() + kind.len() + path.len() > KEY_MAX {
            return Err(Error::bad("Too long entity id/type/servicePath combination"));
        }
        let applied = change::create(input, kind, path, self.now)?;
        self.put(applied)
    }

    fn update_one(
        &mut self,
        action: Action,
        input: &EntityInput,
        path: &str,
        options: UpdateOptions,
    ) -> Result<Outcome, Error> {
        let found = self.find(&input.id, input.kind.as_deref(), path);
        let known = match &*found {
            [known] => known,
            [] if matches!(action, Action::Append | Action::AppendStrict) => {
                self.create(input, input.kind.as_deref().unwrap_or(DEFAULT_ENTITY_TYPE), path)?;
                return Ok(Outcome::done(input));
            }
            [] => return Ok(Outcome { missing: true, ..Outcome::done(input) }),
            _ => return Err(Error::ambiguous()),
        };
        if action == Action::Delete && input.attributes.is_empty() {
            self.remove(known)?;
            return Ok(Outcome::done(input));
        }
        let applied = change::apply(known, action, &input.attributes, options, self.now)?;
        self.finish(input, applied)
    }

    /// Puts in what could be done.
    fn finish(&mut self, input: &EntityInput, applied: Applied) -> Result<Outcome, Error> {
        let refused = applied.refused.clone();
        let did = !applied.effects.is_empty() || refused.is_empty();
        if did {
            self.put(applied)?;
        }
        Ok(Outcome { refused, did, ..Outcome::done(input) })
    }
}

/// What became of one entity of an update.
#[derive(Debug)]
struct Outcome {
    /// The entity as the request names it.
    name: String,
    missing: bool,
    refused: Vec<Box<str>>,
    did: bool,
}

impl Outcome {
    fn done(input: &EntityInput) -> Self {
        let name = match &input.kind {
            Some(kind) => format!("{}/{kind}", input.id),
            None => input.id.to_string(),
        };
        Self { name, missing: false, refused: Vec::new(), did: true }
    }
}

/// What became of an update.
#[derive(Debug)]
struct Report {
    action: Action,
    outcomes: Vec<Outcome>,
}

impl Report {
    fn new(action: Action, outcomes: Vec<Outcome>) -> Self {
        Self { action, outcomes }
    }

    fn result(self) -> Result<(), Error> {
        let is_failure = |outcome: &&Outcome| outcome.missing || !outcome.refused.is_empty();
        let mut words = match self.action {
            Action::AppendStrict => "one or more of the attributes in the request already exist: ".to_owned(),
            _ => "do not exist: ".to_owned(),
        };
        for (index, outcome) in self.outcomes.iter().filter(is_failure).enumerate() {
            if index > 0 {
                words.push_str(", ");
            }
            words.push_str(&outcome.name);
            match (outcome.missing, index) {
                // Only the first has the dash, in Orion and so in what its users compare with.
                (true, 0) => words.push_str(" - [entity itself]"),
                (true, _) => words.push_str(" [entity itself]"),
                (false, _) => {
                    words.push_str(" - [ ");
                    words.push_str(&outcome.refused.join(", "));
                    words.push_str(" ]");
                }
            }
        }
        let failures = self.outcomes.iter().filter(is_failure).count();
        let kind = if failures == 0 {
            return Ok(());
        } else if self.outcomes.iter().any(|outcome| outcome.did && !outcome.missing) {
            ErrorKind::PartialUpdate
        } else if self.outcomes.iter().all(|outcome| outcome.missing) {
            ErrorKind::NotFound
        } else {
            ErrorKind::Unprocessable
        };
        Err(Error::new(kind, words))
    }
}
