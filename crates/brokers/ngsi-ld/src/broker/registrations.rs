//! Registrations of context sources (NGSI-LD 5.9, 5.10).

use uuid::Uuid;

use super::Broker;
use crate::{
    Context, Error, ErrorKind,
    model::{Json, Timestamp, encode_registration},
    registrations::{Registration, RegistrationQuery, compacted, expanded},
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
            write.keep_registration(Registration::new(document, old.created_at, write.now)?)
        })
        .await
    }

    /// Deletes a registration (NGSI-LD 5.9.4).
    pub(crate) async fn unregister(&self, id: &str) -> Result<(), Error> {
        self.write(|write| {
            if write.inner.registrations.read().get(id, write.now).is_none() {
                return Err(not_found(id));
            }
            write.append(&encode_registration(id, None))?;
            write.inner.registrations.write().remove(id);
            Ok(())
        })
        .await
    }

    /// A registration as it is shown (NGSI-LD 5.10.1).
    pub(crate) fn registration(&self, id: &str, context: &Context, sys_attrs: bool) -> Result<Json, Error> {
        let registrations = self.inner.registrations.read();
        let found = registrations.get(id, Timestamp::now()).ok_or_else(|| not_found(id))?;
        Ok(shown(found, &found.document, context, sys_attrs))
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
            let member = |(name, value): &(Box<str>, Json)| match (&**name, value) {
                ("information", Json::Array(all)) => {
                    let matching = parts.iter().filter_map(|at| all.get(*at)).cloned().collect();
                    (name.clone(), Json::Array(matching))
                }
                _ => (name.clone(), value.clone()),
            };
            let members = registration.document.as_object().unwrap_or_default().iter().map(member);
            found.push(shown(registration, &Json::Object(members.collect()), context, sys_attrs));
        }
        found
    }
}

impl super::Write<'_> {
    fn keep_registration(&mut self, registration: Registration) -> Result<(), Error> {
        if !registration.is_live(self.now) {
            return Err(Error::bad("expiresAt is in the past"));
        }
        self.append(&encode_registration(&registration.id, Some(&stored(&registration))))?;
        self.inner.registrations.write().insert(registration);
        Ok(())
    }
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

fn shown(registration: &Registration, document: &Json, context: &Context, sys_attrs: bool) -> Json {
    let Json::Object(members) = compacted(document, context) else { return Json::Null };
    let mut members = Vec::from(members);
    if sys_attrs {
        for (name, time) in [("createdAt", registration.created_at), ("modifiedAt", registration.modified_at)]
        {
            members.push((name.into(), (&*time.to_string()).into()));
        }
    }
    Json::Object(members.into())
}

fn is_system(name: &str) -> bool {
    matches!(name, "@context" | "status" | "createdAt" | "modifiedAt")
}

fn not_found(id: &str) -> Error {
    Error::new(ErrorKind::ResourceNotFound, format!("registration {id} does not exist"))
}
