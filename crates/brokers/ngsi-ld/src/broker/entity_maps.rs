//! Entity maps (NGSI-LD 5.14, 5.5.14, 5.2.39): which entities a query found, and who has them, so that the pages of an
//! answer are of one set.

use std::time::Duration;

use uuid::Uuid;

use super::Broker;
use crate::{
    Error, ErrorKind,
    model::{Json, NoteKind, Timestamp, date_time},
};

/// How long a map lives when no one says, and at most.
const LIFETIME: Duration = Duration::from_secs(3600);
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// How many maps there are at most, and how many entities a map has; the map that ends first gives way.
const MAPS_MAX: usize = 1000;
const ENTITIES_MAX: usize = 100_000;

/// Entities by id, each with the registrations of the sources that have it; `@none` is this broker.
pub(crate) type Entries = Vec<(Box<str>, Vec<Box<str>>)>;

impl Broker {
    /// Keeps which entities were found. Gives the map (NGSI-LD 5.14.4).
    pub(crate) async fn create_entity_map(
        &self,
        entries: Entries,
        lifetime: Option<Duration>,
    ) -> Result<Json, Error> {
        if entries.len() > ENTITIES_MAX {
            let detail =
                format!("the query finds {} entities; a map has at most {ENTITIES_MAX}", entries.len());
            return Err(Error::new(ErrorKind::TooManyResults, detail));
        }
        let id = format!("urn:ngsi-ld:EntityMap:{}", Uuid::new_v4());
        let expires = after(Timestamp::now(), lifetime.unwrap_or(LIFETIME));
        let has = |(id, sources): (Box<str>, Vec<Box<str>>)| {
            (id, Json::Array(sources.into_iter().map(Json::String).collect()))
        };
        let map = Json::Object(
            [
                ("id".into(), Json::from(&*id)),
                ("type".into(), "EntityMap".into()),
                ("expiresAt".into(), (&*expires.to_string()).into()),
                ("entityMap".into(), Json::Object(entries.into_iter().map(has).collect())),
            ]
            .into(),
        );
        self.drop_old_maps().await?;
        self.put_note(NoteKind::EntityMap, &id, map.clone()).await?;
        Ok(map)
    }

    /// A map that has not expired (NGSI-LD 5.14.1).
    pub(crate) fn entity_map(&self, id: &str) -> Result<Json, Error> {
        self.note(NoteKind::EntityMap, id)
            .filter(|map| expires_at(map) > Timestamp::now())
            .ok_or_else(|| Error::new(ErrorKind::ResourceNotFound, format!("there is no entity map {id}")))
    }

    /// Changes when a map ends; the rest is the broker's own (NGSI-LD 5.14.2).
    pub(crate) async fn update_entity_map(&self, id: &str, patch: &Json) -> Result<(), Error> {
        let map = self.entity_map(id)?;
        let Some(expires) = patch.get("expiresAt") else { return Ok(()) };
        let latest = after(Timestamp::now(), LIFETIME_MAX);
        let expires = date_time(expires, "expiresAt")?.min(latest);
        let map = with(map, "expiresAt", (&*expires.to_string()).into());
        self.put_note(NoteKind::EntityMap, id, map).await
    }

    /// Takes a map away (NGSI-LD 5.14.3).
    pub(crate) async fn delete_entity_map(&self, id: &str) -> Result<(), Error> {
        self.entity_map(id)?;
        self.remove_note(NoteKind::EntityMap, id).await.map(drop)
    }

    /// Takes entities out of a map that are no longer what it is of (NGSI-LD 5.5.9.3).
    pub(crate) async fn prune_entity_map(&self, id: &str, left: &[Box<str>]) -> Result<(), Error> {
        let map = self.entity_map(id)?;
        let known = map.get("entityMap").and_then(Json::as_object).unwrap_or_default();
        let kept: Vec<_> = known.iter().filter(|(id, _)| left.contains(id)).cloned().collect();
        if kept.len() == known.len() {
            return Ok(());
        }
        let map = with(map, "entityMap", Json::Object(kept.into()));
        self.put_note(NoteKind::EntityMap, id, map).await
    }

    async fn drop_old_maps(&self) -> Result<(), Error> {
        let now = Timestamp::now();
        let mut known: Vec<_> =
            self.notes(NoteKind::EntityMap).into_iter().map(|(id, map)| (expires_at(&map), id)).collect();
        known.sort_unstable();
        let too_many = (known.len() + 1).saturating_sub(MAPS_MAX);
        let goes = known.iter().enumerate().filter(|(at, (end, _))| *at < too_many || *end <= now);
        for (_, (_, id)) in goes {
            self.remove_note(NoteKind::EntityMap, id).await?;
        }
        Ok(())
    }
}

fn after(now: Timestamp, lifetime: Duration) -> Timestamp {
    let micros = lifetime.min(LIFETIME_MAX).as_micros() as i64;
    Timestamp::from_micros(now.as_micros() + micros).unwrap_or(now)
}

fn expires_at(map: &Json) -> Timestamp {
    let text = map.get("expiresAt").and_then(Json::as_str).unwrap_or_default();
    Timestamp::parse(text).unwrap_or(Timestamp::EPOCH)
}

/// An object with another value of a member.
pub(super) fn with(object: Json, member: &str, value: Json) -> Json {
    let mut members = match object {
        Json::Object(members) => Vec::from(members),
        _ => Vec::new(),
    };
    match members.iter_mut().find(|(name, _)| &**name == member) {
        Some((_, old)) => *old = value,
        None => members.push((member.into(), value)),
    }
    Json::Object(members.into())
}
