//! The command line over the life of a session, and what an operator watches with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use morgana_model::WorkloadName;
use morgana_testbed::{Cli, Options, Platform, eventually};
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

fn token_file(cli: &Cli) -> PathBuf {
    cli.home().join("morgana/tokens.json")
}

fn tokens(cli: &Cli) -> Value {
    serde_json::from_slice(&fs::read(token_file(cli)).expect("there is a token file")).expect("it is JSON")
}

/// Makes the access token of the login one that no controller takes, as it is when its time is over.
fn outlive_access_token(cli: &Cli, controller: &str) {
    let mut all = tokens(cli);
    let token = all[controller]["accessToken"].as_str().expect("there is a token").to_owned();
    let cut = token.rfind('.').expect("a token has three parts");
    all[controller]["accessToken"] =
        json!(token[..=cut].to_owned() + "c2lnbmVkIGJ5IG5vYm9keSB0aGF0IGlzIGtub3du");
    fs::write(token_file(cli), all.to_string()).expect("the token file can be written");
}

#[tokio::test]
async fn a_session_goes_on_when_its_access_token_does_not() {
    let (platform, other) = (Platform::start(MORGANA).await, Platform::start(MORGANA).await);
    let cli = platform.cli();
    let password = platform.admin().await.password;
    cli.ok(&["login", "-u", "admin", "-p", password.expose()]).await;
    cli.ok(&["login", "-c", other.rest_url(), "-u", "admin", "-p", password.expose()]).await;
    let before = tokens(&cli);
    assert_eq!(before.as_object().map(|logins| logins.len()), Some(2), "one login for each controller");
    let mode = |path: PathBuf| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(token_file(&cli)), 0o600);

    outlive_access_token(&cli, platform.rest_url());
    // A refresh token works once, and both commands go on.
    let (users, status) = tokio::join!(cli.json(&["list-users"]), cli.ok(&["status"]));
    assert_eq!(users[0]["id"], "admin");
    assert!(status.contains("default"), "{status}");
    let after = tokens(&cli);
    let token_of = |all: &Value, of: &Platform| all[of.rest_url()]["accessToken"].clone();
    assert_ne!(token_of(&after, &platform), token_of(&before, &platform));
    assert_eq!(token_of(&after, &other), token_of(&before, &other), "the other controller's is untouched");
    assert_eq!(mode(token_file(&cli)), 0o600);

    // What changes something is done once, though it is asked for twice.
    outlive_access_token(&cli, platform.rest_url());
    cli.ok(&["register", "-u", "tenant1", "-p", "a good password"]).await;

    // The logout of a session whose access token is over ends the session itself.
    let refresh_token = tokens(&cli)[platform.rest_url()]["refreshToken"].clone();
    outlive_access_token(&cli, platform.rest_url());
    cli.ok(&["logout"]).await;
    let refreshed = platform.http().post("/v1/refresh", &json!({ "refreshToken": refresh_token })).await;
    assert_eq!(refreshed.status, 401, "{refreshed:?}");
    assert!(cli.fails(&["list-users"]).await.contains("log in with `morgana login"));
    cli.ok(&["list-users", "-c", other.rest_url()]).await;
}

#[tokio::test]
async fn a_session_that_was_ended_elsewhere_is_told_so() {
    let platform = Platform::start(MORGANA).await;
    let cli = platform.cli();
    let admin = platform.admin().await;
    cli.ok(&["login", "-u", "admin", "-p", admin.password.expose()]).await;
    let ended = tokens(&cli)[platform.rest_url()].clone();
    cli.ok(&["logout"]).await;
    fs::write(token_file(&cli), json!({ platform.rest_url(): ended }).to_string())
        .expect("it can be written");
    let said = cli.fails(&["list-users"]).await;
    assert!(said.contains("log in with `morgana login"), "{said}");
}

#[tokio::test]
async fn an_operator_sees_what_runs_and_what_failed_and_starts_it_anew() {
    let variables = vec![("MORGANA_CONTROLLER__REVIVE_FIRST_SECONDS".to_owned(), "3600".to_owned())];
    let platform = Platform::start_with(MORGANA, Options { variables, ..Options::default() }).await;
    let cli = platform.cli();
    let admin = platform.admin().await;
    cli.ok(&["login", "-u", "admin", "-p", admin.password.expose()]).await;
    cli.ok(&["add-thingvisor", "-n", "host", "-i", "builtin:host", "--wait"]).await;
    let name: WorkloadName = "thingvisor/host".parse().expect("a name");
    let first = platform.workload(&name).expect("it runs").pid;

    let top = cli.json(&["top", "-n", "1"]).await;
    assert!(top.to_string().contains("thingvisor/host"), "{top}");
    let table = cli.ok(&["top", "-n", "2", "--every", "1"]).await;
    assert!(table.contains("WORKLOAD") && table.contains("thingvisor/host"), "{table}");

    // One that runs gets another process.
    let said = cli.ok(&["restart", "thingvisor/host", "--wait"]).await;
    assert_eq!(said, "thingvisor/host is running\n");
    assert_ne!(platform.workload(&name).expect("it runs").pid, first);

    // One that failed is down until somebody asks.
    let script = platform.folder().join("visor");
    let write = |text: &str| {
        fs::write(&script, text).expect("a script can be written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it can be made a program");
    };
    write("#!/bin/sh\necho the sensor is not there\nexit 78\n");
    let image = format!("exec:{}", script.display());
    let failed = cli.fails(&["add-thingvisor", "-n", "frail", "-i", &image, "--wait"]).await;
    assert!(failed.contains("the sensor is not there"), "{failed}");
    let status = cli.ok(&["status"]).await;
    assert!(status.contains("frail") && status.contains("the sensor is not there"), "{status}");
    write("#!/bin/sh\nexec sleep 1000\n");
    assert_eq!(cli.ok(&["restart", "thingvisor/frail", "--wait"]).await, "thingvisor/frail is running\n");
    eventually("nothing is shown as failed", async || {
        let status = cli.ok(&["status"]).await;
        if status.contains("the sensor is not there") { Err(status) } else { Ok(()) }
    })
    .await;

    let refused = cli.fails(&["restart", "vsilo/admin_nowhere"]).await;
    assert!(refused.contains("vSilo 'admin_nowhere' does not exist"), "{refused}");
}

#[tokio::test]
async fn the_configuration_says_where_each_value_comes_from() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("morgana.toml"), "port = 9001\n[node]\nlog_max_mib = 3\n").expect("a file");
    let variables = [("MORGANA_MQTT_PORT", "1999"), ("MORGANA_STORE", "postgres://m:secret@db/m")];
    let told = morgana_testbed::run_program(MORGANA, &["config"], &variables, folder.path()).await;
    assert_eq!(told.status, Some(0), "{}", told.stderr);
    let line = |name: &str| {
        let found = told.stdout.lines().find(|line| line.contains(name));
        found.unwrap_or_else(|| panic!("{name} is not in {}", told.stdout)).to_owned()
    };
    assert!(
        line("mqtt_port").contains("1999") && line("mqtt_port").contains("environment"),
        "{}",
        told.stdout
    );
    assert!(
        line("log_max_mib").contains('3') && line("log_max_mib").contains("morgana.toml"),
        "{}",
        told.stdout
    );
    assert!(line("destroy_grace_milliseconds").contains("default"), "{}", told.stdout);
    assert!(!told.stdout.contains("secret"), "a password is no part of what is shown: {}", told.stdout);
}
