//! Messages that tell of a write, with a journal whose disk the test holds in its hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    convert::Infallible, fs::File, path::PathBuf, pin::Pin, process::Command, sync::Arc, time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use morgana_engine::{
    DeliveryCounts, DeliveryError, Endpoint, Message, Notifier, NotifierOptions, Transport, Watchers,
};
use morgana_journal::{Journal, Options, Snapshot};
use parking_lot::Mutex;
use tokio::runtime::Handle;

#[derive(Debug, Default)]
struct Recorded(Mutex<Vec<String>>);

impl Transport for Recorded {
    fn deliver<'a>(
        &'a self,
        _: &'a Endpoint,
        message: &'a Message,
    ) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>> {
        self.0.lock().push(String::from_utf8(message.body.to_vec()).unwrap());
        Box::pin(async { Ok(()) })
    }
}

fn message(text: String) -> Result<Message, DeliveryError> {
    Ok(Message { headers: HeaderMap::new(), body: Bytes::from(text) })
}

/// A journal whose disk has stopped answering.
struct Stuck {
    journal: Journal,
    /// The next segment of its log: a pipe, so that opening it waits for who reads it.
    pipe: PathBuf,
    _snapshot: Snapshot,
    _dir: tempfile::TempDir,
}

fn open(dir: &tempfile::TempDir) -> Journal {
    let options = Options { dir: dir.path().to_owned(), ..Options::default() };
    Journal::open(options, |_, _| Ok::<_, Infallible>(())).unwrap().0
}

impl Stuck {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(&dir);
        let pipe = dir.path().join("log-0000000000000001");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let snapshot = journal.begin_snapshot().unwrap();
        Self { journal, pipe, _snapshot: snapshot, _dir: dir }
    }

    /// The disk answers again, with an error: a pipe cannot be synced.
    async fn fail(&self) {
        let pipe = self.pipe.clone();
        let _reader = tokio::task::spawn_blocking(move || File::open(pipe).unwrap()).await.unwrap();
        let still = self.journal.append(b"x");
        if let Ok(ticket) = still {
            ticket.durable().await.unwrap_err();
        }
    }
}

fn start() -> (Notifier, Arc<Recorded>) {
    let transport = Arc::<Recorded>::default();
    let notifier = Notifier::new(NotifierOptions::default(), transport.clone(), Handle::current());
    for lane in ["told", "other"] {
        let uri = http::Uri::from_static("http://h");
        let endpoint = Endpoint { uri, headers: HeaderMap::new(), timeout: Duration::from_secs(30) };
        notifier.open(lane, endpoint, DeliveryCounts::default());
    }
    (notifier, transport)
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect(what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_leaves_before_its_write_is_durable_and_none_if_it_never_is() {
    let (notifier, transport) = start();
    let stuck = Stuck::new();
    for number in 0..3 {
        let write = stuck.journal.append(b"record").unwrap();
        notifier.send_after(write, "told", move || message(number.to_string()));
    }
    let write = stuck.journal.append(b"record").unwrap();
    let delivered = Arc::clone(&transport);
    notifier.deliver_after(write, "told", async move {
        delivered.0.lock().push("delivered".to_owned());
        Ok(())
    });
    notifier.send("other", || message("other".to_owned()));
    until("another lane goes on", || *transport.0.lock() == ["other"]).await;
    assert_eq!(notifier.counts("told").unwrap().waiting, 4);
    stuck.fail().await;
    until("all are given up", || notifier.counts("told").unwrap().dropped == 4).await;
    let counts = notifier.counts("told").unwrap();
    assert_eq!((counts.waiting, counts.sent), (0, 0));
    assert_eq!(*transport.0.lock(), ["other"]);
    notifier.send("told", || message("later".to_owned()));
    until("the lane goes on", || transport.0.lock().len() == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_writes_arrive_in_their_order() {
    let (notifier, transport) = start();
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    for number in 0..200 {
        let write = journal.append(b"record").unwrap();
        match number % 3 {
            0 => notifier.send("told", move || message(number.to_string())),
            _ => notifier.send_after(write, "told", move || message(number.to_string())),
        }
    }
    until("all are sent", || notifier.counts("told").unwrap().sent == 200).await;
    assert_eq!(*transport.0.lock(), (0..200).map(|number: u32| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_sees_a_change_once_it_is_durable_though_it_was_left_waiting() {
    let watchers = Watchers::<(), u32>::default();
    let mut watch = watchers.watch((), 8);
    let dir = tempfile::tempdir().unwrap();
    let stuck = Stuck::new();
    watchers.tell(Some(&stuck.journal.append(b"lost").unwrap()), |()| Some(1));
    let kept = open(&dir).append(b"kept").unwrap();
    watchers.tell(Some(&kept), |()| Some(2));
    for _ in 0..3 {
        assert!(tokio::time::timeout(Duration::from_millis(5), watch.next()).await.is_err());
        assert_eq!(watch.try_next(), None);
    }
    stuck.fail().await;
    assert_eq!(watch.next().await, Some(Ok(2)), "the one before was never kept");
}
