//! schedule, pending and prior notifications, timeSyncBeacon, locationPolicy and dynamic authorization.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{ADMIN, Fixture, debug, pair::PATIENCE, ty};
use morgana_onem2m::{Operation, Request, Status};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc::Receiver};
use tokio_util::sync::CancellationToken;

const LCP: u32 = 10;
const NOD: u32 = 14;
const SCH: u32 = 18;
const DAC: u32 = 34;
const TSB: u32 = 60;

async fn next(listener: &mut Receiver<Value>) -> Value {
    tokio::time::timeout(PATIENCE, listener.recv()).await.unwrap().unwrap()
}

/// A container with a subscription of the watcher.
async fn subscribed(more: Value) -> (Fixture, Receiver<Value>) {
    let cse = Fixture::new();
    let listener = cse.cse.listen("watcher", 16);
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "box"}})).await;
    let mut content = json!({"rn": "s", "nu": ["mqtt://host/watcher"], "enc": {"net": [3]}});
    content.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    cse.make("Mobius/box", ADMIN, ty::SUB, json!({ "m2m:sub": content })).await;
    (cse, listener)
}

async fn post(cse: &Fixture, content: u64) {
    cse.make("Mobius/box", ADMIN, ty::CIN, json!({"m2m:cin": {"con": content}})).await;
}

fn content_of(notification: &Value) -> &Value {
    &notification["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"]
}

fn schedule(entry: &str) -> Value {
    json!({"m2m:sch": {"se": {"sce": [entry]}}})
}

/// No moment of these years comes.
const NEVER: &str = "* * * * * * 1999";
const ALWAYS: &str = "* * * * * * *";

#[tokio::test]
async fn what_a_schedule_holds_is_sent_when_it_opens() {
    let (cse, mut listener) = subscribed(json!({"pn": 2})).await;
    cse.make("Mobius/box/s", ADMIN, SCH, schedule(NEVER)).await;
    post(&cse, 1).await;
    post(&cse, 2).await;
    assert!(listener.try_recv().is_err());
    let open = cse.update("Mobius/box/s/notificationSchedule", ADMIN, schedule(ALWAYS)).await;
    assert_eq!(open.status, Status::Updated, "{open:?}");
    assert_eq!(content_of(&next(&mut listener).await), 1);
    assert_eq!(content_of(&next(&mut listener).await), 2);
    post(&cse, 3).await;
    assert_eq!(content_of(&next(&mut listener).await), 3);
}

#[tokio::test]
async fn only_the_latest_is_sent_when_only_it_is_wanted() {
    let (cse, mut listener) = subscribed(json!({"pn": 1})).await;
    cse.make("Mobius/box/s", ADMIN, SCH, schedule(NEVER)).await;
    post(&cse, 1).await;
    post(&cse, 2).await;
    cse.update("Mobius/box/s/notificationSchedule", ADMIN, schedule(ALWAYS)).await;
    let notification = next(&mut listener).await;
    assert_eq!((content_of(&notification), &notification["ec"]), (&json!(2), &json!(4)));
}

#[tokio::test]
async fn without_a_policy_what_a_schedule_holds_is_lost_and_what_is_immediate_goes() {
    let (cse, mut listener) = subscribed(json!({})).await;
    cse.make("Mobius/box/s", ADMIN, SCH, schedule(NEVER)).await;
    post(&cse, 1).await;
    assert_eq!(
        cse.update("Mobius/box/s", ADMIN, json!({"m2m:sub": {"nec": 2}})).await.status,
        Status::Updated
    );
    post(&cse, 2).await;
    assert_eq!(content_of(&next(&mut listener).await), 2);
}

#[tokio::test]
async fn the_schedule_of_a_node_says_when_its_entities_can_be_reached() {
    let cse = Fixture::new();
    let mut listener = cse.cse.listen("Cdevice", 16);
    let node = cse.make("Mobius", ADMIN, NOD, json!({"m2m:nod": {"rn": "node", "ni": "n1"}})).await;
    cse.make("Mobius/node", ADMIN, SCH, json!({"m2m:sch": {"rn": "sch", "se": {"sce": [NEVER]}}})).await;
    let ae = json!({"m2m:ae": {"rn": "device", "api": "N1", "rr": true, "srv": ["4"], "nl": node["ri"]}});
    cse.make("Mobius", "Cdevice", ty::AE, ae).await;
    cse.make("Mobius/device", "Cdevice", ty::CNT, json!({"m2m:cnt": {"rn": "box"}})).await;
    let sub = json!({"m2m:sub": {"nu": ["Cdevice"], "enc": {"net": [3]}, "pn": 2}});
    cse.make("Mobius/device/box", "Cdevice", ty::SUB, sub).await;
    cse.make("Mobius/device/box", "Cdevice", ty::CIN, json!({"m2m:cin": {"con": 7}})).await;
    assert!(listener.try_recv().is_err());
    cse.update("Mobius/node/sch", ADMIN, schedule(ALWAYS)).await;
    assert_eq!(content_of(&next(&mut listener).await), 7);
}

#[tokio::test]
async fn a_new_subscription_hears_of_what_was_before_it() {
    let cse = Fixture::new();
    let mut listener = cse.cse.listen("watcher", 16);
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "box"}})).await;
    for content in 1..=5 {
        post(&cse, content).await;
    }
    let sub = json!({"m2m:sub": {"nu": ["mqtt://host/watcher"], "enc": {"net": [3]}, "psn": 2}});
    cse.make("Mobius/box", ADMIN, ty::SUB, sub).await;
    assert_eq!(content_of(&next(&mut listener).await), 4);
    assert_eq!(content_of(&next(&mut listener).await), 5);
    post(&cse, 6).await;
    assert_eq!(content_of(&next(&mut listener).await), 6);
}

#[tokio::test]
async fn what_is_wrong_with_a_schedule_is_named() {
    let (cse, _listener) = subscribed(json!({})).await;
    cse.make("Mobius", ADMIN, NOD, json!({"m2m:nod": {"rn": "node", "ni": "n1"}})).await;
    for (to, content, status, name) in [
        ("Mobius", json!({"se": {"sce": ["* *"]}}), Status::BadRequest, "se.sce"),
        ("Mobius", json!({}), Status::BadRequest, "se"),
        ("Mobius", json!({"se": {"sce": [ALWAYS]}, "nco": true}), Status::ContentsUnacceptable, "nco"),
        ("Mobius/node", json!({"se": {"sce": [ALWAYS]}, "nco": true}), Status::NotImplemented, "nco"),
        ("Mobius/box/s", json!({"rn": "x", "se": {"sce": [ALWAYS]}}), Status::BadRequest, "rn"),
    ] {
        let response = cse.create(to, ADMIN, SCH, json!({ "m2m:sch": content })).await;
        assert_eq!(response.status, status, "{response:?}");
        assert!(debug(&response).contains(name), "{response:?}");
    }
}

#[tokio::test]
async fn a_beacon_tells_the_time_again_and_again() {
    let cse = Fixture::new();
    let mut listener = cse.cse.listen("watcher", 16);
    let beacon = json!({"m2m:tsb": {"bcnc": 1, "bcni": "PT0.1S", "bcnu": ["mqtt://host/watcher"]}});
    let made = cse.make("Mobius", ADMIN, TSB, beacon).await;
    for _ in 0..2 {
        let notification = next(&mut listener).await;
        let told = &notification["pc"]["m2m:tsbn"];
        assert_eq!(told["tbr"], made["ri"]);
        assert!(told["ctm"].is_string());
    }
    // It goes on after a restart, and ends with its resource.
    drop(listener);
    let cse = cse.reopen().await;
    let mut listener = cse.cse.listen("watcher", 16);
    next(&mut listener).await;
    assert_eq!(cse.delete(made["ri"].as_str().unwrap(), ADMIN).await, Status::Deleted);
}

#[tokio::test]
async fn a_beacon_is_sent_to_who_has_lost_the_time() {
    let cse = Fixture::new();
    let mut listener = cse.cse.listen("watcher", 16);
    let beacon =
        json!({"m2m:tsb": {"bcnc": 2, "bcnt": 5000, "bcnr": "Clate", "bcnu": ["mqtt://host/watcher"]}});
    cse.make("Mobius", ADMIN, TSB, beacon).await;
    let request = |from: &str| Request {
        originated: Some("20200101T000000".to_owned()),
        ..Request::new(Operation::Retrieve, "Mobius", from)
    };
    cse.cse.request(request("Cother")).await;
    assert!(listener.try_recv().is_err());
    cse.cse.request(request("Clate")).await;
    assert!(next(&mut listener).await["pc"]["m2m:tsbn"]["ctm"].is_string());
    for (content, name) in [
        (json!({"bcnc": 1, "bcnt": 10, "bcnu": ["x"]}), "bcnt"),
        (json!({"bcnc": 2, "bcni": "PT1S", "bcnr": "C", "bcnu": ["x"]}), "bcni"),
        (json!({"bcnc": 2, "bcnu": ["x"]}), "bcnr"),
        (json!({"bcnc": 1, "bcnu": []}), "bcnu"),
    ] {
        let response = cse.create("Mobius", ADMIN, TSB, json!({ "m2m:tsb": content })).await;
        assert_eq!(response.status, Status::BadRequest, "{name}");
        assert!(debug(&response).contains(name), "{response:?}");
    }
}

#[tokio::test]
async fn a_geo_fence_says_when_its_device_leaves() {
    let cse = Fixture::new();
    let area = json!({"type": "Polygon", "coordinates": [[[0, 0], [0, 10], [10, 10], [10, 0]]]});
    let policy =
        json!({"m2m:lcp": {"rn": "where", "los": 2, "lit": 2, "lon": "places", "gta": area, "gec": 2}});
    let made = cse.make("Mobius", ADMIN, LCP, policy).await;
    assert_eq!(made["lost"], "");
    assert_eq!(cse.get("Mobius/places", ADMIN).await["li"], made["ri"]);
    assert_eq!(cse.get(made["loi"].as_str().unwrap(), ADMIN).await["rn"], "places");
    let at = async |x: u64| {
        let point = json!({"m2m:cin": {"con": {"type": "Point", "coordinates": [x, 5]}}});
        cse.make("Mobius/places", ADMIN, ty::CIN, point).await;
        cse.get("Mobius/places/la", ADMIN).await["con"].clone()
    };
    assert!(at(5).await.is_object());
    assert_eq!(at(50).await, 2);
    assert!(at(60).await.is_object());
    // Where it was is known after a restart.
    let cse = cse.reopen().await;
    let point = json!({"m2m:cin": {"con": "{\"type\": \"Point\", \"coordinates\": [70, 5]}"}});
    cse.make("Mobius/places", ADMIN, ty::CIN, point).await;
    assert!(cse.get("Mobius/places/la", ADMIN).await["con"].is_string());
    assert_eq!(cse.delete("Mobius/where", ADMIN).await, Status::Deleted);
    assert_eq!(cse.retrieve("Mobius/places", ADMIN).await.status, Status::NotFound);
}

#[tokio::test]
async fn what_is_wrong_with_a_location_policy_is_named() {
    let cse = Fixture::new();
    for (content, status, name) in [
        (json!({}), Status::BadRequest, "los"),
        (json!({"los": 1}), Status::NotImplemented, "los"),
        (json!({"los": 2, "lot": "x"}), Status::BadRequest, "lot"),
        (json!({"los": 3, "lor": "x"}), Status::BadRequest, "lor"),
        (json!({"los": 2, "gta": "no"}), Status::BadRequest, "gta"),
        (json!({"los": 2, "rn": "x", "lon": "x"}), Status::BadRequest, "lon"),
    ] {
        let response = cse.create("Mobius", ADMIN, LCP, json!({ "m2m:lcp": content })).await;
        assert_eq!(response.status, status, "{response:?}");
        assert!(debug(&response).contains(name), "{response:?}");
    }
    assert_eq!(cse.cse.resource_count(), 1);
}

/// A Dynamic Authorization Server that lets `Cguest` read for an hour.
async fn server() -> (String, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/das", listener.local_addr().unwrap());
    let answer = axum::routing::post(|body: String| async move {
        let asked: Value = serde_json::from_str(&body).unwrap();
        let asked = &asked["m2m:seci"];
        assert_eq!(asked["sit"], 1);
        let privileges = json!({"acr": [{"acor": ["Cguest"], "acop": 2}]});
        let granted = if asked["dreq"]["or"] == "Cguest" && asked["dreq"]["op"] == 2 {
            json!({"dai": {"gp": privileges, "pl": 3_600_000}})
        } else {
            json!({})
        };
        ([("x-m2m-rsc", "2000")], json!({"m2m:seci": {"sit": 2, "dres": granted}}).to_string())
    });
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let app = axum::Router::new().route("/das", answer);
    tokio::spawn(async move { axum::serve(listener, app).with_graceful_shutdown(stopped).await });
    (url, stop)
}

#[tokio::test]
async fn a_dynamic_authorization_server_lets_in_whom_no_policy_knows() {
    let (url, stop) = server().await;
    let cse = Fixture::new();
    let consultation = json!({"m2m:dac": {"rn": "das", "dae": true, "dap": [url]}});
    cse.make("Mobius", ADMIN, DAC, consultation).await;
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "box", "daci": ["Mobius/das"]}})).await;
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "other"}})).await;
    assert_eq!(cse.retrieve("Mobius/box", "Cstranger").await.status, Status::OriginatorHasNoPrivilege);
    assert_eq!(cse.retrieve("Mobius/other", "Cguest").await.status, Status::OriginatorHasNoPrivilege);
    assert_eq!(cse.retrieve("Mobius/box", "Cguest").await.status, Status::Ok);
    assert_eq!(cse.delete("Mobius/box", "Cguest").await, Status::OriginatorHasNoPrivilege);
    // What was granted holds without another question, also after a restart; its creator still has all rights.
    stop.cancel();
    let cse = cse.reopen().await;
    assert_eq!(cse.retrieve("Mobius/box", "Cguest").await.status, Status::Ok);
    assert_eq!(cse.delete("Mobius/box", ADMIN).await, Status::Deleted);
}

#[tokio::test]
async fn a_disabled_consultation_asks_nobody() {
    let (url, _stop) = server().await;
    let cse = Fixture::new();
    let consultation = json!({"m2m:dac": {"rn": "das", "dae": false, "dap": [url]}});
    cse.make("Mobius", ADMIN, DAC, consultation).await;
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "box", "daci": ["Mobius/das"]}})).await;
    assert_eq!(cse.retrieve("Mobius/box", "Cguest").await.status, Status::OriginatorHasNoPrivilege);
    let over = json!({"m2m:dac": {"dae": true, "dal": "20200101T000000"}});
    assert_eq!(cse.update("Mobius/das", ADMIN, over).await.status, Status::Updated);
    assert_eq!(cse.retrieve("Mobius/box", "Cguest").await.status, Status::OriginatorHasNoPrivilege);
}
