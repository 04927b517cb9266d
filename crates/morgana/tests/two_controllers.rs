//! Two controllers on one PostgreSQL: one leads, the other hands requests on to it and takes over.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use morgana_client::Client;
use morgana_model::VSilo;
use morgana_testbed::{
    Mailbox, NgsiLd, Options, Platform, Postgres, Process, User, add_silo, eventually, processes_of,
};
use serde_json::json;
use tokio::task::JoinHandle;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// A platform on the server, whose workloads keep what they have in a folder that the platforms share.
fn on(server: &Postgres, workloads: &Path) -> Platform {
    let mut platform = Platform::prepare(MORGANA, Options::default());
    platform.set_variable("MORGANA_STORE", &server.url("system"));
    platform.set_variable("MORGANA_NODE__WORKLOADS_DIR", workloads.to_str().unwrap());
    platform
}

/// Looks all the time whether a silo runs twice.
struct Watch {
    stop: Arc<AtomicBool>,
    twice: JoinHandle<Vec<String>>,
}

impl Watch {
    fn over(folders: [PathBuf; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let twice = tokio::task::spawn_blocking(move || {
            let mut twice = Vec::new();
            while !stopping.load(Ordering::Relaxed) {
                twice.extend(runs_twice(&folders));
            }
            twice
        });
        Self { stop, twice }
    }

    async fn saw_nothing_twice(self) {
        self.stop.store(true, Ordering::Relaxed);
        assert_eq!(self.twice.await.unwrap(), Vec::<String>::new());
    }
}

fn runs_twice(folders: &[PathBuf; 2]) -> Vec<String> {
    let mut pids: BTreeMap<String, Vec<Process>> = BTreeMap::new();
    for process in folders.iter().flat_map(|folder| processes_of(folder)) {
        if let Some(silo) = process.variable("vSiloID") {
            pids.entry(silo).or_default().push(process);
        }
    }
    // The processes of one platform have one parent, whatever both folders say of them.
    let differ = |found: &Vec<Process>| {
        found
            .iter()
            .any(|process| process.parent != found[0].parent && process.parent > 1 && found[0].parent > 1)
    };
    pids.into_iter()
        .filter(|(_, found)| differ(found))
        .map(|(silo, found)| format!("{silo}: {found:?}"))
        .collect()
}

/// Creates silos one after the other until it is told to stop, and notes which were accepted.
fn create_silos(
    client: Client,
    tenant: User,
    accepted: Mailbox<VSilo>,
    stop: Arc<AtomicBool>,
    name: &str,
) -> JoinHandle<()> {
    let name = name.to_owned();
    tokio::spawn(async move {
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            match add_silo(&client, &tenant, &format!("{name}-{number}"), "mqtt").await {
                Ok(silo) => accepted.put(silo),
                // Nobody leads at the moment; what was not accepted may be lost.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
            if number > 60 {
                return;
            }
        }
    })
}

async fn accepts_more(accepted: &Mailbox<VSilo>, more: usize) {
    let wanted = accepted.all().len() + more;
    eventually("more silos are accepted", async || {
        let now = accepted.all().len();
        if now >= wanted { Ok(()) } else { Err(format!("{now} of {wanted}")) }
    })
    .await;
}

#[tokio::test]
async fn the_other_takes_over_when_the_one_that_leads_is_killed_and_nothing_accepted_is_lost() {
    let server = Postgres::start().await;
    server.database("system");
    let workloads = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (on(&server, workloads.path()), on(&server, workloads.path()));
    one.restart().await;
    other.stand_by().await;

    // Whoever is asked, the one that leads does it.
    let admin = one.admin().await;
    let alice = other.tenant(&admin, "alice").await;
    let context = other.silo(&alice, "context", "ngsi-ld").await;
    assert_eq!(one.client(&alice).vsilo(&context.id).await.unwrap(), context);
    other.http().get("/readyz").await.expect(503);
    one.http().get("/readyz").await.expect(200);
    let room =
        json!({ "id": "urn:ngsi-ld:Room:1", "type": "Room", "seats": { "type": "Property", "value": 4 } });
    NgsiLd::at(&context).http.post("/entities", &room).await.expect(201);

    let watch = Watch::over([one.data().to_owned(), other.data().to_owned()]);
    let (accepted, stop) = (Mailbox::default(), Arc::new(AtomicBool::new(false)));
    let clients = [("one", &one), ("other", &other)].map(|(name, platform)| {
        create_silos(platform.client(&alice), alice.clone(), accepted.clone(), Arc::clone(&stop), name)
    });
    accepts_more(&accepted, 4).await;
    one.kill().await;
    let killed = Instant::now();
    other.leads().await;
    println!("the other leads {:?} after the kill", killed.elapsed());
    accepts_more(&accepted, 2).await;
    println!("and accepts {:?} after the kill", killed.elapsed());
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }

    // The token of before holds, every silo that was accepted is there and runs, and has what it had.
    for silo in accepted.all() {
        other.running_silo(&alice, &silo).await;
    }
    let context = other.running_silo(&alice, &context).await;
    assert_eq!(NgsiLd::at(&context).entity("urn:ngsi-ld:Room:1").await.unwrap()["seats"]["value"], 4);

    // And back again.
    one.stand_by().await;
    other.kill().await;
    one.leads().await;
    let context = one.running_silo(&alice, &context).await;
    assert_eq!(NgsiLd::at(&context).entity("urn:ngsi-ld:Room:1").await.unwrap()["seats"]["value"], 4);
    watch.saw_nothing_twice().await;
    one.terminate().await;
    one.no_process_is_left().await;
}

/// A command of a user who trusts the authority of this platform alone.
async fn command(platform: &Platform, arguments: &[&str]) -> morgana_testbed::Outcome {
    let (home, ca) = (platform.folder().display().to_string(), platform.data().join("tls/ca.pem"));
    let ca = ca.display().to_string();
    let variables = [
        ("MORGANA_URL", platform.rest_url()),
        ("MORGANA_CA", &ca),
        ("HOME", &home),
        ("XDG_CONFIG_HOME", &home),
    ];
    morgana_testbed::run_program(MORGANA, arguments, &variables, platform.folder()).await
}

#[tokio::test]
async fn requests_are_handed_on_over_tls_to_a_leader_with_an_authority_of_its_own() {
    let server = Postgres::start().await;
    server.database("system");
    let workloads = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (on(&server, workloads.path()), on(&server, workloads.path()));
    for platform in [&mut one, &mut other] {
        platform.set_variable("MORGANA_TLS__ENABLED", "true");
        platform.set_variable("MORGANA_TLS__MQTT_PORT", "0");
    }
    one.restart().await;
    other.stand_by().await;
    assert!(one.rest_url().starts_with("https://") && other.rest_url().starts_with("https://"));
    let authority = |platform: &Platform| std::fs::read(platform.data().join("tls/ca.pem")).unwrap();
    assert_ne!(authority(&one), authority(&other), "each has made its own");

    let login = ["login", "-u", "admin", "-p", "the administrator of a testbed"];
    let told = command(&other, &login).await;
    assert_eq!(told.status, Some(0), "{}", told.stderr);
    let told = command(&other, &["register", "-u", "alice", "-p", "a good password"]).await;
    assert_eq!(told.status, Some(0), "{}", told.stderr);
    // What comes through a standby on this machine is not of this machine.
    let ca = reqwest::Certificate::from_pem(&authority(&other)).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let metrics = client.get(format!("{}/metrics", other.rest_url())).send().await.unwrap();
    assert_eq!(metrics.status().as_u16(), 401);

    one.kill().await;
    other.leads().await;
    one.stand_by().await;
    assert_eq!(command(&one, &login).await.status, Some(0));
    let users = command(&one, &["list-users"]).await;
    assert!(users.stdout.contains("alice"), "{users:?}");
}

/// A client of this machine at an address of its own.
fn client_at(address: [u8; 4]) -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().local_address(std::net::IpAddr::from(address));
    client.build().unwrap()
}

/// Tries a wrong password of `user`; the status.
async fn guess(client: &reqwest::Client, platform: &Platform, path: &str, user: &str) -> u16 {
    let body = json!({ "userID": user, "password": "a wrong one" });
    let asked = client.post(format!("{}{path}", platform.rest_url())).json(&body).send().await;
    asked.unwrap().status().as_u16()
}

#[tokio::test]
async fn what_is_handed_on_comes_from_its_client_and_not_from_the_standby() {
    let server = Postgres::start().await;
    server.database("system");
    let workloads = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (on(&server, workloads.path()), on(&server, workloads.path()));
    one.restart().await;
    other.stand_by().await;
    let admin = one.admin().await;
    one.tenant(&admin, "alice").await;
    one.tenant(&admin, "bob").await;
    let (guesser, honest) = (client_at([127, 0, 0, 2]), client_at([127, 0, 0, 3]));

    // Also where the path has another form than it is sent in, and with a header that the client made up: the
    // standby hands nothing on that says to be handed on, and the leader does not believe it.
    assert_eq!(guess(&guesser, &other, "/v1/login", "alice").await, 401);
    assert_eq!(guess(&guesser, &other, "/v1/./login?x=a%20b", "alice").await, 401);
    let forged =
        guesser.post(format!("{}/v1/login", one.rest_url())).header("morgana-handed-on", "127.0.0.3 x");
    let forged = forged.json(&json!({ "userID": "alice", "password": "a wrong one" })).send().await.unwrap();
    assert_eq!(forged.status().as_u16(), 401);
    // Attempts are written down in their order, a moment later.
    assert_eq!(guess(&honest, &other, "/login", "carol").await, 401);
    let from = async |who: &str| {
        let path = format!("/v1/audit?who={who}&outcome=unauthenticated");
        let lines = one.http_as(&admin).get(&path).await.body;
        lines["items"].as_array().unwrap().iter().map(|line| line["from"].clone()).collect::<Vec<_>>()
    };
    let last = eventually("the attempts are in the audit log", async || match from("carol").await {
        none if none.is_empty() => Err("no line of carol"),
        lines => Ok(lines),
    });
    assert_eq!(last.await, [json!("127.0.0.3")]);
    assert_eq!(from("alice").await, [json!("127.0.0.2")]);

    // Who guesses through a standby uses up its own tries and nobody else's.
    while guess(&guesser, &other, "/v1/login", "bob").await == 401 {}
    assert_eq!(guess(&guesser, &other, "/v1/login", "bob").await, 429);
    assert_eq!(guess(&guesser, &one, "/v1/login", "bob").await, 429, "at the leader's own door, too");
    assert_eq!(guess(&honest, &other, "/v1/login", "bob").await, 401);
}

#[tokio::test]
async fn one_that_loses_the_lead_ends_with_its_workloads() {
    let server = Postgres::start().await;
    server.database("system");
    let workloads = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (on(&server, workloads.path()), on(&server, workloads.path()));
    one.restart().await;
    let admin = one.admin().await;
    let alice = one.tenant(&admin, "alice").await;
    let silo = one.silo(&alice, "home", "mqtt").await;
    other.stand_by().await;
    // Its session breaks, and before it is back another one has led, as the database says.
    server.sql("system", "UPDATE morgana_store SET leader = 'somebody else'");
    server.sql("system", "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'");
    assert_eq!(one.ended().await.code(), Some(1));
    one.no_process_is_left().await;
    other.leads().await;
    other.running_silo(&alice, &silo).await;
}

#[tokio::test]
async fn a_platform_on_postgresql_that_goes_away_and_comes_back_goes_on() {
    let mut server = Postgres::start().await;
    server.database("system");
    let workloads = tempfile::tempdir().unwrap();
    let mut platform = on(&server, workloads.path());
    // The machine may be slow: this one is patient.
    platform.set_variable("MORGANA_POSTGRES__LEAD_PATIENCE_MILLISECONDS", "60000");
    platform.set_variable("MORGANA_POSTGRES__LEAD_RELEASE_SECONDS", "90");
    platform.restart().await;
    let admin = platform.admin().await;
    let alice = platform.tenant(&admin, "alice").await;
    let silo = platform.silo(&alice, "home", "mqtt").await;
    let process = platform.workload(&morgana_model::WorkloadName::VSilo(silo.id.clone())).unwrap();
    server.stop();
    let refused = platform.http_as(&alice).get("/v1/vsilos").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    server.restart().await;
    eventually("it answers again", async || platform.client(&alice).vsilo(&silo.id).await).await;
    platform.silo(&alice, "later", "mqtt").await;
    let after = platform.workload(&morgana_model::WorkloadName::VSilo(silo.id.clone())).unwrap();
    assert_eq!(after.pid, process.pid, "the silo has noticed nothing");
}
