//! Resources and their attributes, from TS-0001 9.6 and TS-0004 7.3 and 7.4.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{ADMIN, Fixture, attributes, debug, ty};
use morgana_onem2m::{Operation, Request, ResultContent, Status, request_from_json};
use serde_json::{Value, json};

#[tokio::test]
async fn every_form_of_address_leads_to_the_same_resource() {
    let cse = Fixture::new();
    let made = cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c"}})).await;
    let ri = made["ri"].as_str().unwrap();
    // TS-0001 9.3.1: CSE-relative, SP-relative, absolute; structured, unstructured, with the placeholder.
    for address in [
        "Mobius/c".to_owned(),
        "-/c".to_owned(),
        ri.to_owned(),
        "/Mobius2/Mobius/c".to_owned(),
        format!("/Mobius2/{ri}"),
        "//morgana.example/Mobius2/-/c".to_owned(),
        format!("//morgana.example/Mobius2/{ri}"),
    ] {
        assert_eq!(cse.get(&address, ADMIN).await["ri"], made["ri"], "{address}");
    }
    for (address, status) in [
        ("Mobius/x", Status::NotFound),
        ("//other.example/Mobius2/Mobius/c", Status::NotFound),
        ("/other/Mobius/c", Status::NotFound),
        ("/Mobius2", Status::BadRequest),
        ("Mobius/c/", Status::BadRequest),
    ] {
        assert_eq!(cse.retrieve(address, ADMIN).await.status, status, "{address}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let cse = Fixture::new();
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c"}})).await;
    for (content, named) in [
        (json!({"m2m:cnt": {"mni": "ten"}}), "mni"),
        (json!({"m2m:cnt": {"mni": -1}}), "mni"),
        (json!({"m2m:cnt": {"ct": "20260101T000000"}}), "ct"),
        (json!({"m2m:cnt": {"colour": "red"}}), "colour"),
        (json!({"m2m:cnt": {"lbl": "red"}}), "lbl"),
        (json!({"m2m:cnt": {"et": "20010101T000000"}}), "et"),
        (json!({"m2m:cnt": {"rn": "a/b"}}), "rn"),
        (json!({"m2m:cnt": {"acpi": ["nowhere"]}}), "acpi"),
        (json!({"m2m:cnt": {"cr": "me"}}), "cr"),
        (json!({"m2m:cin": {"con": 1}}), "m2m:cin"),
        (json!([]), "pc"),
    ] {
        let response = cse.create("Mobius", ADMIN, ty::CNT, content.clone()).await;
        assert_eq!(response.status, Status::BadRequest, "{content}");
        assert!(debug(&response).contains(named), "{content}: {}", debug(&response));
    }
    let missing = cse.create("Mobius/c", ADMIN, ty::CIN, json!({"m2m:cin": {}})).await;
    assert!(debug(&missing).starts_with("con"), "{}", debug(&missing));
    let again = cse.create("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c"}})).await;
    assert_eq!(again.status, Status::Conflict);
    let wrong_child = cse.create("Mobius", ADMIN, ty::CIN, json!({"m2m:cin": {"con": 1}})).await;
    assert_eq!(wrong_child.status, Status::InvalidChildResourceType);
    // A type of the standard that the CSE does not have, and one that nobody has.
    let semantic = cse.create("Mobius", ADMIN, 24, json!({"m2m:smd": {}})).await;
    assert_eq!(semantic.status, Status::NotImplemented);
    assert_eq!(cse.create("Mobius", ADMIN, 4711, json!({"m2m:x": {}})).await.status, Status::BadRequest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_container_counts_exactly_while_many_write() {
    let cse = Fixture::new();
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c", "mni": 100}})).await;
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let cse = cse.cse.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    let content = json!({"m2m:cin": {"con": format!("{writer:04}")}});
                    let response = cse.request(Request::create("Mobius/c", ADMIN, ty::CIN, content)).await;
                    assert_eq!(response.status, Status::Created);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let container = cse.get("Mobius/c", ADMIN).await;
    assert_eq!(
        (&container["cni"], &container["cbs"], &container["st"]),
        (&json!(100), &json!(400), &json!(800))
    );
    let latest = cse.get("Mobius/c/la", ADMIN).await;
    assert_eq!(latest["st"], 800);
    assert_eq!(cse.get("Mobius/c/ol", ADMIN).await["st"], 701);
}

#[tokio::test]
async fn instances_go_when_there_are_too_many_or_they_are_too_large() {
    let cse = Fixture::new();
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c", "mbs": 10}})).await;
    for content in ["1234", "5678", "90123456"] {
        cse.make("Mobius/c", ADMIN, ty::CIN, json!({"m2m:cin": {"con": content}})).await;
    }
    let container = cse.get("Mobius/c", ADMIN).await;
    assert_eq!((&container["cni"], &container["cbs"]), (&json!(1), &json!(8)));
    let large = cse.create("Mobius/c", ADMIN, ty::CIN, json!({"m2m:cin": {"con": "12345678901"}})).await;
    assert_eq!(large.status, Status::NotAcceptable);
    assert_eq!(cse.delete("Mobius/c/la", ADMIN).await, Status::Deleted);
    assert_eq!(cse.retrieve("Mobius/c/la", ADMIN).await.status, Status::NotFound);
    assert_eq!(
        cse.update("Mobius/c", ADMIN, json!({"m2m:cnt": {"mbs": null}})).await.status,
        Status::Updated
    );
}

#[tokio::test]
async fn discovery_finds_by_every_criterion_and_in_pages() {
    let cse = Fixture::new();
    for (name, label) in [("a", "red"), ("b", "blue"), ("c", "red")] {
        cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": name, "lbl": [label], "mni": 5}})).await;
        cse.make(&format!("Mobius/{name}"), ADMIN, ty::CIN, json!({"m2m:cin": {"con": name}})).await;
    }
    let find = async |criteria: &[(&str, Value)]| -> Vec<String> {
        let mut members = serde_json::Map::from_iter([("fu".to_owned(), json!(1))]);
        members.extend(criteria.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let primitive = json!({"op": 2, "to": "Mobius", "fr": ADMIN, "rqi": "1", "rvi": "4", "fc": members});
        let request = morgana_onem2m::request_from_json(primitive).unwrap();
        let response = cse.cse.request(request).await;
        assert_eq!(response.status, Status::Ok, "{:?}", response.content);
        let list = response.content.unwrap()["m2m:uril"].clone();
        list.as_array().unwrap().iter().map(|entry| entry.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(find(&[("lbl", json!(["red"]))]).await, ["Mobius/a", "Mobius/c"]);
    assert_eq!(find(&[("ty", json!([3])), ("lim", json!(1)), ("ofst", json!(2))]).await, ["Mobius/b"]);
    assert_eq!(find(&[("ty", json!([3, 4]))]).await.len(), 6);
    assert_eq!(find(&[("con", json!("b*"))]).await.len(), 1);
    assert_eq!(find(&[("atr", json!([{"nm": "cni", "val": 1}]))]).await.len(), 3);
    assert_eq!(find(&[("pty", json!([3]))]).await.len(), 3);
    assert_eq!(find(&[("palb", json!(["blue"]))]).await.len(), 1);
    assert_eq!(find(&[("chty", json!([4])), ("lbl", json!(["red"]))]).await.len(), 2);
    assert_eq!(find(&[("ty", json!([4])), ("lbl", json!(["red"])), ("fo", json!(2))]).await.len(), 5);
    assert_eq!(find(&[("lvl", json!(1))]).await.len(), 3);
    assert_eq!(find(&[("crb", json!("20200101T000000"))]).await.len(), 0);
    assert_eq!(find(&[("exa", json!("20200101T000000")), ("lbl", json!(["blue"]))]).await, ["Mobius/b"]);
}

#[tokio::test]
async fn results_hold_what_was_asked_for() {
    let cse = Fixture::new();
    let request = Request {
        result_content: Some(ResultContent::HierarchicalAddressAndAttributes),
        ..Request::create("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c"}}))
    };
    let made = cse.cse.request(request).await.content.unwrap();
    assert_eq!(made["m2m:rce"]["uri"], "Mobius/c");
    assert_eq!(made["m2m:rce"]["m2m:cnt"]["rn"], "c");
    cse.make("Mobius/c", ADMIN, ty::CIN, json!({"m2m:cin": {"con": {"a": [1, 2.5, null]}}})).await;
    let ask = async |content: ResultContent| {
        let request =
            Request { result_content: Some(content), ..Request::new(Operation::Retrieve, "Mobius/c", ADMIN) };
        cse.cse.request(request).await
    };
    let both = attributes(ask(ResultContent::AttributesAndChildResources).await);
    assert_eq!((&both["rn"], &both["m2m:cin"][0]["con"]), (&json!("c"), &json!({"a": [1, 2.5, null]})));
    let below = attributes(ask(ResultContent::ChildResources).await);
    assert!(below.get("rn").is_none() && below["m2m:cin"].as_array().unwrap().len() == 1);
    let references = ask(ResultContent::ChildReferences).await.content.unwrap();
    assert_eq!(references["m2m:rrl"]["rrf"][0]["typ"], 4);
    assert_eq!(ask(ResultContent::ModifiedAttributes).await.status, Status::BadRequest);
}

#[tokio::test]
async fn a_group_sends_a_request_to_all_its_members() {
    let cse = Fixture::new();
    for name in ["a", "b"] {
        cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": name}})).await;
    }
    let group =
        json!({"m2m:grp": {"rn": "g", "mt": 3, "mnm": 2, "mid": ["Mobius/a", "Mobius/b", "Mobius/a"]}});
    let made = cse.make("Mobius", ADMIN, ty::GRP, group).await;
    assert_eq!((&made["cnm"], &made["mtv"]), (&json!(2), &json!(true)));
    let answers = cse.create("Mobius/g/fopt", ADMIN, ty::CIN, json!({"m2m:cin": {"con": 7}})).await;
    let answers = answers.content.unwrap()["m2m:agr"]["m2m:rsp"].clone();
    assert_eq!(answers.as_array().unwrap().iter().filter(|answer| answer["rsc"] == 2001).count(), 2);
    assert_eq!(cse.get("Mobius/b/la", ADMIN).await["con"], 7);
    assert_eq!(cse.delete("Mobius/a", ADMIN).await, Status::Deleted);
    assert_eq!(cse.get("Mobius/g", ADMIN).await["mid"], json!(["Mobius/b"]));
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_restart() {
    let cse = Fixture::new();
    cse.make(
        "Mobius",
        "Capp",
        ty::AE,
        json!({"m2m:ae": {"rn": "app", "api": "Nx", "rr": false, "srv": ["4"]}}),
    )
    .await;
    cse.make("Mobius/app", "Capp", ty::CNT, json!({"m2m:cnt": {"rn": "c", "mni": 3}})).await;
    for number in 0..5 {
        cse.make("Mobius/app/c", "Capp", ty::CIN, json!({"m2m:cin": {"con": number}})).await;
    }
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "gone"}})).await;
    cse.make("Mobius/gone", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "below"}})).await;
    assert_eq!(cse.delete("Mobius/gone", ADMIN).await, Status::Deleted);
    let before = (cse.get("Mobius/app/c", "Capp").await, cse.get("Mobius/app/c/ol", "Capp").await);
    let cse = cse.reopen().await;
    let after = (cse.get("Mobius/app/c", "Capp").await, cse.get("Mobius/app/c/ol", "Capp").await);
    assert_eq!(before, after);
    assert_eq!(cse.retrieve("Mobius/gone", ADMIN).await.status, Status::NotFound);
    assert_eq!(cse.cse.resource_count(), 6);
    // The AE is still registered, and the next names are new.
    let again = json!({"m2m:ae": {"api": "Nx", "rr": false, "srv": ["4"]}});
    assert_eq!(
        cse.create("Mobius", "Capp", ty::AE, again).await.status,
        Status::OriginatorHasAlreadyRegistered
    );
    cse.make("Mobius/app/c", "Capp", ty::CIN, json!({"m2m:cin": {"con": 5}})).await;
    assert_eq!(cse.get("Mobius/app/c", "Capp").await["st"], 6);
}

#[tokio::test]
async fn a_representation_is_the_same_whether_it_is_ready_made_or_not() {
    let fixture = Fixture::new();
    fixture.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c", "lbl": ["ä\"\\"], "mni": 5}})).await;
    fixture
        .make(
            "Mobius/c",
            ADMIN,
            ty::CIN,
            json!({"m2m:cin": {"rn": "i", "con": {"a": [1, null]}, "cr": null}}),
        )
        .await;
    for to in ["Mobius", "Mobius/c", "Mobius/c/la", "Mobius/c/i"] {
        let request = || Request::new(Operation::Retrieve, to, ADMIN);
        let plain = fixture.cse.request(request()).await;
        let ready = fixture.cse.request(Request { shown: true, ..request() }).await;
        let Some(shown) = ready.shown else {
            // What changes with every look is never ready made.
            assert_eq!(to, "Mobius");
            continue;
        };
        assert_eq!(ready.content, None, "{to}");
        let read: Value = serde_json::from_slice(&shown.json).unwrap();
        assert_eq!(Some(&read), plain.content.as_ref(), "{to}");
        assert_eq!(attributes(plain)["ri"].as_str(), Some(&*shown.ri), "{to}");
    }
}

#[tokio::test]
async fn an_update_that_is_refused_changes_nothing() {
    let cse = Fixture::new();
    let container = json!({"m2m:cnt": {"rn": "c", "lbl": ["old"], "mni": 5}});
    let made = cse.make("Mobius", ADMIN, ty::CNT, container).await;
    for (named, content) in [
        ("et", json!({"m2m:cnt": {"lbl": ["new"], "mni": 7, "et": "20010101T000000"}})),
        ("aa", json!({"m2m:cnt": {"lbl": ["new"], "mni": 7, "aa": ["colour"]}})),
        ("mni", json!({"m2m:cnt": {"lbl": ["new"], "mni": "seven"}})),
    ] {
        let response = cse.update("Mobius/c", ADMIN, content).await;
        assert_eq!(response.status, Status::BadRequest, "{named}");
        assert!(debug(&response).starts_with(named), "{}", debug(&response));
        assert_eq!(cse.get("Mobius/c", ADMIN).await, made, "{named}");
    }
}

#[tokio::test]
async fn discovery_by_label_follows_updates_deletions_and_a_restart() {
    let found = async |cse: &Fixture, label: &str| {
        let primitive = json!({
            "op": 2, "to": "Mobius", "fr": ADMIN, "rqi": "1", "rvi": "4", "fc": {"fu": 1, "lbl": [label]},
        });
        let response = cse.cse.request(request_from_json(primitive).unwrap()).await;
        response.content.map(|content| content["m2m:uril"].clone()).unwrap_or_default()
    };
    let cse = Fixture::new();
    for (name, label) in [("a", "old"), ("b", "old"), ("c", "other")] {
        cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": name, "lbl": [label]}})).await;
        for number in 0..10 {
            let instance = json!({"m2m:cin": {"con": number, "lbl": [format!("n{number}")]}});
            cse.make(&format!("Mobius/{name}"), ADMIN, ty::CIN, instance).await;
        }
    }
    assert_eq!(found(&cse, "old").await, json!(["Mobius/a", "Mobius/b"]));
    cse.update("Mobius/a", ADMIN, json!({"m2m:cnt": {"lbl": ["new"]}})).await;
    assert_eq!(cse.delete("Mobius/c", ADMIN).await, Status::Deleted);
    let cse = cse.reopen().await;
    assert_eq!(found(&cse, "old").await, json!(["Mobius/b"]));
    assert_eq!(found(&cse, "new").await, json!(["Mobius/a"]));
    assert_eq!(found(&cse, "other").await, json!([]));
    assert_eq!(found(&cse, "n3").await.as_array().map(Vec::len), Some(2));
}
