//! The broker used by its methods, as a silo's controller does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use morgana_ngsi_ld::{
    Broker, ChangeKind, Context, EntityQuery, Lagged, Name, Rendered, UpsertMode, View, WatchFilter,
};
use serde_json::{Value, json};

fn shown(broker: &Broker, id: &str) -> Value {
    let entity = broker.get(id).unwrap();
    let context = Context::core();
    serde_json::to_value(Rendered {
        entity: &entity,
        context: &context,
        view: &View::default(),
        with_context: false,
    })
    .unwrap()
}

#[tokio::test]
async fn an_upsert_creates_then_updates_and_a_restart_brings_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(common::options(dir.path())).unwrap();
    let lamp = json!({"id": "urn:ngsi-ld:lamp:Lamp01", "type": "Lamp", "status": {"type": "Property", "value": "off"},
        "@context": ["https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"]});
    let result = broker.upsert(vec![lamp], UpsertMode::Update).await.unwrap();
    assert_eq!(result.created, ["urn:ngsi-ld:lamp:Lamp01".into()]);
    let change = json!({"id": "urn:ngsi-ld:lamp:Lamp01", "type": "Lamp", "set-color": {"type": "Property", "value": {"cmd-id": "1"}}});
    let result = broker.upsert(vec![change, json!({"id": "nonsense"})], UpsertMode::Update).await.unwrap();
    assert_eq!(result.updated, ["urn:ngsi-ld:lamp:Lamp01".into()]);
    assert_eq!(result.failed.len(), 1);
    assert!(result.failed[0].error.detail().contains("id must be a URI"));
    let expected = json!({"id": "urn:ngsi-ld:lamp:Lamp01", "type": "Lamp", "status": {"type": "Property", "value": "off"},
        "set-color": {"type": "Property", "value": {"cmd-id": "1"}}});
    assert_eq!(shown(&broker, "urn:ngsi-ld:lamp:Lamp01"), expected);
    drop(broker);

    let broker = common::reopen(dir.path()).await;
    assert_eq!(shown(&broker, "urn:ngsi-ld:lamp:Lamp01"), expected);
    let query = EntityQuery::default().with_types("Lamp", &Context::core()).unwrap();
    assert_eq!(broker.query(&query, 0, 10, true).total, Some(1));
    let result = broker.delete(&["urn:ngsi-ld:lamp:Lamp01", "urn:ngsi-ld:lamp:Lamp02"]).await.unwrap();
    assert_eq!((result.updated.len(), result.failed.len()), (1, 1));
    assert!(broker.get("urn:ngsi-ld:lamp:Lamp01").is_none());
}

#[tokio::test]
async fn a_watch_sees_the_changes_it_asked_for_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(common::options(dir.path())).unwrap();
    let command = Name::new(&Context::core().expand("set-color"));
    let mut watch =
        broker.watch(WatchFilter { attributes: vec![command.clone()], ..WatchFilter::default() }, 8);
    for number in 0..4 {
        let lamp =
            json!({"id": "urn:lamp:1", "type": "Lamp", "set-color": {"type": "Property", "value": number}});
        broker.upsert(vec![lamp], UpsertMode::Update).await.unwrap();
        let other =
            json!({"id": "urn:lamp:1", "type": "Lamp", "color": {"type": "Property", "value": "red"}});
        broker.upsert(vec![other], UpsertMode::Update).await.unwrap();
    }
    for number in 0..4 {
        let change = watch.next().await.unwrap().unwrap();
        assert_eq!(change.kind, if number == 0 { ChangeKind::Created } else { ChangeKind::Updated });
        assert_eq!(change.attributes, std::slice::from_ref(&command));
        assert_eq!(change.entity.attribute(&command).unwrap().value.as_f64(), Some(f64::from(number)));
    }
}

#[tokio::test]
async fn a_watch_that_falls_behind_is_told_how_far() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(common::options(dir.path())).unwrap();
    let mut watch = broker.watch(WatchFilter::default(), 2);
    for number in 0..5 {
        let entity = json!({"id": format!("urn:e:{number}"), "type": "T"});
        broker.upsert(vec![entity], UpsertMode::Replace).await.unwrap();
    }
    assert_eq!(watch.next().await.unwrap().unwrap_err(), Lagged(3));
    assert_eq!(&*watch.next().await.unwrap().unwrap().entity.id, "urn:e:0");
}
