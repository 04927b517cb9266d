use crate::table::put_change;
use crate::{Change, Committed, Document, Error, Expect, Store, Versioned};

/// Changes to documents of several kinds that happen together or not at all.
///
/// ```no_run
/// # use morgana_store::{Document, Error, Expect, Store, Transaction};
/// # async fn plug_in<Silo: Document, Connection: Document>(
/// #     store: &dyn Store, silo: &Silo, connection: &Connection,
/// # ) -> Result<(), Error> {
/// let mut transaction = Transaction::new();
/// transaction.check::<Silo>(silo.key(), Expect::Present);
/// transaction.insert(connection)?;
/// transaction.commit(store).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "a transaction does nothing until it is committed"]
pub struct Transaction {
    changes: Vec<Change>,
}

impl Transaction {
    /// A transaction without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a value whose key must be free.
    ///
    /// # Errors
    /// [`Error::Encode`] if the value does not turn into a document.
    pub fn insert<T: Document>(&mut self, value: &T) -> Result<&mut Self, Error> {
        self.put(value, Expect::Absent)
    }

    /// Writes a value.
    ///
    /// # Errors
    /// [`Error::Encode`] if the value does not turn into a document.
    pub fn put<T: Document>(&mut self, value: &T, expect: Expect) -> Result<&mut Self, Error> {
        self.changes.push(put_change(value, expect)?);
        Ok(self)
    }

    /// Writes a value that was read and changed, if nobody else wrote it in the meantime.
    ///
    /// # Errors
    /// [`Error::Encode`] if the value does not turn into a document.
    pub fn replace<T: Document>(&mut self, value: &Versioned<T>) -> Result<&mut Self, Error> {
        self.put(&value.value, Expect::Revision(value.revision))
    }

    /// Removes the value of that key.
    pub fn delete<T: Document>(&mut self, key: impl Into<String>, expect: Expect) -> &mut Self {
        self.changes.push(Change::Delete { kind: T::KIND, key: key.into(), expect });
        self
    }

    /// Lets the transaction happen only if the key is as expected.
    pub fn check<T: Document>(&mut self, key: impl Into<String>, expect: Expect) -> &mut Self {
        self.changes.push(Change::Check { kind: T::KIND, key: key.into(), expect });
        self
    }

    /// Whether it holds no change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Does all of the changes or none of them.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit(self, store: &dyn Store) -> Result<Committed, Error> {
        store.commit(self.changes).await
    }
}
