//! crossResourceSubscription: windows, evaluation, what it makes and joins, here and at another CSE.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    ADMIN, Fixture, debug,
    pair::{PATIENCE, Pair, Way, ask, get, make, wait_for},
    ty,
};
use morgana_onem2m::{Operation, Status};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

const CRS: u32 = 48;

/// Two containers, and someone who listens.
async fn containers() -> (Fixture, Receiver<Value>) {
    let cse = Fixture::new();
    for name in ["a", "b"] {
        cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": name}})).await;
    }
    let listener = cse.cse.listen("watcher", 16);
    (cse, listener)
}

fn cross(more: Value) -> Value {
    let mut content = json!({"rn": "cross", "nu": ["local://watcher"], "twt": 2, "tws": "PT60S",
        "rrat": ["Mobius/a", "Mobius/b"], "encs": {"enc": [{"net": [3]}]}});
    content.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    content["nu"] = json!(["mqtt://host/watcher"]);
    json!({ "m2m:crs": content })
}

async fn post(cse: &Fixture, container: &str) {
    cse.make(container, ADMIN, ty::CIN, json!({"m2m:cin": {"con": 1}})).await;
}

async fn next(listener: &mut Receiver<Value>) -> Value {
    tokio::time::timeout(PATIENCE, listener.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_sliding_window_ends_when_all_targets_changed() {
    let (cse, mut listener) = containers().await;
    let made = cse.make("Mobius", ADMIN, CRS, cross(json!({}))).await;
    assert_eq!(made["rrats"].as_array().unwrap().len(), 2);
    post(&cse, "Mobius/a").await;
    post(&cse, "Mobius/a").await;
    assert!(listener.try_recv().is_err());
    post(&cse, "Mobius/b").await;
    let notification = next(&mut listener).await;
    assert_eq!(notification["pc"]["m2m:sgn"]["sur"], format!("/Mobius2/{}", made["ri"].as_str().unwrap()));
}

#[tokio::test]
async fn a_periodic_window_tells_of_what_is_missing() {
    let (cse, mut listener) = containers().await;
    let some_missing = cross(json!({"twt": 1, "tws": "PT0.2S", "eem": 4}));
    cse.make("Mobius", ADMIN, CRS, some_missing).await;
    assert!(next(&mut listener).await["pc"]["m2m:sgn"]["sur"].is_string());
}

#[tokio::test]
async fn it_ends_with_its_counter_and_takes_its_subscriptions_with_it() {
    let (cse, mut listener) = containers().await;
    let made = cse.make("Mobius", ADMIN, CRS, cross(json!({"exc": 1}))).await;
    post(&cse, "Mobius/a").await;
    post(&cse, "Mobius/b").await;
    next(&mut listener).await;
    for address in std::iter::once("Mobius/cross")
        .chain(made["rrats"].as_array().unwrap().iter().map(|known| known.as_str().unwrap()))
    {
        wait_for("the end", async || cse.retrieve(address, ADMIN).await.status == Status::NotFound).await;
    }
}

#[tokio::test]
async fn it_joins_subscriptions_and_leaves_them_again() {
    let (cse, mut listener) = containers().await;
    let target = json!({"m2m:sub": {"rn": "s", "nu": ["mqtt://host/watcher"], "enc": {"net": [3]}}});
    let subscription = cse.make("Mobius/a", ADMIN, ty::SUB, target).await;
    let content = json!({"m2m:crs": {"rn": "cross", "nu": ["mqtt://host/watcher"], "twt": 2, "tws": "PT60S",
        "srat": ["Mobius/a/s"]}});
    let made = cse.make("Mobius", ADMIN, CRS, content).await;
    let id = json!(format!("/Mobius2/{}", made["ri"].as_str().unwrap()));
    let joined = cse.get("Mobius/a/s", ADMIN).await;
    assert!(joined["nu"].as_array().unwrap().contains(&id) && joined["acrs"] == json!([id]), "{joined}");
    post(&cse, "Mobius/a").await;
    let (first, second) = (next(&mut listener).await, next(&mut listener).await);
    let own = json!(format!("/Mobius2/{}", subscription["ri"].as_str().unwrap()));
    let sources = [&first["pc"]["m2m:sgn"]["sur"], &second["pc"]["m2m:sgn"]["sur"]];
    assert!(sources.contains(&&own) && sources.contains(&&id), "{sources:?}");
    assert_eq!(cse.delete("Mobius/cross", ADMIN).await, Status::Deleted);
    let left = cse.get("Mobius/a/s", ADMIN).await;
    assert!(left.get("acrs").is_none() && left["nu"] == json!(["mqtt://host/watcher"]), "{left}");
}

#[tokio::test]
async fn it_ends_when_one_of_its_subscriptions_does() {
    let (cse, _listener) = containers().await;
    let made = cse.make("Mobius", ADMIN, CRS, cross(json!({}))).await;
    let subscription = made["rrats"][0].as_str().unwrap();
    assert_eq!(cse.delete(subscription, ADMIN).await, Status::Deleted);
    assert_eq!(cse.retrieve("Mobius/cross", ADMIN).await.status, Status::NotFound);
    assert_eq!(cse.retrieve(made["rrats"][1].as_str().unwrap(), ADMIN).await.status, Status::NotFound);
}

#[tokio::test]
async fn it_is_there_with_its_window_after_a_restart() {
    let (cse, listener) = containers().await;
    cse.make("Mobius", ADMIN, CRS, cross(json!({}))).await;
    drop(listener);
    let cse = cse.reopen().await;
    let mut listener = cse.cse.listen("watcher", 16);
    post(&cse, "Mobius/a").await;
    post(&cse, "Mobius/b").await;
    assert!(next(&mut listener).await["pc"]["m2m:sgn"]["sur"].is_string());
}

#[tokio::test]
async fn what_is_wrong_with_it_is_named_and_nothing_is_left_behind() {
    let (cse, _listener) = containers().await;
    let cases = [
        (json!({"rrat": null}), "rrat"),
        (json!({"encs": {"enc": [{"net": [3]}, {"net": [3]}, {"net": [3]}]}}), "encs"),
        (json!({"eem": 3}), "eem"),
        (json!({"tws": "soon"}), "tws"),
        (json!({"twt": 9}), "twt"),
    ];
    for (more, name) in cases {
        let response = cse.create("Mobius", ADMIN, CRS, cross(more)).await;
        assert_eq!(response.status, Status::BadRequest, "{name}");
        assert!(debug(&response).contains(name), "{response:?}");
    }
    let gone = cse.create("Mobius", ADMIN, CRS, cross(json!({"rrat": ["Mobius/a", "Mobius/none"]}))).await;
    assert_eq!(gone.status, Status::CrossResourceOperationFailure);
    let other = cse.create("Mobius", ADMIN, CRS, cross(json!({"srat": ["Mobius/a"]}))).await;
    assert_eq!(other.status, Status::BadRequest);
    assert_eq!(cse.cse.resource_count(), 3);
}

#[tokio::test]
async fn its_targets_can_be_at_another_cse() {
    let pair = Pair::start(Way::Http).await;
    let mut listener = pair.node.listen("watcher", 16);
    for (cse, base) in [(&pair.node, "cse-in"), (&pair.middle, "cse-mn")] {
        make(cse, base, ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "box"}})).await;
    }
    // Whoever wants it has to be let in there.
    let policy = json!({"m2m:acp": {"rn": "p", "pv": {"acr": [{"acor": ["/id-in/CAdmin"], "acop": 63}]},
        "pvs": {"acr": [{"acor": ["CAdmin"], "acop": 63}]}}});
    make(&pair.middle, "cse-mn", ADMIN, ty::ACP, policy).await;
    let governed = json!({"m2m:cnt": {"acpi": ["cse-mn/p"]}});
    ask(&pair.middle, Operation::Update, "cse-mn/box", ADMIN, Some(governed)).await;
    let content = json!({"m2m:crs": {"rn": "cross", "nu": ["mqtt://host/watcher"], "twt": 2, "tws": "PT60S",
        "rrat": ["cse-in/box", "/id-mn/cse-mn/box"], "encs": {"enc": [{"net": [3]}]}}});
    let made = make(&pair.node, "cse-in", ADMIN, CRS, content).await;
    let far = made["rrats"][1].as_str().unwrap().to_owned();
    assert!(far.starts_with("/id-mn/"), "{made}");
    make(&pair.node, "cse-in/box", ADMIN, ty::CIN, json!({"m2m:cin": {"con": 1}})).await;
    make(&pair.middle, "cse-mn/box", ADMIN, ty::CIN, json!({"m2m:cin": {"con": 1}})).await;
    next(&mut listener).await;
    assert_eq!(ask(&pair.node, Operation::Delete, "cse-in/cross", ADMIN, None).await.status, Status::Deleted);
    wait_for("the end of the subscription there", async || {
        ask(&pair.middle, Operation::Retrieve, &far, ADMIN, None).await.status == Status::NotFound
    })
    .await;
    // The container there is as it was.
    assert_eq!(get(&pair.middle, "cse-mn/box", ADMIN).await["cni"], 1);
}
