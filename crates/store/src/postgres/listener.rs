//! Hears of the commits of every controller, through the server's LISTEN and NOTIFY.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use crate::{Committed, Feed, Kind, Notice, Revision, Touched};

/// Where commits are told.
pub(super) const CHANNEL: &str = "morgana_commits";
/// Longest text of a notification, in bytes; the server takes less than 8000.
const LONGEST: usize = 7_900;
/// How long to wait before the server is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// A commit as it is told. Where it touched too much to say, its revision alone.
#[derive(Serialize, Deserialize)]
struct Told {
    revision: Revision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    touched: Option<Vec<(Kind, String, bool)>>,
}

/// The text that tells a commit.
pub(super) fn text(committed: &Committed) -> String {
    let touched = committed.touched.iter().map(|it| (it.kind, it.key.clone(), it.deleted)).collect();
    let write = |touched| {
        let told = Told { revision: committed.revision, touched };
        // Numbers, names and texts: nothing in it can fail to be JSON.
        serde_json::to_string(&told).unwrap_or_default()
    };
    let whole = write(Some(touched));
    if whole.len() <= LONGEST { whole } else { write(None) }
}

fn notice(text: &str) -> (Option<Revision>, Notice) {
    match serde_json::from_str::<Told>(text) {
        Ok(Told { revision, touched: Some(touched) }) => {
            let touched = touched.into_iter().map(|(kind, key, deleted)| Touched { kind, key, deleted });
            (Some(revision), Notice::Committed(Committed { revision, touched: touched.collect() }))
        }
        Ok(Told { revision, touched: None }) => (Some(revision), Notice::Missed),
        // A newer controller may know kinds that we do not.
        Err(_) => (None, Notice::Missed),
    }
}

/// Tells the watchers until `stop`. What is said while the line to the server is cut is missed, and
/// the watchers are told so.
pub(super) async fn run(
    mut listener: PgListener,
    feed: Arc<Feed>,
    known: Arc<AtomicU64>,
    stop: CancellationToken,
) {
    loop {
        let heard = tokio::select! {
            heard = listener.try_recv() => heard,
            () = stop.cancelled() => return,
        };
        match heard {
            Ok(Some(heard)) => {
                let (revision, notice) = notice(heard.payload());
                known.fetch_max(revision.unwrap_or_default(), Ordering::Relaxed);
                feed.send(notice);
            }
            // It connects again by itself when it is asked next.
            Ok(None) => feed.send(Notice::Missed),
            Err(error) => {
                tracing::warn!(%error, "the system database tells nothing at present");
                feed.send(Notice::Missed);
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit_of(keys: usize) -> Committed {
        let touched = |n| Touched { kind: Kind::VSilo, key: format!("tenant_silo-{n}"), deleted: n % 2 == 0 };
        Committed { revision: 7, touched: (0..keys).map(touched).collect() }
    }

    #[test]
    fn a_commit_comes_back_from_its_text() {
        let committed = commit_of(3);
        assert_eq!(notice(&text(&committed)), (Some(7), Notice::Committed(committed)));
    }

    #[test]
    fn a_commit_too_long_to_tell_is_told_as_missed() {
        let text = text(&commit_of(10_000));
        assert!(text.len() < LONGEST);
        assert_eq!(notice(&text), (Some(7), Notice::Missed));
        assert_eq!(
            notice("{\"revision\":1,\"touched\":[[\"newKind\",\"a\",false]]}"),
            (None, Notice::Missed)
        );
    }
}
