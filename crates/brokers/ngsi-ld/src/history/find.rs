//! Reading the past. What is needed is taken together under a short lock; reading files, decoding and building happen
//! outside of it and, as the disk may be slow and an entity's past long, on a thread that may block.

use std::{collections::BTreeMap, sync::Arc};

use morgana_journal::{Cursor, TableError};

use super::{
    Building, History, Rules, State,
    codec::{RecordKind, decode, kind_of},
    recent::{Changes, OfEntity, Records},
    run::Run,
};
use crate::{
    Error, ErrorKind,
    model::{Entity, Timestamp},
};

/// A step of a scan ends when it has read so many bytes of records.
const STEP_BYTES: usize = 4 * 1024 * 1024;

/// Which change of an entity's past was the last one that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    next_run: u64,
    change: u64,
}

/// A step of a scan.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) entities: Vec<Arc<Entity>>,
    /// The id to go on after; `None` at the end.
    pub(crate) after: Option<Box<str>>,
}

/// Where the past of an entity is, to be read by who may block.
#[derive(Debug)]
pub(crate) struct Found {
    id: Box<str>,
    runs: Vec<Arc<Run>>,
    records: Records,
    rules: Rules,
    floor: Option<Timestamp>,
    seen: Seen,
}

impl Found {
    /// The past.
    pub(crate) fn build(self) -> Result<Option<Entity>, Error> {
        let mut building = Building::default();
        let apply = |building: &mut Building, record: &[u8]| {
            building.apply(decode(record).map_err(|error| unreadable(&self.id, &error))?, self.rules);
            Ok::<_, Error>(())
        };
        for run in &self.runs {
            for record in run.table.get(self.id.as_bytes()).map_err(|error| unreadable(&self.id, &error))? {
                apply(&mut building, &record)?;
            }
        }
        for record in &self.records {
            apply(&mut building, record)?;
        }
        Ok(building.finish(self.rules.max, self.floor))
    }

    /// Whether there is a past. The last change tells, as a rule, so that what may be long is not decoded.
    pub(crate) fn any(self) -> Result<bool, Error> {
        let mut last = self.records.last().cloned();
        for run in self.runs.iter().rev() {
            if last.is_some() {
                break;
            }
            let found = run.table.get(self.id.as_bytes()).map_err(|error| unreadable(&self.id, &error))?;
            last = found.into_iter().next_back().map(Into::into);
        }
        let Some(last) = last else { return Ok(false) };
        match (kind_of(&last), self.floor) {
            (Some(RecordKind::Gone), _) => return Ok(false),
            (Some(RecordKind::Entity | RecordKind::More), None) => return Ok(true),
            (Some(RecordKind::More), Some(floor)) => {
                let past = decode(&last).map_err(|error| unreadable(&self.id, &error))?;
                if past.at() >= Some(floor) {
                    return Ok(true);
                }
            }
            _ => {}
        }
        Ok(self.build()?.is_some())
    }
}

impl State {
    /// What is in memory of an entity's past, oldest first.
    fn changes<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Changes> {
        self.filing.as_ref().and_then(|filing| filing.get(id)).into_iter().chain(self.recent.get(id))
    }

    fn seen(&self, id: &str) -> Seen {
        let change = self.changes(id).map(|one| one.last).max().unwrap_or_default();
        Seen { next_run: self.next_run, change }
    }
}

impl History {
    /// The past of an entity.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Entity>, Error> {
        Ok(self.look(id, Found::build).await?.0)
    }

    /// What `read` makes of the past of an entity, and what was seen of it.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        id: &str,
        read: fn(Found) -> Result<T, Error>,
    ) -> Result<(T, Seen), Error> {
        let found = self.find(id);
        let seen = found.seen;
        if found.runs.is_empty() && found.records.is_empty() {
            return Ok((read(found)?, seen));
        }
        Ok((self.blocking(move || read(found)).await?, seen))
    }

    /// Runs what blocks where it may, a few at once: each may have much in memory.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let broken = |error: &dyn std::error::Error| {
            Error::new(ErrorKind::InternalError, format!("reading the past ended early: {error}"))
        };
        let _turn = self.reads.acquire().await.map_err(|error| broken(&error))?;
        tokio::task::spawn_blocking(work).await.map_err(|error| broken(&error))?
    }

    /// Whether the past of an entity is still what was seen. May say no without need.
    pub(crate) fn is_still(&self, id: &str, seen: Seen) -> bool {
        self.state.read().seen(id) == seen
    }

    /// Where the past of an entity is.
    pub(crate) fn find(&self, id: &str) -> Found {
        let state = self.state.read();
        Found {
            id: id.into(),
            runs: state.runs.clone(),
            records: state.changes(id).flat_map(|one| one.records.iter().cloned()).collect(),
            rules: self.rules,
            floor: state.floor.max(self.rules.floor(Timestamp::now())),
            seen: state.seen(id),
        }
    }

    /// The past of some entities after `after` in the order of their ids, at most `limit`, or of those before it.
    pub(crate) async fn scan(
        &self,
        after: Option<&str>,
        limit: usize,
        backwards: bool,
    ) -> Result<Scanned, Error> {
        let (runs, recent, floor) = {
            let state = self.state.read();
            let filing = state.filing.iter().map(|filing| filing.scan(after, backwards, limit));
            let recent: Vec<_> = filing.chain([state.recent.scan(after, backwards, limit)]).collect();
            (state.runs.clone(), recent, state.floor.max(self.rules.floor(Timestamp::now())))
        };
        let (rules, after) = (self.rules, after.map(Box::<str>::from));
        self.blocking(move || {
            let mut merged = Merged::new(&runs, recent, after.as_deref(), backwards)
                .map_err(|error| unreadable_file(&error))?;
            let (mut scanned, mut count, mut bytes) = (Scanned::default(), 0, 0);
            while count < limit && bytes < STEP_BYTES {
                let Some((id, records)) = merged.next().map_err(|error| unreadable_file(&error))? else {
                    scanned.after = None;
                    return Ok(scanned);
                };
                let mut building = Building::default();
                for record in records {
                    bytes += record.len();
                    building.apply(decode(&record).map_err(|error| unreadable(&id, &error))?, rules);
                }
                scanned.entities.extend(building.finish(rules.max, floor).map(Arc::new));
                scanned.after = Some(id);
                count += 1;
            }
            Ok(scanned)
        })
        .await
    }
}

fn unreadable(id: &str, error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::InternalError, format!("cannot read the past of {id}: {error}"))
}

fn unreadable_file(error: &TableError) -> Error {
    Error::new(ErrorKind::InternalError, format!("cannot read the past: {error}"))
}

/// The records of runs, and of recent changes, entity by entity.
pub(super) struct Merged<'a> {
    /// Oldest first.
    runs: Vec<(&'a Run, Cursor, Option<OfEntity>)>,
    recent: BTreeMap<Box<str>, Records>,
    backwards: bool,
}

impl<'a> Merged<'a> {
    /// From `after` on; of `recent` those that come first are oldest.
    pub(super) fn new(
        runs: &'a [Arc<Run>],
        recent: Vec<Vec<OfEntity>>,
        after: Option<&str>,
        backwards: bool,
    ) -> Result<Self, TableError> {
        let mut all: BTreeMap<Box<str>, Records> = BTreeMap::new();
        for (id, records) in recent.into_iter().flatten() {
            all.entry(id).or_default().extend(records);
        }
        let mut merged = Self { runs: Vec::with_capacity(runs.len()), recent: all, backwards };
        for run in runs {
            let mut cursor = run.table.cursor(after.map(str::as_bytes), backwards)?;
            let first = next_of(run, &mut cursor)?;
            merged.runs.push((run, cursor, first));
        }
        Ok(merged)
    }

    /// The next entity with all its records, oldest first.
    pub(super) fn next(&mut self) -> Result<Option<OfEntity>, TableError> {
        let heads = self.runs.iter().filter_map(|(_, _, head)| head.as_ref().map(|(id, _)| id));
        let recent = if self.backwards { self.recent.keys().next_back() } else { self.recent.keys().next() };
        let heads = heads.chain(recent);
        let next = if self.backwards { heads.max() } else { heads.min() };
        let Some(id) = next.cloned() else { return Ok(None) };
        let mut records = Records::new();
        for (run, cursor, head) in &mut self.runs {
            if let Some((_, more)) = head.take_if(|(known, _)| *known == id) {
                records.extend(more);
                *head = next_of(run, cursor)?;
            }
        }
        records.extend(self.recent.remove(&id).into_iter().flatten());
        Ok(Some((id, records)))
    }
}

fn next_of(run: &Run, cursor: &mut Cursor) -> Result<Option<OfEntity>, TableError> {
    let Some((key, values)) = run.table.next(cursor)? else { return Ok(None) };
    let id = String::from_utf8(key.into()).map_err(|_| TableError::Corrupt {
        file: run.table.path().to_owned(),
        offset: 0,
        what: "a key that is no id",
    })?;
    Ok(Some((id.into(), values.into_iter().map(Into::into).collect())))
}
