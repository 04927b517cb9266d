//! The OpenAPI document, read by a client that somebody else wrote: schemathesis makes requests of it, and
//! every answer has to be one that the document promises, and none a server's failure.

use std::time::Duration;

use morgana_testbed::{Platform, User, clients};
use tokio::process::Command;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// What is left out of the long run: what would end its session; and the stream of events, which has no end
/// and so no answer that schemathesis could check. What it carries is in `crates/client/tests/api/following.rs`
/// and `crates/morgana/tests/cli.rs`.
const LEFT_OUT: &str = "^/v1/(logout|events)$";
/// Logs are read and not followed.
const HOOKS: &str = "hooks";

#[tokio::test]
async fn every_answer_is_one_that_the_openapi_document_promises() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    platform.relay(&admin, "relay", "room", "Room").await;
    let silo = platform.silo(&admin, "home", "mqtt").await;
    platform.plug(&admin, &silo, "relay/room").await;
    run(&platform, &admin, &["--exclude-path-regex", LEFT_OUT]).await;
    // A session that nobody needs ends in the first of these requests, and is over in the others.
    let throw_away = platform.admin().await;
    run(&platform, &throw_away, &["--include-path", "/v1/logout"]).await;
    platform.http().get("/readyz").await.expect(200);
    platform.client(&admin).users().all().await.expect("the other session goes on");
    platform.client(&throw_away).users().all().await.expect_err("this session is over");
}

async fn run(platform: &Platform, user: &User, which: &[&str]) {
    let schemathesis = clients::Client::of("schemathesis");
    let mut command = Command::new(schemathesis.python("st"));
    command
        .current_dir(platform.folder())
        .env("SCHEMATHESIS_HOOKS", HOOKS)
        .env("PYTHONPATH", &schemathesis.scripts)
        .arg("run")
        .arg(format!("{}/v1/openapi.json", platform.rest_url()))
        .args(["--header", &format!("Authorization: Bearer {}", user.token.expose())])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "4", "--seed", "1"])
        .args(which)
        .args(["--request-timeout", "60", "--no-color"])
        .args(["--generation-database", "none"])
        .kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(600), command.output()).await;
    let output = ended.expect("schemathesis ends").expect("schemathesis can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
