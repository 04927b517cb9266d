//! The operations of the client, against a stand-in for the controller.

use crate::stand_in::{Behaviour, StandIn};
use morgana_client::{Client, Error};
use morgana_model::{
    Credentials, ErrorCode, NewFlavour, NewUser, NewVSilo, Role, Secret, VSilo, VSiloSpec, VThingId,
};
use serde_json::json;

fn client(stand_in: &StandIn, user: &str) -> Client {
    Client::new(&stand_in.url, Some(Secret::new(format!("token-of-{user}")))).unwrap()
}

async fn silo(client: &Client) -> VSilo {
    let spec = VSiloSpec {
        tenant: "tenant1".parse().unwrap(),
        name: "home".parse().unwrap(),
        flavour: "mqtt".parse().unwrap(),
        zone: None,
        debug_mode: false,
    };
    client.create_vsilo(&NewVSilo { spec }).await.unwrap()
}

#[tokio::test]
async fn login_gives_a_session_whose_token_opens_the_rest() {
    let stand_in = StandIn::start().await;
    let anyone = Client::new(&stand_in.url, None).unwrap();
    let credentials = Credentials { user_id: "admin".into(), password: Secret::new("secret") };
    let session = anyone.login(&credentials).await.unwrap();
    assert_eq!(session.role, Role::Administrator);
    let admin = Client::new(&stand_in.url, Some(session.access_token)).unwrap();
    assert_eq!(admin.users().all().await.unwrap().len(), 3);
    admin.logout().await.unwrap();
    admin.ready().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_refused_with_the_servers_words() {
    let stand_in = StandIn::start().await;
    let credentials = Credentials { user_id: "admin".into(), password: Secret::new("guess") };
    let error = Client::new(&stand_in.url, None).unwrap().login(&credentials).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Unauthenticated));
    assert_eq!(error.to_string(), "user or password is wrong");
}

#[tokio::test]
async fn users_and_flavours_come_and_go() {
    let stand_in = StandIn::start().await;
    let admin = client(&stand_in, "admin");
    let user = NewUser { id: "tenant3".parse().unwrap(), password: Secret::new("pw"), role: Role::Tenant };
    assert_eq!(admin.create_user(&user).await.unwrap().id, user.id);
    assert_eq!(admin.create_user(&user).await.unwrap_err().code(), Some(ErrorCode::AlreadyExists));
    admin.delete_user(&user.id).await.unwrap();
    assert_eq!(admin.delete_user(&user.id).await.unwrap_err().code(), Some(ErrorCode::NotFound));

    let spec = json!({"imageName": "builtin:mqtt", "params": {"access": "open"}});
    let new = NewFlavour { id: "mqtt".parse().unwrap(), spec: serde_json::from_value(spec).unwrap() };
    let flavour = admin.create_flavour(&new).await.unwrap();
    assert_eq!(admin.flavour(&flavour.id).await.unwrap(), flavour);
    assert_eq!(admin.flavours().all().await.unwrap(), std::slice::from_ref(&flavour));
    admin.delete_flavour(&flavour.id).await.unwrap();
    assert!(admin.flavour(&flavour.id).await.is_err());
}

#[tokio::test]
async fn vthings_are_plugged_in_and_out_by_their_whole_id() {
    let stand_in = StandIn::start().await;
    let tenant = client(&stand_in, "tenant1");
    let (silo, vthing) = (silo(&tenant).await.id, "host/thing0001".parse::<VThingId>().unwrap());
    assert_eq!(tenant.vthing(&vthing).await.unwrap().spec.kind.as_deref(), Some("actuator"));
    assert_eq!(tenant.connect(&silo, &vthing).await.unwrap().spec.v_thing, vthing);
    assert_eq!(tenant.connections(&silo).all().await.unwrap().len(), 1);
    tenant.disconnect(&silo, &vthing).await.unwrap();
    assert!(tenant.connections(&silo).all().await.unwrap().is_empty());
    let path = "DELETE /v1/vsilos/tenant1_home/connections/host/thing0001";
    assert!(stand_in.requests().iter().any(|request| request == path));
}

#[tokio::test]
async fn a_tenant_does_not_see_another_ones_silo() {
    let stand_in = StandIn::start().await;
    let silo = silo(&client(&stand_in, "tenant1")).await;
    let error = client(&stand_in, "tenant2").vsilo(&silo.id).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NotFound));
}

#[tokio::test]
async fn a_request_without_a_token_is_unauthenticated() {
    let stand_in = StandIn::start().await;
    let error = Client::new(&stand_in.url, None).unwrap().vthings().all().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Unauthenticated));
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_huge_list_comes_whole_page_by_page() {
    let stand_in = StandIn::with(Behaviour { vthings: 5_001, ..Behaviour::default() }).await;
    let tenant = client(&stand_in, "tenant1");
    let all = tenant.vthings().all().await.unwrap();
    assert_eq!(all.len(), 5_001);
    assert!(all.is_sorted_by(|a, b| a.id < b.id), "no gap, no repetition");
    assert_eq!(stand_in.requests().len(), 6);

    let mut pages = tenant.vthings().with_limit(2_000);
    let mut sizes = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        sizes.push(page.len());
    }
    assert_eq!(sizes, [2_000, 2_000, 1_001]);
}

#[tokio::test]
async fn the_last_lines_of_a_log_come_at_once_or_as_a_stream() {
    let stand_in = StandIn::start().await;
    let (tenant, workload) = (client(&stand_in, "tenant1"), "vsilo/tenant1_home".parse().unwrap());
    let lines = tenant.logs(&workload, Some(2)).await.unwrap();
    assert_eq!(lines, ["vsilo/tenant1_home says 0", "vsilo/tenant1_home says 1"]);
    let mut stream = tenant.follow_logs(&workload, Some(2)).await.unwrap();
    assert_eq!(stream.next().await.unwrap().as_ref(), Some(&lines[0]));
    assert_eq!(stream.next().await.unwrap().as_ref(), Some(&lines[1]));
    assert_eq!(stream.next().await.unwrap(), None);
}

#[tokio::test]
async fn every_error_of_the_library_is_sendable() {
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    is_error::<Error>();
}
