//! Two CSEs of ours that know each other: registration, requests that go on, and announced resources, over HTTP and over
//! MQTT.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    ADMIN, debug,
    pair::{Pair, Way, ask, get, make, wait_for},
    ty,
};
use morgana_onem2m::{Operation, Request, Status};
use serde_json::{Value, json};

#[tokio::test]
async fn a_cse_registers_with_another_and_each_knows_the_other_over_http() {
    registers(Way::Http).await;
}

#[tokio::test]
async fn a_cse_registers_with_another_and_each_knows_the_other_over_mqtt() {
    registers(Way::Mqtt).await;
}

async fn registers(way: Way) {
    let pair = Pair::start(way).await;
    let there = get(&pair.node, "cse-in/id-mn", ADMIN).await;
    assert_eq!(
        (&there["csi"], &there["ri"], &there["cb"]),
        (&json!("/id-mn"), &json!("id-mn"), &json!("/id-mn/cse-mn"))
    );
    let here = get(&pair.middle, "cse-mn/id-in", ADMIN).await;
    assert_eq!(
        (&here["csi"], &here["cb"], &here["rr"]),
        (&json!("/id-in"), &json!("/id-in/cse-in"), &json!(true))
    );

    // A request for the other CSE goes there, whichever form its address has, and in the name of who made it.
    let ae = json!({"m2m:ae": {"rn": "far", "api": "N1", "rr": true, "srv": ["4"]}});
    make(&pair.node, "/id-mn/-", "/id-in/Cfar", ty::AE, ae).await;
    let container = json!({"m2m:cnt": {"rn": "box", "lbl": ["one two", "three"]}});
    make(&pair.node, "/id-mn/cse-mn/far", "Cfar", ty::CNT, container).await;
    let absolute = "//morgana.example/id-mn/cse-mn/far/box";
    assert_eq!(get(&pair.node, absolute, "Cfar").await["rn"], "box");
    make(&pair.node, "/id-mn/cse-mn/far/box", "Cfar", ty::CIN, json!({"m2m:cin": {"con": "hot"}})).await;
    assert_eq!(get(&pair.middle, "cse-mn/far/box/la", ADMIN).await["con"], "hot");
    let changed = json!({"m2m:cnt": {"mni": 5}});
    let response = ask(&pair.node, Operation::Update, "/id-mn/cse-mn/far/box", "Cfar", Some(changed)).await;
    assert_eq!(response.status, Status::Updated, "{:?}", response.content);

    // With its filter: the addresses that come back lead there from here.
    let mut discovery = Request::new(Operation::Retrieve, "/id-mn/cse-mn", "Cfar");
    for (name, value) in [("fu", "1"), ("ty", "3"), ("lbl", "three")] {
        discovery.set_parameter(name, value).unwrap();
    }
    let found = pair.node.request(discovery).await.content.unwrap();
    assert_eq!(found, json!({"m2m:uril": ["/id-mn/cse-mn/far/box"]}));

    let stranger = ask(&pair.node, Operation::Retrieve, "/id-mn/cse-mn/far/box", "Cother", None).await;
    assert_eq!(stranger.status, Status::OriginatorHasNoPrivilege);
    assert!(debug(&stranger).contains("/id-in/Cother"), "{stranger:?}");
    let nowhere = ask(&pair.node, Operation::Retrieve, "/id-xx/cse", ADMIN, None).await;
    assert_eq!(nowhere.status, Status::NotFound);
    assert!(debug(&nowhere).contains("/id-xx"), "{nowhere:?}");
    let deleted = ask(&pair.node, Operation::Delete, "/id-mn/cse-mn/far", "Cfar", None).await;
    assert_eq!(deleted.status, Status::Deleted);
}

#[tokio::test]
async fn what_the_middle_node_does_not_know_it_asks_its_registrar_for() {
    let pair = Pair::start(Way::Http).await;
    // The node sends it back to nobody: the answer says so.
    let response = ask(&pair.middle, Operation::Retrieve, "/id-xx/cse", ADMIN, None).await;
    assert_eq!(response.status, Status::NotFound, "{:?}", response.content);
    assert!(debug(&response).contains("/id-in knows no CSE /id-xx"), "{response:?}");
}

#[tokio::test]
async fn a_request_that_goes_round_in_circles_ends() {
    let pair = Pair::start(Way::Http).await;
    // Each is told that the other has it below.
    for (cse, csr) in [(&pair.node, "cse-in/id-mn"), (&pair.middle, "cse-mn/id-in")] {
        let update = json!({"m2m:csr": {"dcse": ["/id-nobody"]}});
        // The middle node's registration task sets its own list right again, so the circle is kept closed meanwhile.
        let response = ask(cse, Operation::Update, csr, ADMIN, Some(update)).await;
        assert_eq!(response.status, Status::Updated);
    }
    let response = ask(&pair.middle, Operation::Retrieve, "/id-nobody/cse", "/id-zz/Cfar", None).await;
    assert!(matches!(response.status, Status::TargetNotReachable | Status::NotFound), "{response:?}");
}

#[tokio::test]
async fn a_cse_that_is_not_invited_cannot_register() {
    let pair = Pair::start(Way::Http).await;
    let csr = json!({"m2m:csr": {"cb": "/other/cse", "rr": false, "srv": ["4"]}});
    let refused = pair.node.request(Request::create("cse-in", "/other", 16, csr.clone())).await;
    assert_eq!(refused.status, Status::OriginatorHasNoPrivilege);
    assert!(debug(&refused).contains("cse_originators"), "{refused:?}");
    let by_ae = pair.node.request(Request::create("cse-in", "Cae", 16, csr.clone())).await;
    assert_eq!(by_ae.status, Status::OperationNotAllowed);
    let twice = pair.node.request(Request::create("cse-in", "/id-mn", 16, csr)).await;
    assert_eq!(twice.status, Status::OriginatorHasAlreadyRegistered);
}

#[tokio::test]
async fn a_notification_finds_its_way_to_an_entity_of_another_cse() {
    let pair = Pair::start(Way::Http).await;
    let mut listener = pair.node.listen("Cwatch", 8);
    let ae = json!({"m2m:ae": {"rn": "watch", "api": "N1", "rr": true, "srv": ["4"]}});
    make(&pair.node, "cse-in", "Cwatch", ty::AE, ae).await;
    make(&pair.middle, "cse-mn", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "box"}})).await;
    let policy = json!({"m2m:acp": {"rn": "p", "pv": {"acr": [{"acor": ["/id-in", "/id-mn"], "acop": 63}]},
        "pvs": {"acr": [{"acor": ["/id-in"], "acop": 63}]}}});
    make(&pair.node, "cse-in", ADMIN, ty::ACP, policy).await;
    let governed = json!({"m2m:ae": {"acpi": ["cse-in/p"]}});
    assert_eq!(
        ask(&pair.node, Operation::Update, "cse-in/watch", ADMIN, Some(governed)).await.status,
        Status::Updated
    );
    let sub = json!({"m2m:sub": {"nu": ["/id-in/Cwatch"], "enc": {"net": [3]}, "nct": 1}});
    make(&pair.middle, "cse-mn/box", ADMIN, ty::SUB, sub).await;
    make(&pair.middle, "cse-mn/box", ADMIN, ty::CIN, json!({"m2m:cin": {"con": "news"}})).await;
    let heard = async {
        loop {
            let primitive = listener.recv().await.unwrap();
            if primitive["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"] == "news" {
                return;
            }
        }
    };
    tokio::time::timeout(common::pair::PATIENCE, heard).await.unwrap();
}

#[tokio::test]
async fn an_announced_resource_follows_its_original_over_http() {
    announces(Way::Http).await;
}

#[tokio::test]
async fn an_announced_resource_follows_its_original_over_mqtt() {
    announces(Way::Mqtt).await;
}

async fn announces(way: Way) {
    let pair = Pair::start(way).await;
    let ae = json!({"m2m:ae": {"rn": "ae", "api": "N1", "rr": true, "srv": ["4"], "lbl": ["one"],
        "apn": "app", "at": ["/id-in"], "aa": ["apn", "ri"]}});
    let made = make(&pair.middle, "cse-mn", "Cann", ty::AE, ae).await;
    let at = made["at"][0].as_str().unwrap().to_owned();
    assert!(at.starts_with("/id-in/"), "{made}");
    assert_eq!(made["aa"], json!(["apn"]));
    let shown = get(&pair.node, &at, ADMIN).await;
    assert_eq!(shown["ty"], 10_002);
    assert_eq!(shown["lnk"], format!("/id-mn/{}", made["ri"].as_str().unwrap()));
    assert_eq!(
        (&shown["lbl"], &shown["apn"], &shown["srv"]),
        (&json!(["one"]), &json!("app"), &json!(["4"]))
    );
    assert!(shown.get("api").is_none(), "{shown}");
    let base = get(&pair.node, shown["pi"].as_str().unwrap(), ADMIN).await;
    assert_eq!((&base["ty"], &base["lnk"]), (&json!(10_005), &json!("/id-mn/id-mn")));

    // What is below goes below, instances too.
    let container = json!({"m2m:cnt": {"rn": "box", "at": ["/id-in"], "aa": ["mni"], "mni": 10}});
    let container = make(&pair.middle, "cse-mn/ae", "Cann", ty::CNT, container).await;
    let box_at = container["at"][0].as_str().unwrap().to_owned();
    let shown = get(&pair.node, &box_at, ADMIN).await;
    assert_eq!((&shown["pi"], &shown["mni"]), (&json!(at.rsplit('/').next().unwrap()), &json!(10)));
    let instance = json!({"m2m:cin": {"con": "hot", "at": ["/id-in"], "aa": ["con"]}});
    let instance = make(&pair.middle, "cse-mn/ae/box", "Cann", ty::CIN, instance).await;
    assert_eq!(get(&pair.node, instance["at"][0].as_str().unwrap(), ADMIN).await["con"], "hot");

    // Updates follow, with attributes that begin and cease to be announced.
    let changed = json!({"m2m:cnt": {"mni": 20, "mbs": 1000, "lbl": ["two"], "aa": ["mni", "mbs"]}});
    let response = ask(&pair.middle, Operation::Update, "cse-mn/ae/box", "Cann", Some(changed)).await;
    assert_eq!(response.status, Status::Updated, "{:?}", response.content);
    let shown = get(&pair.node, &box_at, ADMIN).await;
    assert_eq!((&shown["mni"], &shown["mbs"], &shown["lbl"]), (&json!(20), &json!(1000), &json!(["two"])));
    let changed = json!({"m2m:cnt": {"lbl": null, "aa": ["mbs"]}});
    ask(&pair.middle, Operation::Update, "cse-mn/ae/box", "Cann", Some(changed)).await;
    let shown = get(&pair.node, &box_at, ADMIN).await;
    assert!(shown.get("mni").is_none() && shown.get("lbl").is_none(), "{shown}");
    assert_eq!(shown["mbs"], 1000);

    // The original behind the announced resource.
    let original = Request {
        result_content: Some(morgana_onem2m::ResultContent::OriginalResource),
        ..Request::new(Operation::Retrieve, box_at.as_str(), "/id-mn")
    };
    let original = pair.node.request(original).await;
    assert_eq!(original.content.as_ref().unwrap()["m2m:cnt"]["rn"], "box", "{original:?}");

    // It ends with its original, and when it is not to be announced any more.
    let changed = json!({"m2m:cnt": {"at": null}});
    let response = ask(&pair.middle, Operation::Update, "cse-mn/ae/box", "Cann", Some(changed)).await;
    assert_eq!(response.status, Status::Updated, "{:?}", response.content);
    assert_eq!(ask(&pair.node, Operation::Retrieve, &box_at, ADMIN, None).await.status, Status::NotFound);
    assert_eq!(ask(&pair.middle, Operation::Delete, "cse-mn/ae", "Cann", None).await.status, Status::Deleted);
    assert_eq!(ask(&pair.node, Operation::Retrieve, &at, ADMIN, None).await.status, Status::NotFound);
}

#[tokio::test]
async fn a_change_of_a_resource_announced_in_both_directions_changes_its_original() {
    let pair = Pair::start(Way::Http).await;
    let policy = json!({"m2m:acp": {"rn": "p", "pv": {"acr": [{"acor": ["/id-in/CAdmin", "CAdmin"], "acop": 63}]},
        "pvs": {"acr": [{"acor": ["CAdmin"], "acop": 63}]}}});
    make(&pair.middle, "cse-mn", ADMIN, ty::ACP, policy).await;
    let container = json!({"m2m:cnt": {"rn": "box", "acpi": ["cse-mn/p"], "at": ["/id-in"], "aa": ["mni"], "mni": 1,
        "ast": 2}});
    let made = make(&pair.middle, "cse-mn", ADMIN, ty::CNT, container).await;
    let at = made["at"][0].as_str().unwrap().to_owned();
    let changed = json!({"m2m:cntA": {"mni": 7}});
    let response = ask(&pair.node, Operation::Update, &at, ADMIN, Some(changed)).await;
    assert_eq!(response.status, Status::Updated, "{:?}", response.content);
    assert_eq!(get(&pair.middle, "cse-mn/box", ADMIN).await["mni"], 7);
    assert_eq!(get(&pair.node, &at, ADMIN).await["mni"], 7);
}

#[tokio::test]
async fn what_was_announced_to_a_cse_that_is_not_there_follows_when_it_comes() {
    let pair = Pair::start(Way::Http).await;
    let container = json!({"m2m:cnt": {"rn": "box", "at": ["/id-late"]}});
    let made = make(&pair.node, "cse-in", ADMIN, ty::CNT, container).await;
    assert_eq!(made["at"], json!(["/id-late"]));
    // It comes: here it is the node itself under another name, so that something answers.
    let csr = json!({"m2m:csr": {"cb": "/id-late/cse", "rr": true, "poa": [pair.node_url], "srv": ["4"]}});
    pair.node.request(Request::create("cse-in", "/id-late", 16, csr)).await;
    let at = get(&pair.node, "cse-in/box", ADMIN).await["at"].clone();
    // Requests for /id-late come back here and go round, so nothing is announced, and nothing is lost.
    assert_eq!(at, json!(["/id-late"]));
}

#[tokio::test]
async fn a_specialised_resource_is_announced_under_the_name_of_its_specialisation() {
    let pair = Pair::start(Way::Http).await;
    make(&pair.middle, "cse-mn", ADMIN, 14, json!({"m2m:nod": {"rn": "node", "ni": "n", "at": ["/id-in"]}}))
        .await;
    let battery = json!({"m2m:bat": {"mgd": 1006, "btl": 23, "bts": 1, "at": ["/id-in"], "aa": ["btl"]}});
    let made = make(&pair.middle, "cse-mn/node", ADMIN, 13, battery).await;
    let shown = ask(&pair.node, Operation::Retrieve, made["at"][0].as_str().unwrap(), ADMIN, None).await;
    let shown = &shown.content.unwrap()["m2m:batA"];
    assert_eq!((&shown["btl"], &shown["mgd"], shown.get("bts")), (&json!(23), &json!(1006), None));
    let flex = json!({"cod:tempe": {"rn": "t", "cnd": "org.onem2m.common.moduleclass.temperature", "curT0": 23.0,
        "tarTe": 25.0, "at": ["/id-in"], "aa": ["curT0"]}});
    let made = make(&pair.middle, "cse-mn", ADMIN, 28, flex).await;
    let at = made["at"][0].as_str().unwrap();
    let changed = json!({"cod:tempe": {"aa": ["curT0", "tarTe"]}});
    ask(&pair.middle, Operation::Update, "cse-mn/t", ADMIN, Some(changed)).await;
    let shown = ask(&pair.node, Operation::Retrieve, at, ADMIN, None).await.content.unwrap();
    assert_eq!(
        (&shown["cod:tempeAnnc"]["curT0"], &shown["cod:tempeAnnc"]["tarTe"]),
        (&json!(23.0), &json!(25.0))
    );
}

#[tokio::test]
async fn an_announced_resource_with_nulls_and_policies_of_elsewhere_is_its_cses_to_change() {
    let pair = Pair::start(Way::Http).await;
    let base = json!({"m2m:cbA": {"et": null, "lnk": "/id-mn/id-mn", "srv": ["4"], "acpi": ["/id-mn/p"], "rn": "b"}});
    let made = make(&pair.node, "cse-in", "/id-mn", 10_005, base).await;
    assert_eq!((made["et"].is_string(), &made["lnk"]), (true, &json!("/id-mn/id-mn")));
    // Its policy is one that is not here; the CSE that announced it may go on.
    let below = json!({"m2m:cntA": {"lnk": "/id-mn/c1", "mni": 1}});
    make(&pair.node, "cse-in/b", "/id-mn", 10_003, below).await;
}

#[tokio::test]
async fn a_resource_can_be_announced_to_its_own_cse() {
    let pair = Pair::start(Way::Http).await;
    let container = json!({"m2m:cnt": {"rn": "box", "at": ["/id-in"], "lbl": ["a"]}});
    let made = make(&pair.node, "cse-in", ADMIN, ty::CNT, container).await;
    let at = made["at"][0].as_str().unwrap();
    assert_eq!(get(&pair.node, at, ADMIN).await["lbl"], json!(["a"]));
}

#[tokio::test]
async fn a_wrong_name_in_announced_attributes_is_named() {
    let pair = Pair::start(Way::Http).await;
    for (aa, wrong) in
        [(json!(["lbl", "l+l"]), "l+l"), (json!(["st"]), "st"), (json!(["nothing"]), "nothing")]
    {
        let ae = json!({"m2m:ae": {"api": "N1", "rr": false, "srv": ["4"], "aa": aa}});
        let response = pair.node.request(Request::create("cse-in", "C", ty::AE, ae)).await;
        assert_eq!(response.status, Status::BadRequest, "{wrong}");
        assert!(debug(&response).contains("aa"), "{response:?}");
    }
}

#[tokio::test]
async fn a_group_fans_out_to_members_of_another_cse() {
    let pair = Pair::start(Way::Http).await;
    let group = json!({"m2m:grp": {"rn": "g", "mnm": 5, "mid": ["/id-in/cse-in", "/id-mn/id-in"]}});
    let made = make(&pair.node, "cse-in", "/id-in", ty::GRP, group).await;
    assert_eq!(made["mid"], json!(["id-in", "/id-mn/id-in"]));
    let answers =
        ask(&pair.node, Operation::Retrieve, "cse-in/g/fopt", "/id-in", None).await.content.unwrap();
    let answers = answers["m2m:agr"]["m2m:rsp"].as_array().unwrap().clone();
    assert_eq!(answers[0]["pc"]["m2m:cb"]["csi"], "/id-in");
    assert_eq!(answers[1]["pc"]["m2m:csr"]["csi"], "/id-in");
}

#[tokio::test]
async fn a_registration_and_its_announcements_outlive_a_restart_of_the_other() {
    let pair = Pair::start(Way::Http).await;
    let container = json!({"m2m:cnt": {"rn": "box", "at": ["/id-in"], "aa": ["mni"], "mni": 1}});
    let made = make(&pair.middle, "cse-mn", ADMIN, ty::CNT, container).await;
    let first = made["at"][0].as_str().unwrap().to_owned();
    // The node loses everything: the middle node registers again, and announces again at the next change.
    assert_eq!(ask(&pair.node, Operation::Delete, "cse-in/id-mn", ADMIN, None).await.status, Status::Deleted);
    let base = get(&pair.node, &first, ADMIN).await["pi"].as_str().unwrap().to_owned();
    assert_eq!(ask(&pair.node, Operation::Delete, &base, ADMIN, None).await.status, Status::Deleted);
    wait_for("the second registration", async || {
        ask(&pair.node, Operation::Retrieve, "cse-in/id-mn", ADMIN, None).await.status == Status::Ok
    })
    .await;
    let changed: Value = json!({"m2m:cnt": {"mni": 2}});
    assert_eq!(
        ask(&pair.middle, Operation::Update, "cse-mn/box", ADMIN, Some(changed)).await.status,
        Status::Updated
    );
    let second = get(&pair.middle, "cse-mn/box", ADMIN).await["at"][0].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(get(&pair.node, &second, ADMIN).await["mni"], 2);
}
