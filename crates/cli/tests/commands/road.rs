//! The whole road by hand: from the login to a vThing in a silo, and back.

use std::os::unix::fs::PermissionsExt;

use crate::shell::Shell;
use crate::stand_in::StandIn;

#[tokio::test]
async fn an_administrator_and_a_tenant_walk_the_whole_road() {
    let stand_in = StandIn::start().await;
    let admin = Shell::at(&stand_in.url);
    let said = admin.succeed("login -u admin -p secret").await;
    assert!(said.starts_with(&format!("logged in at {} as admin (admin) until", stand_in.url)), "{said}");
    let said = admin.succeed("add-thingvisor -n host -i builtin:host -p {\"rate\":5} --wait").await;
    assert_eq!(said, "ThingVisor host is running\n");
    admin.succeed("add-flavour -f mqtt -i builtin:mqtt -d broker").await;
    assert!(admin.succeed("register -u tenant3 -p pw").await.contains("tenant3 (user) is registered"));
    assert!(admin.succeed("unregister -u tenant3").await.contains("is unregistered"));

    let tenant = Shell::at(&stand_in.url);
    tenant.succeed("login -u tenant1 -p secret").await;
    let said = tenant.succeed("create-vsilo -s home -f mqtt --wait").await;
    assert!(said.starts_with("vSilo tenant1_home is running; `morgana inspect-vsilo"), "{said}");
    let said = tenant.succeed("add-vthing -s home -v host/thing0001").await;
    assert_eq!(said, "vThing host/thing0001 is plugged into vSilo tenant1_home\n");
    assert!(tenant.succeed("inspect-vsilo -v tenant1_home").await.contains("host/thing0001"));
    tenant.succeed("del-vthing -t tenant1 -s home -v host/thing0001").await;
    let said = tenant.succeed("destroy-vsilo -s home -f --wait --timeout-seconds 20").await;
    assert_eq!(said, "vSilo tenant1_home is destroyed\n");
    assert_eq!(admin.succeed("del-thingvisor -n host --wait").await, "ThingVisor host is deleted\n");
    admin.succeed("del-flavour -n mqtt").await;
    assert!(stand_in.requests().contains(&"DELETE /v1/vsilos/tenant1_home?force=true".to_owned()));
}

#[tokio::test]
async fn without_waiting_the_phase_is_that_of_the_acceptance() {
    let stand_in = StandIn::start().await;
    let admin = Shell::at(&stand_in.url);
    admin.succeed("login -u admin -p secret").await;
    let said = admin.succeed("add-thingvisor -n host -i builtin:host").await;
    assert_eq!(said, "ThingVisor host is pending\n");
    assert_eq!(admin.succeed("del-thingvisor -n host").await, "ThingVisor host is stopping\n");
}

#[tokio::test]
async fn who_waits_without_a_terminal_reads_a_line_for_each_phase() {
    let stand_in = StandIn::start().await;
    let admin = Shell::at(&stand_in.url);
    admin.succeed("login -u admin -p secret").await;
    let outcome = admin.run("add-thingvisor -n host -i builtin:host --wait").await;
    assert!(outcome.messages.ends_with("thingvisor/host: running\n"), "{}", outcome.messages);
    assert!(!outcome.messages.contains('\x1b'));
}

#[tokio::test]
async fn tokens_are_the_users_alone_and_go_with_the_logout() {
    let (one, other) = (StandIn::start().await, StandIn::start().await);
    let mut shell = Shell::at(&one.url);
    shell.succeed("login -u tenant1 -p secret").await;
    let mode = std::fs::metadata(shell.token_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    shell.controller = format!("{}/", other.url);
    shell.succeed("login -u tenant2 -p secret").await;
    assert!(shell.succeed("logout").await.starts_with("logged out at"));
    assert!(shell.fail("list-vsilos").await.contains("log in with"));
    shell.controller = one.url;
    shell.succeed("list-vsilos").await;
}

#[tokio::test]
async fn a_token_of_the_environment_goes_before_the_file() {
    let stand_in = StandIn::start().await;
    let mut shell = Shell::at(&stand_in.url);
    shell.succeed("login -u tenant1 -p secret").await;
    shell.token = Some(morgana_model::Secret::new("token-of-admin"));
    shell.succeed("list-users").await;
    let said = shell.fail("create-vsilo -s home -f mqtt").await;
    assert_eq!(said, "error: whose vSilo is it? give -t TENANT, or log in as the tenant\n");
    shell.succeed("create-vsilo -t tenant2 -s home -f mqtt").await;
}

#[tokio::test]
async fn logs_come_as_lines_and_can_be_followed() {
    let stand_in = StandIn::start().await;
    let shell = Shell::at(&stand_in.url);
    shell.succeed("login -u tenant1 -p secret").await;
    let lines = "vsilo/tenant1_home says 0\nvsilo/tenant1_home says 1\n";
    assert_eq!(shell.succeed("logs vsilo/tenant1_home -n 2").await, lines);
    assert_eq!(shell.succeed("logs vsilo/tenant1_home -n 2 -f").await, lines);
    let json = shell.succeed("logs vsilo/tenant1_home -n 2 -f --output json").await;
    assert_eq!(json, "\"vsilo/tenant1_home says 0\"\n\"vsilo/tenant1_home says 1\"\n");
    let yaml = shell.succeed("logs vsilo/tenant1_home -n 2 -f --output yaml").await;
    assert_eq!(yaml, "- vsilo/tenant1_home says 0\n- vsilo/tenant1_home says 1\n");
}
