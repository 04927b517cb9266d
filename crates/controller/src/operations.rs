//! What users can ask for. Each operation checks the right first, so that CLI, console, scripts
//! and tests meet the same rules.

mod audit_log;
mod bounds;
mod connections;
mod events;
mod flavours;
mod insight;
mod restart;
mod sessions;
mod tenants;
mod thing_visors;
mod users;
mod vsilos;
mod vthings;

pub(crate) use vthings::endpoint_message;

use std::collections::BTreeMap;

use morgana_model::{Failure, Page, Phase};
use morgana_store::{Document, ListQuery, Table, Versioned};

pub use events::{EventStream, Events};
pub use insight::Node;
pub use sessions::{Lease, SessionKind};

use crate::Error;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// At most so many, 1 to [`ListOptions::MAX`]; [`ListOptions::DEFAULT`] when not given.
    pub limit: Option<usize>,
    /// What follows this, the `next` of the page before.
    pub cursor: Option<String>,
    /// Only what is like this.
    pub filter: Filter,
}

/// What the resources of a list have to be like: the names of fields with the values they have to have.
/// Which fields a list knows is said where it is offered.
pub type Filter = BTreeMap<&'static str, String>;

impl ListOptions {
    /// The longest page.
    pub const MAX: usize = 1000;
    /// The page when nothing is asked.
    pub const DEFAULT: usize = 100;

    fn limit(&self) -> Result<usize, Failure> {
        match self.limit {
            None => Ok(Self::DEFAULT),
            Some(limit @ 1..=Self::MAX) => Ok(limit),
            Some(limit) => Err(Failure::invalid(format!("limit is {limit}: it must be 1 to {}", Self::MAX))),
        }
    }
}

/// One page of the documents whose keys start with `prefix`, of those whose fields are as the filter
/// asks.
async fn page<T: Document>(
    table: &Table<T>,
    prefix: &str,
    options: &ListOptions,
    field: impl Fn(&T, &str) -> Option<String>,
) -> Result<Page<T>, Error> {
    let limit = options.limit()?;
    let matches =
        |item: &T| options.filter.iter().all(|(name, value)| field(item, name).as_ref() == Some(value));
    // One more than asked tells whether something follows.
    let at_once = if options.filter.is_empty() { limit + 1 } else { ListOptions::MAX };
    let mut query =
        ListQuery { prefix: Some(prefix.to_owned()), after: options.cursor.clone(), limit: at_once };
    let mut items: Vec<T> = Vec::new();
    loop {
        let found = table.list(query.clone()).await?;
        let last_page = found.len() < at_once;
        query.after = found.last().map(|found| found.value.key());
        items.extend(found.into_iter().map(|found| found.value).filter(&matches));
        if last_page || items.len() > limit {
            break;
        }
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(Document::key) } else { None };
    Ok(Page { items, next })
}

/// A field of what runs, by which lists of it can be filtered.
fn phase_field(phase: &Phase) -> Option<String> {
    Some(phase.name().to_owned())
}

/// The document of that key, or that it does not exist.
pub(crate) async fn existing<T: Document>(
    table: &Table<T>,
    what: &str,
    key: &str,
) -> Result<Versioned<T>, Error> {
    match table.get(key).await? {
        Some(found) => Ok(found),
        None => Err(Failure::not_found(format_args!("{what} '{key}'")).into()),
    }
}
