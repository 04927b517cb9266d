use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Change, Committed, Error, Expect, Kind, ListQuery, Record, Revision, Store};

/// A type whose values are the documents of one kind.
pub trait Document: Serialize + DeserializeOwned {
    /// The kind.
    const KIND: Kind;

    /// The key of this value, always the same for the same thing.
    fn key(&self) -> String;
}

/// A value as it was at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The commit that last wrote it.
    pub revision: Revision,
    /// The value.
    pub value: T,
}

impl<T: Document> Versioned<T> {
    fn read(record: Record) -> Result<Self, Error> {
        let Record { kind, key, revision, document } = record;
        serde_json::from_value(document)
            .map(|value| Self { revision, value })
            .map_err(|source| Error::Decode { kind, key, source })
    }
}

/// The documents of one kind in a store, with their type. Cheap to clone.
pub struct Table<T> {
    store: Arc<dyn Store>,
    documents: PhantomData<fn() -> T>,
}

impl<T: Document> Table<T> {
    /// How often [`Table::update`] begins again before it gives the conflict to its caller.
    pub const UPDATE_ATTEMPTS: usize = 16;

    /// The documents of `T` in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, documents: PhantomData }
    }

    /// The value of that key, `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Decode`] if the document is not a `T`, or why the store did not answer.
    pub async fn get(&self, key: &str) -> Result<Option<Versioned<T>>, Error> {
        self.store.get(T::KIND, key).await?.map(Versioned::read).transpose()
    }

    /// One page of values in key order.
    ///
    /// # Errors
    /// [`Error::Decode`] for the first document that is not a `T`, or why the store did not answer.
    pub async fn list(&self, query: ListQuery) -> Result<Vec<Versioned<T>>, Error> {
        self.store.list(T::KIND, query).await?.into_iter().map(Versioned::read).collect()
    }

    /// All values whose key starts with `prefix`, in key order, read page by page.
    ///
    /// # Errors
    /// As [`Table::list`].
    pub async fn all(&self, prefix: &str) -> Result<Vec<Versioned<T>>, Error> {
        let mut values = Vec::new();
        let mut query = ListQuery::prefix(prefix);
        loop {
            let page = self.store.list(T::KIND, query.clone()).await?;
            let more = page.len() == query.limit;
            query.after = page.last().map(|record| record.key.clone());
            values.extend(page.into_iter().map(Versioned::read).collect::<Result<Vec<_>, _>>()?);
            if !more {
                return Ok(values);
            }
        }
    }

    /// Writes a value whose key is free.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the key is taken, or as [`Store::commit`].
    pub async fn insert(&self, value: &T) -> Result<Revision, Error> {
        self.put(value, Expect::Absent).await
    }

    /// Writes a value.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the record is not as expected, or as [`Store::commit`].
    pub async fn put(&self, value: &T, expect: Expect) -> Result<Revision, Error> {
        Ok(self.store.commit(vec![put_change(value, expect)?]).await?.revision)
    }

    /// Reads a value, lets `change` work on it, and writes it if nobody else did in the meantime;
    /// otherwise begins again. `None` if there is no such value. `change` may run several times, and
    /// must leave the key alone. Where it changes nothing, nothing is written and nobody is woken.
    ///
    /// # Errors
    /// [`Error::Conflict`] after [`Table::UPDATE_ATTEMPTS`] attempts, or as [`Store::commit`].
    pub async fn update(
        &self,
        key: &str,
        mut change: impl FnMut(&mut T) + Send,
    ) -> Result<Option<Versioned<T>>, Error> {
        let mut attempts = 1;
        loop {
            let Some(record) = self.store.get(T::KIND, key).await? else { return Ok(None) };
            let before = record.document.clone();
            let mut found = Versioned::<T>::read(record)?;
            change(&mut found.value);
            let put = put_change(&found.value, Expect::Revision(found.revision))?;
            if matches!(&put, Change::Put { document, .. } if *document == before) {
                return Ok(Some(found));
            }
            match self.store.commit(vec![put]).await {
                Ok(Committed { revision, .. }) => return Ok(Some(Versioned { revision, ..found })),
                Err(error) if error.is_conflict() && attempts < Self::UPDATE_ATTEMPTS => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes the value of that key.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the record is not as expected, or as [`Store::commit`].
    pub async fn delete(&self, key: &str, expect: Expect) -> Result<Revision, Error> {
        let change = Change::Delete { kind: T::KIND, key: key.to_owned(), expect };
        Ok(self.store.commit(vec![change]).await?.revision)
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), documents: PhantomData }
    }
}

impl<T: Document> fmt::Debug for Table<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Table").field("kind", &T::KIND).finish_non_exhaustive()
    }
}

pub(crate) fn put_change<T: Document>(value: &T, expect: Expect) -> Result<Change, Error> {
    let key = value.key();
    match serde_json::to_value(value) {
        Ok(document) => Ok(Change::Put { kind: T::KIND, key, document, expect }),
        Err(source) => Err(Error::Encode { kind: T::KIND, key, source }),
    }
}
