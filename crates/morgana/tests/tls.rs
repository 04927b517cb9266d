//! TLS for REST and fabric, with certificates that the platform made itself and with given ones.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use morgana_testbed::{Options, Platform, run_program};
use serde_json::Value;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

fn with_tls(further: &[(&str, &str)]) -> Options {
    let all = [("MORGANA_TLS__ENABLED", "true"), ("MORGANA_TLS__MQTT_PORT", "0")];
    let variables = all.iter().chain(further).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Options { variables: variables.collect(), ..Options::default() }
}

fn door(platform: &Platform, name: &str) -> Value {
    let endpoints = fs::read(platform.data().join("endpoints.json")).unwrap();
    let endpoints: Value = serde_json::from_slice(&endpoints).unwrap();
    endpoints[name].clone()
}

/// The command line against the platform's HTTPS door.
async fn cli(platform: &Platform, arguments: &[&str], ca: Option<&PathBuf>) -> morgana_testbed::Outcome {
    let url = door(platform, "rest")["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://"), "{url}");
    let home = platform.folder().to_str().unwrap().to_owned();
    let ca = ca.map(|file| file.display().to_string()).unwrap_or_default();
    let mut variables = vec![("MORGANA_URL", url.as_str()), ("HOME", &home), ("XDG_CONFIG_HOME", &home)];
    if !ca.is_empty() {
        variables.push(("MORGANA_CA", &ca));
    }
    run_program(MORGANA, arguments, &variables, platform.folder()).await
}

const LOGIN: [&str; 5] = ["login", "-u", "admin", "-p", "the administrator of a testbed"];

#[tokio::test]
async fn rest_and_fabric_speak_tls_with_certificates_of_their_own_making() {
    let mut platform = Platform::start_with(MORGANA, with_tls(&[])).await;
    let ca = platform.data().join("tls/ca.pem");
    let mode = |name: &str| {
        fs::metadata(platform.data().join("tls").join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("ca.key"), mode("server.key"), mode("")), (0o600, 0o600, 0o700));

    let trusted = cli(&platform, &LOGIN, Some(&ca)).await;
    assert_eq!(trusted.status, Some(0), "{}", trusted.stderr);
    let listed = cli(&platform, &["list-flavours"], Some(&ca)).await;
    assert!(listed.stdout.contains("mqtt"), "{listed:?}");
    let stranger = cli(&platform, &LOGIN, None).await;
    assert_eq!(stranger.status, Some(1), "who does not trust the authority is not connected");

    // Nothing is answered in the clear.
    let port = door(&platform, "rest")["port"].as_u64().unwrap();
    assert!(reqwest::get(format!("http://127.0.0.1:{port}/healthz")).await.is_err());

    // A client of MQTT that somebody else wrote gets as far as the password.
    let port = door(&platform, "mqtts")["port"].as_u64().unwrap().to_string();
    let subscribe = |ca: &str| {
        let arguments = [
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "--cafile",
            ca,
            "-u",
            "tv:x",
            "-P",
            "wrong",
            "-t",
            "#",
            "-W",
            "5",
        ];
        arguments.map(str::to_owned)
    };
    let arguments = subscribe(ca.to_str().unwrap());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = run_program("/usr/bin/mosquitto_sub", &arguments, &[], platform.folder()).await;
    let said = outcome.stderr.to_lowercase();
    assert!(said.contains("not authorised") || said.contains("bad user"), "{outcome:?}");

    // The authority stays over a restart, so that who trusts it goes on.
    let before = fs::read(&ca).unwrap();
    platform.terminate().await;
    platform.restart().await;
    assert_eq!(fs::read(&ca).unwrap(), before);
    // Its port is another one now, and a login is for one URL.
    let again = cli(&platform, &LOGIN, Some(&ca)).await;
    assert_eq!(again.status, Some(0), "{}", again.stderr);
}

#[tokio::test]
async fn given_certificates_are_used_and_wrong_ones_are_named() {
    let maker = Platform::start_with(MORGANA, with_tls(&[])).await;
    let made = |name: &str| maker.data().join("tls").join(name).to_str().unwrap().to_owned();
    let given =
        [("MORGANA_TLS__CERTIFICATE", &*made("server.pem")), ("MORGANA_TLS__KEY", &*made("server.key"))];
    let platform = Platform::start_with(MORGANA, with_tls(&given)).await;
    assert!(!platform.data().join("tls").exists());
    let outcome = cli(&platform, &LOGIN, Some(&PathBuf::from(made("ca.pem")))).await;
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);

    let folder = tempfile::tempdir().unwrap();
    let nonsense = folder.path().join("nonsense.pem");
    fs::write(&nonsense, "nonsense").unwrap();
    let nonsense = nonsense.to_str().unwrap();
    for (certificate, key, word) in [
        (nonsense, &*made("server.key"), "nonsense.pem"),
        (&*made("server.pem"), nonsense, "nonsense.pem"),
        ("/nowhere.pem", &*made("server.key"), "/nowhere.pem"),
        (&*made("server.pem"), &*made("ca.key"), "server.pem"),
        (&*made("server.pem"), "", "tls.key"),
    ] {
        let mut variables = vec![
            ("MORGANA_PORT", "0"),
            ("MORGANA_MQTT_PORT", "0"),
            ("MORGANA_TLS__ENABLED", "true"),
            ("MORGANA_TLS__CERTIFICATE", certificate),
            ("MORGANA_ADMIN_PASSWORD", "a password of a test"),
        ];
        if !key.is_empty() {
            variables.push(("MORGANA_TLS__KEY", key));
        }
        let outcome = run_program(MORGANA, &["up"], &variables, folder.path()).await;
        assert_eq!(outcome.status, Some(1), "{outcome:?}");
        assert!(outcome.stderr.contains(word), "'{word}' is not in {}", outcome.stderr);
    }
}
