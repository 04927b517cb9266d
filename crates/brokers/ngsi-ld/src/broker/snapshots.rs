//! Snapshots (NGSI-LD 5.16, 5.2.41): copies of entities that stay as they were. Each is a broker of its own in a folder
//! of its own, so that every operation works in it as outside.

use std::{collections::HashMap, fs, path::PathBuf};

use parking_lot::RwLock;
use uuid::Uuid;

use super::{Broker, OpenError, Options, Who, entity_maps::with};
use crate::{
    Context, EntityQuery, Error, ErrorKind,
    model::{Attribute, Changes, Entity, Json, Kind, Name, NoteKind, Timestamp, check_uri, date_time},
};

/// How many snapshots a tenant may have.
const SNAPSHOTS_MAX: usize = 64;

/// How important a snapshot is when no one says; from 1 to 10.
const PRIORITY: u64 = 5;

/// What a snapshot shows of itself, and what a purge can ask for (NGSI-LD 5.16.7.4).
const MEMBERS: &[&str] = &[
    "id",
    "type",
    "createdAt",
    "modifiedAt",
    "expiresAt",
    "lastUsedAt",
    "snapshotPriority",
    "snapshotStatus",
    "snapshotQueries",
    "snapshotTemporalQueries",
    "snapshotQueriesDetails",
];

/// The member with queries of the past.
const TEMPORAL: &str = "snapshotTemporalQueries";

/// The brokers of snapshots by id, each with when it was last used.
pub(super) type Snapshots = RwLock<HashMap<Box<str>, (Broker, Timestamp)>>;

impl Broker {
    /// Starts an empty snapshot (NGSI-LD 5.16.1). Gives its id and its broker, to be filled.
    pub(crate) async fn create_snapshot(&self, document: &Json) -> Result<(Box<str>, Self), Error> {
        if document.get("type").and_then(Json::as_str) != Some("Snapshot") {
            return Err(Error::bad("type must be \"Snapshot\""));
        }
        let id: Box<str> = match document.get("id") {
            Some(id) => check_uri(id.as_str().unwrap_or_default(), "id")?.into(),
            None => format!("urn:ngsi-ld:Snapshot:{}", Uuid::new_v4()).into(),
        };
        let known = self.notes(NoteKind::Snapshot);
        if known.iter().any(|(known, _)| *known == id) {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("snapshot {id} already exists")));
        }
        if known.len() >= SNAPSHOTS_MAX {
            let detail =
                format!("there are {SNAPSHOTS_MAX} snapshots, and no more may be; delete some first");
            return Err(Error::new(ErrorKind::TooManyResults, detail));
        }
        let now: Json = (&*Timestamp::now().to_string()).into();
        let mut members: Vec<(Box<str>, Json)> = vec![
            ("id".into(), Json::String(id.clone())),
            ("type".into(), "Snapshot".into()),
            ("snapshotStatus".into(), "preparing".into()),
            ("snapshotPriority".into(), priority(document)?.unwrap_or(Json::Number(PRIORITY.into()))),
        ];
        for member in ["snapshotQueries", TEMPORAL] {
            members.extend(document.get(member).map(|queries| (member.into(), queries.clone())));
        }
        if let Some(expires) = document.get("expiresAt") {
            members.push(("expiresAt".into(), (&*date_time(expires, "expiresAt")?.to_string()).into()));
        }
        for member in ["createdAt", "modifiedAt", "lastUsedAt"] {
            members.push((member.into(), now.clone()));
        }
        let folder = Uuid::new_v4().simple().to_string();
        members.push(("folder".into(), (&*folder).into()));
        let (broker, name, past) = (self.clone(), folder, document.get(TEMPORAL).is_some());
        let opened = tokio::task::spawn_blocking(move || broker.open_snapshot(&name, past)).await;
        let opened = match opened {
            Ok(Ok(broker)) => broker,
            Ok(Err(error)) => return Err(unusable(&id, &error)),
            Err(error) => return Err(unusable(&id, &error)),
        };
        self.put_note(NoteKind::Snapshot, &id, Json::Object(members.into())).await?;
        self.inner.snapshots.write().insert(id.clone(), (opened.clone(), Timestamp::now()));
        Ok((id, opened))
    }

    fn snapshot_dir(&self, folder: &str) -> PathBuf {
        self.inner.tenants.options().dir.join("snapshots").join(folder)
    }

    /// Opens the broker in a folder, with a past where the snapshot has one. Nothing of it grows old.
    fn open_snapshot(&self, folder: &str, past: bool) -> Result<Self, OpenError> {
        let options = self.inner.tenants.options();
        let options = Options {
            dir: self.snapshot_dir(folder),
            tenants_max: 0,
            history_instances: if past { options.history_instances } else { 0 },
            history_max_age_s: 0,
            ..options.clone()
        };
        let alias = format!("{}.{folder}", self.inner.alias);
        let who = Who { alias, tenant: None };
        Self::open_as(options, self.inner.tenants.transport(), Some(who))
    }

    /// Opens the snapshots that the journal knows. One that was still being filled never will be.
    pub(super) fn restore_snapshots(&self) {
        for (id, note) in self.notes(NoteKind::Snapshot) {
            let folder = note.get("folder").and_then(Json::as_str).unwrap_or_default();
            match self.open_snapshot(folder, note.get(TEMPORAL).is_some()) {
                Ok(broker) => {
                    self.inner.snapshots.write().insert(id.clone(), (broker, Timestamp::now()));
                }
                Err(error) => tracing::error!(snapshot = %id, %error, "cannot open a snapshot"),
            }
            if note.get("snapshotStatus").and_then(Json::as_str) == Some("preparing") {
                let note = with(note, "snapshotStatus", "failure".into());
                self.inner.notes.write().put(NoteKind::Snapshot, id, note);
            }
        }
    }

    /// The broker of a snapshot that is ready (NGSI-LD 6.3.22).
    pub(crate) fn snapshot_broker(&self, id: &str) -> Result<Self, Error> {
        let note = self.snapshot_note(id)?;
        if note.get("snapshotStatus").and_then(Json::as_str) == Some("preparing") {
            let detail = format!("snapshot {id} is still being prepared; try again in a moment");
            return Err(Error::new(ErrorKind::Conflict, detail));
        }
        let mut snapshots = self.inner.snapshots.write();
        let (broker, used) = snapshots.get_mut(id).ok_or_else(|| not_found(id))?;
        *used = Timestamp::now();
        Ok(broker.clone())
    }

    fn snapshot_note(&self, id: &str) -> Result<Json, Error> {
        let note = self.note(NoteKind::Snapshot, id).ok_or_else(|| not_found(id))?;
        let expires = note.get("expiresAt").and_then(Json::as_str).and_then(Timestamp::parse);
        if expires.is_some_and(|at| at <= Timestamp::now()) { Err(not_found(id)) } else { Ok(note) }
    }

    /// A snapshot as it is shown (NGSI-LD 5.16.3).
    pub(crate) fn snapshot(&self, id: &str) -> Result<Json, Error> {
        let note = self.snapshot_note(id)?;
        let used = self.inner.snapshots.read().get(id).map(|(_, used)| *used);
        let note = match used {
            Some(used) => with(note, "lastUsedAt", (&*used.to_string()).into()),
            None => note,
        };
        let shown =
            note.as_object().unwrap_or_default().iter().filter(|(name, _)| MEMBERS.contains(&&**name));
        Ok(Json::Object(shown.cloned().collect()))
    }

    /// All snapshots as they are shown, in the order of their ids.
    pub(crate) fn snapshots(&self) -> Vec<Json> {
        let known = self.notes(NoteKind::Snapshot);
        known.iter().filter_map(|(id, _)| self.snapshot(id).ok()).collect()
    }

    /// Puts entities in as they are, whatever was there. That they come in is nothing that happened to them.
    pub(crate) async fn put_copies(&self, entities: Vec<Entity>) -> Result<(), Error> {
        self.write(|write| {
            write.keeps_past = false;
            for entity in entities {
                let changes = Changes::all_created(&entity);
                write.put(entity, &changes)?;
            }
            Ok(())
        })
        .await
    }

    /// Says how filling a snapshot went: for each query what it found (NGSI-LD 5.2.41).
    pub(crate) async fn finish_snapshot(&self, id: &str, details: Vec<Json>) -> Result<(), Error> {
        let failed = |detail: &Json| detail.get("resultStatus").and_then(Json::as_str) == Some("failure");
        let status = if details.iter().any(failed) { "failure" } else { "success" };
        let note = self.snapshot_note(id)?;
        let note = with(note, "snapshotStatus", status.into());
        let note = with(note, "snapshotQueriesDetails", Json::Array(details.into()));
        self.put_note(NoteKind::Snapshot, id, note).await
    }

    /// Changes the priority or the end of a snapshot; the rest cannot be changed (NGSI-LD 5.16.4).
    pub(crate) async fn update_snapshot(&self, id: &str, patch: &Json) -> Result<(), Error> {
        let mut note = self.snapshot_note(id)?;
        for (name, value) in patch.as_object().unwrap_or_default() {
            match &**name {
                "id" if value.as_str() == Some(id) => {}
                "type" if value.as_str() == Some("Snapshot") => {}
                "@context" => {}
                "snapshotPriority" => {
                    note = with(note, name, priority(patch)?.unwrap_or(Json::Number(PRIORITY.into())));
                }
                "expiresAt" => {
                    note = with(note, name, (&*date_time(value, "expiresAt")?.to_string()).into());
                }
                other => return Err(Error::bad(format!("{other} of a snapshot cannot be changed"))),
            }
        }
        let note = with(note, "modifiedAt", (&*Timestamp::now().to_string()).into());
        self.put_note(NoteKind::Snapshot, id, note).await
    }

    /// Deletes a snapshot (NGSI-LD 5.16.5).
    pub(crate) async fn delete_snapshot(&self, id: &str) -> Result<(), Error> {
        let note = self.remove_note(NoteKind::Snapshot, id).await?.ok_or_else(|| not_found(id))?;
        let gone = self.inner.snapshots.write().remove(id);
        drop(gone);
        let folder = self.snapshot_dir(note.get("folder").and_then(Json::as_str).unwrap_or_default());
        // A broker that is in use a moment longer writes to files that have no name any more.
        if let Err(error) = tokio::task::spawn_blocking(move || fs::remove_dir_all(folder)).await {
            tracing::warn!(snapshot = %id, %error, "cannot remove the folder of a snapshot");
        }
        Ok(())
    }

    /// Deletes the snapshots that match a query over their members (NGSI-LD 5.16.7).
    pub(crate) async fn purge_snapshots(&self, q: &str) -> Result<(), Error> {
        if let Some(other) = names(q).find(|name| !MEMBERS.contains(name)) {
            return Err(Error::bad(format!("q: \"{other}\" is no member of a snapshot")));
        }
        let core = Context::core();
        let query = EntityQuery::default().with_q(q, &core)?;
        for snapshot in self.snapshots() {
            if let Some(id) = snapshot.get("id").and_then(Json::as_str)
                && query.matches(&as_entity(id, &snapshot, &core))
            {
                self.delete_snapshot(id).await?;
            }
        }
        Ok(())
    }
}

/// The names in a query: words that do not belong to a text in quotes or to a value.
fn names(q: &str) -> impl Iterator<Item = &str> {
    let terms = q.split([';', '|', '(', ')', '!']).map(str::trim);
    let word =
        |term: &'_ str| term.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(term.len());
    terms
        .map(move |term| &term[..word(term)])
        .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
}

fn as_entity(id: &str, snapshot: &Json, core: &Context) -> Entity {
    let now = Timestamp::now();
    let attribute = |(name, value): &(Box<str>, Json)| Attribute {
        name: Name::new(&core.expand(name)),
        kind: Kind::Property,
        value: value.clone(),
        created_at: now,
        modified_at: now,
        observed_at: None,
        details: None,
        observed_digits: None,
    };
    Entity {
        id: id.into(),
        types: vec![Name::new(&core.expand("Snapshot"))],
        scopes: Vec::new(),
        created_at: now,
        modified_at: now,
        attributes: snapshot.as_object().unwrap_or_default().iter().map(attribute).collect(),
        expires_at: None,
    }
}

fn priority(document: &Json) -> Result<Option<Json>, Error> {
    match document.get("snapshotPriority") {
        None => Ok(None),
        Some(Json::Number(number)) if number.as_u64().is_some_and(|number| (1..=10).contains(&number)) => {
            Ok(Some(Json::Number(number.clone())))
        }
        Some(_) => Err(Error::bad("snapshotPriority must be a number from 1 to 10")),
    }
}

fn not_found(id: &str) -> Error {
    Error::new(ErrorKind::ResourceNotFound, format!("there is no snapshot {id}"))
}

fn unusable(id: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unavailable, format!("cannot keep snapshot {id}: {error}"))
}
