//! Geo-queries and GeoJSON over HTTP (NGSI-LD 4.10, 4.5.16, 6.3.6).

mod common;

use common::{expect, expect_error, ids, start};
use serde_json::{Value, json};

#[tokio::test]
async fn entities_are_found_by_where_they_are() {
    let it = start().await;
    for (number, at) in [(1, [12.0, 41.0]), (2, [12.001, 41.0]), (3, [13.0, 42.0])] {
        it.create(json!({"id": format!("urn:e:{number}"), "type": "Stop",
            "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": at}}}))
            .await;
    }
    it.create(json!({"id": "urn:e:4", "type": "Stop"})).await;
    let near = "/entities?type=Stop&georel=near;maxDistance==200&geometry=Point&coordinates=[12.0,41.0]";
    assert_eq!(ids(&it.read(near).await), ["urn:e:1", "urn:e:2"]);
    let query = json!({"type": "Query", "entities": [{"type": "Stop"}], "geoQ": {
        "georel": "within", "geometry": "Polygon",
        "coordinates": [[[12.5, 41.5], [13.5, 41.5], [13.5, 42.5], [12.5, 42.5], [12.5, 41.5]]]}});
    let found = expect(it.post("/entityOperations/query", &query), 200).await;
    assert_eq!(ids(&found.json().await.unwrap()), ["urn:e:3"]);
    let half = "/entities?type=Stop&georel=within";
    expect_error(it.get(half), 400, "BadRequestData", "georel").await;
}

#[tokio::test]
async fn entities_are_shown_as_geojson() {
    let it = start().await;
    let point = json!({"type": "Point", "coordinates": [12.0, 41.0]});
    it.create(json!({"id": "urn:e:1", "type": "Stop", "name": "Termini",
        "location": {"type": "GeoProperty", "value": point}}))
        .await;
    let geo = "application/geo+json";
    let response = expect(it.get("/entities?type=Stop&format=simplified").header("accept", geo), 200).await;
    assert_eq!(response.headers()["content-type"], geo);
    let collection: Value = response.json().await.unwrap();
    assert_eq!(collection["type"], "FeatureCollection");
    assert!(collection["@context"].is_string());
    let feature = &collection["features"][0];
    assert_eq!(feature["id"], "urn:e:1");
    assert_eq!(feature["geometry"], point);
    assert_eq!(feature["properties"], json!({"type": "Stop", "name": "Termini", "location": point}));
    let request = it.get("/entities/urn:e:1?geometryProperty=name").header("accept", geo);
    let response = expect(request.header("prefer", "body=json"), 200).await;
    assert!(response.headers()["link"].to_str().unwrap().contains("json-ld#context"));
    let feature: Value = response.json().await.unwrap();
    assert_eq!(feature["geometry"], Value::Null);
    assert_eq!(feature.get("@context"), None);
}
