//! Entities of every kind that the neutral format knows.

// Each test file uses its part.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use morgana_model::Entity;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

pub fn entity(value: Value) -> Entity {
    let Value::Object(members) = value else { panic!("an object") };
    members.try_into().unwrap()
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Few digits: without its feature `float_roundtrip`, serde_json reads long ones one bit off.
        any::<i32>().prop_map(|number| json!(f64::from(number) / 64.0)),
        prop::sample::select(vec![
            json!(0),
            json!(-0.0),
            json!(1.0),
            json!(9_007_199_254_740_993_i64),
            json!(1e308)
        ]),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,8}",
        any::<String>(),
        prop::sample::select(vec![
            "it's",
            "a=b;(c)",
            "ñandú 雪",
            "<script>",
            "2024-02-30",
            "urn:ngsi-ld:X:1"
        ])
        .prop_map(str::to_owned),
    ]
}

fn moment() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["2016-11-30T07:00:00.00Z", "2020-01-01T00:00:00+01:00", "2020-01-01"])
        .prop_map(Value::from)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from)
    ];
    let typed = (
        prop::sample::select(vec!["DateTime", "Time", "xsd:date", "Text", "Relationship", "a b"]),
        prop_oneof![moment(), text().prop_map(Value::from)],
    )
        .prop_map(|(kind, value)| json!({ "@type": kind, "@value": value }));
    let nested = leaf.clone().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map(text(), inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop_oneof![4 => leaf, 2 => nested, 1 => typed]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z][a-zA-Z]{0,6}",
        1 => any::<String>(),
        1 => prop::sample::select(vec![
            "refDevice", "reference", "timestamp", "dateCreated", "la", "ol", "TimeInstant", "https://x/a#b", "50%25",
            "a~2Fb", "entityType", "TextUnrestricted", "geo:distance", "straße",
        ]).prop_map(str::to_owned),
    ]
    .prop_filter("an attribute", |name| !["id", "type", "object", "value", "json", "vocab"].contains(&name.as_str()) && !name.is_empty())
}

fn valued() -> impl Strategy<Value = Map<String, Value>> {
    let uri = || {
        prop_oneof![
            3 => "urn:ngsi-ld:[A-Z][a-z]{1,4}:[a-z0-9]{1,4}",
            1 => prop::sample::select(vec!["http://x/a=b", "device-1", "urn:ngsi-ld:Ü:ü"]).prop_map(str::to_owned),
        ]
    };
    let point = (-180i32..180, -90i32..90).prop_map(
        |(x, y)| json!({ "type": "Point", "coordinates": [f64::from(x) / 8.0, f64::from(y) / 8.0] }),
    );
    let made = prop_oneof![
        4 => value().prop_map(|value| json!({ "type": "Property", "value": value })),
        1 => uri().prop_map(|uri| json!({ "type": "Relationship", "object": uri })),
        1 => prop::collection::vec(uri(), 1..3).prop_map(|uris| json!({ "type": "Relationship", "object": uris })),
        1 => point.prop_map(|point| json!({ "type": "GeoProperty", "value": point })),
        1 => text().prop_map(|text| json!({ "type": "LanguageProperty", "languageMap": { "en": text, "ja": "雪" } })),
        1 => text().prop_map(|text| json!({ "type": "VocabProperty", "vocab": text })),
        1 => value().prop_map(|value| json!({ "type": "JsonProperty", "json": value })),
        1 => prop::collection::vec(value(), 0..3).prop_map(|list| json!({ "type": "ListProperty", "valueList": list })),
    ];
    made.prop_map(|made| match made {
        Value::Object(members) => members,
        _ => Map::new(),
    })
}

fn attribute(depth: u32) -> BoxedStrategy<Map<String, Value>> {
    let extra = if depth == 0 {
        Just(Vec::new()).boxed()
    } else {
        prop::collection::vec((name(), attribute(depth - 1)), 0..3).boxed()
    };
    let said = (
        prop::option::of(moment()),
        prop::option::of("[A-Z]{3}"),
        prop::option::of("urn:ngsi-ld:[a-z]{1,3}"),
    );
    (valued(), said, extra)
        .prop_map(|(mut members, (observed, unit, dataset), extra)| {
            for (name, sub) in extra {
                members.entry(name).or_insert(Value::Object(sub));
            }
            members.extend(observed.map(|observed| ("observedAt".to_owned(), observed)));
            members.extend(unit.map(|unit| ("unitCode".to_owned(), json!(unit))));
            members.extend(dataset.map(|dataset| ("datasetId".to_owned(), json!(dataset))));
            members
        })
        .boxed()
}

/// An entity in normalized form, of any shape.
pub fn any_entity() -> impl Strategy<Value = Entity> {
    let id = prop_oneof![3 => "urn:ngsi-ld:[A-Z][a-z]{1,4}:[a-z0-9]{1,4}", 1 => any::<String>(), 1 => Just("http://x/1?a=b".to_owned())]
        .prop_filter("an id", |id| !id.is_empty());
    let kind = prop_oneof![
        3 => "[A-Z][a-z]{1,5}".prop_map(Value::from),
        1 => any::<String>().prop_filter("a type", |kind| !kind.is_empty()).prop_map(Value::from),
        1 => Just(json!(["A", "B"])),
        1 => Just(json!(["A"])),
    ];
    let attributes = prop::collection::vec(
        (
            name(),
            prop_oneof![
                5 => attribute(2).prop_map(Value::Object),
                1 => prop::collection::vec(attribute(1).prop_map(Value::Object), 1..3).prop_map(Value::from),
            ],
        ),
        0..5,
    );
    let others = (
        prop::option::of(Just(json!(["https://x/c.jsonld", { "a": "https://x/a=b" }]))),
        prop::option::of(moment()),
        prop::option::of(Just(json!("/a/b"))),
        prop::option::of(prop::sample::select(vec![
            json!(["set-on", "token-req"]),
            json!([]),
            json!(["a", "a"]),
            json!("set-on"),
        ])),
    );
    (id, kind, attributes, others).prop_map(|(id, kind, attributes, (context, created, scope, commands))| {
        let mut members = Map::new();
        members.insert("id".to_owned(), json!(id));
        members.insert("type".to_owned(), kind);
        for (name, attribute) in attributes {
            members.entry(name).or_insert(attribute);
        }
        members.extend(context.map(|context| ("@context".to_owned(), context)));
        members.extend(created.map(|created| ("createdAt".to_owned(), created)));
        members.extend(scope.map(|scope| ("scope".to_owned(), scope)));
        members.extend(
            commands.map(|list| ("commands".to_owned(), json!({ "type": "Property", "value": list }))),
        );
        members.try_into().unwrap()
    })
}
