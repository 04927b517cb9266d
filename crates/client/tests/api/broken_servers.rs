//! What the client says of servers that are away, slow, or no Morgana.

use std::convert::Infallible;

use crate::stand_in::{nowhere, serve};
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::get;
use futures_util::stream;
use morgana_client::{Client, Error, Options};

async fn users_of(router: Router) -> Error {
    let client = Client::new(&serve(router).await, None).unwrap();
    client.users().all().await.unwrap_err()
}

#[tokio::test]
async fn an_unreachable_server_is_named_with_what_to_do() {
    let url = nowhere().await;
    let error = Client::new(&url, None).unwrap().users().all().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_transient(), "{error:?}");
    let said = error.to_string();
    assert!(said.starts_with(&format!("cannot reach {url}/v1/users")), "{said}");
    assert!(
        said.contains("Connection refused") && said.contains("`morgana up`") && said.contains("-c URL"),
        "{said}"
    );
}

#[tokio::test]
async fn a_malformed_answer_is_quoted_and_not_believed() {
    let error = users_of(Router::new().route("/v1/users", get("{\"items\": [oops"))).await;
    let said = error.to_string();
    assert!(matches!(error, Error::Unexpected { status: 200, .. }), "{error:?}");
    assert!(said.contains("/v1/users") && said.contains("[oops"), "{said}");
}

#[tokio::test]
async fn an_error_page_of_something_else_is_quoted() {
    let page = (StatusCode::BAD_GATEWAY, "<html>nginx</html>");
    let error = users_of(Router::new().route("/v1/users", get(page))).await;
    assert!(error.to_string().contains("answered 502") && error.to_string().contains("nginx"), "{error}");
    assert!(error.is_transient() && error.code().is_none());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect = (StatusCode::TEMPORARY_REDIRECT, [("location", "http://elsewhere.invalid/")]);
    let error = users_of(Router::new().route("/v1/users", get(redirect))).await;
    assert!(matches!(error, Error::Unexpected { status: 307, .. }), "{error:?}");
}

#[tokio::test]
async fn a_list_that_goes_round_in_circles_ends_with_an_error() {
    let error = users_of(Router::new().route("/v1/users", get("{\"items\": [], \"next\": \"a\"}"))).await;
    assert!(error.to_string().contains("does not go on after cursor 'a'"), "{error}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    let forever = async || Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(vec![b' '; 65_536])));
    let url = serve(Router::new().route("/v1/users", get(forever))).await;
    let options = Options { max_answer_bytes: 1_000_000, ..Options::default() };
    let error = Client::with_options(&url, None, options).unwrap().users().all().await.unwrap_err();
    assert!(error.to_string().contains("longer than 1000000 bytes"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let never = async || std::future::pending::<StatusCode>().await;
    let url = serve(Router::new().route("/v1/users", get(never)).route("/v1/events", get(never))).await;
    let options = Options { request_timeout_seconds: 1, ..Options::default() };
    let client = Client::with_options(&url, None, options).unwrap();
    let (list, events) = tokio::join!(client.users().all(), client.events(false));
    for error in [list.unwrap_err(), events.err().unwrap()] {
        assert!(matches!(error, Error::TimedOut { seconds: 1, .. }), "{error:?}");
    }
}
