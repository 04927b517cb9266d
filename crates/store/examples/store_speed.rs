//! Measures the embedded System DB on this machine: `cargo run -p morgana-store --example store_speed`
//! (with a folder as argument to choose the disk). Each line is one figure.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use morgana_store::{Change, Expect, Kind, ListQuery, SqliteOptions, SqliteStore, Store};
use serde_json::json;
use tokio::task::JoinSet;

const RECORDS: usize = 5000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let file = folder.path().join("system.db");
    let store = Arc::new(SqliteStore::open(&file, SqliteOptions::default()).await?);

    for callers in [1, 4, 16, 64] {
        let took = create(&store, callers).await?;
        report(&format!("creates/s, {callers} callers"), RECORDS, took);
    }
    for callers in [1, 16] {
        report(&format!("reads/s, {callers} callers"), RECORDS, read(&store, callers).await?);
    }
    let started = Instant::now();
    for _ in 0..100 {
        store.list(Kind::VSilo, ListQuery::default().limit(100)).await?;
    }
    report("lists of 100/s", 100, started.elapsed());

    store.close().await;
    let started = Instant::now();
    let store = SqliteStore::open(&file, SqliteOptions::default()).await?;
    let megabytes = std::fs::metadata(&file)?.len() as f64 / 1e6;
    println!("open with check, {megabytes:.1} MB: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let started = Instant::now();
    store.backup(folder.path().join("backup.db")).await?;
    println!("backup: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    store.close().await;
    for line in std::fs::read_to_string("/proc/self/status")?.lines().filter(|line| line.starts_with("VmHWM"))
    {
        println!("memory at most: {}", line.trim_start_matches("VmHWM:").trim());
    }
    Ok(())
}

async fn create(store: &Arc<SqliteStore>, callers: usize) -> Result<Duration, Failure> {
    each(callers, |caller, number| {
        let store = Arc::clone(store);
        async move {
            let document = json!({ "tenant": "tenant1", "flavour": "builtin:mqtt", "status": "pending",
                "parameters": { "text": "x".repeat(300) } });
            let key = format!("{callers}_{caller}_{number}");
            store
                .commit(vec![Change::Put { kind: Kind::VSilo, key, document, expect: Expect::Absent }])
                .await?;
            Ok(())
        }
    })
    .await
}

async fn read(store: &Arc<SqliteStore>, callers: usize) -> Result<Duration, Failure> {
    each(callers, |_, number| {
        let store = Arc::clone(store);
        async move {
            store.get(Kind::VSilo, &format!("1_0_{number}")).await?.ok_or("a record is missing")?;
            Ok(())
        }
    })
    .await
}

/// Does something [`RECORDS`] times, by so many callers side by side.
async fn each<F>(callers: usize, what: impl Fn(usize, usize) -> F + Clone + Send) -> Result<Duration, Failure>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let calls: Vec<_> = (0..RECORDS / callers).map(|number| what(caller, number)).collect();
        tasks.spawn(async move {
            for call in calls {
                call.await?;
            }
            Ok::<_, Failure>(())
        });
    }
    for done in tasks.join_all().await {
        done?;
    }
    Ok(started.elapsed())
}

fn report(what: &str, count: usize, took: Duration) {
    println!("{what}: {:.0}", count as f64 / took.as_secs_f64());
}
