//! Registrations of context sources (NGSI-LD 5.9, 5.10).

use std::sync::Arc;

use uuid::Uuid;

use super::{Broker, csource_subscriptions::relevant};
use crate::{
    Context, Error, ErrorKind,
    model::{Entity, Json, Name, Timestamp, encode_registration},
    registrations::{Mode, Registration, RegistrationQuery, compacted, expanded},
    sources::{Cover, Failure, Sources},
};

impl Broker {
    /// Registers a context source (NGSI-LD 5.9.2) and gives the registration's id.
    pub(crate) async fn register(&self, document: Json, context: &Context) -> Result<Box<str>, Error> {
        let Json::Object(members) = expanded(&document, context) else {
            return Err(Error::bad("a registration must be a JSON object"));
        };
        let mut members: Vec<_> =
            Vec::from(members).into_iter().filter(|(name, _)| !is_system(name)).collect();
        if !members.iter().any(|(name, _)| &**name == "id") {
            let id = format!("urn:ngsi-ld:ContextSourceRegistration:{}", Uuid::new_v4());
            members.insert(0, ("id".into(), Json::String(id.into())));
        }
        self.write(|write| {
            let registration = Registration::new(Json::Object(members.into()), write.now, write.now)?;
            let id = registration.id.clone();
            if write.inner.registrations.read().get(&id, write.now).is_some() {
                let detail = format!("registration {id} already exists");
                return Err(Error::new(ErrorKind::AlreadyExists, detail));
            }
            write.check_conflicts(&registration)?;
            write.keep_registration(registration)?;
            Ok(id)
        })
        .await
    }

    /// Changes members of a registration (NGSI-LD 5.9.3): each is replaced; null removes it.
    pub(crate) async fn update_registration(
        &self,
        id: &str,
        patch: Json,
        context: &Context,
    ) -> Result<(), Error> {
        let Json::Object(patch) = expanded(&patch, context) else {
            return Err(Error::bad("a registration must be a JSON object"));
        };
        self.write(|write| {
            let old = write.inner.registrations.read().get(id, write.now).cloned();
            let old = old.ok_or_else(|| not_found(id))?;
            let mut members = Vec::from(old.document.as_object().unwrap_or_default());
            for (name, value) in Vec::from(patch).into_iter().filter(|(name, _)| !is_system(name)) {
                if &*name == "id" && value.as_str() != Some(id) {
                    return Err(Error::bad("the id of a registration cannot be changed"));
                }
                members.retain(|(known, _)| *known != name);
                if value != Json::Null && value.as_str() != Some("urn:ngsi-ld:null") {
                    members.push((name, value));
                }
            }
            let document = Json::Object(members.into());
            let registration = Registration::new(document, old.created_at, write.now)?;
            write.check_conflicts(&registration)?;
            write.keep_registration(registration)
        })
        .await
    }

    /// Deletes a registration (NGSI-LD 5.9.4).
    pub(crate) async fn unregister(&self, id: &str) -> Result<(), Error> {
        self.write(|write| {
            if write.inner.registrations.read().get(id, write.now).is_none() {
                return Err(not_found(id));
            }
            write.remove_registration(id)
        })
        .await
    }

    /// A registration as it is shown (NGSI-LD 5.10.1).
    pub(crate) fn registration(&self, id: &str, context: &Context, sys_attrs: bool) -> Result<Json, Error> {
        let registrations = self.inner.registrations.read();
        let found = registrations.get(id, Timestamp::now()).ok_or_else(|| not_found(id))?;
        Ok(self.shown(found, &found.document, context, sys_attrs))
    }

    /// Whether there is any source that could take part in an operation.
    pub(crate) fn has_sources(&self) -> bool {
        !self.inner.registrations.read().is_empty()
    }

    /// The registrations that have not expired.
    pub(crate) fn live_registrations(&self, now: Timestamp) -> Vec<Arc<Registration>> {
        self.inner.registrations.read().iter(now).cloned().collect()
    }

    /// The context that a source is spoken to in, when names are written in `terms`.
    pub(crate) async fn wire(
        &self,
        registration: &Registration,
        terms: &Arc<Context>,
    ) -> Result<Arc<Context>, Failure> {
        match &registration.access.context {
            Some(url) => {
                let resolved = self.context(Some(&Json::from(&**url))).await;
                resolved.map_err(|error| Failure::Invalid(error.to_string()))
            }
            None if terms.link().is_some() => Ok(Arc::clone(terms)),
            // A context without a URL cannot be named in a header: full names need none.
            None => Ok(Context::core()),
        }
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.inner.sources
    }

    /// The registrations that match, each with the matching parts of its information (NGSI-LD 5.10.2).
    pub(crate) fn registrations(
        &self,
        query: &RegistrationQuery,
        context: &Context,
        sys_attrs: bool,
    ) -> Vec<Json> {
        let registrations = self.inner.registrations.read();
        let mut found = Vec::new();
        for registration in registrations.iter(Timestamp::now()) {
            let parts = query.matching(registration);
            if parts.is_empty() {
                continue;
            }
            let document = relevant(registration, &parts);
            found.push(self.shown(registration, &document, context, sys_attrs));
        }
        found
    }
}

impl super::Write<'_> {
    /// What a source has alone, no other may have, and the broker itself may not (NGSI-LD 5.9.2.4).
    fn check_conflicts(&self, new: &Registration) -> Result<(), Error> {
        let conflict = |detail: String| Err(Error::new(ErrorKind::Conflict, detail));
        if !new.access.mode.is_proxied() {
            return Ok(());
        }
        for other in self.inner.registrations.read().iter(self.now).filter(|other| other.id != new.id) {
            // Redirections may overlap; they are all followed.
            let exclusive = [new, other].iter().any(|one| one.access.mode == Mode::Exclusive);
            if exclusive && other.access.mode.is_proxied() && overlap(new, other) {
                return conflict(format!("registration {} has some of this already", other.id));
            }
        }
        let store = self.inner.store.read();
        let clash = |entity: &Entity| {
            let cover = new.covers(&entity.id, &entity.types);
            match new.access.mode {
                // Of an entity without the attributes there is nothing yet.
                Mode::Exclusive => entity.attributes.iter().any(|attribute| cover.has(&attribute.name)),
                _ => match &cover {
                    Cover::Nothing => false,
                    Cover::All => true,
                    Cover::Names(names) => names.iter().any(|name| entity.has(name)),
                },
            }
        };
        let infos = || new.information.iter().flat_map(|part| &part.entities);
        let exact = infos().next().is_some() && infos().all(|info| info.id.is_some());
        let found = if exact && new.information.iter().all(|part| !part.entities.is_empty()) {
            infos().filter_map(|info| store.get(info.id.as_deref()?)).find(|entity| clash(entity)).cloned()
        } else {
            store.scan(None, 0, usize::MAX).0.into_iter().find(|entity| clash(entity))
        };
        match found {
            Some(entity) => conflict(format!(
                "entity {} is here already, and a {} registration would take it over; delete it first",
                entity.id,
                if new.access.mode == Mode::Exclusive { "exclusive" } else { "redirect" },
            )),
            None => Ok(()),
        }
    }

    /// Takes a registration out, because it was deleted or has expired, and tells who wants to know.
    pub(super) fn remove_registration(&mut self, id: &str) -> Result<(), Error> {
        self.append(&encode_registration(id, None))?;
        let old = self.inner.registrations.write().remove(id);
        self.tell_of_source(old.as_deref(), None);
        self.inner.sources.forget(id);
        old.map_or(Ok(()), |old| self.orphan_copies(&old))
    }

    fn keep_registration(&mut self, registration: Registration) -> Result<(), Error> {
        if !registration.is_live(self.now) {
            return Err(Error::bad("expiresAt is in the past"));
        }
        self.append(&encode_registration(&registration.id, Some(&stored(&registration))))?;
        self.inner.sources.forget_alias(&registration.id);
        let new = Arc::new(registration);
        let old = self.inner.registrations.write().insert(Arc::clone(&new));
        self.tell_of_source(old.as_deref(), Some(&new));
        self.plan_copies_at(&new)
    }
}

/// Whether both have some attribute of some entity.
fn overlap(one: &Registration, other: &Registration) -> bool {
    let ids = |registration: &Registration| -> Vec<(Box<str>, Vec<Name>)> {
        let infos = registration.information.iter().flat_map(|part| &part.entities);
        infos.filter_map(|info| Some((info.id.clone()?, info.types.clone()))).collect()
    };
    let shared = |id: &str, types: &[Name]| match (one.covers(id, types), other.covers(id, types)) {
        (Cover::Nothing, _) | (_, Cover::Nothing) => false,
        (Cover::Names(a), Cover::Names(b)) => a.iter().any(|name| b.contains(name)),
        _ => true,
    };
    // One of both is exclusive, and so names its entities.
    ids(one).into_iter().chain(ids(other)).any(|(id, types)| shared(&id, &types))
}

/// The document to store, with the times of the registration.
pub(super) fn stored(registration: &Registration) -> Json {
    let time = |time: Timestamp| Json::Number(time.as_micros().into());
    Json::Object(
        [
            ("document".into(), registration.document.clone()),
            ("createdAt".into(), time(registration.created_at)),
            ("modifiedAt".into(), time(registration.modified_at)),
        ]
        .into(),
    )
}

/// What [`stored`] stored; `None` when it is not that.
pub(super) fn revived(stored: &Json) -> Option<Registration> {
    let time = |member: &str| match stored.get(member)? {
        Json::Number(micros) => Timestamp::from_micros(micros.as_i64()?),
        _ => None,
    };
    Registration::new(stored.get("document")?.clone(), time("createdAt")?, time("modifiedAt")?).ok()
}

impl Broker {
    /// A registration with what became of asking its source (NGSI-LD 5.2.9).
    fn shown(
        &self,
        registration: &Registration,
        document: &Json,
        context: &Context,
        sys_attrs: bool,
    ) -> Json {
        let Json::Object(members) = compacted(document, context) else { return Json::Null };
        let mut members = Vec::from(members);
        let state = self.inner.sources.state(&registration.id);
        let time = |time: Timestamp| (&*time.to_string()).into();
        if state.sent > 0 {
            let failing = state.last_failure > state.last_success;
            members.push(("status".into(), if failing { "failed" } else { "ok" }.into()));
            members.push(("timesSent".into(), Json::Number(state.sent.into())));
            members.push(("timesFailed".into(), Json::Number(state.failed.into())));
        }
        members.extend(state.last_success.map(|at| ("lastSuccess".into(), time(at))));
        members.extend(state.last_failure.map(|at| ("lastFailure".into(), time(at))));
        if sys_attrs {
            members.push(("createdAt".into(), time(registration.created_at)));
            members.push(("modifiedAt".into(), time(registration.modified_at)));
        }
        Json::Object(members.into())
    }
}

fn is_system(name: &str) -> bool {
    matches!(
        name,
        "@context"
            | "status"
            | "createdAt"
            | "modifiedAt"
            | "timesSent"
            | "timesFailed"
            | "lastSuccess"
            | "lastFailure"
    )
}

fn not_found(id: &str) -> Error {
    Error::new(ErrorKind::ResourceNotFound, format!("registration {id} does not exist"))
}
