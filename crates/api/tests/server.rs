//! The server in front of the router: what a stranger may ask of it.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use morgana_api::{ServerOptions, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

async fn server(options: ServerOptions) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let from = async |ConnectInfo(from): ConnectInfo<SocketAddr>| format!("you are {from}");
    let router = Router::new().route("/", get(from));
    let stop = CancellationToken::new();
    let running =
        tokio::spawn(serve(listener, router, None, options, stop.clone(), Duration::from_millis(200)));
    Server { address, stop, running }
}

/// Sends a text and reads until the server closes, or has answered `enough`.
async fn say(stream: &mut TcpStream, text: &str, enough: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let reading = async {
        let mut buffer = [0; 4096];
        while enough.is_empty() || !answer.contains(enough) {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(length) => answer.push_str(&String::from_utf8_lossy(&buffer[..length])),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("the server answers or closes");
    answer
}

#[tokio::test]
async fn a_request_knows_where_it_came_from() {
    let server = server(ServerOptions::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let own = stream.local_addr().unwrap();
    let answer = say(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&format!("you are {own}")), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let server = server(ServerOptions { head_timeout_seconds: 1, ..ServerOptions::default() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let answer = say(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", "").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_long_or_has_too_many_headers_is_refused() {
    let server =
        server(ServerOptions { max_head_bytes: 8192, max_headers: 16, ..ServerOptions::default() }).await;
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(40));
    for text in [long, many] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let answer = say(&mut stream, &text, "").await;
        assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}");
    }
}

#[tokio::test]
async fn more_connections_than_there_may_be_wait_for_their_turn() {
    let server = server(ServerOptions { max_connections: 2, ..ServerOptions::default() }).await;
    let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    for stream in [&mut first, &mut second] {
        assert!(say(stream, request, "you are").await.contains("200"));
    }
    let mut third = TcpStream::connect(server.address).await.unwrap();
    third.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = [0; 64];
    let early = tokio::time::timeout(Duration::from_millis(300), third.read(&mut buffer)).await;
    assert!(early.is_err(), "the third was answered while two were there");
    drop(first);
    assert!(say(&mut third, "", "you are").await.contains("200"));
}

#[tokio::test]
async fn an_address_that_has_its_share_of_connections_gets_no_more_until_one_is_closed() {
    let options = ServerOptions { max_connections_per_address: 2, ..ServerOptions::default() };
    let server = server(options).await;
    let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        assert!(say(&mut stream, request, "you are").await.contains("200"));
        held.push(stream);
    }
    let mut third = TcpStream::connect(server.address).await.unwrap();
    // It may be closed before or after the request is written.
    let _ = third.write_all(request.as_bytes()).await;
    let mut answer = String::new();
    let closed = tokio::time::timeout(Duration::from_secs(60), third.read_to_string(&mut answer)).await;
    assert!(closed.is_ok() && answer.is_empty(), "{answer}");
    held.pop();
    for _ in 0..600 {
        let mut again = TcpStream::connect(server.address).await.unwrap();
        let _ = again.write_all(request.as_bytes()).await;
        let mut buffer = [0; 64];
        if again.read(&mut buffer).await.is_ok_and(|length| length > 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there is no place though one was given back");
}

#[tokio::test]
async fn a_connection_that_stays_open_does_not_keep_the_server_from_ending() {
    let server = server(ServerOptions::default()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    say(&mut idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "you are").await;
    server.stop.cancel();
    tokio::time::timeout(Duration::from_secs(60), server.running).await.expect("it ends").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
