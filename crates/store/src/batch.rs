//! What the writers of all implementations share: commits on their way, and whether each may happen.
//!
//! Commits that wait together share one transaction, so one sync of the disk carries many of them;
//! each still succeeds or fails on its own.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::{
    Change, Committed, Error, Expect, Feed, Kind, Notice, Revision, Touched, document_text, metrics,
};

/// Who waits for a commit.
pub(crate) type Answer = oneshot::Receiver<Result<Committed, Error>>;

/// A commit on its way to the writer, its documents turned into text by its caller.
pub(crate) struct Request {
    pub(crate) changes: Vec<Step>,
    answer: oneshot::Sender<Result<Committed, Error>>,
}

/// One change of it.
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    pub(crate) expect: Expect,
    pub(crate) act: Act,
}

/// What a change does.
pub(crate) enum Act {
    Put(String),
    Delete,
    Check,
}

/// The revisions of records, as they are in the transaction so far; `None` where there is no record.
pub(crate) type Revisions<'a> = HashMap<(Kind, &'a str), Option<Revision>>;

impl Request {
    pub(crate) fn new(changes: Vec<Change>) -> Result<(Self, Answer), Error> {
        let changes = changes.into_iter().map(Step::new).collect::<Result<_, _>>()?;
        let (answer, answered) = oneshot::channel();
        Ok((Self { changes, answer }, answered))
    }

    /// Tells the caller. One that went away does not undo its commit.
    pub(crate) fn answer(self, outcome: Result<Committed, Error>) {
        ::metrics::counter!(metrics::COMMITS_TOTAL, "outcome" => label(&outcome)).increment(1);
        let _ = self.answer.send(outcome);
    }
}

impl Step {
    fn new(change: Change) -> Result<Self, Error> {
        Ok(match change {
            Change::Put { kind, key, document, expect } => {
                let text = document_text(kind, &key, &document)?;
                Self { kind, key, expect, act: Act::Put(text) }
            }
            Change::Delete { kind, key, expect } => Self { kind, key, expect, act: Act::Delete },
            Change::Check { kind, key, expect } => Self { kind, key, expect, act: Act::Check },
        })
    }
}

fn label(outcome: &Result<Committed, Error>) -> &'static str {
    match outcome {
        Ok(_) => "committed",
        Err(error) if error.is_conflict() => "conflict",
        Err(_) => "failed",
    }
}

/// Whether a commit may happen to records at `revisions`, and what it then does.
pub(crate) fn decide(
    changes: &[Step],
    revisions: &Revisions<'_>,
    revision: Revision,
) -> Result<Committed, Error> {
    let mut touched = Vec::new();
    for Step { kind, key, expect, act } in changes {
        let actual = revisions.get(&(*kind, key.as_str())).copied().flatten();
        if !expect.holds(actual) {
            return Err(Error::Conflict { kind: *kind, key: key.clone(), expected: *expect, actual });
        }
        let deleted = match act {
            Act::Put(_) => false,
            Act::Delete if actual.is_some() => true,
            Act::Delete | Act::Check => continue,
        };
        touched.push(Touched { kind: *kind, key: key.clone(), deleted });
    }
    let revision = if touched.is_empty() { revision } else { revision + 1 };
    Ok(Committed { revision, touched: touched.into() })
}

/// Tells each caller of a batch, and the watchers in the order of revisions.
pub(crate) fn answer_all(
    batch: &mut Vec<Request>,
    outcomes: Vec<Result<Committed, Error>>,
    feed: Option<&Feed>,
) {
    for (request, outcome) in batch.drain(..).zip(outcomes) {
        if let (Some(feed), Ok(committed)) = (feed, &outcome)
            && !committed.touched.is_empty()
        {
            feed.send(Notice::Committed(committed.clone()));
        }
        request.answer(outcome);
    }
}
