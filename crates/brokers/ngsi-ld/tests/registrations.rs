//! The registry of context sources (NGSI-LD 5.9, 5.10) and the contexts that the broker serves (5.13).

mod common;

use common::{expect, expect_error, ids, start};
use serde_json::{Value, json};

fn source(number: u32, more: Value) -> Value {
    let mut source = json!({
        "id": format!("urn:csr:{number}"), "type": "ContextSourceRegistration", "endpoint": "http://source.example",
        "information": [
            {"entities": [{"type": "Car", "idPattern": "^urn:car:"}], "propertyNames": ["speed"]},
            {"entities": [{"type": "Bus"}]},
        ],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        source[name] = value.clone();
    }
    source
}

#[tokio::test]
async fn a_registration_is_found_by_what_the_source_has() {
    let it = start().await;
    expect(it.post("/csourceRegistrations", &source(1, json!({"operator": "ATAC"}))), 201).await;
    let past =
        json!({"observationInterval": {"startAt": "2020-01-01T00:00:00Z", "endAt": "2021-01-01T00:00:00Z"}});
    expect(it.post("/csourceRegistrations", &source(2, past)), 201).await;
    expect_error(it.post("/csourceRegistrations", &source(1, json!({}))), 409, "AlreadyExists", "urn:csr:1")
        .await;
    for (query, expected) in [
        ("type=Car", &["urn:csr:1"][..]),
        ("type=Car&attrs=speed", &["urn:csr:1"]),
        ("type=Car&attrs=brand", &[]),
        ("type=Car&id=urn:car:1", &["urn:csr:1"]),
        ("type=Car&id=urn:x:1", &[]),
        ("type=Car&csf=operator==%22ATAC%22", &["urn:csr:1"]),
        ("type=Car&csf=operator==%22COTRAL%22", &[]),
        ("type=Bus&timerel=before&timeAt=2020-06-01T00:00:00Z", &["urn:csr:2"]),
        ("type=Bus&timerel=after&timeAt=2022-06-01T00:00:00Z", &[]),
    ] {
        assert_eq!(ids(&it.read(&format!("/csourceRegistrations?{query}")).await), expected, "{query}");
    }
    let found = it.read("/csourceRegistrations?type=Bus").await;
    assert_eq!(
        found[0]["information"],
        json!([{"entities": [{"type": "Bus"}]}]),
        "only what matches is shown"
    );
    expect_error(it.get("/csourceRegistrations"), 400, "BadRequestData", "type, id, attrs").await;
    expect(it.patch("/csourceRegistrations/urn:csr:1", &json!({"operator": null, "mode": "redirect"})), 204)
        .await;
    let shown = it.read("/csourceRegistrations/urn:csr:1").await;
    assert_eq!((shown.get("operator"), &shown["mode"]), (None, &json!("redirect")));
    expect(it.delete("/csourceRegistrations/urn:csr:1"), 204).await;
    expect(it.get("/csourceRegistrations/urn:csr:1"), 404).await;
}

#[tokio::test]
async fn what_is_no_registration_is_refused_by_name() {
    let it = start().await;
    for (more, words) in [
        (json!({"information": []}), "information"),
        (json!({"endpoint": 1}), "endpoint"),
        (json!({"mode": "sometimes"}), "mode"),
        (json!({"mode": "exclusive"}), "exclusive"),
        (json!({"mode": "auxiliary", "operations": ["updateOps"]}), "auxiliary"),
        (json!({"management": {"cooldown": 0}}), "cooldown"),
        (json!({"contextSourceInfo": [{"key": "a", "value": 1}]}), "contextSourceInfo"),
        (json!({"expiresAt": "2020-01-01T00:00:00Z"}), "past"),
    ] {
        expect_error(it.post("/csourceRegistrations", &source(1, more)), 400, "BadRequestData", words).await;
    }
}

#[tokio::test]
async fn a_hosted_context_is_served_used_and_deleted() {
    let it = start().await;
    let context = json!({"@context": {"speed": "https://example.org/speed"}});
    let response = expect(it.post("/jsonldContexts", &context), 201).await;
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let path = location.strip_prefix("/ngsi-ld/v1").unwrap();
    assert_eq!(it.read(path).await, context);
    let url = format!("{}{path}", it.base);
    let link = format!("<{url}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"");
    let car = json!({"id": "urn:e:1", "type": "Car", "speed": 1});
    expect(it.post("/entities", &car).header("link", link), 201).await;
    assert_eq!(it.read("/entities/urn:e:1?options=keyValues").await["https://example.org/speed"], 1);
    let described = it.read(&format!("{path}?details=true")).await;
    assert_eq!((&described["kind"], &described["URL"]), (&json!("Hosted"), &json!(url)));
    assert!(described["numberOfHits"].as_u64().unwrap() >= 1);
    assert_eq!(it.read("/jsonldContexts?kind=Hosted").await, json!([url]));
    expect_error(it.delete(&format!("{path}?reload=true")), 400, "BadRequestData", "cached").await;
    expect(it.delete(path), 204).await;
    expect(it.get(path), 404).await;
    expect_error(it.post("/jsonldContexts", &json!({"@context": 1})), 400, "BadRequestData", "@context")
        .await;
}
