//! What every [`Store`] does, as tests that an implementation runs against itself.
//!
//! The tests of an implementation write a [`Fixture`] and call
//! [`conformance_suite!`](crate::conformance_suite) with an expression that makes one; each fact
//! becomes a test of its own. Panics are the way a fact fails, so nothing here is for production.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs)]

mod bounds;
mod commits;
mod lifetime;
mod listing;
mod reading;
mod typed;
mod watching;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

pub use bounds::*;
pub use commits::*;
pub use lifetime::*;
pub use listing::*;
pub use reading::*;
pub use typed::*;
pub use watching::*;

use crate::{Change, Committed, Error, Expect, Kind, Revision, Store};

/// One database, empty at first, that a test opens.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Opens it. `watch_queue` is how many notices a watcher may be behind. A test closes the store
    /// before it opens the database again.
    async fn open(&self, watch_queue: usize) -> Arc<dyn Store>;
}

/// A watch queue that no fact fills by accident.
const ROOMY: usize = 256;

async fn fresh(fixture: &dyn Fixture) -> Arc<dyn Store> {
    fixture.open(ROOMY).await
}

fn put(kind: Kind, key: &str, document: Value, expect: Expect) -> Change {
    Change::Put { kind, key: key.to_owned(), document, expect }
}

fn delete(kind: Kind, key: &str, expect: Expect) -> Change {
    Change::Delete { kind, key: key.to_owned(), expect }
}

fn check(kind: Kind, key: &str, expect: Expect) -> Change {
    Change::Check { kind, key: key.to_owned(), expect }
}

/// Commits one small user, whatever was there.
async fn put_user(store: &dyn Store, key: &str) -> Revision {
    let change = put(Kind::User, key, json!({ "name": key }), Expect::Any);
    store.commit(vec![change]).await.unwrap().revision
}

#[track_caller]
fn assert_conflict(outcome: Result<Committed, Error>, key: &str, actual: Option<Revision>) {
    match outcome {
        Err(Error::Conflict { key: conflicting, actual: found, .. }) => {
            assert_eq!((conflicting.as_str(), found), (key, actual));
        }
        other => panic!("expected a conflict about {key:?}, got {other:?}"),
    }
}

/// Makes one test of each fact of the suite. The argument is an expression that makes a
/// [`Fixture`](crate::conformance::Fixture) with an empty database.
///
/// Where an empty database is dear, `check in with` instead awaits `check(with, name, fact)` for every
/// fact, one after the other.
#[macro_export]
macro_rules! conformance_suite {
    ($check:ident in $with:expr) => {
        $crate::conformance_suite! { @facts each $with; $check }
    };
    (@facts $form:ident $with:expr; $check:ident) => {
        $crate::conformance_suite! { @$form $with; $check;
            a_fresh_store_is_empty_at_revision_zero
            a_document_comes_back_as_it_was_put
            a_number_keeps_every_digit
            kinds_do_not_mix
            a_read_sees_every_commit_answered_before
            a_list_is_in_the_byte_order_of_its_keys
            pages_make_up_the_whole_list
            a_prefix_is_taken_literally
            a_prefix_and_a_page_go_together
            every_expectation_holds_exactly_when_it_should
            a_failed_expectation_writes_nothing
            a_check_guards_a_commit_without_writing
            a_commit_is_one_revision_for_all_its_records
            a_commit_that_changes_nothing_takes_no_revision
            a_record_put_again_is_not_the_one_before
            of_many_who_insert_one_key_exactly_one_wins
            no_update_of_many_is_lost
            a_commit_goes_on_when_its_caller_goes_away
            a_key_or_document_out_of_bounds_is_refused
            a_key_at_the_bound_is_taken
            a_key_named_twice_in_a_commit_is_refused
            a_watcher_sees_each_commit_in_order
            a_watcher_sees_only_what_is_written
            a_slow_watcher_is_told_that_it_missed_something
            a_table_gives_back_what_it_was_given
            a_table_reads_all_pages
            a_document_of_another_shape_is_named
            an_update_changes_what_is_there
            an_update_that_changes_nothing_writes_nothing
            a_transaction_spans_kinds
            what_was_committed_is_there_after_reopening
            a_closed_store_refuses_and_ends_its_watches
        }
    };
    (@each $with:expr; $check:ident; $($fact:ident)+) => {
        $(
            $check($with, stringify!($fact), async |fixture: &dyn $crate::conformance::Fixture| {
                $crate::conformance::$fact(fixture).await
            })
            .await;
        )+
    };
    (@tests $fixture:expr; $check:ident; $($fact:ident)+) => {
        $(
            #[tokio::test]
            async fn $fact() {
                $crate::conformance::$fact(&$fixture).await;
            }
        )+
    };
    ($fixture:expr) => {
        $crate::conformance_suite! { @facts tests $fixture; tests }
    };
}
