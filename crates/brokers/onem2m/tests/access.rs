//! Who may do what, from TS-0001 9.6.2 and TS-0003 7.1.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{ADMIN, Fixture, ty};
use morgana_onem2m::Status;
use serde_json::{Value, json};

async fn with_policy(rule: Value) -> Fixture {
    let cse = Fixture::new();
    let selves = json!({"acr": [{"acor": [ADMIN], "acop": 63}]});
    let policy = json!({"m2m:acp": {"rn": "p", "pv": {"acr": [rule]}, "pvs": selves}});
    cse.make("Mobius", ADMIN, ty::ACP, policy).await;
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c", "acpi": ["Mobius/p"]}})).await;
    cse
}

#[tokio::test]
async fn a_discovery_leaves_out_what_its_originator_may_not_see() {
    let cse = Fixture::new();
    let rule = json!({"acr": [{"acor": ["Cguest"], "acop": 32}]});
    let policy = json!({"m2m:acp": {"rn": "p", "pv": rule, "pvs": {"acr": [{"acor": [ADMIN], "acop": 63}]}}});
    cse.make("Mobius", ADMIN, ty::ACP, policy).await;
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "closed"}})).await;
    cse.make("Mobius/closed", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "open", "acpi": ["Mobius/p"]}})).await;
    let discover = async |from: &str| {
        let mut request = morgana_onem2m::Request::new(morgana_onem2m::Operation::Retrieve, "Mobius", from);
        request.set_parameter("fu", "1").unwrap();
        request.set_parameter("ty", "3").unwrap();
        cse.cse.request(request).await
    };
    assert_eq!(discover("Cguest").await.content.unwrap(), json!({"m2m:uril": ["Mobius/closed/open"]}));
    let nothing = discover("Cnobody").await;
    assert_eq!((nothing.status, nothing.content.unwrap()), (Status::Ok, json!({"m2m:uril": []})));
}

#[tokio::test]
async fn without_a_policy_a_resource_is_its_creators_alone() {
    let cse = Fixture::new();
    cse.make(
        "Mobius",
        "Cone",
        ty::AE,
        json!({"m2m:ae": {"rn": "one", "api": "Nx", "rr": false, "srv": ["4"]}}),
    )
    .await;
    cse.make("Mobius/one", "Cone", ty::CNT, json!({"m2m:cnt": {"rn": "c"}})).await;
    assert_eq!(cse.retrieve("Mobius/one/c", "Cone").await.status, Status::Ok);
    assert_eq!(cse.retrieve("Mobius/one/c", "Ctwo").await.status, Status::OriginatorHasNoPrivilege);
    assert_eq!(cse.delete("Mobius/one/c", "Ctwo").await, Status::OriginatorHasNoPrivilege);
    // Only who is registered may look at the CSEBase.
    assert_eq!(cse.retrieve("Mobius", "Cone").await.status, Status::Ok);
    assert_eq!(cse.retrieve("Mobius", "Ctwo").await.status, Status::OriginatorHasNoPrivilege);
    assert_eq!(cse.retrieve("Mobius", "").await.status, Status::BadRequest);
}

#[tokio::test]
async fn a_policy_grants_its_operations_to_its_originators() {
    let cse = with_policy(json!({"acor": ["C*", "all-but-not-this"], "acop": 3})).await;
    cse.make("Mobius/c", "Canyone", ty::CIN, json!({"m2m:cin": {"con": 1}})).await;
    // An instance has the policies of its container.
    assert_eq!(cse.retrieve("Mobius/c/la", "Cother").await.status, Status::Ok);
    assert_eq!(cse.retrieve("Mobius/c/la", "Sother").await.status, Status::OriginatorHasNoPrivilege);
    assert_eq!(cse.delete("Mobius/c/la", "Cother").await, Status::OriginatorHasNoPrivilege);
    let policies = json!({"m2m:cnt": {"acpi": null}});
    assert_eq!(cse.update("Mobius/c", "Cother", policies).await.status, Status::OriginatorHasNoPrivilege);
}

#[tokio::test]
async fn mobius_writes_operations_as_strings() {
    let cse = with_policy(json!({"acor": ["tenant1"], "acop": "3"})).await;
    assert_eq!(cse.retrieve("Mobius/c", "tenant1").await.status, Status::Ok);
    assert_eq!(cse.get("Mobius/p", ADMIN).await["pv"]["acr"][0]["acop"], 3);
}

#[tokio::test]
async fn a_rule_counts_only_in_its_context() {
    for (context, status) in [
        (json!([{"actw": ["* * * * * * *"]}]), Status::Ok),
        (json!([{"actw": ["* * * * * * 1984"]}]), Status::OriginatorHasNoPrivilege),
        (json!([{"acip": {"ipv4": ["10.0.0.0/8"]}}]), Status::OriginatorHasNoPrivilege),
    ] {
        let cse = with_policy(json!({"acor": ["all"], "acop": 63, "acco": context})).await;
        assert_eq!(cse.retrieve("Mobius/c", "Cx").await.status, status);
    }
    let cse = with_policy(json!({"acor": ["all"], "acop": 63, "acod": [{"chty": [3]}]})).await;
    let instance = json!({"m2m:cin": {"con": 1}});
    assert_eq!(
        cse.create("Mobius/c", "Cx", ty::CIN, instance).await.status,
        Status::OriginatorHasNoPrivilege
    );
    assert_eq!(cse.create("Mobius/c", "Cx", ty::CNT, json!({"m2m:cnt": {}})).await.status, Status::Created);
}

#[tokio::test]
async fn who_is_in_a_group_is_meant_by_it() {
    let cse = Fixture::new();
    cse.make(
        "Mobius",
        "Cin",
        ty::AE,
        json!({"m2m:ae": {"rn": "in", "api": "Nx", "rr": false, "srv": ["4"]}}),
    )
    .await;
    cse.make("Mobius", ADMIN, ty::GRP, json!({"m2m:grp": {"rn": "g", "mnm": 5, "mid": ["Mobius/in"]}})).await;
    let rule = json!({"acor": ["Mobius/g"], "acop": 2});
    let policy = json!({"m2m:acp": {"rn": "p", "pv": {"acr": [rule]}, "pvs": {"acr": [{"acor": [ADMIN], "acop": 63}]}}});
    cse.make("Mobius", ADMIN, ty::ACP, policy).await;
    cse.make("Mobius", ADMIN, ty::CNT, json!({"m2m:cnt": {"rn": "c", "acpi": ["Mobius/p"]}})).await;
    assert_eq!(cse.retrieve("Mobius/c", "Cin").await.status, Status::Ok);
    assert_eq!(cse.retrieve("Mobius/c", "Cout").await.status, Status::OriginatorHasNoPrivilege);
}
