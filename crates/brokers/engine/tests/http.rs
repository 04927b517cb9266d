//! The HTTP parts over real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use axum::{Router, response::Redirect, routing::get};
use morgana_engine::{FetchError, FetchOptions, Fetcher, HttpClient, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

async fn start(router: Router) -> (String, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let server =
        tokio::spawn(
            async move { serve(listener, router, stopping, Duration::from_millis(200)).await.unwrap() },
        );
    (base, stop, server)
}

#[tokio::test]
async fn a_server_finishes_what_is_under_way_and_stops() {
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (here, wait) = (arrived.clone(), go_on.clone());
    let slow = || async move {
        here.notify_one();
        wait.notified().await;
        "done"
    };
    let (base, stop, server) = start(Router::new().route("/slow", get(slow))).await;
    let request = tokio::spawn(reqwest::get(format!("{base}/slow")));
    arrived.notified().await;
    stop.cancel();
    go_on.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "done");
    server.await.unwrap();
    assert!(reqwest::get(format!("{base}/slow")).await.is_err());
}

#[tokio::test]
async fn a_server_stops_though_a_request_never_ends() {
    let arrived = Arc::new(Notify::new());
    let here = arrived.clone();
    let never = || async move {
        here.notify_one();
        std::future::pending::<()>().await;
    };
    let (base, stop, server) = start(Router::new().route("/never", get(never))).await;
    let request = tokio::spawn(reqwest::get(format!("{base}/never")));
    arrived.notified().await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), server).await.expect("the server to stop").unwrap();
    request.abort();
}

#[tokio::test]
async fn names_of_headers_are_written_as_the_standards_print_them() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (base, _stop, _server) =
        start(Router::new().route("/to", get(|| async { Redirect::to("/there") }))).await;
    let mut stream = tokio::net::TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(b"GET /to HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\r\nLocation: /there\r\n"), "{answer}");
}

#[tokio::test]
async fn a_fetch_stays_outside_unless_a_host_is_allowed() {
    let router = Router::new()
        .route("/doc", get(|| async { ([("cache-control", "max-age=60")], "document") }))
        .route("/hop", get(|| async { Redirect::temporary("/doc") }))
        .route("/loop", get(|| async { Redirect::temporary("/loop") }))
        .route("/inside", get(|| async { Redirect::temporary("http://[::1]:1/") }))
        .route("/big", get(|| async { "x".repeat(5000) }))
        .route("/never", get(std::future::pending::<()>));
    let (base, _stop, _server) = start(router).await;
    let shut = Fetcher::new(FetchOptions::default());
    let error = shut.get(&format!("{base}/doc"), "*/*").await.unwrap_err();
    assert!(error.to_string().contains("not a public address"), "{error}");

    let options = FetchOptions {
        allow_hosts: vec!["127.0.0.1".into()],
        max_bytes: 1000,
        timeout_ms: 300,
        ..FetchOptions::default()
    };
    let open = Fetcher::new(options);
    assert_eq!(open.get(&format!("{base}/doc"), "*/*").await.unwrap().body, "document");
    let fetched = open.get(&format!("{base}/hop"), "*/*").await.unwrap();
    assert_eq!((&fetched.body[..], fetched.fresh_for), (&b"document"[..], Some(Duration::from_secs(60))));
    assert!(matches!(open.get(&format!("{base}/loop"), "*/*").await, Err(FetchError::Redirects(3))));
    assert!(matches!(open.get(&format!("{base}/big"), "*/*").await, Err(FetchError::Body(1000))));
    assert!(matches!(open.get(&format!("{base}/never"), "*/*").await, Err(FetchError::Timeout(300))));
    assert!(
        matches!(open.get(&format!("{base}/none"), "*/*").await, Err(FetchError::Status(status)) if status == 404)
    );
    // A redirect does not lead where the first URL could not.
    let error = open.get(&format!("{base}/inside"), "*/*").await.unwrap_err();
    assert!(error.to_string().contains("not a public address"), "{error}");
}

#[tokio::test]
async fn a_client_writes_the_names_of_headers_with_capital_letters() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    let read = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let request = http::Request::get(uri).header("x-additional-key", "1").body(Default::default()).unwrap();
    HttpClient::new(Duration::from_secs(30)).send(request).await.unwrap();
    let head = read.await.unwrap();
    assert!(head.contains("\r\nX-Additional-Key: 1\r\n"), "{head}");
}
