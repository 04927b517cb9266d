//! The notifier with a transport that the test holds in its hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use morgana_engine::{
    DeliveryCounts, DeliveryError, Endpoint, Message, Notifier, NotifierOptions, Transport,
};
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::Semaphore};

/// Delivers to `http://ok`, fails for good at `http://bad`, fails at first at `http://flaky`, waits at `http://slow`.
#[derive(Debug)]
struct Simulated {
    delivered: Mutex<Vec<(String, String)>>,
    attempts: Mutex<u32>,
    gate: Semaphore,
}

impl Transport for Simulated {
    fn deliver<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        message: &'a Message,
    ) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>> {
        Box::pin(async move {
            let host = endpoint.uri.host().unwrap();
            match host {
                "bad" => return Err(DeliveryError::Refused(StatusCode::BAD_REQUEST)),
                "flaky" => {
                    let mut attempts = self.attempts.lock();
                    *attempts += 1;
                    if !attempts.is_multiple_of(3) {
                        return Err(DeliveryError::Refused(StatusCode::SERVICE_UNAVAILABLE));
                    }
                }
                "slow" => self.gate.acquire().await.unwrap().forget(),
                _ => {}
            }
            self.delivered.lock().push((host.to_owned(), String::from_utf8(message.body.to_vec()).unwrap()));
            Ok(())
        })
    }
}

fn start(options: NotifierOptions) -> (Notifier, Arc<Simulated>) {
    let transport = Arc::new(Simulated {
        delivered: Mutex::default(),
        attempts: Mutex::default(),
        gate: Semaphore::new(0),
    });
    (Notifier::new(options, transport.clone(), Handle::current()), transport)
}

fn endpoint(url: &'static str) -> Endpoint {
    Endpoint { uri: http::Uri::from_static(url), headers: HeaderMap::new(), timeout: Duration::from_secs(1) }
}

fn send(notifier: &Notifier, subscription: &str, text: String) {
    notifier.send(subscription, move || Ok(Message { headers: HeaderMap::new(), body: Bytes::from(text) }));
}

async fn finished(notifier: &Notifier, subscription: &str, messages: u64) -> DeliveryCounts {
    tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            let counts = notifier.counts(subscription).unwrap();
            if counts.sent + counts.dropped == messages {
                return counts;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("all messages to be finished")
}

fn to(transport: &Simulated, host: &str) -> Vec<String> {
    transport.delivered.lock().iter().filter(|(to, _)| to == host).map(|(_, text)| text.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_of_a_subscription_arrive_once_and_in_order() {
    let (notifier, transport) = start(NotifierOptions::default());
    notifier.open("s", endpoint("http://ok"), DeliveryCounts::default());
    for number in 0..500 {
        send(&notifier, "s", number.to_string());
    }
    let counts = finished(&notifier, "s", 500).await;
    assert_eq!((counts.sent, counts.failed, counts.dropped, counts.waiting), (500, 0, 0, 0));
    assert!(counts.last_success.is_some() && counts.last_failure.is_none() && !counts.failing);
    assert_eq!(to(&transport, "ok"), (0..500).map(|number: u32| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_delays_no_other() {
    let (notifier, transport) = start(NotifierOptions::default());
    notifier.open("slow", endpoint("http://slow"), DeliveryCounts::default());
    notifier.open("ok", endpoint("http://ok"), DeliveryCounts::default());
    send(&notifier, "slow", "1".to_owned());
    for number in 0..10 {
        send(&notifier, "ok", number.to_string());
    }
    finished(&notifier, "ok", 10).await;
    assert_eq!(notifier.counts("slow").unwrap().waiting, 1);
    transport.gate.add_permits(1);
    finished(&notifier, "slow", 1).await;
}

#[tokio::test]
async fn a_message_is_tried_again_and_keeps_its_place() {
    let (notifier, transport) = start(NotifierOptions { backoff_ms: 1, ..NotifierOptions::default() });
    notifier.open("s", endpoint("http://flaky"), DeliveryCounts::default());
    for number in 0..3 {
        send(&notifier, "s", number.to_string());
    }
    let counts = finished(&notifier, "s", 3).await;
    assert_eq!((counts.sent, counts.failed, counts.failing), (3, 0, false));
    assert!(counts.last_failure.is_some());
    assert_eq!(to(&transport, "flaky"), ["0", "1", "2"]);
}

#[tokio::test]
async fn a_refused_message_is_given_up_at_once_and_counted() {
    let (notifier, _) = start(NotifierOptions { backoff_ms: 60_000, ..NotifierOptions::default() });
    notifier.open("s", endpoint("http://bad"), DeliveryCounts::default());
    for number in 0..3 {
        send(&notifier, "s", number.to_string());
    }
    let counts = finished(&notifier, "s", 3).await;
    assert_eq!((counts.sent, counts.failed, counts.failing), (3, 3, true));
    assert_eq!(counts.last_error.as_deref(), Some("the endpoint answered 400 Bad Request"));
}

#[tokio::test]
async fn a_full_queue_drops_the_oldest_and_counts_it() {
    let (notifier, transport) = start(NotifierOptions { queue_messages: 2, ..NotifierOptions::default() });
    notifier.open("s", endpoint("http://slow"), DeliveryCounts::default());
    send(&notifier, "s", "first".to_owned());
    // The first is under way when the others come.
    while notifier.counts("s").unwrap().last_attempt.is_none() {
        tokio::task::yield_now().await;
    }
    for number in 0..5 {
        send(&notifier, "s", number.to_string());
    }
    transport.gate.add_permits(10);
    let counts = finished(&notifier, "s", 6).await;
    assert_eq!((counts.sent, counts.dropped), (3, 3));
    assert_eq!(to(&transport, "slow"), ["first", "3", "4"]);
}

#[tokio::test]
async fn a_closed_subscription_sends_nothing_more() {
    let (notifier, transport) = start(NotifierOptions::default());
    notifier.open("s", endpoint("http://slow"), DeliveryCounts::default());
    for number in 0..3 {
        send(&notifier, "s", number.to_string());
    }
    notifier.close("s");
    assert_eq!(notifier.counts("s"), None);
    send(&notifier, "s", "late".to_owned());
    transport.gate.add_permits(10);
    notifier.shutdown(Duration::from_secs(1)).await;
    assert!(to(&transport, "slow").len() <= 1);
}

#[tokio::test]
async fn a_subscription_that_is_closed_between_two_attempts_sends_nothing_more() {
    let (notifier, transport) = start(NotifierOptions { backoff_ms: 200, ..NotifierOptions::default() });
    notifier.open("s", endpoint("http://flaky"), DeliveryCounts::default());
    send(&notifier, "s", "first".to_owned());
    let first_failed = async {
        while *transport.attempts.lock() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), first_failed).await.expect("an attempt");
    notifier.close("s");
    notifier.shutdown(Duration::from_secs(30)).await;
    assert_eq!(*transport.attempts.lock(), 1);
}
