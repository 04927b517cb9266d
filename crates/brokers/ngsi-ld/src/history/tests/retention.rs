//! What is too old is gone.

use std::time::Duration;

use super::{super::*, FOR_EVER, all, file, id, merge, more, open};
use crate::model::Name;

#[tokio::test]
async fn what_is_too_old_is_gone_from_reads_at_once_and_from_the_disk_with_the_next_merge() {
    let dir = tempfile::tempdir().unwrap();
    let hour = Rules { max: 10, max_age: Duration::from_secs(3600) };
    let ago =
        |minutes: i64| Timestamp::from_micros(Timestamp::now().as_micros() - minutes * 60_000_000).unwrap();
    let history = open(dir.path(), hour);
    for (entity, minutes) in [(0, 120), (1, 120), (1, 10), (2, 10)] {
        let _ticket = history.write(&more(entity, ago(minutes), 1)).unwrap();
    }
    let count = async |history: &History| -> Vec<usize> {
        all(history, false, 10).await.iter().map(|entity| entity.attributes.len()).collect()
    };
    assert_eq!(count(&history).await, [1, 1], "one entity is gone, and one instance of another");
    let there = |entity| history.find(&id(entity)).any().unwrap();
    assert_eq!([there(0), there(1), there(2), there(3)], [false, true, true, false]);
    file(&history).await;
    assert!(history.has_before(ago(60)));
    let before = history.state.read().runs[0].table.size();
    history.tidy(ago(60));
    merge(&history, false).await;
    let after = history.state.read().runs[0].table.size();
    assert!(after < before && !history.has_before(ago(60)), "{before} {after}");
    assert_eq!(count(&history).await, [1, 1]);
    drop(history);
    assert_eq!(
        count(&*open(dir.path(), FOR_EVER)).await,
        [1, 1],
        "kept longer from now on, it does not come back"
    );
}

#[tokio::test]
async fn an_entity_that_was_forgotten_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let hour = Rules { max: 10, max_age: Duration::from_secs(3600) };
    let ago =
        |minutes: i64| Timestamp::from_micros(Timestamp::now().as_micros() - minutes * 60_000_000).unwrap();
    let history = open(dir.path(), hour);
    let _ticket = history.write(&more(0, ago(200), 1)).unwrap();
    let mut later = more(0, ago(10), 2);
    if let Past::More { types, .. } = &mut later {
        *types = vec![Name::new("urn:t:other")];
    }
    let _ticket = history.write(&later).unwrap();
    let found = history.get(&id(0)).await.unwrap().unwrap();
    assert_eq!(found.types, [Name::new("urn:t:other")]);
    assert_eq!(found.attributes.len(), 1);
}
