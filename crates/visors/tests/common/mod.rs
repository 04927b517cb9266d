//! A ThingVisor on a stage: a real fabric, and a silo that hears all.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]
#![allow(dead_code, reason = "no test uses all of it")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use morgana_fabric::{Client, ClientOptions, Event, Open, Qos, Server, ServerOptions};
use morgana_model::{ContextMessage, Entity, Secret};
use morgana_thingvisor::{Environment, Notifier, RunError};
use morgana_visors::serve;
use morgana_workload::{FabricAccess, Role};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) fn environment(fabric: SocketAddr, data: &Path, params: Value) -> Environment {
    Environment {
        role: Role::ThingVisor { id: "tv".parse().unwrap(), params },
        fabric: FabricAccess {
            host: fabric.ip(),
            port: fabric.port(),
            user: "tv:tv".to_owned(),
            password: Secret::new("p"),
        },
        data: data.to_owned(),
        listen: LOCAL,
        doors: Default::default(),
    }
}

/// A running ThingVisor, and a silo that hears all it publishes.
pub(crate) struct Stage {
    _server: Server,
    _data: tempfile::TempDir,
    pub(crate) silo: Client,
    heard: mpsc::Receiver<Event>,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), RunError>>,
    /// The port of the ThingVisor's door, if it has one.
    pub(crate) door: u16,
}

impl Stage {
    pub(crate) async fn with(kind: &'static str, params: impl FnOnce(&Path) -> Value) -> Self {
        let data = tempfile::tempdir().unwrap();
        let params = params(data.path());
        Self::in_folder(kind, data, params).await
    }

    /// The same ThingVisor in the same folder, started again, on a fabric that knows nothing.
    pub(crate) async fn restart(self, kind: &'static str, params: Value) -> Self {
        let Self { _data: data, stop, ended, .. } = self;
        stop.cancel();
        timeout(PATIENCE, ended).await.expect("it ends").unwrap().unwrap();
        Self::in_folder(kind, data, params).await
    }

    async fn in_folder(kind: &'static str, data: tempfile::TempDir, params: Value) -> Self {
        let server = Server::start(ServerOptions::default(), Arc::new(Open)).await.unwrap();
        let (silo, heard) = Client::connect(ClientOptions::new(server.local_addr().to_string(), "silo"));
        for filter in ["vThing/#", "TV/#", "vSilo/#"] {
            silo.subscribe(filter, Qos::AtMostOnce).await.unwrap();
        }
        let mut environment = environment(server.local_addr(), data.path(), params);
        // Free a moment ago; nothing else here takes ports by number.
        let door = std::net::TcpListener::bind((LOCAL, 0)).unwrap().local_addr().unwrap().port();
        environment.doors.insert(8089, door);
        let stop = CancellationToken::new();
        let ended = tokio::spawn(serve(kind, environment, Notifier::to(None).unwrap(), stop.clone()));
        Self { _server: server, _data: data, silo, heard, stop, ended, door }
    }

    /// The next message for which `wanted` holds.
    pub(crate) async fn hear(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> (String, Value) {
        timeout(PATIENCE, async {
            loop {
                if let Event::Message { topic, payload } = self.heard.recv().await.unwrap() {
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

    /// The first entity that is published of a vThing and passes.
    pub(crate) async fn entity(&mut self, v_thing: &str, wanted: impl Fn(&Entity) -> bool) -> Entity {
        let topic = format!("vThing/{v_thing}/data_out");
        let read = |message: &Value| serde_json::from_value::<ContextMessage>(message.clone()).unwrap().data;
        let (_, message) =
            self.hear(|heard, message| heard == topic && read(message).iter().any(&wanted)).await;
        read(&message).into_iter().find(&wanted).unwrap()
    }

    pub(crate) async fn update(&self, params: Value) {
        let update = json!({ "command": "updateTV", "thingVisorID": "tv", "params": params, "tvDescription": "", "updateInfo": "" });
        self.silo.publish("TV/tv/c_in", update.to_string(), Qos::AtLeastOnce).await.unwrap();
    }

    pub(crate) async fn ends(self) -> Result<(), RunError> {
        timeout(PATIENCE, self.ended).await.expect("it ends").unwrap()
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.ends().await.unwrap();
    }

    /// One HTTP request as bytes; answers status and body.
    pub(crate) async fn http(&self, request: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect((LOCAL, self.door)).await.unwrap();
        // The server may answer, and close, before it has read all of a request that is too long.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap() {
            answer.extend_from_slice(&buffer[..read]);
        }
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.split(' ').nth(1).unwrap_or("0").parse().unwrap(), body.to_owned())
    }

    pub(crate) async fn notify(&self, body: &str) -> (u16, String) {
        let length = body.len();
        let head = format!(
            "POST /notify HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        self.http(format!("{head}{body}").as_bytes()).await
    }
}

impl Stage {
    /// Sends a command of a silo to the first entity of a vThing.
    pub(crate) async fn command(&self, silo: &str, v_thing: &str, name: &str, value: Value) {
        let entity = format!("urn:ngsi-ld:{}", v_thing.replace('/', ":"));
        let mut data = json!({ "id": entity, "type": "Lamp" });
        data[name] = json!({ "type": "Property", "value": value });
        let message = json!({ "data": [data], "meta": { "vSiloID": silo, "vThingID": v_thing } });
        let topic = format!("vThing/{v_thing}/data_in");
        self.silo.publish(topic, message.to_string(), Qos::AtLeastOnce).await.unwrap();
    }

    /// The next feedback to a silo of a kind, `status` or `result`: its `cmd-status` or `cmd-result`,
    /// and its `cmd-error`.
    pub(crate) async fn feedback(&mut self, silo: &str, name: &str, kind: &str) -> (Value, Value) {
        let (topic, attribute) = (format!("vSilo/{silo}/data_in"), format!("{name}-{kind}"));
        let wanted =
            |heard: &str, message: &Value| heard == topic && message["data"][0].get(&attribute).is_some();
        let (_, message) = self.hear(wanted).await;
        let value = &message["data"][0][&attribute]["value"];
        (value[format!("cmd-{kind}")].clone(), value["cmd-error"].clone())
    }

    /// Commands with `cmd-qos` 1 and waits for the result.
    pub(crate) async fn ask(
        &mut self,
        silo: &str,
        v_thing: &str,
        name: &str,
        value: Value,
    ) -> (Value, Value) {
        self.ask_with(silo, v_thing, name, json!({ "cmd-value": value, "cmd-qos": 1 })).await
    }

    /// The same with a whole command.
    pub(crate) async fn ask_with(
        &mut self,
        silo: &str,
        v_thing: &str,
        name: &str,
        command: Value,
    ) -> (Value, Value) {
        self.command(silo, v_thing, name, command).await;
        self.feedback(silo, name, "result").await
    }
}
