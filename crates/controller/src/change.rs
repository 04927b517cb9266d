//! Changes that users ask for: each with its line in the audit log, once for each idempotency key, and
//! only while the resource is as the user saw it.

use jiff::Timestamp;
use morgana_access::Caller;
use morgana_model::{ErrorCode, Failure};
use morgana_store::{Document, Revision, Table, Transaction, Versioned};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::operations::existing;
use crate::records::{IdempotencyRecord, idempotency_key};
use crate::{Controller, Error, audit};

/// The revisions of which a resource has to have one (`If-Match`, RFC 9110 section 13.1.1); `None` asks
/// for nothing.
pub type Precondition = Option<Vec<Revision>>;

/// How often a change begins again when somebody else changed the resource at the same time.
const ATTEMPTS: usize = 16;

impl Controller {
    /// Changes a resource and writes the line of the audit log, in one commit; within [`Controller::once`] with
    /// what a repetition is answered. `change` may run several
    /// times; where it changes nothing, nothing is written.
    pub(crate) async fn change<T: Document>(
        &self,
        caller: &Caller,
        action: &str,
        (table, what, key): (&Table<T>, &str, &str),
        precondition: &Precondition,
        mut change: impl FnMut(&mut T) -> Result<(), Failure> + Send,
    ) -> Result<Versioned<T>, Error> {
        let mut attempt = 1;
        loop {
            let mut found = existing(table, what, key).await?;
            if let Some(revisions) = precondition
                && !revisions.contains(&found.revision)
            {
                let text = format!("{what} '{key}' was changed since you looked at it; look again");
                return Err(Failure::new(ErrorCode::PreconditionFailed, text).into());
            }
            let before = serde_json::to_value(&found.value).map_err(Error::Message)?;
            change(&mut found.value)?;
            if serde_json::to_value(&found.value).map_err(Error::Message)? == before {
                return Ok(found);
            }
            let mut transaction = Transaction::new();
            transaction.replace(&found)?;
            written(&mut transaction, caller, action, key, &found.value)?;
            match transaction.commit(self.store()).await {
                Ok(commit) => return Ok(Versioned { revision: commit.revision, ..found }),
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Does something, once for each idempotency key: a repetition is answered as the first was.
    pub(crate) async fn once<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        act: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if let Some(answer) = self.answered_before(caller).await? {
            return Ok(answer);
        }
        match act.await {
            // The first may have been on its way while this one looked.
            Err(error) if is_conflict(&error) => match self.answered_before(caller).await? {
                Some(answer) => Ok(answer),
                None => Err(error),
            },
            outcome => outcome,
        }
    }

    async fn answered_before<T: DeserializeOwned>(&self, caller: &Caller) -> Result<Option<T>, Error> {
        let Some(asked) = &caller.origin.idempotency else { return Ok(None) };
        let found = self.idempotency().get(&idempotency_key(&caller.user, &asked.key)).await?;
        match found.map(|found| found.value) {
            Some(record) if record.print == asked.print => {
                Ok(Some(serde_json::from_value(record.answer).map_err(Error::Message)?))
            }
            Some(_) => {
                let text = "the idempotency key was used before for another request; choose a new one";
                Err(Failure::new(ErrorCode::Conflict, text).into())
            }
            None => Ok(None),
        }
    }
}

/// Adds the audit line of a change to its commit, and what is answered when a request with an idempotency
/// key is repeated.
pub(crate) fn written(
    transaction: &mut Transaction,
    caller: &Caller,
    action: &str,
    target: impl ToString,
    answer: &impl Serialize,
) -> Result<(), Error> {
    audit::write(transaction, caller, action, target)?;
    if let Some(asked) = &caller.origin.idempotency {
        let record = IdempotencyRecord {
            user: caller.user.clone(),
            key: asked.key.clone(),
            print: asked.print.clone(),
            answer: serde_json::to_value(answer).map_err(Error::Message)?,
            at: Timestamp::now(),
        };
        transaction.insert(&record)?;
    }
    Ok(())
}

fn is_conflict(error: &Error) -> bool {
    match error {
        Error::Store(error) => error.is_conflict(),
        Error::Failure(failure) => matches!(failure.code, ErrorCode::AlreadyExists | ErrorCode::Conflict),
        _ => false,
    }
}
