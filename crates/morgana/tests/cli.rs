//! The command line, step by step as a newcomer types it.

use std::fs;
use std::process::Command;

use morgana_testbed::{Platform, SimulatedThing, eventually};
use serde_json::json;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

#[tokio::test]
async fn a_newcomer_walks_the_road_with_commands_alone() {
    let platform = Platform::start(MORGANA).await;
    let password = platform.admin().await.password;
    let (admin, tenant) = (platform.cli(), platform.cli());

    admin.ok(&["login", "-u", "admin", "-p", password.expose()]).await;
    let host = admin
        .json(&[
            "add-thingvisor",
            "-n",
            "host",
            "-i",
            "builtin:host",
            "-p",
            "{'intervalSeconds': 0.2}",
            "--wait",
        ])
        .await;
    assert_eq!(host["status"]["phase"], "running");
    let params = platform.folder().join("relay.json");
    fs::write(&params, r#"{"vThingName": "room", "vThingType": "Room"}"#).unwrap();
    let params = format!("@{}", params.display());
    let told = admin
        .run(&[
            "add-thingvisor",
            "-n",
            "relay",
            "-i",
            "builtin:relay",
            "-p",
            &params,
            "-d",
            "a room",
            "--wait",
        ])
        .await;
    assert_eq!((told.status, told.stdout.trim()), (Some(0), "ThingVisor relay is running"));
    assert!(told.stderr.contains("thingvisor/relay: running"), "{}", told.stderr);
    let v_things = admin.ok(&["list-vthings"]).await;
    assert!(v_things.contains("relay/room") && v_things.contains("host/load"), "{v_things}");
    admin.ok(&["register", "-u", "tenant1", "-p", "a good password"]).await;

    tenant.ok(&["login", "-u", "tenant1", "-p", "a good password"]).await;
    let flavours = tenant.ok(&["list-flavours"]).await;
    assert!(flavours.contains("mqtt") && flavours.contains("ngsi-ld"), "{flavours}");
    tenant.ok(&["create-vsilo", "-s", "home", "-f", "mqtt", "--wait"]).await;
    tenant.ok(&["create-vsilo", "-s", "context", "-f", "ngsi-ld", "--wait"]).await;
    for silo in ["home", "context"] {
        tenant.ok(&["add-vthing", "-s", silo, "-v", "relay/room"]).await;
    }
    let home = tenant.json(&["inspect-vsilo", "-v", "tenant1_home"]).await;
    assert_eq!(home["vThings"], json!(["relay/room"]));

    // The lines that `inspect-vsilo` gives to paste are pasted.
    let admins = platform.admin().await;
    let relay = platform.client(&admins).thing_visor(&"relay".parse().unwrap()).await.unwrap();
    SimulatedThing::of(&relay).send(&json!({ "temperature": 21.5 })).await;
    let context = tenant.json(&["inspect-vsilo", "-v", "tenant1_context"]).await;
    let curl = context["connectWith"][0].as_str().unwrap();
    assert!(curl.starts_with("curl ") && curl.contains(context["token"].as_str().unwrap()), "{curl}");
    let entities = eventually("the room is in the NGSI-LD silo", async || match shell(curl).await {
        none if none == "[]" => Err(none),
        some => Ok(some),
    });
    assert!(entities.await.contains("urn:ngsi-ld:relay:room"), "{curl}");
    let subscribe =
        home["connectWith"][0].as_str().unwrap().replace("mosquitto_sub", "mosquitto_sub -C 1 -W 30");
    let message = shell(&subscribe).await;
    assert!(message.starts_with("tenant1/relay/room/relay:room {"), "{subscribe}: {message}");

    let list = tenant.ok(&["list-vsilos"]).await;
    assert_eq!(list.lines().count(), 3, "{list}");
    tenant.ok(&["del-vthing", "-s", "home", "-v", "relay/room"]).await;
    let gone = tenant.json(&["destroy-vsilo", "-s", "home", "--wait"]).await;
    assert_eq!(gone, json!({ "id": "tenant1_home", "deleted": true }));
    admin.ok(&["del-thingvisor", "-n", "host", "--wait"]).await;
    assert_eq!(admin.json(&["list-thingvisors"]).await.as_array().unwrap().len(), 1);
    tenant.ok(&["logout"]).await;
    let refused = tenant.fails(&["list-vsilos"]).await;
    assert!(refused.contains("log in with `morgana login"), "{refused}");
}

/// What a line that is pasted into a shell prints.
async fn shell(line: &str) -> String {
    let output = tokio::process::Command::new("sh").args(["-c", line]).output().await;
    String::from_utf8(output.expect("there is a shell").stdout).expect("it prints UTF-8")
}

#[tokio::test]
async fn an_error_is_told_in_the_servers_words_with_exit_status_1() {
    let platform = Platform::start(MORGANA).await;
    let password = platform.admin().await.password;
    let cli = platform.cli();
    let wrong = cli.fails(&["login", "-u", "admin", "-p", "wrong"]).await;
    assert_eq!(wrong.lines().count(), 1, "{wrong}");
    cli.ok(&["login", "-u", "admin", "-p", password.expose()]).await;
    for (arguments, words) in [
        (&["inspect-vsilo", "-v", "admin_nowhere"][..], "admin_nowhere"),
        (&["create-vsilo", "-s", "home", "-f", "lora"], "flavour 'lora' does not exist"),
        (&["add-thingvisor", "-n", "torch", "-i", "builtin:torch"], "builtin:torch"),
        (&["add-thingvisor", "-n", "wrong", "-i", "builtin:relay", "--wait"], "vThingName"),
        (&["logs", "vsilo/admin_nowhere"], "admin_nowhere"),
        (&["register", "-u", "admin", "-p", "a good password"], "already exists"),
    ] {
        let said = cli.fails(arguments).await;
        let error = said.split_once("error: ").map(|(_, error)| error).unwrap_or_default();
        assert!(error.contains(words), "{arguments:?}: {said}");
    }
    let usage = cli.run(&["create-vsilo", "-s", "not a name", "-f", "mqtt"]).await;
    assert_eq!(usage.status, Some(2), "{usage:?}");
    let unreachable = cli.fails(&["list-vsilos", "-c", "http://127.0.0.1:1"]).await;
    assert!(unreachable.contains("http://127.0.0.1:1"), "{unreachable}");
}

#[tokio::test]
async fn results_are_the_same_as_table_json_and_yaml() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    platform.relay(&admin, "relay", "room", "Room").await;
    let cli = platform.cli();
    cli.ok(&["login", "-u", "admin", "-p", admin.password.expose()]).await;
    let json = cli.json(&["list-thingvisors"]).await;
    assert_eq!(json[0]["id"], "relay");
    let yaml = cli.ok(&["list-thingvisors", "--output", "yaml"]).await;
    assert!(yaml.contains("id: relay") && yaml.contains("phase: running"), "{yaml}");
    let table = cli.ok(&["list-thingvisors"]).await;
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].starts_with("THINGVISOR") && rows[1].starts_with("relay") && rows.len() == 2, "{table}");
}

#[tokio::test]
async fn logs_are_followed_as_they_are_written() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let script = platform.folder().join("visor");
    fs::write(
        &script,
        "#!/bin/sh\necho first words\nwhile read line < ../../../../words; do echo \"$line\"; done\n",
    )
    .unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let words = platform.data().join("words");
    let made = Command::new("mkfifo").arg(&words).status().unwrap();
    assert!(made.success());
    platform.thing_visor(&admin, "talker", &format!("exec:{}", script.display()), json!(null)).await;
    let cli = platform.cli();
    cli.ok(&["login", "-u", "admin", "-p", admin.password.expose()]).await;
    let mut following = cli.follow(&["logs", "thingvisor/talker", "-f"]);
    following.line_with("first words").await;
    tokio::task::spawn_blocking(move || fs::write(words, "words that come later\n").unwrap()).await.unwrap();
    following.line_with("words that come later").await;
    let all = cli.ok(&["logs", "thingvisor/talker", "-n", "1"]).await;
    assert_eq!(all, "words that come later\n");
}

#[tokio::test]
async fn changes_are_shown_as_they_happen() {
    let platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let cli = platform.cli();
    cli.ok(&["login", "-u", "admin", "-p", admin.password.expose()]).await;
    let mut following = cli.follow(&["events", "--snapshot", "--output", "json"]);
    following.line_with("\"kind\":\"user\"").await;
    platform.relay(&admin, "relay", "room", "Room").await;
    let line = following.line_with("\"phase\":\"running\"").await;
    assert!(line.contains("\"id\":\"relay\""), "{line}");
}

#[tokio::test]
async fn completion_is_a_script_that_bash_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = morgana_testbed::run_program(MORGANA, &["completion", "bash"], &[], folder.path()).await;
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    let script = folder.path().join("completion");
    fs::write(&script, outcome.stdout).unwrap();
    let complete = "source completion; COMP_WORDS=(morgana create-vs); COMP_CWORD=1; _morgana morgana create-vs morgana; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", complete]).current_dir(folder.path()).output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        "create-vsilo",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
