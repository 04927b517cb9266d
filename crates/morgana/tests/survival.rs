//! `kill -9` of anything, at any time: what was accepted is there again, and data flows again,
//! without a command from anyone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use morgana_client::Client;
use morgana_model::{FlavourSpec, NewFlavour, NewUser, Role, Secret, ThingVisor, VSilo, WorkloadName};
use morgana_testbed::{
    Listener, Mailbox, Message, MqttApplication, NgsiLd, Platform, Series, SimulatedThing, User, add_silo,
    add_thing_visor, eventually,
};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");
const ROOM: &str = "urn:ngsi-ld:relay:room";

/// A platform on which data flows: a thing that counts, a relay, and two silos that follow it.
struct Flow {
    platform: Platform,
    admin: User,
    alice: User,
    relay: ThingVisor,
    messages: VSilo,
    context: VSilo,
    application: MqttApplication,
    listener: Listener,
    thing: CountingThing,
}

/// A thing that sends 1, 2, 3, … whoever listens or not, until it is dropped.
struct CountingThing {
    count: Arc<AtomicU64>,
    counting: JoinHandle<()>,
}

impl CountingThing {
    fn start(thing: SimulatedThing) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let next = Arc::clone(&count);
        let counting = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            loop {
                ticks.tick().await;
                thing.try_send(&json!(next.fetch_add(1, Ordering::Relaxed))).await;
            }
        });
        Self { count, counting }
    }

    /// The next number that it will send.
    fn next(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for CountingThing {
    fn drop(&mut self) {
        self.counting.abort();
    }
}

impl Flow {
    async fn start() -> Self {
        let platform = Platform::start(MORGANA).await;
        let admin = platform.admin().await;
        let relay = platform.relay(&admin, "relay", "room", "Room").await;
        let alice = platform.tenant(&admin, "alice").await;
        let messages = platform.silo(&alice, "messages", "mqtt").await;
        let context = platform.silo(&alice, "context", "ngsi-ld").await;
        let application = MqttApplication::at(&messages).await;
        application.subscribe("alice/#").await.expect("a tenant may subscribe to what is its own");
        let listener = Listener::start().await;
        NgsiLd::at(&context).subscribe("Room", listener.uri()).await;
        platform.plug(&alice, &messages, "relay/room").await;
        platform.plug(&alice, &context, "relay/room").await;
        let thing = CountingThing::start(SimulatedThing::of(&relay));
        let flow = Self { platform, admin, alice, relay, messages, context, application, listener, thing };
        flow.goes_on().await;
        flow
    }

    /// Waits until what the thing sends from now on reaches both applications.
    async fn goes_on(&self) {
        let next = self.thing.next();
        let is_new = |value: &Value| value.as_u64().is_some_and(|number| number >= next);
        let by_mqtt = |message: &Message| is_new(&message.payload["msg"]["value"]);
        let by_http = |posted: &Value| is_new(&posted["data"][0]["msg"]["value"]);
        self.application.messages.wait_for("data flows to the MQTT application", by_mqtt).await;
        self.listener.posted.wait_for("data flows to the NGSI-LD application", by_http).await;
    }

    /// What must not change: everything but when and how often something was started.
    async fn everything(&self) -> Vec<String> {
        let admin = self.platform.client(&self.admin);
        let alice = self.platform.client(&self.alice);
        let mut seen: Vec<Value> = Vec::new();
        seen.extend(admin.users().all().await.unwrap().iter().map(|user| json!(user)));
        seen.extend(admin.flavours().all().await.unwrap().iter().map(|flavour| json!(flavour)));
        seen.extend(admin.vthings().all().await.unwrap().iter().map(|v_thing| json!(v_thing)));
        seen.extend(admin.thing_visors().all().await.unwrap().iter().map(|visor| json!(visor)));
        for silo in alice.vsilos().all().await.unwrap() {
            let connections = alice.connections(&silo.id).all().await.unwrap();
            seen.extend(connections.iter().map(|connection| json!(connection)));
            seen.push(json!(silo));
        }
        let settled = |mut resource: Value| {
            if let Some(status) = resource.get_mut("status").and_then(Value::as_object_mut) {
                status.shift_remove("restarts");
            }
            resource.to_string()
        };
        seen.into_iter().map(settled).collect()
    }

    async fn is_as_before(&self, before: &[String]) {
        eventually("everything is as it was", async || {
            let now = self.everything().await;
            let missing: Vec<_> = before.iter().filter(|resource| !now.contains(resource)).cloned().collect();
            if missing.is_empty() && now.len() == before.len() {
                Ok(())
            } else {
                Err(format!("not there any more: {missing:#?}; there are: {now:#?}"))
            }
        })
        .await;
    }

    async fn comes_back_after(&self, killed: &WorkloadName) {
        let before = self.everything().await;
        let processes = self.platform.processes();
        let process = self.platform.workload(killed).expect("the workload runs");
        process.kill();
        let again = eventually("the workload runs again", async || {
            let again = self.platform.workload(killed).ok_or("it does not run")?;
            if again.pid == process.pid { Err("it is not dead yet") } else { Ok(again) }
        })
        .await;
        self.goes_on().await;
        self.is_as_before(&before).await;
        let mut expected: Vec<_> =
            processes.iter().map(|process| process.pid).filter(|pid| *pid != process.pid).collect();
        expected.push(again.pid);
        let mut now: Vec<_> = self.platform.processes().iter().map(|process| process.pid).collect();
        expected.sort_unstable();
        now.sort_unstable();
        assert_eq!(now, expected, "no other process was touched");
    }
}

#[tokio::test]
async fn everything_comes_back_by_itself_after_a_kill_of_the_platform() {
    let mut flow = Flow::start().await;
    let flavour = NewFlavour {
        id: "open".parse().unwrap(),
        spec: FlavourSpec {
            image_name: "builtin:mqtt".parse().unwrap(),
            params: json!({ "access": "open" }),
            description: "for clients without a token".to_owned(),
            yaml_files: None,
        },
    };
    flow.platform.client(&flow.admin).create_flavour(&flavour).await.unwrap();
    let before = flow.everything().await;
    flow.platform.kill().await;
    flow.platform.no_process_is_left().await;
    flow.platform.restart().await;
    flow.is_as_before(&before).await;
    flow.goes_on().await;
    flow.platform.kill_all().await;
    flow.platform.restart().await;
    flow.is_as_before(&before).await;
    flow.goes_on().await;
}

#[tokio::test]
async fn a_platform_that_is_killed_while_it_starts_starts_the_next_time() {
    let mut flow = Flow::start().await;
    let before = flow.everything().await;
    flow.platform.kill().await;
    for _ in 0..8 {
        // A start takes about 300 ms: the kill may come at any moment of it.
        flow.platform.start_and_kill(Duration::from_millis(rand::random_range(1..400))).await;
    }
    flow.platform.restart().await;
    flow.is_as_before(&before).await;
    flow.goes_on().await;
}

#[tokio::test]
async fn what_a_killed_platform_has_left_running_ends_without_another_start() {
    let mut platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let script = platform.folder().join("parent");
    // A child in a session of its own, and one that has given up its parent, its session and its environment.
    fs::write(
        &script,
        "#!/bin/sh\nsetsid sleep 1000 &\nsetsid env - PATH=$PATH sleep 1000 &\nexec sleep 1000\n",
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    platform.thing_visor(&admin, "parent", &format!("exec:{}", script.display()), Value::Null).await;
    eventually("both children are there", async || match platform.processes() {
        all if all.len() == 4 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let keeper = platform.keeper().expect("the platform has a keeper");
    assert_eq!(keeper.parent, platform.process().pid);
    platform.kill().await;
    platform.no_process_is_left().await;

    // A platform that is started again at once waits until that is done, and ends as it should without a word of it.
    platform.restart().await;
    platform.kill().await;
    platform.restart().await;
    eventually("the workload runs again", async || match platform.processes() {
        all if all.len() == 4 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    platform.terminate().await;
    platform.no_process_is_left().await;
}

#[tokio::test]
async fn what_a_killed_platform_has_left_running_is_ended_by_the_next_one() {
    let mut platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let script = platform.folder().join("parent");
    fs::write(&script, "#!/bin/sh\nsetsid sleep 1000 &\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    platform.thing_visor(&admin, "parent", &format!("exec:{}", script.display()), Value::Null).await;
    let before = platform.processes();
    assert_eq!(before.len(), 3, "the platform, the workload and its child: {before:?}");
    // Its keeper would end it.
    platform.keeper().expect("the platform has a keeper").kill();
    platform.kill().await;
    platform.restart().await;
    eventually("the workload runs again, and nothing of the old one", async || {
        let now = platform.processes();
        let is_old = |pid| before.iter().any(|old| old.pid == pid);
        if now.len() == 3 && !now.iter().any(|new| is_old(new.pid)) {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await;
    // Dropping the platform would kill it, and leave the child of the workload behind once more.
    platform.terminate().await;
}

#[tokio::test]
async fn a_killed_silo_comes_back_alone_with_its_ports_its_token_and_its_context() {
    let flow = Flow::start().await;
    for silo in [&flow.messages, &flow.context] {
        flow.comes_back_after(&WorkloadName::VSilo(silo.id.clone())).await;
    }
    assert!(NgsiLd::at(&flow.context).entity(ROOM).await.is_some());
}

#[tokio::test]
async fn a_killed_thing_visor_comes_back_alone_with_its_door_and_its_vthing() {
    let flow = Flow::start().await;
    flow.comes_back_after(&WorkloadName::ThingVisor(flow.relay.id.clone())).await;
}

/// The ThingVisor is a program of its own that plays a series the first time and is silent later.
#[tokio::test]
async fn a_silo_has_its_context_at_once_though_its_thing_visor_never_answers() {
    let mut platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let series = Series::write(platform.folder(), "counters.csv", &["7,120,2019-01-01T10:00:00Z"]);
    let script = platform.folder().join("visor");
    let program = |text: String| {
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    };
    program(format!("#!/bin/sh\nexec '{MORGANA}' thingvisor replay\n"));
    let image = format!("exec:{}", script.display());
    platform.thing_visor(&admin, "melbourne", &image, series.replay("counters", json!("max"))).await;
    platform.v_thing(&admin, "melbourne/counters").await;
    let alice = platform.tenant(&admin, "alice").await;
    let (messages, context) =
        (platform.silo(&alice, "messages", "mqtt").await, platform.silo(&alice, "context", "ngsi-ld").await);
    for silo in [&messages, &context] {
        platform.plug(&alice, silo, "melbourne/counters").await;
    }
    let counter = async || {
        let entity = NgsiLd::at(&context).entity("urn:ngsi-ld:PersonCounter:7").await.ok_or("no entity")?;
        if entity["count"]["value"] == json!(120) { Ok(()) } else { Err("no count") }
    };
    eventually("the context is in the silo", counter).await;
    let retained = async || {
        let application = MqttApplication::at(&messages).await;
        application.subscribe("alice/#").await.unwrap();
        let is_counter = |message: &Message| message.payload["count"]["value"] == json!(120);
        application.messages.wait_for("the context is in the MQTT silo", is_counter).await;
    };
    retained().await;

    platform.kill().await;
    platform.no_process_is_left().await;
    program("#!/bin/sh\nexec sleep 1000\n".to_owned());
    platform.restart().await;
    for silo in [&messages, &context] {
        let port = *silo.status.endpoints.values().next().unwrap();
        let door = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
        eventually("the silo opens its door on the same port", door).await;
    }
    // Who opens the door has the context, and the token is still the one it was.
    assert_eq!(counter().await, Ok(()));
    retained().await;
}

/// Creations that one client asks for, one after the other.
async fn create(client: Client, tenant: User, name: String, acknowledged: Mailbox<(String, String)>) {
    let flavour = NewFlavour {
        id: format!("flavour-{name}").parse().expect("the name is valid"),
        spec: FlavourSpec {
            image_name: "builtin:mqtt".parse().expect("the image is valid"),
            params: Value::Null,
            description: String::new(),
            yaml_files: None,
        },
    };
    let user = NewUser {
        id: format!("user-{name}").parse().expect("the name is valid"),
        password: Secret::new("a password of a test"),
        role: Role::Tenant,
    };
    let tell = |kind: &str, id: String| acknowledged.put((kind.to_owned(), id));
    // Each may be refused: the platform is killed in the middle.
    if let Ok(silo) = add_silo(&client, &tenant, &format!("silo-{name}"), "mqtt").await {
        tell("vsilo", silo.id.to_string());
    }
    if let Ok(flavour) = client.create_flavour(&flavour).await {
        tell("flavour", flavour.id.to_string());
    }
    if let Ok(user) = client.create_user(&user).await {
        tell("user", user.id.to_string());
    }
    let params = json!({ "intervalSeconds": 60 });
    if let Ok(visor) = add_thing_visor(&client, &format!("visor-{name}"), "builtin:host", params).await {
        tell("thingvisor", visor.id.to_string());
    }
}

#[tokio::test]
async fn no_acknowledged_creation_is_lost_when_the_platform_is_killed_three_times() {
    let mut platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let tenant = platform.tenant(&admin, "alice").await;
    let acknowledged = Mailbox::default();
    for round in 0..3 {
        let (already, mut clients) = (acknowledged.all().len(), JoinSet::new());
        for number in 0..5 {
            let client = platform.client(&admin);
            clients.spawn(create(client, tenant.clone(), format!("{round}-{number}"), acknowledged.clone()));
        }
        // Of 20 creations the first few are done, some are under way, some have not begun.
        let moment = already + rand::random_range(1..18);
        eventually("some creations are acknowledged", async || {
            let done = acknowledged.all().len();
            if done >= moment { Ok(()) } else { Err(format!("{done} of {moment}")) }
        })
        .await;
        platform.kill().await;
        platform.no_process_is_left().await;
        clients.join_all().await;
        platform.restart().await;

        let client = platform.client(&admin);
        let mut there: Vec<(String, String)> = Vec::new();
        let mut add = |kind: &str, id: String| there.push((kind.to_owned(), id));
        client.vsilos().all().await.unwrap().iter().for_each(|silo| add("vsilo", silo.id.to_string()));
        client
            .flavours()
            .all()
            .await
            .unwrap()
            .iter()
            .for_each(|flavour| add("flavour", flavour.id.to_string()));
        client.users().all().await.unwrap().iter().for_each(|user| add("user", user.id.to_string()));
        client
            .thing_visors()
            .all()
            .await
            .unwrap()
            .iter()
            .for_each(|visor| add("thingvisor", visor.id.to_string()));
        let lost: Vec<_> =
            acknowledged.all().into_iter().filter(|created| !there.contains(created)).collect();
        assert_eq!(lost, [], "round {round}: acknowledged, and not there after the restart");
    }
    let client = platform.client(&admin);
    let mut workloads = Vec::new();
    workloads
        .extend(client.vsilos().all().await.unwrap().into_iter().map(|silo| WorkloadName::VSilo(silo.id)));
    workloads.extend(
        client
            .thing_visors()
            .all()
            .await
            .unwrap()
            .into_iter()
            .map(|visor| WorkloadName::ThingVisor(visor.id)),
    );
    eventually("each workload has its process, and there is no other", async || {
        let missing: Vec<_> = workloads.iter().filter(|name| platform.workload(name).is_none()).collect();
        let processes = platform.processes();
        if missing.is_empty() && processes.len() == workloads.len() + 1 {
            Ok(())
        } else {
            Err(format!("without process: {missing:?}; processes: {processes:?}"))
        }
    })
    .await;
}
