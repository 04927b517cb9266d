//! Facts about the state, without a fabric.

use std::time::{Duration, Instant};

use morgana_model::{ContextMessage, ControlMessage, Entity, Topic};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn state(options: Options) -> State {
    State::new("tv".parse().unwrap(), options, Value::Null, BTreeMap::new(), 1_000)
}

/// A connected ThingVisor with the sensor `tv/s` and the actuator `tv/lamp`.
fn running() -> State {
    let mut state = state(Options::default());
    state.apply(Event::Connected, Instant::now());
    state.create(NewVThing::new("s").entity(counter(1)), Instant::now()).unwrap();
    let mut lamp = NewVThing::new("lamp").entity(Entity::builder("urn:lamp", "Lamp").build().unwrap());
    lamp.commands = vec!["set-color".to_owned()];
    state.create(lamp, Instant::now()).unwrap();
    state
}

fn counter(value: i32) -> Entity {
    Entity::builder("urn:c", "Counter").property("n", value).build().unwrap()
}

fn published(actions: &[Action]) -> Vec<(String, Value)> {
    let publication = |action: &Action| match action {
        Action::Publish(one) => Some((one.topic.to_string(), serde_json::from_slice(&one.payload).unwrap())),
        _ => None,
    };
    actions.iter().filter_map(publication).collect()
}

fn message(topic: &str, payload: impl ToString) -> Event {
    Event::Message { topic: topic.to_owned(), payload: payload.to_string().into_bytes().into() }
}

fn tell(state: &mut State, topic: &str, payload: Value) -> Vec<Action> {
    state.apply(message(topic, payload), Instant::now())
}

/// What comes of a command to `urn:lamp` from the silo `t_s`.
fn command(state: &mut State, name: &str, value: Value) -> Vec<Action> {
    let data = json!([{ "id": "urn:lamp", name: { "type": "Property", "value": value } }]);
    tell(state, "vThing/tv/lamp/data_in", json!({ "data": data, "meta": { "vSiloID": "t_s" } }))
}

#[test]
fn a_vthing_is_listened_to_before_it_is_announced() {
    let mut state = state(Options::default());
    state.apply(Event::Connected, Instant::now());
    let new = NewVThing::new("s").description("d").entity(counter(1));
    let (id, actions) = state.create(new, Instant::now()).unwrap();
    assert_eq!(id.as_str(), "tv/s");
    assert_eq!(actions[0], Action::Subscribe("vThing/tv/s/c_in".parse().unwrap()));
    let published = published(&actions);
    let announced = json!({ "command": "createVThing", "thingVisorID": "tv", "vThing": { "label": "s", "id": "tv/s", "description": "d" } });
    assert_eq!(published[0], ("TV/tv/c_out".to_owned(), announced));
    assert_eq!(published[1].0, "vThing/tv/s/data_out");
    assert_eq!(published[1].1["data"][0]["n"]["value"], 1);
}

#[test]
fn an_actuator_is_announced_as_one_and_lists_its_commands() {
    let mut state = running();
    let announced = published(&state.apply(Event::AnnouncementDue, Instant::now()));
    assert_eq!(announced.len(), 2);
    assert_eq!(announced[1].1["vThing"]["type"], "actuator");
    assert_eq!(
        state.context(&"tv/lamp".parse().unwrap())[0].get("commands").unwrap()["value"],
        json!(["set-color"])
    );
}

#[test]
fn a_name_that_is_taken_or_no_name_is_refused() {
    let mut state = running();
    assert!(matches!(state.create(NewVThing::new("s"), Instant::now()), Err(Error::Exists(_))));
    for wrong in ["", "a b", "a/+", "ü", "#"] {
        assert!(matches!(state.create(NewVThing::new(wrong), Instant::now()), Err(Error::Id(_))), "{wrong}");
    }
}

#[test]
fn bounds_are_named_and_nothing_is_taken_in_beyond_them() {
    let now = Instant::now();
    let mut state = state(Options {
        max_vthings: 1,
        max_entities: 2,
        max_entity_attributes: 2,
        max_message_bytes: 300,
        ..Options::default()
    });
    state.apply(Event::Connected, now);
    let (id, _) = state.create(NewVThing::new("s"), now).unwrap();
    let option = |error: Error| match error {
        Error::Limit { option, .. } => option,
        other => panic!("{other}"),
    };
    let entity = |n: usize| Entity::builder(format!("urn:{n}"), "T").property("p", n);
    assert_eq!(option(state.create(NewVThing::new("t"), now).unwrap_err()), "max_vthings");
    let three = (0..3).map(|n| entity(n).build().unwrap()).collect();
    assert_eq!(option(state.publish(&id, three, now).unwrap_err()), "max_entities");
    let wide = entity(1).property("q", 1).property("r", 1).build().unwrap();
    assert_eq!(option(state.publish(&id, vec![wide], now).unwrap_err()), "max_entity_attributes");
    let long = entity(1).property("q", "x".repeat(300)).build().unwrap();
    assert_eq!(option(state.publish(&id, vec![long], now).unwrap_err()), "max_message_bytes");
    assert!(state.context(&id).is_empty());
    assert!(state.publish(&id, vec![entity(1).build().unwrap()], now).is_ok());
}

#[test]
fn a_silo_that_asks_gets_the_whole_context() {
    let mut state = running();
    state.publish(&"tv/s".parse().unwrap(), vec![counter(7)], Instant::now()).unwrap();
    let request = json!({ "command": "getContextRequest", "vSiloID": "t_s", "vThingID": "tv/s" });
    let answers = published(&tell(&mut state, "vThing/tv/s/c_in", request));
    assert_eq!(answers.len(), 1);
    let (topic, answer) = &answers[0];
    assert_eq!(topic, "vSilo/t_s/c_in");
    assert_eq!(answer["command"], "getContextResponse");
    assert_eq!(answer["meta"], json!({ "vThingID": "tv/s", "vSiloID": "t_s" }));
    assert_eq!(answer["data"][0]["n"]["value"], 7);
}

#[test]
fn what_changed_without_a_connection_is_published_when_there_is_one() {
    let (mut state, start) = (state(Options::default()), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    state.apply(Event::Connected, start);
    let (id, _) = state.create(NewVThing::new("s").entity(counter(1)), start).unwrap();
    let (other, _) = state.create(NewVThing::new("o").entity(counter(1)), start).unwrap();
    state.apply(Event::Disconnected, at(100));
    assert!(published(&state.publish(&id, vec![counter(2)], at(101)).unwrap()).is_empty());
    state.publish(&id, vec![counter(3)], at(102)).unwrap();
    let said = published(&state.apply(Event::Connected, at(103)));
    let topics: Vec<&str> = said.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(topics, ["TV/tv/c_out", "TV/tv/c_out", "vThing/tv/s/data_out"]);
    assert_eq!(said[2].1["data"][0]["n"]["value"], 3);
    // What changed just before the loss was noticed may not have arrived either.
    state.publish(&other, vec![counter(4)], at(104)).unwrap();
    state.apply(Event::Disconnected, at(110));
    assert!(
        published(&state.apply(Event::Connected, at(111)))
            .iter()
            .any(|(topic, _)| topic == "vThing/tv/o/data_out")
    );
}

#[test]
fn a_context_from_before_a_restart_is_answered_with_and_the_author_has_the_last_word() {
    let id: VThingId = "tv/s".parse().unwrap();
    let old = Entity::builder("urn:c", "Counter").property("n", 41).property("name", "old").build().unwrap();
    let remembered = BTreeMap::from([(id.clone(), vec![old.clone()])]);
    let mut state = State::new("tv".parse().unwrap(), Options::default(), Value::Null, remembered, 0);
    assert_eq!(state.context(&id), std::slice::from_ref(&old));
    assert_eq!(state.contexts().len(), 1);
    let named = Entity::builder("urn:c", "Counter").property("name", "new").build().unwrap();
    state.create(NewVThing::new("s").entity(named.clone()), Instant::now()).unwrap();
    let mut expected = old;
    expected.merge(named);
    assert_eq!(state.context(&id), [expected]);
    assert_eq!(state.contexts().len(), 1);
}

#[test]
fn only_what_differs_is_published_as_a_change() {
    let mut state = running();
    let id: VThingId = "tv/s".parse().unwrap();
    assert!(state.changes(&id, counter(1)).is_empty());
    let both = Entity::builder("urn:c", "Counter").property("n", 1).property("m", 2).build().unwrap();
    let only = Entity::builder("urn:c", "Counter").property("m", 2).build().unwrap();
    assert_eq!(state.changes(&id, both.clone()), [only]);
    state.publish(&id, vec![both.clone()], Instant::now()).unwrap();
    assert!(state.changes(&id, both).is_empty());
    let new = Entity::builder("urn:d", "Counter").build().unwrap();
    assert_eq!(state.changes(&id, new.clone()), [new]);
}

#[test]
fn an_actuator_that_was_remembered_lists_the_commands_it_has_now() {
    let id: VThingId = "tv/lamp".parse().unwrap();
    let old = Entity::builder("urn:lamp", "Lamp").property("commands", json!(["old"])).build().unwrap();
    let remembered = BTreeMap::from([(id.clone(), vec![old])]);
    let mut state = State::new("tv".parse().unwrap(), Options::default(), Value::Null, remembered, 0);
    let mut lamp = NewVThing::new("lamp");
    lamp.commands = vec!["new".to_owned()];
    state.create(lamp, Instant::now()).unwrap();
    assert_eq!(state.context(&id)[0].get("commands").unwrap()["value"], json!(["new"]));
}

#[test]
fn destroy_ends_every_vthing_then_acknowledges_then_ends() {
    let mut state = running();
    let actions = tell(&mut state, "TV/tv/c_in", json!({ "command": "destroyTV", "thingVisorID": "tv" }));
    let said = published(&actions);
    let topics: Vec<&str> = said.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(topics, ["vThing/tv/s/c_out", "vThing/tv/lamp/c_out", "TV/tv/c_out"]);
    assert_eq!(said[0].1, json!({ "command": "deleteVThing", "vSiloID": "ALL", "vThingID": "tv/s" }));
    assert_eq!(said[2].1, json!({ "command": "destroyTVAck", "thingVisorID": "tv" }));
    assert_eq!(actions.last(), Some(&Action::End));
}

#[test]
fn another_thingvisors_destroy_is_not_ours() {
    let mut state = running();
    for (topic, id) in [("TV/tv/c_in", "other"), ("TV/other/c_in", "tv")] {
        let message = json!({ "command": "destroyTV", "thingVisorID": id });
        assert!(tell(&mut state, topic, message).is_empty());
    }
}

#[test]
fn an_update_without_parameters_keeps_them() {
    let mut state = running();
    for params in [json!({ "a": 1 }), json!(""), Value::Null] {
        let message = json!({ "command": "updateTV", "thingVisorID": "tv", "params": params, "tvDescription": "d", "updateInfo": 5 });
        let update = Update { params: json!({ "a": 1 }), description: "d".to_owned(), info: json!(5) };
        assert_eq!(tell(&mut state, "TV/tv/c_in", message), [Action::Update(update)]);
    }
}

/// The numbers of the updates that it says it has.
fn acknowledged(actions: &[Action]) -> Vec<u64> {
    let said = published(actions).into_iter();
    let acks = said.filter(|(topic, said)| topic == "TV/tv/c_out" && said["command"] == "updateTVAck");
    acks.filter_map(|(_, ack)| (ack["incarnation"] == 7).then(|| ack["updateNumber"].as_u64().unwrap()))
        .collect()
}

fn update(number: u64, params: Value) -> Value {
    json!({ "command": "updateTV", "thingVisorID": "tv", "params": params, "tvDescription": "d", "updateInfo": null, "updateNumber": number })
}

#[test]
fn it_says_which_updates_it_has_whenever_it_comes_and_whenever_it_is_told() {
    let mut state = state(Options::default()).started_as(Some(Start { incarnation: 7, update: 2 }));
    assert_eq!(acknowledged(&state.apply(Event::Connected, Instant::now())), [2]);
    let told = tell(&mut state, "TV/tv/c_in", update(4, json!({ "a": 4 })));
    assert_eq!(acknowledged(&told), [4]);
    assert!(matches!(&told[0], Action::Update(update) if update.params == json!({ "a": 4 })));
    // Again, or one that was overtaken: the author does not hear of it.
    for late in [4, 3, 0] {
        let told = tell(&mut state, "TV/tv/c_in", update(late, json!({ "a": late })));
        assert!(acknowledged(&told) == [4] && told.len() == 1, "{told:?}");
    }
    assert_eq!(acknowledged(&state.apply(Event::Connected, Instant::now())), [4]);
    let wiped = tell(&mut state, "TV/tv/c_in", update(5, Value::Null));
    assert!(matches!(&wiped[0], Action::Update(update) if update.params.is_null()));
}

#[test]
fn a_thing_visor_that_no_node_started_acknowledges_nothing() {
    let mut state = running();
    let told = tell(&mut state, "TV/tv/c_in", update(1, json!({ "a": 1 })));
    assert!(matches!(&told[..], [Action::Update(_)]), "{told:?}");
}

#[test]
fn feedback_is_what_the_quality_of_the_command_asks_for() {
    let mut state = running();
    for (qos, answered, pending) in [(json!(0), false, 0), (json!("1"), true, 0), (json!(2), true, 1)] {
        let actions = command(
            &mut state,
            "set-color",
            json!({ "cmd-value": "it's \"ü\"", "cmd-qos": qos, "cmd-id": format!("77-{qos}") }),
        );
        let said = published(&actions);
        assert_eq!(said.len(), pending);
        for (topic, status) in &said {
            assert_eq!(topic, "vSilo/t_s/data_in");
            let value = &status["data"][0]["set-color-status"]["value"];
            assert_eq!(
                (value["cmd-status"].as_str(), value["cmd-id"].as_str()),
                (Some("PENDING"), Some("77-2"))
            );
            assert_eq!(status["data"][0]["type"], "Lamp");
            assert_eq!(status["meta"], json!({ "vThingID": "tv/lamp", "vSiloID": "t_s" }));
        }
        let Some(Action::Act(order)) = actions.last() else { panic!("{actions:?}") };
        assert_eq!(order.command.command.cmd_value, "it's \"ü\"");
        let Order { command, answer } = order.as_ref();
        assert_eq!((command.name.as_str(), command.entity.as_str()), ("set-color", "urn:lamp"));
        assert_eq!(answer.is_some(), answered);
    }
}

#[test]
fn a_command_that_comes_twice_is_carried_out_once() {
    let mut state = running();
    let value = json!({ "cmd-value": 1, "cmd-qos": 2, "cmd-id": 7 });
    assert!(matches!(
        command(&mut state, "set-color", value.clone())[..],
        [Action::Publish(_), Action::Act(_)]
    ));
    assert_eq!(command(&mut state, "set-color", value), [], "neither done nor answered again");
    let next = json!({ "cmd-value": 1, "cmd-id": 8 });
    assert!(matches!(command(&mut state, "set-color", next)[..], [Action::Act(_)]));
}

#[test]
fn a_command_without_id_gets_one_of_its_own() {
    let mut state = running();
    let mut ids: Vec<Value> = Vec::new();
    for id in [json!({ "cmd-value": 1 }), json!({ "cmd-value": 1, "cmd-id": null })] {
        match &command(&mut state, "set-color", id)[..] {
            [Action::Act(order)] => ids.extend(order.command.command.cmd_id.clone()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ids, [json!("1000-1"), json!("1000-2")]);
}

#[test]
fn a_command_that_cannot_be_done_fails_with_a_reason() {
    let mut state = running();
    let reason = |state: &mut State, name: &str, value: Value| {
        let actions = command(state, name, value);
        assert!(!actions.iter().any(|action| matches!(action, Action::Act(_))));
        published(&actions).first().map(|(topic, said)| {
            assert_eq!(topic, "vSilo/t_s/data_in");
            let value = &said["data"][0][format!("{name}-result")]["value"];
            assert_eq!(value["cmd-result"], "FAIL");
            value["cmd-error"].as_str().unwrap().to_owned()
        })
    };
    let unknown = reason(&mut state, "fly", json!({ "cmd-value": 1, "cmd-qos": 1 })).unwrap();
    assert!(unknown.contains("'fly'") && unknown.contains("set-color"), "{unknown}");
    assert_eq!(reason(&mut state, "fly", json!({ "cmd-value": 1 })), None);
    assert!(
        reason(&mut state, "set-color", json!({ "cmd-value": 1, "cmd-qos": 9 })).unwrap().contains("cmd-qos")
    );
    let stranger = json!({ "cmd-value": 1, "cmd-qos": 1, "cmd-nuri": "viriot://vSilo/other_s/data_in" });
    assert!(reason(&mut state, "set-color", stranger).unwrap().contains("cmd-nuri"));
}

#[test]
fn feedback_does_not_repeat_the_token() {
    let mut state = running();
    let value = json!({ "cmd-value": 1, "cmd-qos": 2, "cmd-token": "hunter2" });
    let actions = command(&mut state, "set-color", value);
    assert!(!published(&actions)[0].1.to_string().contains("hunter2"));
    let Some(Action::Act(order)) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(order.command.command.cmd_token, Some(json!("hunter2")));
}

#[test]
fn the_address_names_the_silo_where_meta_does_not() {
    let mut state = running();
    let value = json!({ "cmd-value": 1, "cmd-qos": 1, "cmd-nuri": "viriot://vSilo/t_old/data_in" });
    let data = json!([{ "id": "urn:lamp", "set-color": { "type": "Property", "value": value } }]);
    match &tell(&mut state, "vThing/tv/lamp/data_in", json!({ "data": data, "meta": {} }))[..] {
        [Action::Act(order)] => assert_eq!(order.answer.as_ref().unwrap().silo.as_str(), "t_old"),
        other => panic!("{other:?}"),
    }
}

/// Any JSON, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!("getContextRequest")),
        Just(json!("tv/lamp")),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let name = prop_oneof![
            "[a-z]{1,6}",
            Just("id".to_owned()),
            Just("data".to_owned()),
            Just("meta".to_owned()),
            Just("command".to_owned()),
            Just("value".to_owned()),
            Just("set-color".to_owned())
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const TOPICS: [&str; 5] =
    ["TV/tv/c_in", "vThing/tv/s/c_in", "vThing/tv/lamp/data_in", "vThing/tv/s/data_in", "nonsense/#"];

proptest! {
    #[test]
    fn no_message_of_others_stops_it(topic in prop::sample::select(&TOPICS[..]), json in any_json(), bytes: Vec<u8>) {
        let mut state = running();
        let before = state.contexts();
        tell(&mut state, topic, json);
        state.apply(Event::Message { topic: topic.to_owned(), payload: bytes.into() }, Instant::now());
        prop_assert_eq!(state.contexts(), before);
        let request = json!({ "command": "getContextRequest", "vSiloID": "t_s", "vThingID": "tv/s" });
        prop_assert_eq!(published(&tell(&mut state, "vThing/tv/s/c_in", request)).len(), 1);
    }

    /// Whatever order the fabric's messages come in, and how often each comes: a silo that merges all
    /// it heard, and asks once more at the end, has what the author published last.
    #[test]
    fn a_silo_ends_with_the_last_word_however_messages_are_shuffled(
        steps in prop::collection::vec((0u8..4, 0usize..3, 0i32..100), 1..40),
    ) {
        let mut state = running();
        let id: VThingId = "tv/s".parse().unwrap();
        let mut truth: BTreeMap<String, i32> = BTreeMap::from([("urn:c".to_owned(), 1)]);
        let mut now = Instant::now();
        for (kind, entity, value) in steps {
            now += Duration::from_millis(10);
            match kind {
                0 => drop(state.apply(Event::Connected, now)),
                1 => drop(state.apply(Event::Disconnected, now)),
                2 => drop(state.apply(Event::AnnouncementDue, now)),
                _ => {
                    let entity_id = format!("urn:{entity}");
                    let entity = Entity::builder(entity_id.as_str(), "T").property("n", value).build().unwrap();
                    state.publish(&id, vec![entity], now).unwrap();
                    truth.insert(entity_id, value);
                }
            }
            let request = json!({ "command": "getContextRequest", "vSiloID": "t_s", "vThingID": "tv/s" });
            let first = published(&tell(&mut state, "vThing/tv/s/c_in", request.clone()));
            prop_assert_eq!(&first, &published(&tell(&mut state, "vThing/tv/s/c_in", request)));
            let ControlMessage::GetContextResponse { data, .. } = serde_json::from_value(first[0].1.clone()).unwrap() else {
                panic!("no response");
            };
            let heard: BTreeMap<String, i32> = data
                .iter()
                .map(|entity| (entity.id().to_owned(), entity.get("n").unwrap()["value"].as_i64().unwrap() as i32))
                .collect();
            prop_assert_eq!(&heard, &truth);
        }
    }

    /// A silo that only listens misses nothing over lost connections, but for what it could merge away.
    #[test]
    fn a_listening_silo_is_level_after_every_reconnection(
        steps in prop::collection::vec((any::<bool>(), 0usize..3, 0i32..100), 1..40),
    ) {
        let mut state = running();
        let id: VThingId = "tv/s".parse().unwrap();
        let (mut heard, mut connected, mut now) = (BTreeMap::<String, Value>::new(), true, Instant::now());
        let mut truth: BTreeMap<String, Value> = BTreeMap::new();
        for (toggle, entity, value) in steps {
            now += Duration::from_secs(5);
            let actions = if toggle {
                connected = !connected;
                state.apply(if connected { Event::Connected } else { Event::Disconnected }, now)
            } else {
                let entity = Entity::builder(format!("urn:{entity}"), "T").property("n", value).build().unwrap();
                truth.insert(entity.id().to_owned(), json!(value));
                state.publish(&id, vec![entity], now).unwrap()
            };
            let data_out = Topic::VThingDataOut(id.clone()).to_string();
            for (_, message) in published(&actions).into_iter().filter(|(topic, _)| *topic == data_out) {
                let message: ContextMessage = serde_json::from_value(message).unwrap();
                for entity in message.data.iter().filter(|entity| entity.id() != "urn:c") {
                    heard.insert(entity.id().to_owned(), entity.get("n").unwrap()["value"].clone());
                }
            }
            if connected {
                prop_assert_eq!(&heard, &truth);
            }
        }
    }
}
