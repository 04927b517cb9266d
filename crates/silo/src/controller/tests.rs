use std::collections::BTreeMap;

use morgana_model::{ContextMessage, Meta, VThingReference};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SILO: &str = "tenant1_silo1";

fn v_thing(text: &str) -> VThingId {
    text.parse().unwrap()
}

/// What a silo would show: per vThing, per entity, its merged members. Carries out the actions.
#[derive(Default)]
struct World {
    shown: BTreeMap<VThingId, BTreeMap<String, Entity>>,
    topics: BTreeSet<String>,
    sent: Vec<(Topic, ControlMessage)>,
    rejected: Vec<Rejection>,
    opened: Vec<String>,
    commands: Vec<(VThingId, Value)>,
    stopped: bool,
}

impl World {
    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Subscribe(topic) => assert!(self.topics.insert(topic.to_string()), "twice: {topic}"),
                // It may have been refused, and is left all the same.
                Action::Unsubscribe(topic) => drop(self.topics.remove(&topic.to_string())),
                Action::Publish(topic, message) => self.sent.push((topic, message)),
                Action::Connect(v_thing) => assert!(self.shown.insert(v_thing, BTreeMap::new()).is_none()),
                Action::Disconnect(v_thing) => assert!(self.shown.remove(&v_thing).is_some()),
                Action::Merge(update) => {
                    let shown = self.shown.get_mut(&update.v_thing).expect("a connected vThing");
                    for entity in update.entities {
                        match shown.get_mut(entity.id()) {
                            Some(old) => old.merge(entity),
                            None => drop(shown.insert(entity.id().to_owned(), entity)),
                        }
                    }
                }
                Action::Reject(rejection) => self.rejected.push(rejection),
                Action::Open(pipes) => self.opened.push(pipes.entity),
                Action::Remember(_) => {}
                Action::Send(v_thing, message) => {
                    self.commands.push((v_thing, serde_json::from_slice(&message).unwrap()));
                }
                Action::Stop => self.stopped = true,
            }
        }
    }

    fn requests(&mut self) -> Vec<String> {
        self.sent.drain(..).map(|(topic, _)| topic.to_string()).collect()
    }
}

struct Silo {
    controller: Controller,
    world: World,
    now: Instant,
}

impl Silo {
    fn new(remembered: &[&str]) -> Self {
        let now = Instant::now();
        let remembered: Vec<_> = remembered.iter().map(|text| v_thing(text)).collect();
        let shown = remembered.iter().map(|v_thing| (v_thing.clone(), BTreeMap::new())).collect();
        let mut world = World { shown, ..World::default() };
        let remembered = Remembered { v_things: remembered, ..Remembered::default() };
        let (controller, actions) = Controller::start(SILO.parse().unwrap(), remembered, now);
        world.carry_out(actions);
        Self { controller, world, now }
    }

    fn apply(&mut self, event: Event<'_>) {
        let actions = self.controller.apply(event, self.now);
        self.world.carry_out(actions);
    }

    fn receive(&mut self, topic: &str, message: &Value) {
        self.apply(Event::Message { topic, payload: message.to_string().as_bytes() });
    }

    fn control(&mut self, message: &ControlMessage) {
        self.receive("vSilo/tenant1_silo1/c_in", &serde_json::to_value(message).unwrap());
    }

    fn set(&mut self, v_things: &[&str]) {
        let reference = |text: &&str| VThingReference { id: v_thing(text), kind: String::new() };
        let v_things = v_things.iter().map(reference).collect();
        self.control(&ControlMessage::SetVThings { v_silo: SILO.parse().unwrap(), v_things });
    }
}

fn entity(id: &str, attribute: &str, value: i64) -> Entity {
    Entity::builder(id, "T").property(attribute, value).build().unwrap()
}

#[test]
fn a_new_vthing_is_subscribed_before_its_context_is_asked_for() {
    let mut silo = Silo::new(&[]);
    silo.apply(Event::Connected);
    assert_eq!(silo.world.requests(), ["vSilo/tenant1_silo1/c_out"]);
    let add =
        json!({ "command": "addVThing", "vSiloID": SILO, "vThingID": "lamp/l", "vThingType": "actuator" });
    let payload = add.to_string();
    let event = Event::Message { topic: "vSilo/tenant1_silo1/c_in", payload: payload.as_bytes() };
    let actions = silo.controller.apply(event, silo.now);
    let request =
        ControlMessage::GetContextRequest { v_silo: SILO.parse().unwrap(), v_thing: v_thing("lamp/l") };
    assert_eq!(
        actions,
        [
            Action::Connect(v_thing("lamp/l")),
            Action::Subscribe(Topic::VThingDataOut(v_thing("lamp/l"))),
            Action::Subscribe(Topic::VThingOut(v_thing("lamp/l"))),
            Action::Publish(Topic::VThingIn(v_thing("lamp/l")), request),
        ]
    );
    silo.world.carry_out(actions);
    silo.receive("vSilo/tenant1_silo1/c_in", &add);
    assert!(silo.world.sent.len() == 1, "the same vThing again changes nothing");
}

#[test]
fn a_context_is_asked_for_ever_more_slowly_until_it_comes() {
    let mut silo = Silo::new(&["tv/a"]);
    silo.apply(Event::Connected);
    let mut waits = Vec::new();
    for _ in 0..9 {
        silo.world.requests();
        let due = silo.controller.next_due().unwrap();
        waits.push((due - silo.now).as_millis());
        silo.now = due;
        silo.apply(Event::Tick);
    }
    assert_eq!(waits[..4], [250, 500, 1000, 2000]);
    assert!(waits.iter().all(|wait| *wait <= 30_000));
    silo.control(&ControlMessage::GetContextResponse {
        data: vec![entity("urn:e", "p", 1)],
        meta: Meta::of_vthing(&v_thing("tv/a")),
    });
    silo.world.requests();
    silo.now += LIST_INTERVAL;
    silo.apply(Event::Tick);
    assert_eq!(silo.world.requests(), ["vSilo/tenant1_silo1/c_out"], "the list only");
}

#[test]
fn after_a_reconnect_everything_is_asked_for_again() {
    let mut silo = Silo::new(&["tv/a"]);
    assert_eq!(silo.controller.next_due(), None, "nothing to do while the fabric is away");
    silo.apply(Event::Connected);
    silo.control(&ControlMessage::GetContextResponse {
        data: vec![],
        meta: Meta::of_vthing(&v_thing("tv/a")),
    });
    silo.world.requests();
    silo.apply(Event::Disconnected);
    silo.now += LIST_INTERVAL * 2;
    silo.apply(Event::Tick);
    assert_eq!(silo.world.requests(), [""; 0]);
    silo.apply(Event::Connected);
    assert_eq!(silo.world.requests(), ["vSilo/tenant1_silo1/c_out", "vThing/tv/a/c_in"]);
}

#[test]
fn a_vthing_ends_by_the_controller_or_by_its_thingvisor() {
    let mut silo = Silo::new(&["tv/a", "tv/b", "tv/c"]);
    let delete = |silo: &str, v_thing: &str| json!({ "command": "deleteVThing", "vSiloID": silo, "vThingID": v_thing });
    silo.receive("vSilo/tenant1_silo1/c_in", &delete(SILO, "tv/a"));
    silo.receive("vThing/tv/b/c_out", &delete("ALL", "tv/b"));
    assert_eq!(silo.controller.v_things().collect::<Vec<_>>(), [&v_thing("tv/c")]);
    silo.receive("vThing/tv/b/c_out", &delete("ALL", "tv/c"));
    silo.receive("vSilo/tenant1_silo1/c_in", &delete("tenant2_silo1", "tv/c"));
    assert_eq!(silo.world.rejected, [Rejection::Contradictory, Rejection::Contradictory]);
    assert_eq!(silo.controller.v_things().count(), 1);
}

#[test]
fn messages_that_are_not_to_be_believed_are_dropped() {
    let mut silo = Silo::new(&["tv/a"]);
    let data =
        |v_thing: &str| json!({ "data": [{ "id": "urn:e", "type": "T" }], "meta": { "vThingID": v_thing } });
    for (topic, message, reason) in [
        ("vThing/tv/b/data_out", data("tv/b"), "not_connected"),
        ("vThing/tv/a/data_out", data("tv/b"), "contradictory"),
        ("vThing/tv/a/data_out", json!({ "data": [{ "type": "T" }], "meta": {} }), "malformed"),
        ("vThing/tv/a/data_out", json!([1, 2]), "malformed"),
        ("vThing/tv/a/data_in", data("tv/a"), "unexpected"),
        ("vSilo/tenant1_silo1/data_in", data("tv/b"), "not_connected"),
        ("vSilo/tenant1_silo1/data_in", json!({ "data": [], "meta": {} }), "contradictory"),
        ("vSilo/tenant2_silo1/c_in", json!({ "command": "destroyVSilo", "vSiloID": SILO }), "unexpected"),
        (
            "vSilo/tenant1_silo1/c_in",
            json!({ "command": "destroyVSilo", "vSiloID": "tenant2_silo1" }),
            "contradictory",
        ),
        ("vSilo/tenant1_silo1/c_in", json!({ "command": "destroyTV", "thingVisorID": "tv" }), "unexpected"),
        ("vSilo/tenant1_silo1/c_in", json!({ "command": "dance" }), "malformed"),
    ] {
        silo.receive(topic, &message);
        let labels: Vec<_> = silo.world.rejected.drain(..).map(|rejection| rejection.label()).collect();
        assert_eq!(labels, [reason], "{topic} {message}");
    }
    silo.apply(Event::Message { topic: "vThing/tv/a/data_out", payload: b"{\"data\": [" });
    assert_eq!(silo.world.rejected.len(), 1);
    assert!(silo.world.shown[&v_thing("tv/a")].is_empty() && !silo.world.stopped);
}

#[test]
fn data_without_meta_is_believed_for_the_vthing_of_its_topic() {
    let mut silo = Silo::new(&["tv/a"]);
    silo.receive("vThing/tv/a/data_out", &json!({ "data": [{ "id": "urn:e", "type": "T" }], "meta": {} }));
    assert!(silo.world.shown[&v_thing("tv/a")].contains_key("urn:e"));
}

#[test]
fn a_destroyed_silo_puts_its_state_away_before_it_says_so() {
    let mut silo = Silo::new(&["tv/a"]);
    let destroy = json!({ "command": "destroyVSilo", "vSiloID": SILO }).to_string();
    let event = Event::Message { topic: "vSilo/tenant1_silo1/c_in", payload: destroy.as_bytes() };
    let ack = ControlMessage::DestroyVSiloAck { v_silo: SILO.parse().unwrap() };
    let expected = [Action::Stop, Action::Publish(Topic::VSiloOut(SILO.parse().unwrap()), ack)];
    assert_eq!(silo.controller.apply(event, silo.now), expected);
}

#[test]
fn a_refused_subscription_is_asked_for_again_and_then_the_context() {
    let mut silo = Silo::new(&["tv/a", "tv/b"]);
    silo.apply(Event::Connected);
    silo.set(&["tv/a", "tv/b"]);
    for id in ["tv/a", "tv/b"] {
        silo.answer(id, 1);
        for topic in topics_of(&v_thing(id)) {
            silo.world.topics.remove(&topic.to_string());
            silo.apply(Event::Refused(&topic));
        }
    }
    silo.apply(Event::Tick);
    assert!(silo.world.topics.len() == 2, "not at once");
    silo.control(&ControlMessage::DeleteVThing { v_silo: "ALL".to_owned(), v_thing: v_thing("tv/b") });
    silo.world.requests();
    silo.now = silo.controller.next_due().unwrap();
    silo.apply(Event::Tick);
    assert!(silo.world.topics.contains("vThing/tv/a/data_out") && silo.world.topics.len() == 4);
    assert_eq!(silo.world.requests(), ["vThing/tv/a/c_in"]);
}

/// What may happen on the way, in any order, twice or not at all.
#[derive(Debug, Clone)]
enum Noise {
    Connected,
    Disconnected,
    Tick(u64),
    Set(Vec<&'static str>),
    Add(&'static str),
    Delete(&'static str),
    DeleteForAll(&'static str),
    Data(&'static str, usize, i64),
    Answer(&'static str),
    Garbage(Vec<u8>),
}

const V_THINGS: [&str; 4] = ["tv/a", "tv/b", "tv/b/c", "lamp/l"];

fn noise() -> impl Strategy<Value = Noise> {
    let any_thing = || prop::sample::select(&V_THINGS[..]);
    prop_oneof![
        Just(Noise::Connected),
        Just(Noise::Disconnected),
        (0u64..40_000).prop_map(Noise::Tick),
        prop::collection::vec(any_thing(), 0..5).prop_map(Noise::Set),
        any_thing().prop_map(Noise::Add),
        any_thing().prop_map(Noise::Delete),
        any_thing().prop_map(Noise::DeleteForAll),
        (any_thing(), 0usize..2, any::<i64>()).prop_map(|(v_thing, e, value)| Noise::Data(v_thing, e, value)),
        any_thing().prop_map(Noise::Answer),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Noise::Garbage),
    ]
}

/// Two entities a vThing, of two attributes; the second entity is shared by all vThings.
fn entity_id(v_thing: &str, entity: usize) -> String {
    if entity == 0 { format!("urn:ngsi-ld:{v_thing}") } else { "urn:ngsi-ld:shared".to_owned() }
}

fn context(v_thing: &str, value: i64) -> Vec<Entity> {
    let whole = |e| {
        let builder = Entity::builder(entity_id(v_thing, e), "T").property("p", value).property("q", value);
        builder.build().unwrap()
    };
    vec![whole(0), whole(1)]
}

impl Silo {
    fn suffer(&mut self, noise: &Noise) {
        let silo = || SILO.parse().unwrap();
        match noise {
            Noise::Connected => self.apply(Event::Connected),
            Noise::Disconnected => self.apply(Event::Disconnected),
            Noise::Tick(ms) => {
                self.now += Duration::from_millis(*ms);
                self.apply(Event::Tick);
            }
            Noise::Set(v_things) => self.set(v_things),
            Noise::Add(id) => self.control(&ControlMessage::AddVThing {
                v_silo: silo(),
                v_thing: v_thing(id),
                v_thing_type: String::new(),
            }),
            Noise::Delete(id) => {
                self.control(&ControlMessage::DeleteVThing { v_silo: SILO.to_owned(), v_thing: v_thing(id) })
            }
            Noise::DeleteForAll(id) => self.receive(
                &format!("vThing/{id}/c_out"),
                &json!({ "command": "deleteVThing", "vSiloID": "ALL", "vThingID": id }),
            ),
            Noise::Data(id, e, value) => {
                let attribute = if value % 2 == 0 { "p" } else { "q" };
                let data = vec![entity(&entity_id(id, *e), attribute, *value)];
                let message = ContextMessage { data, meta: Meta::of_vthing(&v_thing(id)) };
                self.receive(&format!("vThing/{id}/data_out"), &serde_json::to_value(message).unwrap());
            }
            Noise::Answer(id) => self.answer(id, -1),
            Noise::Garbage(bytes) => {
                self.apply(Event::Message { topic: "vSilo/tenant1_silo1/c_in", payload: bytes });
                self.apply(Event::Message { topic: "vThing/tv/a/data_out", payload: bytes });
            }
        }
    }

    fn answer(&mut self, id: &str, value: i64) {
        self.control(&ControlMessage::GetContextResponse {
            data: context(id, value),
            meta: Meta::of_vthing(&v_thing(id)),
        });
    }
}

proptest! {
    /// Whatever came before: one whole list and the contexts make a silo right.
    #[test]
    fn a_silo_converges_after_any_history(
        history in prop::collection::vec(noise(), 0..60),
        desired in prop::sample::subsequence(&V_THINGS[..], 0..=4),
    ) {
        let mut silo = Silo::new(&["tv/a"]);
        for noise in &history {
            silo.suffer(noise);
        }
        silo.apply(Event::Connected);
        silo.set(&desired);
        // A lost answer is asked for again, so in the end each comes.
        let asked: BTreeSet<String> = silo.world.requests().into_iter().collect();
        for id in &desired {
            let topic = format!("vThing/{id}/c_in");
            prop_assert!(asked.contains(&topic), "{} was not asked for", topic);
            silo.answer(id, 7);
        }

        let expected: BTreeSet<VThingId> = desired.iter().map(|text| v_thing(text)).collect();
        prop_assert_eq!(silo.controller.v_things().cloned().collect::<BTreeSet<_>>(), expected.clone());
        prop_assert_eq!(silo.world.shown.keys().cloned().collect::<BTreeSet<_>>(), expected);
        for id in &desired {
            let shown: Vec<_> = silo.world.shown[&v_thing(id)].values().map(|e| (e.get("p"), e.get("q"))).collect();
            let seven = json!({ "type": "Property", "value": 7 });
            prop_assert_eq!(shown, vec![(Some(&seven), Some(&seven)); 2]);
        }
        let mut topics: BTreeSet<String> = ["c_in", "data_in"].map(|end| format!("vSilo/{SILO}/{end}")).into();
        topics.extend(desired.iter().flat_map(|id| ["c_out", "data_out"].map(|end| format!("vThing/{id}/{end}"))));
        prop_assert_eq!(&silo.world.topics, &topics);
        // And it is at rest: only the list is asked for from now on.
        silo.world.requests();
        silo.now += LIST_INTERVAL;
        silo.apply(Event::Tick);
        prop_assert_eq!(silo.world.requests(), vec!["vSilo/tenant1_silo1/c_out".to_owned()]);
    }
}
