//! The forms of what commands print.

use morgana_model::Phase;
use serde_json::{Value, json};

use crate::shell::Shell;
use crate::stand_in::{Behaviour, StandIn};

/// A tenant with a silo that has a vThing.
async fn tenant_with_a_silo(stand_in: &StandIn) -> Shell {
    let admin = Shell::at(&stand_in.url);
    admin.succeed("login -u admin -p secret").await;
    admin.succeed("add-flavour -f ld -i builtin:ngsi-ld").await;
    let tenant = Shell::at(&stand_in.url);
    tenant.succeed("login -u tenant1 -p secret").await;
    tenant.succeed("create-vsilo -s home -f ld --wait").await;
    tenant.succeed("add-vthing -s home -v host/thing0000").await;
    tenant
}

#[tokio::test]
async fn a_list_is_a_table_or_json_or_yaml() {
    let stand_in = StandIn::start().await;
    let tenant = tenant_with_a_silo(&stand_in).await;
    insta::assert_snapshot!(tenant.succeed("list-vsilos").await, @r"
    VSILO         FLAVOUR  PHASE    NODE   DOORS                          RESTARTS
    tenant1_home  ld       running  node1  1883/tcp:40001 9090/tcp:40002  0
    ");
    insta::assert_snapshot!(tenant.succeed("list-vsilos --output yaml").await, @r#"
    - id: tenant1_home
      metadata:
        createdAt: "2026-03-01T12:00:00Z"
        generation: 1
      spec:
        tenant: tenant1
        name: home
        flavour: ld
      status:
        phase: running
        node: node1
        endpoints:
          1883/tcp: 40001
          9090/tcp: 40002
        restarts: 0
    "#);
    insta::assert_snapshot!(tenant.succeed("list-vthings").await, @r"
    VTHING          TYPE      LABEL    DESCRIPTION
    host/thing0000  sensor    thing 0  a thing of this machine
    host/thing0001  actuator  thing 1  a thing of this machine
    host/thing0002  sensor    thing 2  a thing of this machine
    ");
    let json: Value = serde_json::from_str(&tenant.succeed("list-vsilos --output json").await).unwrap();
    assert_eq!(json[0]["status"]["endpoints"]["1883/tcp"], 40001);
}

#[tokio::test]
async fn an_empty_list_is_a_header_or_an_empty_array() {
    let stand_in = StandIn::start().await;
    let tenant = Shell::at(&stand_in.url);
    tenant.succeed("login -u tenant2 -p secret").await;
    assert_eq!(tenant.succeed("list-vsilos").await, "VSILO  FLAVOUR  PHASE  NODE  DOORS  RESTARTS\n");
    assert_eq!(tenant.succeed("list-vsilos --output json").await, "[]\n");
    assert_eq!(tenant.succeed("list-vsilos --output yaml").await, "[]\n");
}

#[tokio::test]
async fn inspecting_a_silo_shows_its_token_and_how_to_connect() {
    let stand_in = StandIn::start().await;
    let tenant = tenant_with_a_silo(&stand_in).await;
    insta::assert_snapshot!(tenant.succeed("inspect-vsilo -v tenant1_home").await, @r"
    vsilo     tenant1_home
    phase     running
    flavour   ld
    node      node1
    doors     1883/tcp:40001 9090/tcp:40002
    token     silo-token
    vthings   host/thing0000
    restarts  0
    created   2026-03-01T12:00:00Z

    connect with
      mosquitto_sub -h 127.0.0.1 -p 40001 -u tenant1 -P silo-token -t 'tenant1/#' -v
      curl -H 'Authorization: Bearer silo-token' 'http://127.0.0.1:40002/ngsi-ld/v1/entities?local=true'
    ");
    let json = tenant.succeed("inspect-vsilo -v tenant1_home --output json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["token"], &json["vThings"][0]), (&"silo-token".into(), &"host/thing0000".into()));
}

#[tokio::test]
async fn the_token_of_a_silo_is_shown_only_where_it_is_asked_for() {
    let stand_in = StandIn::start().await;
    let tenant = tenant_with_a_silo(&stand_in).await;
    for line in [
        "list-vsilos --output json",
        "list-vsilos",
        "create-vsilo -s other -f ld --output json",
        "destroy-vsilo -s home --output yaml",
    ] {
        assert!(!tenant.succeed(line).await.contains("silo-token"), "{line}");
    }
    let login = tenant.succeed("login -u tenant1 -p secret --output json").await;
    assert!(!login.contains("token-of-tenant1"), "{login}");
}

#[tokio::test]
async fn an_administrator_reads_what_a_thing_visor_is() {
    let start = Phase::Failed { reason: "exit status 1".into() };
    let stand_in = StandIn::with(Behaviour { start, ..Behaviour::default() }).await;
    let admin = Shell::at(&stand_in.url);
    admin.succeed("login -u admin -p secret").await;
    assert_eq!(
        admin.run("add-thingvisor -n relay -i builtin:relay -p {\"vThingName\":\"x\"} --wait").await.status,
        1
    );
    insta::assert_snapshot!(admin.succeed("list-thingvisors").await, @r"
    THINGVISOR  PHASE                  IMAGE          NODE   DOORS           RESTARTS  DESCRIPTION
    relay       failed: exit status 1  builtin:relay  node1  8089/tcp:41000  0         hello thingVisor
    ");
    insta::assert_snapshot!(admin.succeed("inspect-thingvisor -v relay").await, @r#"
    thingvisor   relay
    phase        failed: exit status 1
    image        builtin:relay
    params       {"vThingName":"x"}
    description  hello thingVisor
    node         node1
    doors        8089/tcp:41000
    restarts     0
    updates      0
    created      2026-03-01T12:00:00Z
    "#);
    insta::assert_snapshot!(admin.succeed("list-users").await, @r"
    USER     ROLE   CREATED
    admin    admin  2026-03-01T12:00:00Z
    tenant1  user   2026-03-01T12:00:00Z
    tenant2  user   2026-03-01T12:00:00Z
    ");
}

#[tokio::test]
async fn events_are_lines_until_the_stream_is_lost() {
    let stand_in = StandIn::with(Behaviour { events_per_stream: 0, ..Behaviour::default() }).await;
    let shell = Shell::at(&stand_in.url);
    shell.succeed("login -u admin -p secret").await;
    let outcome = shell.run("events").await;
    assert_eq!((outcome.status, outcome.output.as_str()), (1, ""));
    assert!(outcome.messages.contains("/v1/events broke off"), "{}", outcome.messages);
}

#[tokio::test]
async fn events_are_printed_as_they_come() {
    let stand_in = StandIn::start().await;
    let shell = Shell::at(&stand_in.url);
    shell.succeed("login -u admin -p secret").await;
    for id in ["first", "second"] {
        stand_in.state.publish("thingvisor", id, Some(&json!({"status": {"phase": "running"}})));
    }
    let lines = shell.watch("events --snapshot", "second\trunning\n").await;
    assert_eq!(lines, "1\tthingvisor/first\trunning\n2\tthingvisor/second\trunning\n");
    let json = shell.watch("events --snapshot --output json", "second").await;
    let event: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&event["revision"], &event["id"]), (&1.into(), &"first".into()));
    let yaml = shell.watch("events --snapshot --output yaml", "second").await;
    assert!(yaml.starts_with("- revision: 1\n  kind: thingvisor\n  id: first\n  resource:\n"), "{yaml}");
}

/// A reader that has gone away.
#[derive(Clone)]
struct Gone;

impl std::io::Write for Gone {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_error() {
    let stand_in = StandIn::start().await;
    let shell = Shell::at(&stand_in.url);
    shell.succeed("login -u admin -p secret").await;
    for line in ["list-vthings", "list-vthings --output json", "list-vthings --output yaml"] {
        assert_eq!(shell.run_on(shell.parse(line), &Gone).await, (0, String::new()), "{line}");
    }
}
