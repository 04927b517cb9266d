//! What a user reads when something is wrong.

use axum::Router;
use axum::routing::get;
use morgana_model::Phase;

use crate::shell::Shell;
use crate::stand_in::{Behaviour, StandIn, nowhere, serve};

async fn logged_in(stand_in: &StandIn, user: &str) -> Shell {
    let shell = Shell::at(&stand_in.url);
    shell.succeed(&format!("login -u {user} -p secret")).await;
    shell
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words() {
    let stand_in = StandIn::start().await;
    let tenant = logged_in(&stand_in, "tenant1").await;
    let said = tenant.fail("inspect-vsilo -v tenant2_home").await;
    assert_eq!(said, "error: vSilo 'tenant2_home' does not exist\n");
    assert_eq!(tenant.fail("list-users").await, "error: only an administrator may do this\n");
    tenant.succeed("create-vsilo -s home -f mqtt").await;
    let said = tenant.fail("create-vsilo -s home -f mqtt").await;
    assert_eq!(said, "error: vSilo 'tenant1_home' already exists\n");
}

#[tokio::test]
async fn who_is_not_logged_in_is_told_how_to_log_in() {
    let stand_in = StandIn::start().await;
    let said = Shell::at(&stand_in.url).fail("list-vthings").await;
    let url = &stand_in.url;
    assert_eq!(
        said,
        format!(
            "error: no valid token came with the request; log in with `morgana login -c {url} -u USER`\n"
        )
    );
}

#[tokio::test]
async fn a_wrong_password_is_not_answered_with_the_advice_to_log_in() {
    let stand_in = StandIn::start().await;
    let shell = Shell::at(&stand_in.url);
    assert_eq!(shell.fail("login -u admin -p guess").await, "error: user or password is wrong\n");
    assert!(!shell.token_file().exists());
}

#[tokio::test]
async fn without_a_terminal_a_password_is_not_asked_for() {
    let stand_in = StandIn::start().await;
    let said = Shell::at(&stand_in.url).fail("login -u admin").await;
    assert!(said.contains("give it with -p or in MORGANA_PASSWORD"), "{said}");
}

#[tokio::test]
async fn an_unreachable_controller_is_named() {
    let url = nowhere().await;
    let said = Shell::at(&url).fail("list-vthings").await;
    assert!(said.starts_with(&format!("error: cannot reach {url}/v1/vthings?limit=1000: ")), "{said}");
    assert!(said.contains("is `morgana up` running?") && said.lines().count() == 1, "{said}");
}

#[tokio::test]
async fn a_malformed_answer_is_an_error_in_one_line() {
    let url = serve(Router::new().route("/v1/vthings", get("{\"items\":\n[oops"))).await;
    let said = Shell::at(&url).fail("list-vthings").await;
    assert!(said.contains("not as a Morgana controller does") && said.lines().count() == 1, "{said}");
}

#[tokio::test]
async fn a_controller_that_is_no_url_is_an_error() {
    let said = Shell::at("127.0.0.1:8090").fail("list-vthings").await;
    assert!(said.contains("is not the URL of a controller"), "{said}");
}

#[tokio::test]
async fn who_waits_for_what_fails_reads_the_reason() {
    let start = Phase::Failed { reason: "flavour 'mqtt' has no image".into() };
    let stand_in = StandIn::with(Behaviour { start, ..Behaviour::default() }).await;
    let tenant = logged_in(&stand_in, "tenant1").await;
    let said = tenant.fail("create-vsilo -s home -f mqtt --wait").await;
    let last = said.lines().last().unwrap();
    assert_eq!(last, "error: vsilo/tenant1_home failed: flavour 'mqtt' has no image");
}

#[tokio::test]
async fn who_waits_too_long_reads_what_was_last_seen() {
    let stand_in = StandIn::with(Behaviour { start: Phase::Pending, ..Behaviour::default() }).await;
    let tenant = logged_in(&stand_in, "tenant1").await;
    let said = tenant.fail("create-vsilo -s home -f mqtt --wait --timeout-seconds 1").await;
    assert!(said.contains("was not running within 1 s: it is pending"), "{said}");
}

#[tokio::test]
async fn a_damaged_token_file_is_named() {
    let stand_in = StandIn::start().await;
    let shell = logged_in(&stand_in, "tenant1").await;
    std::fs::write(shell.token_file(), "{oops").unwrap();
    let said = shell.fail("list-vthings").await;
    assert!(said.contains("tokens.json is damaged; remove it and log in again"), "{said}");
}
