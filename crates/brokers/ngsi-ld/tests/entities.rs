//! Entities and attributes over HTTP, written from NGSI-LD 5.6 and 6.4 to 6.7.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{car, expect, expect_error, ids, start};
use serde_json::{Value, json};

#[tokio::test]
async fn a_created_entity_reads_back_as_it_was() {
    let it = start().await;
    // Every kind of attribute of 4.5.2 to 4.5.4 and 4.5.18 to 4.5.24, with attributes of attributes.
    let entity = json!({
        "id": "urn:ngsi-ld:Vehicle:1",
        "type": ["Vehicle", "Car"],
        "scope": ["/Madrid/Gardens", "/Company"],
        "speed": [
            {"type": "Property", "value": 55, "unitCode": "KMH", "datasetId": "urn:ngsi-ld:Dataset:gps",
             "observedAt": "2026-01-01T10:00:00Z", "source": {"type": "Property", "value": "GPS"}},
            {"type": "Property", "value": 54.5},
        ],
        "empty": {"type": "Property", "value": []},
        "owner": {"type": "Relationship", "object": "urn:ngsi-ld:Person:1", "objectType": "Person"},
        "drivers": {"type": "Relationship", "object": ["urn:ngsi-ld:Person:1", "urn:ngsi-ld:Person:2"]},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [-8.5, 41.2]}},
        "label": {"type": "LanguageProperty", "languageMap": {"en": "car", "it": ["macchina", "auto"]}},
        "state": {"type": "VocabProperty", "vocab": ["parked", "locked"]},
        "raw": {"type": "JsonProperty", "json": {"id": 1, "x": null}},
        "stops": {"type": "ListProperty", "valueList": [3, 1, 2]},
        "route": {"type": "ListRelationship", "objectList": [{"object": "urn:ngsi-ld:Stop:2"}, {"object": "urn:ngsi-ld:Stop:1"}]},
    });
    let response = expect(it.post("/entities", &entity), 201).await;
    assert_eq!(response.headers()["location"], "/ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:1");
    assert_eq!(it.read("/entities/urn:ngsi-ld:Vehicle:1").await, entity);
    expect_error(it.post("/entities", &entity), 409, "AlreadyExists", "urn:ngsi-ld:Vehicle:1").await;
    expect(it.delete("/entities/urn:ngsi-ld:Vehicle:1"), 204).await;
    expect_error(it.get("/entities/urn:ngsi-ld:Vehicle:1"), 404, "ResourceNotFound", "urn:ngsi-ld:Vehicle:1")
        .await;
    expect_error(it.delete("/entities/urn:ngsi-ld:Vehicle:1"), 404, "ResourceNotFound", "").await;
}

#[tokio::test]
async fn the_three_representations_are_those_of_clause_4_5() {
    let it = start().await;
    // Concise on the way in (4.5.3).
    let concise = json!({
        "id": "urn:e:1", "type": "T", "n": 1, "list": [1, 2],
        "unit": {"value": 3, "unitCode": "KMH"},
        "structure": {"value": {"a": 1}},
        "owner": {"object": "urn:p:1"},
        "place": {"type": "Point", "coordinates": [1, 2]},
        "label": {"languageMap": {"en": "car"}},
        "state": {"vocab": "on"},
        "raw": {"json": {"a": null}},
        "order": {"valueList": [2, 1]},
    });
    it.create(concise.clone()).await;
    assert_eq!(it.read("/entities/urn:e:1?options=concise").await, concise);
    assert_eq!(it.read("/entities/urn:e:1?format=concise").await, concise);
    let normalized = it.read("/entities/urn:e:1").await;
    assert_eq!(
        normalized["place"],
        json!({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}})
    );
    assert_eq!(normalized["n"], json!({"type": "Property", "value": 1}));
    assert_eq!(
        it.read("/entities/urn:e:1?options=keyValues").await,
        json!({
            "id": "urn:e:1", "type": "T", "n": 1, "list": [1, 2], "unit": 3, "structure": {"a": 1}, "owner": "urn:p:1",
            "place": {"type": "Point", "coordinates": [1, 2]}, "label": {"languageMap": {"en": "car"}},
            "state": {"vocab": "on"}, "raw": {"json": {"a": null}}, "order": [2, 1],
        })
    );
    // 4.5.5: several instances, simplified.
    it.create(
        json!({"id": "urn:e:2", "type": "T", "n": [{"value": 1}, {"value": 2, "datasetId": "urn:d:1"}]}),
    )
    .await;
    assert_eq!(
        it.read("/entities/urn:e:2?format=simplified").await["n"],
        json!({"dataset": {"@none": 1, "urn:d:1": 2}})
    );
    assert_eq!(
        it.read("/entities/urn:e:2?datasetId=urn:d:1&format=concise").await["n"],
        json!({"value": 2, "datasetId": "urn:d:1"})
    );
    // 4.15: one language of a map.
    let label = &it.read("/entities/urn:e:1?lang=en-GB").await["label"];
    assert_eq!(label, &json!({"type": "Property", "value": "car", "lang": "en"}));
}

#[tokio::test]
async fn what_breaks_the_information_model_is_refused_by_name() {
    let it = start().await;
    let list = it.post("/entities", &json!([]));
    expect_error(list, 400, "InvalidRequest", "must be a JSON object").await;
    let list = it.post("/entities", &json!([])).header("content-type", "application/ld+json");
    expect_error(list, 400, "InvalidRequest", "must be a JSON object").await;
    for (entity, words) in [
        (json!({"id": "urn:ngsi-ld:null", "type": "T"}), "names nothing"),
        (json!({"id": "urn:e:1", "type": "type"}), "reserved name"),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"value": 1, "datasetId": "urn:ngsi-ld:null"}}),
            "datasetId",
        ),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"languageMap": {"en": "x"}, "valueType": "x"}}),
            "langString",
        ),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"value": 1, "entityIdSealed": "urn:e:1"}}),
            "ngsildproof only",
        ),
        (json!({"id": "urn:e:1", "type": "T", "ngsildproof": {"type": "Property", "value": "x"}}), "a proof"),
        (
            json!({"id": "urn:e:1", "type": "T", "ngsildproof": {"value": {}, "entityTypeSealed": 1}}),
            "entityTypeSealed",
        ),
        (json!({"type": "T"}), "no id"),
        (json!({"id": "urn:e:1"}), "no type"),
        (json!({"id": "no uri", "type": "T"}), "id must be a URI"),
        (json!({"id": 3, "type": "T"}), "id must be a string"),
        (json!({"id": "urn:e:1", "type": []}), "type must not be empty"),
        (json!({"id": "urn:e:1", "type": "T", "a": null}), "attribute \"a\" must not be null"),
        (json!({"id": "urn:e:1", "type": "T", "a": "urn:ngsi-ld:null"}), "nothing to delete"),
        (json!({"id": "urn:e:1", "type": "T", "a": {"type": "Property"}}), "attribute \"a\" has no value"),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"type": "Property", "value": null}}),
            "value of attribute \"a\"",
        ),
        (json!({"id": "urn:e:1", "type": "T", "a": {"type": "Proprety", "value": 1}}), "\"Proprety\""),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"type": "Relationship", "object": "x"}}),
            "object of attribute \"a\"",
        ),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"type": "Relationship", "value": 1}}),
            "does not belong to a Relationship",
        ),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1]}}}),
            "coordinates",
        ),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}}}),
            "ring",
        ),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"type": "LanguageProperty", "languageMap": {"en": 1}}}),
            "\"en\"",
        ),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"type": "ListProperty", "valueList": 1}}),
            "valueList of attribute \"a\"",
        ),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"value": 1, "observedAt": "yesterday"}}),
            "observedAt of attribute \"a\"",
        ),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"value": 1, "datasetId": "x"}}),
            "datasetId of attribute \"a\"",
        ),
        (
            json!({"id": "urn:e:1", "type": "T", "a": {"value": 1, "unitCode": 1}}),
            "unitCode of attribute \"a\"",
        ),
        (json!({"id": "urn:e:1", "type": "T", "a": [{"value": 1}, {"value": 2}]}), "twice"),
        (json!({"id": "urn:e:1", "type": "T", "a b": 1}), "\"a b\" is not a name"),
        (json!({"id": "urn:e:1", "type": "T", "scope": "/a//b"}), "scope"),
        (json!({"id": "urn:e:1", "type": "T", "@context": "https://example.org/c"}), "application/ld+json"),
    ] {
        expect_error(it.post("/entities", &entity), 400, "BadRequestData", words).await;
    }
    assert_eq!(it.broker.entity_count(), 0);
}

#[tokio::test]
async fn attributes_are_appended_updated_and_deleted() {
    let it = start().await;
    it.create(car(1, 10)).await;
    let path = "/entities/urn:ngsi-ld:Car:1";
    // 5.6.3, append: overwrites unless told not to.
    expect(it.post(&format!("{path}/attrs"), &json!({"speed": {"type": "Property", "value": 20}, "color": {"type": "Property", "value": "red"}})), 204).await;
    let response =
        expect(it.post(&format!("{path}/attrs?options=noOverwrite"), &json!({"speed": 30, "doors": 5})), 207)
            .await;
    let result: Value = response.json().await.unwrap();
    let name = |term: &str| format!("https://uri.etsi.org/ngsi-ld/default-context/{term}");
    assert_eq!(result["updated"], json!([name("doors")]));
    assert_eq!(result["notUpdated"][0]["attributeName"], name("speed"));
    // 5.6.2, 5.5.8, update: what is not there is added; what is deleted has to be there.
    let update = json!({"speed": 40, "wings": 2, "horns": "urn:ngsi-ld:null"});
    let response = expect(it.patch(&format!("{path}/attrs"), &update), 207).await;
    let result: Value = response.json().await.unwrap();
    assert_eq!(
        (&result["updated"], &result["notUpdated"][0]["attributeName"]),
        (&json!([name("wings"), name("speed")]), &json!(name("horns")))
    );
    assert_eq!(
        it.read(&format!("{path}?format=simplified")).await,
        json!({"id": "urn:ngsi-ld:Car:1", "type": "Car", "speed": 40, "brand": "Fiat", "color": "red", "doors": 5, "wings": 2})
    );
    // 5.6.4, partial update: the members that are given.
    expect(
        it.patch(
            &format!("{path}/attrs/speed"),
            &json!({"unitCode": "MPH", "accuracy": {"type": "Property", "value": 1}}),
        ),
        204,
    )
    .await;
    expect(it.patch(&format!("{path}/attrs/speed"), &json!({"value": 41})), 204).await;
    assert_eq!(
        it.read(path).await["speed"],
        json!({"type": "Property", "value": 41, "unitCode": "MPH", "accuracy": {"type": "Property", "value": 1}})
    );
    expect(it.patch(&format!("{path}/attrs/speed"), &json!({"unitCode": "urn:ngsi-ld:null"})), 204).await;
    assert_eq!(it.read(path).await["speed"].get("unitCode"), None);
    expect_error(
        it.patch(&format!("{path}/attrs/speed"), &json!({"type": "Relationship", "object": "urn:x:1"})),
        400,
        "BadRequestData",
        "is a Property",
    )
    .await;
    expect_error(
        it.patch(&format!("{path}/attrs/horns"), &json!({"value": 1})),
        404,
        "ResourceNotFound",
        "horns",
    )
    .await;
    // 5.6.19, replace.
    expect(it.put(&format!("{path}/attrs/speed"), &json!({"type": "Property", "value": 5})), 204).await;
    assert_eq!(it.read(path).await["speed"], json!({"type": "Property", "value": 5}));
    // 5.6.5, delete.
    expect(it.delete(&format!("{path}/attrs/speed")), 204).await;
    expect_error(it.delete(&format!("{path}/attrs/speed")), 404, "ResourceNotFound", "speed").await;
    assert_eq!(it.read(path).await.get("speed"), None);
    for request in [
        it.post("/entities/urn:none:1/attrs", &json!({"a": 1})),
        it.patch("/entities/urn:none:1/attrs", &json!({"a": 1})),
        it.patch("/entities/urn:none:1", &json!({"a": 1})),
    ] {
        expect_error(request, 404, "ResourceNotFound", "urn:none:1").await;
    }
    expect_error(it.post(&format!("{path}/attrs"), &json!({})), 400, "BadRequestData", "no attributes").await;
}

#[tokio::test]
async fn instances_of_an_attribute_are_changed_one_by_one() {
    let it = start().await;
    it.create(json!({"id": "urn:e:1", "type": "T", "n": [{"value": 1}, {"value": 2, "datasetId": "urn:d:2"}, {"value": 3, "datasetId": "urn:d:3"}]})).await;
    expect(it.patch("/entities/urn:e:1/attrs/n", &json!({"value": 20, "datasetId": "urn:d:2"})), 204).await;
    expect(it.delete("/entities/urn:e:1/attrs/n?datasetId=urn:d:3"), 204).await;
    assert_eq!(
        it.read("/entities/urn:e:1?format=simplified").await["n"],
        json!({"dataset": {"@none": 1, "urn:d:2": 20}})
    );
    expect(it.delete("/entities/urn:e:1/attrs/n"), 204).await;
    assert_eq!(
        it.read("/entities/urn:e:1").await["n"],
        json!({"type": "Property", "value": 20, "datasetId": "urn:d:2"})
    );
    expect(it.post("/entities/urn:e:1/attrs", &json!({"n": [{"value": 1}]})), 204).await;
    expect(it.delete("/entities/urn:e:1/attrs/n?deleteAll=true"), 204).await;
    assert_eq!(it.read("/entities/urn:e:1").await.get("n"), None);
}

#[tokio::test]
async fn a_merge_changes_what_it_names_and_nothing_else() {
    let it = start().await;
    it.create(json!({
        "id": "urn:e:1", "type": "T",
        "address": {"type": "Property", "value": {"city": "Roma", "zip": "00100"}, "checked": {"type": "Property", "value": true}},
        "owner": {"type": "Relationship", "object": "urn:p:1"},
        "gone": {"type": "Property", "value": 1},
        "tags": {"type": "Property", "value": [1, 2]},
    }))
    .await;
    // 5.5.12: objects member by member, the rest as a whole; the NGSI-LD null deletes.
    let patch = json!({
        "type": "U",
        "address": {"value": {"city": "Milano", "zip": "urn:ngsi-ld:null", "street": "x"}},
        "gone": "urn:ngsi-ld:null",
        "tags": {"type": "Property", "value": [3]},
        "new": {"type": "Property", "value": 1},
    });
    expect(it.patch("/entities/urn:e:1", &patch), 204).await;
    assert_eq!(
        it.read("/entities/urn:e:1").await,
        json!({
            "id": "urn:e:1", "type": ["T", "U"],
            "address": {"type": "Property", "value": {"city": "Milano", "street": "x"}, "checked": {"type": "Property", "value": true}},
            "owner": {"type": "Relationship", "object": "urn:p:1"},
            "tags": {"type": "Property", "value": [3]},
            "new": {"type": "Property", "value": 1},
        })
    );
    expect(it.patch("/entities/urn:e:1?options=keyValues", &json!({"new": 2})), 204).await;
    assert_eq!(it.read("/entities/urn:e:1").await["new"]["value"], 2);
    expect_error(
        it.patch("/entities/urn:e:1", &json!({"id": "urn:e:2", "a": 1})),
        400,
        "BadRequestData",
        "urn:e:2",
    )
    .await;
}

#[tokio::test]
async fn a_replaced_entity_keeps_only_its_creation() {
    let it = start().await;
    it.create(car(1, 10)).await;
    let before = it.read("/entities/urn:ngsi-ld:Car:1?options=sysAttrs").await;
    expect(
        it.put("/entities/urn:ngsi-ld:Car:1", &json!({"id": "urn:ngsi-ld:Car:1", "type": "Car", "doors": 3})),
        204,
    )
    .await;
    let after = it.read("/entities/urn:ngsi-ld:Car:1?options=sysAttrs").await;
    assert_eq!(after["createdAt"], before["createdAt"]);
    assert_ne!(after["modifiedAt"], before["modifiedAt"]);
    assert_eq!((after.get("speed"), &after["doors"]["value"]), (None, &json!(3)));
    assert!(after["doors"]["createdAt"].is_string());
    expect_error(it.put("/entities/urn:none:1", &car(1, 1)), 404, "ResourceNotFound", "urn:none:1").await;
}

#[tokio::test]
async fn an_update_keeps_the_creation_of_an_attribute() {
    let it = start().await;
    it.create(car(1, 10)).await;
    let before = it.read("/entities/urn:ngsi-ld:Car:1?options=sysAttrs").await;
    expect(it.patch("/entities/urn:ngsi-ld:Car:1/attrs", &json!({"speed": 11})), 204).await;
    let after = it.read("/entities/urn:ngsi-ld:Car:1?options=sysAttrs").await;
    assert_eq!(after["speed"]["createdAt"], before["speed"]["createdAt"]);
    assert_ne!(after["speed"]["modifiedAt"], before["speed"]["modifiedAt"]);
    assert_eq!(after["brand"], before["brand"]);
}

#[tokio::test]
async fn queries_select_and_page() {
    let it = start().await;
    for number in 0..5 {
        it.create(car(number, i64::from(number) * 10)).await;
    }
    it.create(json!({"id": "urn:ngsi-ld:Bus:1", "type": "Bus", "scope": "/Roma/Nord", "speed": 99})).await;
    for (query, expected) in [
        ("type=Bus", &["urn:ngsi-ld:Bus:1"][..]),
        ("type=Bus,Car&q=speed>=40", &["urn:ngsi-ld:Car:4", "urn:ngsi-ld:Bus:1"]),
        ("type=Bus%3BCar", &[]),
        ("id=urn:ngsi-ld:Car:3,urn:ngsi-ld:Car:1", &["urn:ngsi-ld:Car:3", "urn:ngsi-ld:Car:1"]),
        ("idPattern=Car:[12]$", &["urn:ngsi-ld:Car:1", "urn:ngsi-ld:Car:2"]),
        ("attrs=brand&q=speed==20", &["urn:ngsi-ld:Car:2"]),
        ("scopeQ=/Roma/%23", &["urn:ngsi-ld:Bus:1"]),
        ("q=brand==%22Fiat%22;speed<20", &["urn:ngsi-ld:Car:0", "urn:ngsi-ld:Car:1"]),
    ] {
        assert_eq!(ids(&it.read(&format!("/entities?{query}")).await), expected, "{query}");
    }
    // 6.3.10 and 6.3.13.
    let response = expect(it.get("/entities?type=Car&limit=2&offset=2&count=true"), 200).await;
    assert_eq!(response.headers()["ngsild-results-count"], "5");
    let links: Vec<_> =
        response.headers().get_all("link").iter().map(|link| link.to_str().unwrap().to_owned()).collect();
    assert!(links.iter().any(|link| link.contains("offset=4&type=Car>; rel=\"next\"")), "{links:?}");
    assert!(links.iter().any(|link| link.contains("offset=0&type=Car>; rel=\"prev\"")), "{links:?}");
    assert_eq!(ids(&response.json().await.unwrap()), ["urn:ngsi-ld:Car:2", "urn:ngsi-ld:Car:3"]);
    let response = expect(it.get("/entities?type=Car&limit=0&count=true"), 200).await;
    assert_eq!(response.headers()["ngsild-results-count"], "5");
    assert_eq!(response.json::<Value>().await.unwrap(), json!([]));
    // 4.21.
    assert_eq!(
        it.read("/entities?type=Bus&pick=id,speed&format=simplified").await,
        json!([{"id": "urn:ngsi-ld:Bus:1", "speed": 99}])
    );
    assert_eq!(
        it.read("/entities?type=Bus&omit=speed,scope").await,
        json!([{"id": "urn:ngsi-ld:Bus:1", "type": "Bus"}])
    );
    assert_eq!(
        it.read("/entities/urn:ngsi-ld:Car:1?attrs=brand&format=simplified").await,
        json!({"id": "urn:ngsi-ld:Car:1", "type": "Car", "brand": "Fiat"})
    );
    for (query, words) in [
        ("type=", "type is empty"),
        ("limit=-1", "limit"),
        ("limit=0", "limit"),
        ("q=;", "q"),
        ("idPattern=[", "idPattern"),
        ("id=x", "id must be a URI"),
        ("type=A;", "type"),
    ] {
        expect_error(it.get(&format!("/entities?{query}")), 400, "BadRequestData", words).await;
    }
    // 6.3.20.
    expect_error(it.get("/entities?format=y"), 400, "InvalidRequest", "format").await;
    expect_error(it.get("/entities?limit=5000"), 403, "TooManyResults", "1000").await;
}

#[tokio::test]
async fn a_batch_does_what_it_can_and_says_what_it_could_not() {
    let it = start().await;
    let response = expect(it.post("/entityOperations/create", &json!([car(1, 1), car(2, 2)])), 201).await;
    assert_eq!(response.json::<Value>().await.unwrap(), json!(["urn:ngsi-ld:Car:1", "urn:ngsi-ld:Car:2"]));
    let response =
        expect(it.post("/entityOperations/create", &json!([car(1, 1), car(3, 3), {"id": "urn:x:1"}])), 207)
            .await;
    let result: Value = response.json().await.unwrap();
    assert_eq!(result["success"], json!(["urn:ngsi-ld:Car:3"]));
    assert_eq!(result["errors"][0]["entityId"], "urn:ngsi-ld:Car:1");
    assert_eq!(result["errors"][0]["error"]["status"], 409);
    assert!(result["errors"][1]["error"]["detail"].as_str().unwrap().contains("no type"));
    // 5.6.8: replace is what an upsert does unless told to update.
    let slim = json!({"id": "urn:ngsi-ld:Car:1", "type": "Car", "speed": 9});
    expect(it.post("/entityOperations/upsert?options=update", &json!([slim])), 204).await;
    assert_eq!(it.read("/entities/urn:ngsi-ld:Car:1?format=simplified").await["brand"], "Fiat");
    let response = expect(it.post("/entityOperations/upsert", &json!([slim, car(4, 4)])), 201).await;
    assert_eq!(response.json::<Value>().await.unwrap(), json!(["urn:ngsi-ld:Car:4"]));
    assert_eq!(it.read("/entities/urn:ngsi-ld:Car:1?format=simplified").await.get("brand"), None);
    expect(
        it.post(
            "/entityOperations/update",
            &json!([{"id": "urn:ngsi-ld:Car:2", "type": "Car", "speed": 22}]),
        ),
        204,
    )
    .await;
    expect(
        it.post("/entityOperations/update", &json!([{"id": "urn:none:1", "type": "Car", "speed": 22}])),
        207,
    )
    .await;
    expect(
        it.post(
            "/entityOperations/merge",
            &json!([{"id": "urn:ngsi-ld:Car:2", "brand": "urn:ngsi-ld:null"}]),
        ),
        204,
    )
    .await;
    assert_eq!(
        it.read("/entities/urn:ngsi-ld:Car:2?format=simplified").await,
        json!({"id": "urn:ngsi-ld:Car:2", "type": "Car", "speed": 22})
    );
    // A slash at the end, as VirIoT's controllers write it.
    expect(it.post("/entityOperations/delete/", &json!(["urn:ngsi-ld:Car:1", "urn:ngsi-ld:Car:2"])), 204)
        .await;
    expect(it.post("/entityOperations/delete", &json!(["urn:ngsi-ld:Car:1", "urn:ngsi-ld:Car:3"])), 207)
        .await;
    expect_error(it.post("/entityOperations/upsert", &json!([])), 400, "BadRequestData", "empty").await;
    expect_error(it.post("/entityOperations/upsert", &json!({})), 400, "BadRequestData", "array").await;
    // 6.23.
    let query = json!({"type": "Query", "entities": [{"type": "Car", "idPattern": ".*"}], "q": "speed==4", "attrs": ["speed"]});
    let response = expect(it.post("/entityOperations/query?options=keyValues&count=true", &query), 200).await;
    assert_eq!(response.headers()["ngsild-results-count"], "1");
    assert_eq!(
        response.json::<Value>().await.unwrap(),
        json!([{"id": "urn:ngsi-ld:Car:4", "type": "Car", "speed": 4}])
    );
}

#[tokio::test]
async fn types_and_attributes_are_discovered() {
    let it = start().await;
    it.create(car(1, 1)).await;
    it.create(
        json!({"id": "urn:b:1", "type": "Bus", "speed": {"type": "Relationship", "object": "urn:x:1"}}),
    )
    .await;
    assert_eq!(it.read("/types").await["typeList"], json!(["Bus", "Car"]));
    let details = it.read("/types?details=true").await;
    assert!(
        details
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["typeName"] == "Car" && one["attributeNames"] == json!(["brand", "speed"]))
    );
    let info = it.read("/types/Car").await;
    assert_eq!((&info["type"], &info["entityCount"]), (&json!("EntityTypeInfo"), &json!(1)));
    assert_eq!(info["attributeDetails"][0]["attributeTypes"], json!(["Property"]));
    assert_eq!(it.read("/attributes").await["attributeList"], json!(["brand", "speed"]));
    let speed = it.read("/attributes/speed").await;
    assert_eq!((&speed["attributeCount"], &speed["typeNames"]), (&json!(2), &json!(["Bus", "Car"])));
    expect_error(it.get("/types/None"), 404, "ResourceNotFound", "None").await;
    expect_error(it.get("/attributes/none"), 404, "ResourceNotFound", "none").await;
}

#[tokio::test]
async fn a_time_is_shown_as_it_was_written() {
    let it = start().await;
    let times = [
        "2026-03-14T13:00:00.000Z",
        "2026-03-14T13:00:00.120Z",
        "2026-03-14T13:00:00Z",
        "2026-03-14T13:00:00.5Z",
    ];
    let instance = |(at, time): (usize, &&str)| json!({"value": at, "observedAt": time, "datasetId": format!("urn:d:{at}")});
    let a: Vec<_> = times.iter().enumerate().map(instance).collect();
    it.create(json!({"id": "urn:e:1", "type": "T", "a": a})).await;
    expect(it.patch("/entities/urn:e:1/attrs/a", &json!({"value": 9, "datasetId": "urn:d:0"})), 204).await;
    let shown = it.read("/entities/urn:e:1").await;
    let shown: Vec<_> =
        shown["a"].as_array().unwrap().iter().map(|one| one["observedAt"].as_str().unwrap()).collect();
    assert_eq!(shown, times);
}
