//! The OpenAPI document, read by a client that somebody else wrote: schemathesis makes requests of it, and
//! every answer has to be one that the document promises, and none a server's failure.

use std::time::Duration;

use morgana_testbed::{Platform, clients};
use tokio::process::Command;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// What is left out: what would end the session of the test, and what answers for ever.
const LEFT_OUT: &str = "^/v1/(logout|events|workloads/.*/logs)$";

#[tokio::test]
async fn every_answer_is_one_that_the_openapi_document_promises() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    platform.relay(&admin, "relay", "room", "Room").await;
    let silo = platform.silo(&admin, "home", "mqtt").await;
    platform.plug(&admin, &silo, "relay/room").await;
    let mut command = Command::new(clients::Client::of("schemathesis").python("st"));
    command
        .current_dir(platform.folder())
        .arg("run")
        .arg(format!("{}/v1/openapi.json", platform.rest_url()))
        .args(["--header", &format!("Authorization: Bearer {}", admin.token.expose())])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "4", "--seed", "1"])
        .args(["--exclude-path-regex", LEFT_OUT, "--request-timeout", "60", "--no-color"])
        .args(["--generation-database", "none"])
        .kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(600), command.output()).await;
    let output = ended.expect("schemathesis ends").expect("schemathesis can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    platform.http().get("/readyz").await.expect(200);
}
