//! Every filter criterion, every resultContent, and every response status code with a text that names what offended.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{ADMIN, Fixture, debug, ty};
use morgana_onem2m::{Operation, Request, Response, ResponseType, Status, request_from_json};
use serde_json::{Map, Value, json};

/// A request as it comes over MQTT.
async fn ask(cse: &Fixture, op: u32, to: &str, from: &str, more: Value) -> Response {
    let mut primitive = json!({"op": op, "to": to, "fr": from, "rqi": "1", "rvi": "4"});
    primitive.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    match request_from_json(primitive) {
        Ok(request) => cse.cse.request(request).await,
        Err((failure, _)) => Response {
            status: failure.status,
            content: Some(json!({ "m2m:dbg": failure.debug })),
            ..cse.cse.request(Request::new(Operation::Retrieve, "none", ADMIN)).await
        },
    }
}

/// Containers `a`, `b` and `c`: `a` is in the kitchen and has an instance of 3 bytes, `b` is at (5, 5) and was updated, `c`
/// expires.
async fn tree() -> Fixture {
    let cse = Fixture::new();
    let place = json!({"typ": 1, "crd": "[5, 5]"});
    cse.make(
        "Mobius",
        ADMIN,
        ty::CNT,
        json!({"m2m:cnt": {"rn": "a", "lbl": ["room:kitchen", "red"], "mni": 5}}),
    )
    .await;
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "b", "lbl": ["blue"], "loc": place}})).await;
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c", "et": 86_400_000}})).await;
    let instance = json!({"m2m:cin": {"rn": "i", "con": "abc", "cnf": "text/plain:0", "lbl": ["deep"]}});
    cse.make("Mobius/a", ADMIN, ty::CIN, instance).await;
    assert_eq!(cse.update("Mobius/b", ADMIN, json!({"m2m:cnt": {"mni": 7}})).await.status, Status::Updated);
    cse
}

#[tokio::test]
async fn every_filter_criterion_finds_what_it_says() {
    let cse = tree().await;
    let (past, future) = ("20200101T000000", "20980101T000000");
    let updated = cse.get("Mobius/b", ADMIN).await["lt"].clone();
    let (all, containers) = (&["a", "b", "c", "a/i"][..], &["a", "b", "c"][..]);
    let square = "[[[0, 0], [0, 10], [10, 10], [10, 0], [0, 0]]]";
    for (filter, expected) in [
        (json!({"crb": past}), &[][..]),
        (json!({"crb": future}), all),
        (json!({"cra": past}), all),
        (json!({"cra": future}), &[]),
        (json!({"ms": past}), all),
        (json!({"ms": future}), &[]),
        (json!({"us": updated, "ty": [3]}), &["a", "c"]),
        (json!({"us": past}), &[]),
        (json!({"exb": "172800000"}), &["c"]),
        (json!({"exa": "172800000"}), &["a", "b", "a/i"]),
        (json!({"sts": 1, "ty": [3]}), &["c"]),
        (json!({"stb": 0, "ty": [3]}), &["a", "b"]),
        (json!({"sza": 3}), &["a/i"]),
        (json!({"szb": 3}), &[]),
        (json!({"ty": [3]}), containers),
        (json!({"ty": [3, 4], "lim": 2}), &["a", "b"]),
        (json!({"ty": [3, 4], "lim": 2, "ofst": 3}), &["c", "a/i"]),
        (json!({"lvl": 1}), containers),
        (json!({"lbl": ["red", "blue"]}), &["a", "b"]),
        (json!({"clbl": ["deep"]}), &["a"]),
        (json!({"palb": ["red"]}), &["a/i"]),
        (json!({"lbq": "room==kitchen"}), &["a"]),
        (json!({"chty": [4]}), &["a"]),
        (json!({"pty": [3]}), &["a/i"]),
        (json!({"cty": ["text/plain:0"]}), &["a/i"]),
        (json!({"atr": [{"nm": "mni", "val": 5}]}), &["a"]),
        (json!({"mni": 7}), &["b"]),
        (json!({"rn": "?"}), all),
        (json!({"catr": [{"nm": "con", "val": "a*"}]}), &["a"]),
        (json!({"patr": [{"nm": "mni", "val": 5}]}), &["a/i"]),
        (json!({"ty": [3], "arp": "la"}), &["a/i"]),
        (json!({"gmty": 3, "geom": square, "gsf": 1}), &["b"]),
        (json!({"gmty": 1, "geom": [5, 5], "gsf": 2}), &["b"]),
        (json!({"gq": {"gmty": 1, "geom": "[5, 5]", "gsf": 2}}), &["b"]),
        (json!({"gmty": 3, "geom": square, "gsf": 3}), &["b"]),
        (json!({"lbl": ["red"], "mni": 7, "fo": 1}), &[]),
        (json!({"lbl": ["red"], "mni": 7, "fo": 2}), &["a", "b"]),
        (json!({"lbl": ["red"], "mni": 5, "ty": [3], "fo": 3}), containers),
    ] {
        let mut criteria = Map::from_iter([("fu".to_owned(), json!(1))]);
        criteria.extend(filter.as_object().unwrap().clone());
        let response = ask(&cse, 2, "Mobius", ADMIN, json!({"fc": criteria})).await;
        assert_eq!(response.status, Status::Ok, "{filter}: {}", debug(&response));
        let expected: Vec<String> = expected.iter().map(|name| format!("Mobius/{name}")).collect();
        assert_eq!(response.content.unwrap()["m2m:uril"], json!(expected), "{filter}");
    }
    for (filter, status, named) in [
        (json!({"smf": "SELECT"}), Status::NotImplemented, "smf"),
        (json!({"ty": ["x"]}), Status::BadRequest, "ty"),
        (json!({"crb": "soon"}), Status::BadRequest, "crb"),
        (json!({"lim": -1}), Status::BadRequest, "lim"),
        (json!({"fo": 4}), Status::BadRequest, "fo"),
        (json!({"gsf": 1}), Status::BadRequest, "gmty"),
        (json!({"colour": "red"}), Status::BadRequest, "colour"),
    ] {
        let response = ask(&cse, 2, "Mobius", ADMIN, json!({"fc": filter})).await;
        assert_eq!(response.status, status, "{filter}");
        assert!(debug(&response).contains(named), "{filter}: {}", debug(&response));
    }
}

#[tokio::test]
async fn every_result_content_holds_what_the_table_says_and_no_other_is_taken() {
    let cse = tree().await;
    // TS-0001 table 8.1.2-1, without discovery: the operations, and where the content has something.
    let root = |content: &Option<Value>| {
        content.as_ref().and_then(|content| content.as_object()?.keys().next().cloned())
    };
    for (rcn, shown) in [
        (1, Some("m2m:cnt")),
        (4, Some("m2m:cnt")),
        (5, Some("m2m:cnt")),
        (6, Some("m2m:rrl")),
        (8, Some("m2m:cnt")),
        (12, Some("m2m:pmsn")),
    ] {
        let response = ask(&cse, 2, "Mobius/a", ADMIN, json!({"rcn": rcn})).await;
        assert_eq!((response.status, root(&response.content).as_deref()), (Status::Ok, shown), "{rcn}");
        let text = response.content.unwrap().to_string();
        assert_eq!(text.contains("\"mni\""), [1, 4, 5].contains(&rcn), "{rcn}: {text}");
        assert_eq!(text.contains("abc"), [4, 8].contains(&rcn), "{rcn}: {text}");
    }
    for (rcn, status) in [
        (2, Status::BadRequest),
        (3, Status::BadRequest),
        (7, Status::BadRequest),
        (9, Status::BadRequest),
        (13, Status::BadRequest),
    ] {
        let response = ask(&cse, 2, "Mobius/a", ADMIN, json!({"rcn": rcn})).await;
        assert_eq!(response.status, status, "{rcn}");
        assert!(debug(&response).contains("rcn"), "{rcn}: {}", debug(&response));
    }
    let found = ask(&cse, 2, "Mobius", ADMIN, json!({"rcn": 11, "fc": {"fu": 1, "ty": [4]}})).await;
    assert_eq!(found.content.unwrap(), json!({"m2m:uril": ["Mobius/a/i"]}));
    let found = ask(&cse, 2, "Mobius", ADMIN, json!({"rcn": 6, "drt": 1, "fc": {"fu": 1, "ty": [4]}})).await;
    assert_eq!(found.content.unwrap()["m2m:rrl"]["rrf"][0]["val"], "Mobius/a/i");
    for (rcn, shown) in
        [(0, None), (1, Some("m2m:cnt")), (2, Some("m2m:uri")), (3, Some("m2m:rce")), (9, Some("m2m:cnt"))]
    {
        let content = json!({"m2m:cnt": {"rn": format!("new{rcn}"), "mni": 3}});
        let made = ask(&cse, 1, "Mobius", ADMIN, json!({"ty": 3, "rcn": rcn, "pc": content})).await;
        assert_eq!((made.status, root(&made.content).as_deref()), (Status::Created, shown), "{rcn}");
        // Of what the CSE made different, what was given as it is has no place.
        let text = made.content.unwrap_or_default().to_string();
        assert_eq!(text.contains("\"mni\""), [1, 3].contains(&rcn), "{rcn}: {text}");
        let update = json!({"rcn": rcn, "pc": {"m2m:cnt": {"lbl": ["x"]}}});
        let updated = ask(&cse, 3, &format!("Mobius/new{rcn}"), ADMIN, update).await;
        let fits = [0, 1, 9].contains(&rcn);
        assert_eq!(updated.status, if fits { Status::Updated } else { Status::BadRequest }, "{rcn}");
    }
    for (rcn, shown) in [
        (0, None),
        (1, Some("m2m:cnt")),
        (4, Some("m2m:cnt")),
        (5, Some("m2m:cnt")),
        (6, Some("m2m:rrl")),
        (8, Some("m2m:cnt")),
    ] {
        cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "gone"}})).await;
        let gone = ask(&cse, 4, "Mobius/gone", ADMIN, json!({"rcn": rcn})).await;
        assert_eq!((gone.status, root(&gone.content).as_deref()), (Status::Deleted, shown), "{rcn}");
    }
}

#[tokio::test]
async fn every_status_comes_with_a_text_that_names_what_offended() {
    let cse = tree().await;
    let ae = |name: &str| json!({"m2m:ae": {"rn": name, "api": "N1", "rr": false, "srv": ["4"]}});
    cse.make("Mobius", "Cowner", ty::AE, ae("owner")).await;
    cse.make("Mobius", ADMIN, ty::GRP, json!({"m2m:grp": {"rn": "empty", "mnm": 1, "mid": []}})).await;
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "small", "mbs": 2}})).await;
    let sub = |more: Value| {
        let mut content = json!({"nu": ["mqtt://nowhere/x"]});
        content.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"ty": 23, "pc": {"m2m:sub": content}})
    };
    let create = |ty: u32, content: Value| json!({"ty": ty, "pc": content});
    let group = |mt: u32, mnm: u32, mid: Value| {
        create(9, json!({"m2m:grp": {"mt": mt, "mnm": mnm, "csy": 2, "mid": mid}}))
    };
    let cross = json!({"m2m:crs": {"nu": ["mqtt://h/x"], "twt": 1, "tws": "PT5S", "rrat": ["Mobius/none"], "encs": {"enc": [{"net": [3]}]}}});
    for (op, to, from, more, status, named) in [
        (1, "Mobius", ADMIN, create(3, json!({"m2m:cnt": {"mni": "x"}})), Status::BadRequest, "mni"),
        (2, "Mobius", ADMIN, json!({"rvi": "9"}), Status::ReleaseVersionNotSupported, "rvi"),
        (2, "Mobius/none", ADMIN, json!({}), Status::NotFound, "Mobius/none"),
        (3, "Mobius", ADMIN, json!({"pc": {"m2m:cb": {}}}), Status::OperationNotAllowed, "CSEBase"),
        (2, "Mobius", ADMIN, json!({"rqet": "20200101T000000"}), Status::RequestTimeout, "rqet"),
        (1, "Mobius/a", "Cowner", sub(json!({})), Status::OriginatorHasNoPrivilege, "Cowner"),
        (2, "Mobius/a", "Cowner", json!({}), Status::OriginatorHasNoPrivilege, "Mobius/a"),
        (1, "Mobius", ADMIN, create(3, json!({"m2m:cnt": {"rn": "a"}})), Status::Conflict, "rn"),
        (
            1,
            "Mobius",
            ADMIN,
            create(4, json!({"m2m:cin": {"con": 1}})),
            Status::InvalidChildResourceType,
            "ty",
        ),
        (2, "Mobius/empty/fopt", ADMIN, json!({}), Status::NoMembers, "mid"),
        (1, "Mobius", ADMIN, group(2, 5, json!(["Mobius/a"])), Status::GroupMemberTypeInconsistent, "mt"),
        (
            1,
            "Mobius",
            ADMIN,
            group(3, 1, json!(["Mobius/a", "Mobius/b"])),
            Status::MaxNumberOfMemberExceeded,
            "m",
        ),
        (1, "Mobius", "Cowner", create(2, ae("again")), Status::OriginatorHasAlreadyRegistered, "Cowner"),
        (1, "Mobius", ADMIN, create(24, json!({"m2m:smd": {}})), Status::NotImplemented, "ty"),
        (2, "/id-far/cse/x", ADMIN, json!({}), Status::NotFound, "id-far"),
        (1, "Mobius/a", ADMIN, sub(json!({})), Status::SubscriptionVerificationInitiationFailed, "nu"),
        (
            1,
            "Mobius/small",
            ADMIN,
            create(4, json!({"m2m:cin": {"con": "abc"}})),
            Status::NotAcceptable,
            "mbs",
        ),
        (1, "Mobius", ADMIN, create(48, cross), Status::CrossResourceOperationFailure, "rrat"),
    ] {
        let response = ask(&cse, op, to, from, more.clone()).await;
        let text = debug(&response);
        assert_eq!(response.status, status, "{op} {to} {more}: {text}");
        assert!(text.contains(named), "{status:?} names {named}: {text}");
    }
}

#[tokio::test]
async fn a_request_that_is_carried_out_later_is_accepted_with_its_address() {
    let cse = tree().await;
    cse.make(
        "Mobius",
        "Cowner",
        ty::AE,
        json!({"m2m:ae": {"rn": "owner", "api": "N1", "rr": true, "srv": ["4"]}}),
    )
    .await;
    for (kind, status) in [
        (ResponseType::NonBlockingSync, Status::AcceptedNonBlockingSync),
        (ResponseType::NonBlockingAsync, Status::AcceptedNonBlockingAsync),
    ] {
        let request =
            Request { response_type: kind, ..Request::new(Operation::Retrieve, "Mobius/owner", "Cowner") };
        let response = cse.cse.request(request).await;
        assert_eq!(response.status, status);
        let address = response.content.unwrap()["m2m:uri"].as_str().unwrap().to_owned();
        let wait = async {
            loop {
                let found = cse.get(&address, ADMIN).await;
                if found["rs"] == 1 {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.unwrap();
        assert_eq!(found["ors"]["rsc"], 2000, "{found}");
    }
}
