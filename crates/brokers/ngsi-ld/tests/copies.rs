//! Copies of subscriptions at context sources (NGSI-LD 5.8.1.4, 5.8.2.4, 5.8.5.4, 5.8.6): real brokers as sources.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::copied::{ID, PATH, copies, next, open, register, registration, start, subscribe, told};
use common::{car, eventually, expect, ids, listen, options};
use morgana_ngsi_ld::{Broker, HttpOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_subscriber_hears_of_what_changes_at_a_source() {
    let (it, other, mut arrivals) = (start().await, start().await, listen().await);
    register(&it, &other, json!({})).await;
    subscribe(&it, &arrivals, json!({"q": "speed>10"})).await;
    let copy = copies(&other, 1).await[0].clone();
    assert_ne!(copy["id"], ID);
    assert_eq!((&copy["entities"], &copy["q"]), (&json!([{"type": "Car"}]), &json!("speed>10")));
    let uri = copy["notification"]["endpoint"]["uri"].as_str().unwrap();
    assert!(uri.starts_with(it.base.trim_end_matches("/ngsi-ld/v1")), "{uri}");
    other.create(car(1, 50)).await;
    assert_eq!(next(&mut arrivals).await, told(1, 50));
    other.create(car(2, 5)).await;
    it.create(car(3, 60)).await;
    assert_eq!(next(&mut arrivals).await, told(3, 60));
    let shown = it.read(PATH).await;
    assert_eq!(shown["notification"]["timesSent"], 2);
    // What keeps the copies is a subscription to sources.
    let shadows = it.read("/csourceSubscriptions").await;
    assert_eq!(shadows[0]["entities"], json!([{"type": "Car"}]));
    assert_eq!(it.read(&format!("/csourceSubscriptions/{}", ids(&shadows)[0])).await, shadows[0]);
    expect(it.delete(PATH), 204).await;
    copies(&other, 0).await;
    assert_eq!(it.read("/csourceSubscriptions").await, json!([]));
}

#[tokio::test]
async fn a_copy_follows_its_subscription_and_its_registration() {
    let (it, other, mut arrivals) = (start().await, start().await, listen().await);
    subscribe(&it, &arrivals, json!({"q": "speed>10"})).await;
    register(&it, &other, json!({})).await;
    copies(&other, 1).await;
    expect(it.patch(PATH, &json!({"q": null, "watchedAttributes": ["speed"]})), 204).await;
    eventually(async || {
        let copy = copies(&other, 1).await[0].clone();
        copy.get("q").is_none() && copy["watchedAttributes"] == json!(["speed"])
    })
    .await;
    other.create(car(1, 5)).await;
    assert_eq!(next(&mut arrivals).await, told(1, 5));
    expect(it.patch(PATH, &json!({"isActive": false})), 204).await;
    eventually(async || copies(&other, 1).await[0]["status"] == "paused").await;
    let path = "/csourceRegistrations/urn:ngsi-ld:ContextSourceRegistration:r";
    expect(it.patch(path, &json!({"information": [{"entities": [{"type": "Bus"}]}]})), 204).await;
    copies(&other, 0).await;
    expect(it.patch(path, &json!({"information": [{"entities": [{"type": "Car"}]}]})), 204).await;
    copies(&other, 1).await;
    expect(it.delete(path), 204).await;
    copies(&other, 0).await;
}

#[tokio::test]
async fn a_subscription_for_this_broker_alone_has_no_copies() {
    let (it, other, arrivals) = (start().await, start().await, listen().await);
    register(&it, &other, json!({})).await;
    subscribe(&it, &arrivals, json!({"localOnly": true})).await;
    let mut second = it.read(PATH).await;
    second["id"] = json!("urn:ngsi-ld:Subscription:second");
    second
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !["localOnly", "status", "jsonldContext"].contains(&&**name));
    expect(it.post("/subscriptions?local=true", &second), 201).await;
    second["id"] = json!("urn:ngsi-ld:Subscription:third");
    expect(it.post("/subscriptions", &second), 201).await;
    // The third came last, and is the only one.
    copies(&other, 1).await;
    assert_eq!(it.read("/csourceSubscriptions").await[0]["id"], "urn:ngsi-ld:Subscription:third:sources");
    // Of itself it may become so later.
    expect(it.patch("/subscriptions/urn:ngsi-ld:Subscription:third", &json!({"localOnly": true})), 204).await;
    copies(&other, 0).await;
}

#[tokio::test]
async fn an_entity_in_parts_is_filtered_as_a_whole() {
    let (it, other, mut arrivals) = (start().await, start().await, listen().await);
    register(&it, &other, json!({})).await;
    let whole = json!({"q": "speed>10;color==\"red\"", "splitEntities": true});
    subscribe(&it, &arrivals, whole).await;
    assert_eq!(copies(&other, 1).await[0].get("q"), None);
    let color =
        json!({"id": "urn:ngsi-ld:Car:1", "type": "Car", "color": {"type": "Property", "value": "red"}});
    it.create(color).await;
    for speed in [5, 50] {
        let mut part = car(1, speed);
        part.as_object_mut().unwrap().remove("brand");
        expect(other.post("/entityOperations/upsert", &json!([part])), if speed == 5 { 201 } else { 204 })
            .await;
    }
    let body = arrivals.next().await.body;
    let entity = &body["data"][0];
    assert_eq!((&entity["speed"]["value"], &entity["color"]["value"]), (&json!(50), &json!("red")), "{body}");
}

#[tokio::test]
async fn an_entity_in_parts_is_that_of_all_sources_when_one_tells_of_it() {
    let (it, fast, red, mut arrivals) = (start().await, start().await, start().await, listen().await);
    let color =
        json!({"id": "urn:ngsi-ld:Car:1", "type": "Car", "color": {"type": "Property", "value": "red"}});
    red.create(color).await;
    register(&it, &fast, json!({})).await;
    register(&it, &red, json!({"id": "urn:ngsi-ld:ContextSourceRegistration:red"})).await;
    let whole = json!({"q": "speed>10;color==\"red\"", "splitEntities": true});
    subscribe(&it, &arrivals, whole).await;
    copies(&fast, 1).await;
    copies(&red, 1).await;
    fast.create(car(1, 50)).await;
    let entity = arrivals.next().await.body["data"][0].clone();
    assert_eq!(
        (&entity["speed"]["value"], &entity["color"]["value"]),
        (&json!(50), &json!("red")),
        "{entity}"
    );
}

#[tokio::test]
async fn what_goes_at_a_source_is_told_as_gone() {
    let (it, other, mut arrivals) = (start().await, start().await, listen().await);
    register(&it, &other, json!({})).await;
    let triggers = json!(["attributeUpdated", "attributeDeleted", "entityDeleted"]);
    subscribe(&it, &arrivals, json!({"notificationTrigger": triggers})).await;
    copies(&other, 1).await;
    other.create(car(1, 50)).await;
    expect(other.delete("/entities/urn:ngsi-ld:Car:1/attrs/speed"), 204).await;
    let body = arrivals.next().await.body;
    assert_eq!(body["data"][0]["speed"]["value"], "urn:ngsi-ld:null", "{body}");
    assert_eq!(body["data"][0]["brand"]["value"], "Fiat");
    expect(other.delete("/entities/urn:ngsi-ld:Car:1"), 204).await;
    let body = arrivals.next().await.body;
    assert!(body["data"][0]["deletedAt"].is_string() && body["subscriptionId"] == ID, "{body}");
}

#[tokio::test]
async fn a_copy_that_its_source_lost_is_made_again() {
    let (it, other, mut arrivals) = (start().await, start().await, listen().await);
    register(&it, &other, json!({})).await;
    subscribe(&it, &arrivals, json!({})).await;
    let copy = copies(&other, 1).await;
    let id = ids(&copy)[0].to_owned();
    for operations in [json!(["federationOps"]), json!(["createSubscription", "updateSubscription"])] {
        let path = "/csourceRegistrations/urn:ngsi-ld:ContextSourceRegistration:r";
        expect(it.patch(path, &json!({"operations": operations})), 204).await;
        expect(other.delete(&format!("/subscriptions/{id}")), 204).await;
        let again = copies(&other, 1).await;
        assert_eq!(again, copy);
    }
    other.create(car(1, 50)).await;
    assert_eq!(next(&mut arrivals).await, told(1, 50));
}

#[tokio::test]
async fn copies_of_a_tenant_come_back_to_the_tenant() {
    let (it, other, mut arrivals) = (start().await, start().await, listen().await);
    let post = |path: &str, body: &Value| it.post(path, body).header("ngsild-tenant", "Blue");
    expect(post("/csourceRegistrations", &registration(&other, json!({"tenant": "far"}))), 201).await;
    let endpoint = json!({"endpoint": {"uri": arrivals.url}});
    let subscription =
        json!({"id": ID, "type": "Subscription", "entities": [{"type": "Car"}], "notification": endpoint});
    expect(post("/subscriptions", &subscription), 201).await;
    eventually(async || {
        let found = other.get("/subscriptions").header("ngsild-tenant", "far").send().await.unwrap();
        found.json::<Value>().await.unwrap().as_array().is_some_and(|all| all.len() == 1)
    })
    .await;
    assert_eq!(other.read("/subscriptions").await, json!([]));
    expect(other.post("/entities", &car(1, 50)).header("ngsild-tenant", "far"), 201).await;
    assert_eq!(next(&mut arrivals).await, told(1, 50));
    // The copy is known to its tenant alone.
    let far = other.get("/subscriptions").header("ngsild-tenant", "far").send().await.unwrap();
    let copy = far.json::<Value>().await.unwrap()[0]["id"].clone();
    let url = format!("{}/ngsi-ld/ex/remote-notify", it.base.trim_end_matches("/ngsi-ld/v1"));
    let body = json!({"type": "Notification", "subscriptionId": copy, "data": [car(2, 2)]});
    expect(it.client.post(&url).json(&body), 404).await;
    assert!(arrivals.is_empty());
}

#[tokio::test]
async fn two_brokers_that_are_sources_of_each_other_tell_a_change_once() {
    let (it, other, mut arrivals) = (start().await, start().await, listen().await);
    register(&it, &other, json!({})).await;
    register(&other, &it, json!({})).await;
    subscribe(&it, &arrivals, json!({})).await;
    copies(&other, 1).await;
    other.create(car(1, 50)).await;
    assert_eq!(next(&mut arrivals).await, told(1, 50));
    it.create(car(2, 60)).await;
    assert_eq!(next(&mut arrivals).await, told(2, 60));
    other.create(car(3, 70)).await;
    assert_eq!(next(&mut arrivals).await, told(3, 70));
    // The copy did not come back as a copy of its own.
    assert_eq!(it.read("/subscriptions").await.as_array().unwrap().len(), 1);
    assert!(arrivals.is_empty());
}

#[tokio::test]
async fn copies_are_made_once_their_source_answers_and_outlive_restarts() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut arrivals = listen().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let public_address = public.local_addr().unwrap();
    let at = |base: std::net::SocketAddr, path: &str| format!("http://{base}/ngsi-ld/v1{path}");
    let client = reqwest::Client::new();
    let serve = |broker: Broker, listener: TcpListener| {
        let stop = CancellationToken::new();
        let server =
            tokio::spawn(morgana_ngsi_ld::serve(broker, HttpOptions::default(), listener, stop.clone()));
        (server, stop)
    };
    let (server, stop) = serve(open(here.path()), public);
    let source = json!({
        "id": "urn:ngsi-ld:ContextSourceRegistration:r", "type": "ContextSourceRegistration",
        "information": [{"entities": [{"type": "Car"}]}], "endpoint": format!("http://{address}"),
    });
    let subscription = json!({"id": ID, "type": "Subscription", "entities": [{"type": "Car"}],
        "notification": {"endpoint": {"uri": arrivals.url}}});
    // No one answers there yet.
    expect(client.post(at(public_address, "/csourceRegistrations")).json(&source), 201).await;
    expect(client.post(at(public_address, "/subscriptions")).json(&subscription), 201).await;
    stop.cancel();
    server.await.unwrap().unwrap();
    let again = async || {
        for _ in 0..2000 {
            if let (Ok(broker), Ok(listener)) = (
                Broker::open({
                    let mut options = options(here.path());
                    options.sources.allow_hosts = vec!["127.0.0.1".to_owned()];
                    options
                }),
                TcpListener::bind(public_address).await,
            ) {
                return (broker, listener);
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the broker cannot be opened again");
    };
    let (broker, listener) = again().await;
    let (server, stop) = serve(broker, listener);
    let source_listener = TcpListener::bind(address).await.unwrap();
    let (_source, _source_stop) = serve(open(there.path()), source_listener);
    let count = async || {
        let found = client.get(at(address, "/subscriptions")).send().await.unwrap();
        found.json::<Value>().await.unwrap().as_array().unwrap().len()
    };
    eventually(async || count().await == 1).await;
    stop.cancel();
    server.await.unwrap().unwrap();
    let (broker, listener) = again().await;
    let (_server, _stop) = serve(broker, listener);
    expect(client.post(at(address, "/entities")).json(&car(1, 50)), 201).await;
    assert_eq!(next(&mut arrivals).await, told(1, 50));
    expect(client.delete(at(public_address, PATH)), 204).await;
    eventually(async || count().await == 0).await;
}
