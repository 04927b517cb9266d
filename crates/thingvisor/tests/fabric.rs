//! The kit over a real fabric.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use morgana_fabric::{Client, ClientOptions, Event, Open, Qos, Server, ServerOptions};
use morgana_model::{Secret, Topic};
use morgana_thingvisor::{
    Actuator, Entity, Environment, Feedback, NewVThing, Notifier, Options, ReceivedCommand, RunError,
    ThingVisor, VThing, serve,
};
use morgana_workload::{FabricAccess, Notification, Role};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);

async fn fabric(listen: Option<SocketAddr>) -> Server {
    let mut options = ServerOptions { stop_timeout_seconds: 1, ..ServerOptions::default() };
    options.listen = listen.unwrap_or(options.listen);
    Server::start(options, Arc::new(Open)).await.unwrap()
}

fn environment(address: SocketAddr, data: &Path, params: Value) -> Environment {
    Environment {
        role: Role::ThingVisor { id: "tv".parse().unwrap(), params },
        fabric: FabricAccess {
            host: address.ip(),
            port: address.port(),
            user: "tv:tv".to_owned(),
            password: Secret::new("p"),
        },
        data: data.to_owned(),
        listen: address.ip(),
        doors: Default::default(),
    }
}

/// The others on the fabric: the controller and a silo in one.
struct Others {
    client: Client,
    events: mpsc::Receiver<Event>,
}

impl Others {
    async fn join(address: SocketAddr, name: &str) -> Self {
        let (client, events) = Client::connect(ClientOptions::new(address.to_string(), name));
        for filter in ["TV/+/c_out", "vThing/tv/+/c_out", "vThing/tv/+/data_out", "vSilo/t_s/+"] {
            client.subscribe(filter, Qos::AtLeastOnce).await.unwrap();
        }
        Self { client, events }
    }

    async fn tell(&self, topic: &str, message: Value) {
        self.client.publish(topic, message.to_string(), Qos::AtLeastOnce).await.unwrap();
    }

    /// The next message for which `wanted` holds.
    async fn hear(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> (String, Value) {
        timeout(PATIENCE, async {
            loop {
                if let Event::Message { topic, payload } = self.events.recv().await.unwrap() {
                    let message = serde_json::from_slice(&payload).unwrap();
                    if wanted(&topic, &message) {
                        return (topic, message);
                    }
                }
            }
        })
        .await
        .expect("the message comes")
    }

    async fn hear_command(&mut self, command: &str) -> (String, Value) {
        self.hear(|_, message| message["command"] == command).await
    }

    async fn ask_for_context(&mut self, v_thing: &str) -> Value {
        let request = json!({ "command": "getContextRequest", "vSiloID": "t_s", "vThingID": v_thing });
        self.tell(&format!("vThing/{v_thing}/c_in"), request).await;
        self.hear_command("getContextResponse").await.1
    }
}

struct Running {
    stop: CancellationToken,
    ended: JoinHandle<Result<(), RunError>>,
}

impl Running {
    fn start<W, F>(environment: Environment, notifier: Notifier, work: W) -> Self
    where
        W: FnOnce(ThingVisor) -> F + Send + 'static,
        F: Future<Output = Result<(), RunError>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let serving = serve(environment, Options::default(), notifier, stop.clone(), work);
        Self { stop, ended: tokio::spawn(serving) }
    }

    async fn ended(self) -> Result<(), RunError> {
        timeout(PATIENCE, self.ended).await.expect("it ends").unwrap()
    }

    async fn stop(self) -> Result<(), RunError> {
        self.stop.cancel();
        self.ended().await
    }
}

fn nobody() -> Notifier {
    Notifier::to(None).unwrap()
}

fn counter(value: u64) -> Entity {
    Entity::builder("urn:ngsi-ld:Counter:1", "Counter").property("n", value).build().unwrap()
}

async fn sensor(visor: ThingVisor) -> Result<(), RunError> {
    let v_thing = visor.create(NewVThing::new("s").label("a counter").entity(counter(1))).await?;
    v_thing.publish(counter(2)).await?;
    Ok(())
}

#[tokio::test]
async fn a_silo_sees_what_a_thingvisor_publishes_and_gets_its_context() {
    let (server, data) = (fabric(None).await, tempfile::tempdir().unwrap());
    let mut others = Others::join(server.local_addr(), "others").await;
    let visor = Running::start(environment(server.local_addr(), data.path(), Value::Null), nobody(), sensor);
    let (topic, created) = others.hear_command("createVThing").await;
    assert_eq!((topic.as_str(), &created["vThing"]["id"]), ("TV/tv/c_out", &json!("tv/s")));
    let response = others.ask_for_context("tv/s").await;
    assert_eq!(response["data"][0]["n"]["value"], 2);
    visor.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_hears_that_it_is_ready_when_the_controller_can_know_its_vthings() {
    let (server, data) = (fabric(None).await, tempfile::tempdir().unwrap());
    let mut others = Others::join(server.local_addr(), "others").await;
    let socket = data.path().join("notify");
    let node = tokio::net::UnixDatagram::from_std({
        let node = UnixDatagram::bind(&socket).unwrap();
        node.set_nonblocking(true).unwrap();
        node
    })
    .unwrap();
    let notifier = Notifier::to(Some(socket)).unwrap();
    let environment = environment(server.local_addr(), data.path(), Value::Null);
    let visor = Running::start(environment, notifier, |visor| async move {
        visor.status("warming up").await?;
        sensor(visor).await
    });
    let mut buffer = [0; 256];
    let mut heard = Vec::new();
    while !heard.contains(&Notification { ready: true, ..Notification::default() }) {
        let length = timeout(PATIENCE, node.recv(&mut buffer)).await.unwrap().unwrap();
        heard.push(Notification::parse(std::str::from_utf8(&buffer[..length]).unwrap()));
    }
    assert_eq!(heard[0].status.as_deref(), Some("warming up"));
    // It was announced before: the message is in the queue already.
    assert!(others.client.is_connected());
    others.hear_command("createVThing").await;
    visor.stop().await.unwrap();
}

#[tokio::test]
async fn an_author_that_waits_until_it_is_ready_is_heard_by_who_asks_then() {
    let (server, data) = (fabric(None).await, tempfile::tempdir().unwrap());
    let mut others = Others::join(server.local_addr(), "others").await;
    let environment = environment(server.local_addr(), data.path(), Value::Null);
    let visor = Running::start(environment, nobody(), |visor| async move {
        let v_thing = visor.create(NewVThing::new("s")).await?;
        visor.ready().await?;
        visor.ready().await?;
        v_thing.publish(counter(1)).await?;
        Ok(())
    });
    // Once announced and subscribed, the data comes last.
    others.hear_command("createVThing").await;
    others.hear(|topic, _| topic.ends_with("data_out")).await;
    assert_eq!(others.ask_for_context("tv/s").await["data"][0]["n"]["value"], 1);
    visor.stop().await.unwrap();
}

#[tokio::test]
async fn a_thingvisor_that_restarts_answers_with_what_it_last_knew() {
    let (server, data) = (fabric(None).await, tempfile::tempdir().unwrap());
    let mut others = Others::join(server.local_addr(), "others").await;
    let environment = environment(server.local_addr(), data.path(), Value::Null);
    let first = Running::start(environment.clone(), nobody(), sensor);
    others.hear_command("createVThing").await;
    assert_eq!(others.ask_for_context("tv/s").await["data"][0]["n"]["value"], 2);
    first.stop().await.unwrap();

    let second = Running::start(environment, nobody(), |visor| async move {
        assert_eq!(visor.known("s").await?, [counter(2)]);
        visor.create(NewVThing::new("s")).await?;
        Ok(())
    });
    // No silo lost the vThing in between: the next control message is its announcement.
    others.hear(|topic, message| topic.ends_with("c_out") && message["command"] != "deleteVThing").await;
    assert_eq!(others.ask_for_context("tv/s").await["data"][0]["n"]["value"], 2);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_fabric_that_restarts_learns_of_every_vthing_and_of_what_changed_meanwhile() {
    let (server, data) = (fabric(None).await, tempfile::tempdir().unwrap());
    let address = server.local_addr();
    let mut others = Others::join(address, "others").await;
    let (go, mut going) = mpsc::channel::<u64>(1);
    let visor =
        Running::start(environment(address, data.path(), Value::Null), nobody(), |visor| async move {
            let v_thing = visor.create(NewVThing::new("s")).await?;
            while let Some(value) = going.recv().await {
                v_thing.publish(counter(value)).await?;
            }
            Ok(())
        });
    others.hear_command("createVThing").await;
    server.stop().await;
    go.send(5).await.unwrap();
    go.send(6).await.unwrap();
    let server = fabric(Some(address)).await;
    let mut others = Others::join(address, "others-again").await;
    // It may come back before or after us; once it is back it answers, its subscriptions being back.
    let again = Duration::from_millis(100);
    let answer = timeout(PATIENCE, async {
        loop {
            if let Ok(answer) = timeout(again, others.ask_for_context("tv/s")).await {
                break answer;
            }
        }
    });
    assert_eq!(answer.await.expect("it answers")["data"][0]["n"]["value"], 6);
    visor.stop().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_destroyed_thingvisor_says_goodbye_and_forgets() {
    let (server, data) = (fabric(None).await, tempfile::tempdir().unwrap());
    let mut others = Others::join(server.local_addr(), "others").await;
    let environment = environment(server.local_addr(), data.path(), Value::Null);
    let visor = Running::start(environment, nobody(), sensor);
    others.hear(|topic, message| topic.ends_with("data_out") && message["data"][0]["n"]["value"] == 2).await;
    others.tell("TV/tv/c_in", json!("malformed")).await;
    others.tell("TV/tv/c_in", json!({ "command": "destroyTV", "thingVisorID": "tv" })).await;
    let (topic, gone) = others.hear_command("deleteVThing").await;
    assert_eq!((topic.as_str(), &gone["vSiloID"]), ("vThing/tv/s/c_out", &json!("ALL")));
    others.hear_command("destroyTVAck").await;
    visor.ended().await.unwrap();
    assert!(!data.path().join("context.jsonl").exists());
}

#[tokio::test]
async fn new_parameters_reach_the_author() {
    let (server, data) = (fabric(None).await, tempfile::tempdir().unwrap());
    let mut others = Others::join(server.local_addr(), "others").await;
    let environment = environment(server.local_addr(), data.path(), json!({ "n": 1 }));
    let visor = Running::start(environment, nobody(), |mut visor| async move {
        let v_thing = visor.create(NewVThing::new("s")).await?;
        loop {
            let params: std::collections::BTreeMap<String, u64> = visor.params()?;
            v_thing.publish(counter(params["n"])).await?;
            visor.updated().await;
        }
    });
    others.hear(|_, message| message["data"][0]["n"]["value"] == 1).await;
    let update = json!({ "command": "updateTV", "thingVisorID": "tv", "params": { "n": 9 }, "tvDescription": "", "updateInfo": "" });
    others.tell("TV/tv/c_in", update).await;
    others.hear(|_, message| message["data"][0]["n"]["value"] == 9).await;
    visor.stop().await.unwrap();
}

#[tokio::test]
async fn a_deleted_vthing_is_gone_for_every_silo() {
    let (server, data) = (fabric(None).await, tempfile::tempdir().unwrap());
    let mut others = Others::join(server.local_addr(), "others").await;
    let environment = environment(server.local_addr(), data.path(), Value::Null);
    let visor = Running::start(environment, nobody(), |visor| async move {
        visor.create(NewVThing::new("s")).await?.delete().await?;
        let again = visor.create(NewVThing::new("s")).await?;
        assert!(again.context().await?.is_empty());
        Ok(())
    });
    others.hear_command("deleteVThing").await;
    visor.stop().await.unwrap();
}

#[tokio::test]
async fn a_failing_author_ends_the_thingvisor_with_the_cause() {
    let (server, data) = (fabric(None).await, tempfile::tempdir().unwrap());
    let environment = environment(server.local_addr(), data.path(), json!({ "wrong": 1 }));
    let visor = Running::start(environment, nobody(), |visor| async move {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct None {}
        visor.params::<None>().map(drop)
    });
    let error = visor.ended().await.unwrap_err();
    assert!(error.to_string().contains("`wrong`"), "{error}");
    assert_eq!(error.exit_status(), 78);
}

/// A lamp that takes its time for `blink`, and forgets to answer `sulk`.
struct Lamp;

impl Actuator for Lamp {
    fn commands(&self) -> Vec<String> {
        ["set-color", "blink", "sulk", "fall"].map(str::to_owned).to_vec()
    }

    async fn act(&mut self, v_thing: &VThing, command: ReceivedCommand, feedback: Feedback) {
        match command.name.as_str() {
            "set-color" => {
                let color = command.command.cmd_value;
                let changed =
                    Entity::builder(command.entity, "Lamp").property("color", color).build().unwrap();
                v_thing.publish(changed).await.unwrap();
                feedback.ok().await.unwrap();
            }
            "blink" => {
                feedback.status(json!({ "progress": 50 })).await.unwrap();
                feedback.result(json!({ "code": "OK", "data": 3 })).await.unwrap();
            }
            "fall" => panic!("the lamp fell"),
            _ => {}
        }
    }
}

async fn lamp(visor: ThingVisor) -> Result<(), RunError> {
    let entity = Entity::builder("urn:ngsi-ld:tv:lamp", "Lamp").property("color", "white").build().unwrap();
    visor.create_actuator(NewVThing::new("lamp").entity(entity), Lamp).await?;
    Ok(())
}

fn command(name: &str, value: Value) -> Value {
    let data = json!([{ "id": "urn:ngsi-ld:tv:lamp", "type": "Lamp", name: { "type": "Property", "value": value } }]);
    json!({ "data": data, "meta": { "vSiloID": "t_s", "vThingID": "tv/lamp" } })
}

#[tokio::test]
async fn a_command_changes_the_lamp_for_all_and_is_answered_to_who_asked() {
    let (server, data) = (fabric(None).await, tempfile::tempdir().unwrap());
    let mut others = Others::join(server.local_addr(), "others").await;
    let environment = environment(server.local_addr(), data.path(), Value::Null);
    let visor = Running::start(environment, nobody(), lamp);
    others.hear_command("createVThing").await;
    let data_in = Topic::VThingDataIn("tv/lamp".parse().unwrap()).to_string();

    let green = json!({ "cmd-value": "it's green", "cmd-qos": 2, "cmd-id": "77" });
    others.tell(&data_in, command("set-color", green)).await;
    let heard =
        |property: &'static str| move |_: &str, message: &Value| !message["data"][0][property].is_null();
    // What goes to all and what goes to the asking silo are not in order with each other.
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (topic, message) = others
            .hear(|topic, message| topic.contains("data_") && message["data"][0]["color"]["value"] != "white")
            .await;
        let entity = &message["data"][0];
        let status = &entity["set-color-status"]["value"];
        let result = &entity["set-color-result"]["value"];
        let said = [&entity["color"]["value"], &status["cmd-status"], &result["cmd-result"]];
        assert!(status.is_null() || status["cmd-id"] == "77");
        assert!(result.is_null() || result["cmd-id"] == "77");
        seen.push((topic, said.into_iter().find_map(Value::as_str).unwrap().to_owned()));
    }
    let to = |topic: &str| {
        seen.iter().filter(|(to, _)| to == topic).map(|(_, said)| said.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(to("vThing/tv/lamp/data_out"), ["it's green"]);
    assert_eq!(to("vSilo/t_s/data_in"), ["PENDING", "OK"]);

    others.tell(&data_in, command("blink", json!({ "cmd-value": 1, "cmd-qos": "2" }))).await;
    others.hear(heard("blink-status")).await;
    let (_, progress) = others.hear(heard("blink-status")).await;
    assert_eq!(progress["data"][0]["blink-status"]["value"]["cmd-status"]["progress"], 50);
    let (_, result) = others.hear(heard("blink-result")).await;
    assert_eq!(result["data"][0]["blink-result"]["value"]["cmd-result"]["data"], 3);

    others.tell(&data_in, command("sulk", json!({ "cmd-value": 1, "cmd-qos": 1 }))).await;
    let (_, result) = others.hear(heard("sulk-result")).await;
    assert_eq!(result["data"][0]["sulk-result"]["value"]["cmd-result"], "FAIL");
    visor.stop().await.unwrap();
}

#[tokio::test]
async fn an_actuator_that_panics_answers_fail_and_ends_the_thingvisor() {
    let (server, data) = (fabric(None).await, tempfile::tempdir().unwrap());
    let mut others = Others::join(server.local_addr(), "others").await;
    let environment = environment(server.local_addr(), data.path(), Value::Null);
    let visor = Running::start(environment, nobody(), lamp);
    others.hear_command("createVThing").await;
    others.tell("vThing/tv/lamp/data_in", command("fall", json!({ "cmd-value": 1, "cmd-qos": 1 }))).await;
    assert!(visor.ended().await.unwrap_err().to_string().contains("panicked"));
}
