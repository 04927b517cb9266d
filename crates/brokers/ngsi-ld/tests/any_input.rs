//! The entry points of the fuzz targets (`fuzz/`), driven in CI with a small corpus, with random and with almost right
//! input.

use morgana_ngsi_ld::fuzz;
use proptest::{collection::vec, prelude::*};

/// Entities of every kind and form, and some that are none.
const ENTITIES: &[&str] = &[
    r#"{"id":"urn:x:1","type":"T"}"#,
    r#"{"id":"urn:x:1","type":["T","U"],"scope":["/a","/b/c"],"a":{"type":"Property","value":1,"unitCode":"CEL"}}"#,
    r#"{"id":"urn:x:1","type":"T","a":[{"value":1},{"value":2,"datasetId":"urn:d:1"}],"expiresAt":"2030-01-01T00:00:00Z"}"#,
    r#"{"id":"urn:x:1","type":"T","l":{"languageMap":{"en":"a","@none":["b"]}},"v":{"vocab":["a","b"]}}"#,
    r#"{"id":"urn:x:1","type":"T","r":{"object":["urn:y:1"],"objectType":"U"},"j":{"json":{"@id":[]}}}"#,
    r#"{"id":"urn:x:1","type":"T","p":{"valueList":[[1],[]]},"q":{"objectList":[{"object":"urn:y:1"}]}}"#,
    r#"{"id":"urn:x:1","type":"T","location":{"type":"Point","coordinates":[1,2]},"a":{"a":{"value":1},"value":null}}"#,
    r#"{"id":"urn:x:1","type":"T","a":[{"type":"Property","value":1,"observedAt":"2026-01-01T00:00:00Z"}]}"#,
    r#"{"id":"urn:x:1","type":"T","a":"urn:ngsi-ld:null","b":{"type":"Property","value":{"@type":"DateTime","@value":"x"}}}"#,
    r#"{"@id":"urn:x:1","@type":"T","a":1,"b":true,"c":[1],"d":{"e":null}}"#,
    r#"{"id":"urn:x:1","type":"T","a":["urn:ngsi-ld:null"]}"#,
    r#"{"id":"urn:x:1","type":"T","a":{"vocab":"urn:ngsi-ld:null"},"b":{"languageMap":{"@none":"urn:ngsi-ld:null"}}}"#,
    r#"[]"#,
    r#"{}"#,
    r#"{"id":1}"#,
    "{",
];

/// Queries, type selections, scope queries, patterns, projections and orderings.
const QUERIES: &[&str] = &[
    "n",
    "n==1",
    "n>=1.5;m!=true|l[en]==\"a\"",
    "(n.sub~=^y;!r)|j[a.b]<2026-01-01T00:00:00Z",
    "n=={1..5},7;v==T",
    "r{T:n.sub==\"x\"}",
    "n~=(a+)+$",
    "/a/#;(/b|/c/+)",
    "(T;U),V",
    "id,r{n,l},scope",
    "n;desc,id;asc",
    "((((((((((((((((((((((((((((((((((n",
    "n==\"\\\"",
    "n=={..}",
    "",
];

const GEO: &[&str] = &[
    "near;maxDistance==2000\nPoint\n[8.5,44.5]",
    "near;minDistance==1e9\nPoint\n8.5,44.5\nlocation",
    "within\nPolygon\n[[[0,0],[10,0],[10,10],[0,0]]]",
    "overlaps\nMultiPolygon\n[[[[0,0],[10,0],[10,10],[0,0]]]]",
    "disjoint\nLineString\n[[0,0],[1e308,-1e308]]",
    "equals\nMultiPoint\n[[0,0]]\n",
    "intersects\nMultiLineString\n[[[0,0],[1,1]]]",
    "contains\nPolygon\n[[[0,0],[1,0],[0,0]]]",
    "near;maxDistance==-1\nPoint\n[]",
    r#"{"georel":"within","geometry":"Polygon","coordinates":"[[[0,0],[10,0],[10,10],[0,0]]]","geoproperty":"location"}"#,
];

const TEMPORAL: &[&str] = &[
    "before\n2027-01-01T00:00:00Z",
    "after\n2025-01-01T00:00:00.123456Z\n\ncreatedAt\nPT1S",
    "between\n2025-01-01T00:00:00Z\n2027-01-01T00:00:00Z\nobservedAt\nP1Y2M3DT4H5M6S",
    "between\n2027-01-01T00:00:00Z\n2025-01-01T00:00:00Z\nmodifiedAt\nP19998Y",
    "after\n-009999-01-01T00:00:00Z\n\nobservedAt\nPT0.000001S",
    "9999-12-31T23:59:59.999999999Z",
    r#"{"timerel":"after","timeAt":"2025-01-01T00:00:00Z","lastN":18446744073709551615}"#,
];

#[test]
fn the_corpus_is_survived() {
    for (target, corpus) in [
        (fuzz::entity as fn(&[u8]), ENTITIES),
        (fuzz::query, QUERIES),
        (fuzz::geo, GEO),
        (fuzz::temporal, TEMPORAL),
    ] {
        corpus.iter().for_each(|text| target(text.as_bytes()));
    }
}

/// JSON of the members that entities have, with values that they may or may not have.
fn almost_an_entity() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "type",
        "value",
        "object",
        "languageMap",
        "vocab",
        "json",
        "valueList",
        "objectList",
        "unitCode",
        "observedAt",
        "datasetId",
        "instanceId",
        "objectType",
        "scope",
        "expiresAt",
        "@context",
        "@id",
        "a",
        "ngsi-ld:a",
        "createdAt",
        "coordinates",
        "@value",
        "previousValue",
        "entity",
        "dataset",
        "@none",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[ -~]{0,12}".prop_map(|text| format!("{text:?}")),
        prop::sample::select(vec![
            "Property",
            "Relationship",
            "GeoProperty",
            "LanguageProperty",
            "VocabProperty",
            "JsonProperty",
            "ListProperty",
            "ListRelationship",
            "Point",
            "Polygon",
            "urn:x:1",
            "urn:ngsi-ld:null",
            "@none",
            "2026-01-01T00:00:00Z",
            "/a/b",
            "DateTime",
        ])
        .prop_map(|text| format!("{text:?}")),
    ];
    let value = leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            vec((names.clone(), inner), 0..6).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    vec(("[a-c]", value), 0..4).prop_map(|attributes| {
        let attributes: Vec<String> =
            attributes.iter().map(|(name, value)| format!(",{name:?}:{value}")).collect();
        format!(r#"{{"id":"urn:x:1","type":"T"{}}}"#, attributes.concat())
    })
}

fn almost_a_query() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        prop::sample::select(vec![
            "n",
            "m",
            "l",
            "v",
            "r",
            "j",
            "p",
            "q",
            "location",
            "T",
            ".",
            "[",
            "]",
            "{",
            "}",
            "(",
            ")",
            ";",
            "|",
            ",",
            "==",
            "!=",
            ">",
            "<=",
            "~=",
            "!~=",
            "!",
            "..",
            "\"",
            "/",
            "#",
            "+",
            "*",
            "1",
            "true",
            "2026-01-01T00:00:00Z",
            "urn:s:1",
            "desc",
            "id",
            "\\",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,3}",
    ];
    vec(part, 0..16).prop_map(|parts| parts.concat())
}

fn almost_a_place() -> impl Strategy<Value = String> {
    let relation = prop::sample::select(vec![
        "near;maxDistance==1000",
        "near;minDistance==1",
        "within",
        "contains",
        "overlaps",
        "intersects",
        "equals",
        "disjoint",
    ]);
    let geometry = prop::sample::select(vec!["Point", "Polygon", "LineString", "MultiPoint", "MultiPolygon"]);
    let number = prop_oneof![-180.0..180.0, any::<f64>().prop_filter("JSON", |number| number.is_finite())];
    let coordinates = vec((number.clone(), number), 1..6).prop_map(|pairs| {
        let pairs: Vec<String> = pairs.iter().map(|(x, y)| format!("[{x},{y}]")).collect();
        pairs.join(",")
    });
    let nested = (coordinates, 0_usize..4)
        .prop_map(|(inner, deep)| format!("{}{inner}{}", "[".repeat(deep), "]".repeat(deep)));
    (relation, geometry, nested)
        .prop_map(|(relation, geometry, nested)| format!("{relation}\n{geometry}\n{nested}"))
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..256)) {
        for target in [fuzz::entity, fuzz::query, fuzz::geo, fuzz::temporal] {
            target(&bytes);
        }
    }

    #[test]
    fn almost_entities_are_survived(text in almost_an_entity()) {
        fuzz::entity(text.as_bytes());
    }

    #[test]
    fn almost_queries_are_survived(text in almost_a_query()) {
        fuzz::query(text.as_bytes());
    }

    #[test]
    fn almost_places_are_survived(text in almost_a_place()) {
        fuzz::geo(text.as_bytes());
    }
}
