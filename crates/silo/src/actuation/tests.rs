use std::time::{Duration, Instant};

use morgana_model::{ControlMessage, Meta, VThingId};
use serde_json::{Value, json};

use super::{Seen, Written};
use crate::controller::{Action, Controller, Event, Remembered};

const SILO: &str = "tenant1_silo1";
const LAMP: &str = "urn:ngsi-ld:lamp:Lamp01";

/// A silo with a lamp, and what it did.
struct Silo {
    controller: Controller,
    now: Instant,
    actions: Vec<Action>,
}

fn lamp() -> VThingId {
    "lamp/Lamp01".parse().unwrap()
}

impl Silo {
    fn new(seen: Seen) -> Self {
        let now = Instant::now();
        let remembered = Remembered { v_things: vec![lamp()], seen, started_ms: 7, ..Remembered::default() };
        let (controller, _) = Controller::start(SILO.parse().unwrap(), remembered, now);
        let mut silo = Self { controller, now, actions: Vec::new() };
        silo.apply(Event::Connected);
        silo.context();
        silo
    }

    fn apply(&mut self, event: Event<'_>) {
        self.actions.extend(self.controller.apply(event, self.now));
    }

    fn context(&mut self) {
        let entity = json!({ "id": LAMP, "type": "Lamp", "commands": { "type": "Property", "value": ["set-on", "token-req"] } });
        let data = vec![serde_json::from_value(entity).unwrap()];
        let answer = ControlMessage::GetContextResponse { data, meta: Meta::of_vthing(&lamp()) };
        let payload = serde_json::to_vec(&answer).unwrap();
        self.apply(Event::Message { topic: "vSilo/tenant1_silo1/c_in", payload: &payload });
    }

    fn write(&mut self, command: &str, value: Value) {
        self.actions.clear();
        let (entity, command) = (LAMP.to_owned(), command.to_owned());
        self.apply(Event::Written(Written { v_thing: lamp(), entity, command, value, bare: false }));
    }

    fn wait(&mut self, time: Duration) {
        self.actions.clear();
        self.now += time;
        self.apply(Event::Tick);
    }

    fn feedback(&mut self, pipe: &str, id: &Value) {
        let value = json!({ "cmd-id": id, "cmd-result": "OK" });
        let data = json!([{ "id": LAMP, "type": "Lamp", pipe: { "type": "Property", "value": value } }]);
        let payload = json!({ "data": data, "meta": { "vThingID": "lamp/Lamp01" } }).to_string();
        self.apply(Event::Message { topic: "vSilo/tenant1_silo1/data_in", payload: payload.as_bytes() });
    }

    /// The commands that were sent.
    fn sent(&self) -> Vec<Value> {
        let message = |action: &Action| match action {
            Action::Send(_, message) => Some(serde_json::from_slice(message).unwrap()),
            _ => None,
        };
        self.actions.iter().filter_map(message).collect()
    }

    /// What the silo itself put into a pipe.
    fn said(&self, pipe: &str) -> Option<Value> {
        let value = |action: &Action| match action {
            Action::Merge(update) => Some(update.entities.first()?.get(pipe)?["value"].clone()),
            _ => None,
        };
        self.actions.iter().find_map(value)
    }

    fn refusal(&self) -> Option<String> {
        let result = self.said("set-on-result")?;
        assert_eq!(result["cmd-result"], "FAIL");
        Some(result["cmd-error"].as_str().unwrap().to_owned())
    }

    fn asks_for_context(&self) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::Publish(topic, _) if topic.to_string() == "vThing/lamp/Lamp01/c_in"))
    }
}

#[test]
fn a_command_goes_to_its_vthing_with_both_ids_and_the_silos_own_address() {
    let mut silo = Silo::new(Seen::default());
    assert!(
        matches!(&silo.actions[..], [.., Action::Merge(_), Action::Open(pipes)] if pipes.commands == ["set-on", "token-req"])
    );
    silo.write("set-on", json!({ "cmd-value": true, "cmd-qos": 2, "cmd-id": "77", "cmd-token": "t" }));
    let value = json!({ "cmd-value": true, "cmd-qos": 2, "cmd-id": "77", "cmd-token": "t", "cmd-nuri": "viriot://vSilo/tenant1_silo1/data_in" });
    let data = json!([{ "id": LAMP, "type": "Lamp", "set-on": { "type": "Property", "value": value } }]);
    assert_eq!(
        silo.sent(),
        [json!({ "data": data, "meta": { "vThingID": "lamp/Lamp01", "vSiloID": SILO } })]
    );
    assert!(matches!(silo.actions[0], Action::Remember(_)), "first it is remembered, then sent");
    silo.write("set-on", json!({ "cmd-value": true }));
    assert_eq!(
        silo.sent()[0]["data"][0]["set-on"]["value"]["cmd-id"],
        "7-1",
        "a command without an id gets one"
    );
}

#[test]
fn a_command_is_sent_once_an_id_also_after_a_restart() {
    let mut silo = Silo::new(Seen::default());
    let command = json!({ "cmd-value": 1, "cmd-id": 5, "cmd-token": "secret" });
    silo.write("set-on", command.clone());
    let Action::Remember(key) = silo.actions[0] else { panic!("{:?}", silo.actions) };
    silo.write("set-on", command.clone());
    assert!(silo.sent().is_empty());
    assert_eq!(
        silo.said("set-on-status").unwrap(),
        json!({ "cmd-value": 1, "cmd-id": 5, "cmd-status": "DUPLICATE" })
    );
    silo.write("token-req", command.clone());
    assert_eq!(silo.sent().len(), 1, "another command may have the same id");
    let mut seen = Seen::default();
    seen.insert(key);
    let mut silo = Silo::new(seen);
    silo.write("set-on", command);
    assert!(silo.sent().is_empty());
}

#[test]
fn what_is_no_command_is_refused_with_the_reason() {
    let mut silo = Silo::new(Seen::default());
    for (value, reason) in [
        (json!("on"), "a command is an object"),
        (json!({ "on": true }), "the command has no cmd-value"),
        (json!({ "cmd-value": 1, "cmd-qos": 7 }), "cmd-qos is 7"),
        (
            json!({ "cmd-value": 1, "cmd-nuri": "viriot://vSilo/tenant2_silo1/data_in" }),
            "cmd-nuri is not the address",
        ),
        (json!({ "cmd-value": 1, "cmd-nuri": "http://x" }), "cmd-nuri"),
        (json!({ "cmd-value": "x".repeat(1_000_000) }), "the command has 10000"),
    ] {
        silo.write("set-on", value);
        let refusal = silo.refusal().unwrap();
        assert!(refusal.contains(reason), "{refusal}");
        assert!(silo.sent().is_empty());
        let shown = silo.said("set-on-result").unwrap().to_string();
        assert!(shown.len() < 2000 && !shown.contains("cmd-token"), "a refusal repeats little");
    }
    silo.write("dance", json!({ "cmd-value": 1 }));
    let result = silo.said("dance-result").unwrap();
    assert!(result["cmd-error"].as_str().unwrap().contains("it takes: set-on, token-req"), "{result}");
}

#[test]
fn a_command_to_a_vthing_that_does_not_answer_is_refused() {
    let mut silo = Silo::new(Seen::default());
    silo.write("set-on", json!({ "cmd-value": 1, "cmd-qos": 0, "cmd-id": "a" }));
    assert!(!silo.asks_for_context(), "feedback may come soon");
    silo.wait(Duration::from_millis(500));
    assert!(silo.asks_for_context() && silo.refusal().is_none());
    silo.wait(Duration::from_millis(4500));
    let refusal = silo.refusal().unwrap();
    assert!(refusal.contains("its ThingVisor is down or cut off"), "{refusal}");
    silo.wait(Duration::from_secs(20));
    assert!(silo.refusal().is_none(), "it is told once");
}

#[test]
fn an_answer_or_feedback_shows_that_a_command_arrived() {
    let mut silo = Silo::new(Seen::default());
    silo.write("set-on", json!({ "cmd-value": 1, "cmd-id": "a" }));
    silo.wait(Duration::from_millis(500));
    silo.context();
    silo.write("set-on", json!({ "cmd-value": 1, "cmd-id": "b", "cmd-qos": 1 }));
    silo.feedback("set-on-result", &json!("b"));
    assert_eq!(silo.said("set-on-result").unwrap()["cmd-result"], "OK");
    silo.wait(Duration::from_secs(6));
    assert!(silo.refusal().is_none() && !silo.asks_for_context());
}

#[test]
fn a_command_is_refused_at_once_while_the_fabric_is_away_and_its_id_is_still_new() {
    let mut silo = Silo::new(Seen::default());
    silo.apply(Event::Disconnected);
    silo.write("set-on", json!({ "cmd-value": 1, "cmd-id": "a" }));
    assert!(silo.refusal().unwrap().contains("cut off from the platform") && silo.sent().is_empty());
    silo.apply(Event::Connected);
    silo.write("set-on", json!({ "cmd-value": 1, "cmd-id": "a" }));
    assert_eq!(silo.sent().len(), 1);
}
