//! What users can ask for. Each operation checks the right first, so that CLI, console, scripts
//! and tests meet the same rules.

mod connections;
mod events;
mod flavours;
mod insight;
mod sessions;
mod thing_visors;
mod users;
mod vsilos;
mod vthings;

use morgana_model::{Failure, Page};
use morgana_store::{Document, ListQuery, Table, Versioned};

pub use events::{EventStream, Events};
pub use insight::Node;
pub use sessions::Lease;

use crate::Error;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// At most so many, 1 to [`ListOptions::MAX`]; [`ListOptions::DEFAULT`] when not given.
    pub limit: Option<usize>,
    /// What follows this, the `next` of the page before.
    pub cursor: Option<String>,
}

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

/// One page of the documents whose keys start with `prefix`.
async fn page<T: Document>(table: &Table<T>, prefix: &str, options: &ListOptions) -> Result<Page<T>, Error> {
    let limit = options.limit()?;
    // One more than asked tells whether something follows.
    let query =
        ListQuery { prefix: Some(prefix.to_owned()), after: options.cursor.clone(), limit: limit + 1 };
    let mut items: Vec<T> = table.list(query).await?.into_iter().map(|found| found.value).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(Document::key) } else { None };
    Ok(Page { items, next })
}

/// The document of that key, or that it does not exist.
async fn existing<T: Document>(table: &Table<T>, what: &str, key: &str) -> Result<Versioned<T>, Error> {
    match table.get(key).await? {
        Some(found) => Ok(found),
        None => Err(Failure::not_found(format_args!("{what} '{key}'")).into()),
    }
}
