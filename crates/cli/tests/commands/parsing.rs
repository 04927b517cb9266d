//! Which command lines are understood.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::shell::Program;

fn parse(line: &str) -> Result<Program, clap::Error> {
    Program::try_parse_from(["morgana"].into_iter().chain(line.split_whitespace()))
}

#[test]
fn the_definition_of_the_commands_is_sound() {
    Program::command().debug_assert();
}

#[test]
fn viriots_command_lines_are_understood() {
    // viriot-wire.md section 2.3, each of the 24 commands.
    for line in [
        "login -c http://127.0.0.1:8090 -u admin -p passw0rd",
        "logout -c http://127.0.0.1:8090",
        "register -c http://127.0.0.1:8090 -u tenant1 -p password -r user",
        "unregister -c http://127.0.0.1:8090 -u tenant1",
        "add-flavour -c http://127.0.0.1:8090 -f mobius-base-f -s Mobius -i fed4iot/mobius-base-f:2.2 -d silo",
        "del-flavour -c http://127.0.0.1:8090 -n mobius-base-f",
        "list-flavours -c http://127.0.0.1:8090",
        "inspect-flavour -c http://127.0.0.1:8090 -v mobius-base-f",
        "add-thingvisor -c http://127.0.0.1:8090 -i fed4iot/helloworld-tv:2.2 -n helloworld -d hello -z zone1",
        "add-thingvisor -c http://127.0.0.1:8090 -i fed4iot/v-weather-tv:2.2 -n weather -p {'cities':['Rome'],'rate':60}",
        "del-thingvisor -c http://127.0.0.1:8090 -n helloworld -f",
        "list-thingvisors -c http://127.0.0.1:8090",
        "inspect-thingvisor -c http://127.0.0.1:8090 -v helloworld",
        "create-vsilo -c http://127.0.0.1:8090 -f mobius-base-f -t tenant1 -s Silo1 -z zone1",
        "destroy-vsilo -c http://127.0.0.1:8090 -t tenant1 -s Silo1 -f",
        "list-vsilos -c http://127.0.0.1:8090",
        "inspect-vsilo -c http://127.0.0.1:8090 -v tenant1_Silo1",
        "add-vthing -c http://127.0.0.1:8090 -t tenant1 -s Silo1 -v helloworld/hello",
        "del-vthing -c http://127.0.0.1:8090 -t tenant1 -s Silo1 -v helloworld/hello",
        "list-vthings -c http://127.0.0.1:8090",
        "list-users -c http://127.0.0.1:8090",
        "inspect-tenant -c http://127.0.0.1:8090 -t tenant1",
        "update-thingvisor -c http://127.0.0.1:8090 -n helloworld -p {\"rate\":5} -d new -u {\"x\":1}",
        "update-thingvisor -c http://127.0.0.1:8090 -n helloworld -p \"\" -u \"\"",
        "set-vthing-endpoint -c http://127.0.0.1:8090 -v camera/front -e http://10.0.0.1:8080",
        "del-vthing-endpoint -c http://127.0.0.1:8090 -v camera/front",
        "add-thingvisor -c http://127.0.0.1:8090 -i fed4iot/x -n x --debug",
        "create-vsilo -f mqtt -t tenant1 -s Silo1 -d true",
        "create-vsilo -f mqtt -t tenant1 -s Silo1 -d false",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn what_is_not_given_is_what_viriot_takes_for_it() {
    // The defaults of section 2.3; who is logged in takes the place of `-t tenant1`, and there is no default password
    // and no default image.
    for (line, wanted) in [
        ("login -p x", &["tenant1"][..]),
        ("register -u x -p y", &["Tenant"]),
        ("add-flavour -i fed4iot/mobius-base-f", &["mobius-base-f", "params: None", "yaml_files: None"]),
        (
            "add-thingvisor -i fed4iot/helloworld-tv",
            &["helloworld-tv", "params: Null", "hello thingVisor", "zone: None", "debug: false"],
        ),
        ("update-thingvisor", &["helloworld-tv", "params: Null", "description: None", "update_info: Null"]),
        ("del-thingvisor", &["helloworld-tv", "force: false"]),
        ("create-vsilo", &["Silo1", "Mobius-base-f", "tenant: None", "zone: None", "debug: false"]),
        ("destroy-vsilo", &["Silo1", "tenant: None", "force: false"]),
        ("add-vthing -v helloworld/hello", &["Silo1", "tenant: None"]),
        ("del-vthing -v helloworld/hello", &["Silo1", "tenant: None"]),
        ("inspect-tenant", &["tenant: None"]),
        ("set-vthing-endpoint -v helloworld/hello", &["dummy"]),
    ] {
        let parsed = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let shown = format!("{parsed:?}");
        for wanted in wanted {
            assert!(shown.contains(wanted), "{line}: {wanted} is not in {shown}");
        }
    }
}

#[test]
fn manifests_are_read_from_a_file_of_several_documents() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tv.yaml");
    std::fs::write(&file, "kind: Deployment\n---\nkind: Service\n").unwrap();
    for command in ["add-flavour -i fed4iot/x", "add-thingvisor -i fed4iot/x"] {
        let shown = format!("{:?}", parse(&format!("{command} -y {}", file.display())).unwrap());
        assert!(shown.contains("Deployment") && shown.contains("Service"), "{shown}");
    }
}

#[test]
fn ids_and_parameters_are_checked_before_anything_is_sent() {
    for (line, said) in [
        ("create-vsilo -s a/b -f mqtt", "vSilo name 'a/b' is not valid"),
        ("add-vthing -s home -v nothing", "it is <thingVisorID>/<localName>"),
        ("add-thingvisor -n UPPER -i builtin:host", "subdomain name"),
        ("add-thingvisor -n host -i builtin:", "names nothing after ':'"),
        ("add-thingvisor -n host -i builtin:host -p {\"rate\":}", "the parameters are not JSON"),
        ("add-thingvisor -n host -i builtin:host -p @/no/such/file", "cannot read the parameters"),
        ("register -u x -r root", "Provided role (root) is not supported"),
        ("logs host", "is not thingvisor/<id> or vsilo/<id>"),
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::ValueValidation, 2), "{line}");
        assert!(error.to_string().contains(said), "{line}: {error}");
    }
}

#[test]
fn a_time_to_wait_without_waiting_is_a_mistake() {
    let error = parse("create-vsilo -s home -f mqtt --timeout-seconds 5").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
}

#[test]
fn every_command_has_a_sentence_and_an_example_that_it_understands() {
    for command in Program::command().get_subcommands() {
        let name = command.get_name();
        assert!(command.get_about().is_some_and(|about| about.to_string().contains(' ')), "{name}");
        let examples = command.get_after_help().unwrap_or_else(|| panic!("{name}: no example")).to_string();
        for example in examples.split("morgana ").skip(1) {
            assert!(example.starts_with(name), "{name}: {example}");
        }
    }
}

#[test]
fn a_password_is_not_in_what_a_command_prints_of_itself() {
    let program = parse("login -u admin -p hunter2").unwrap();
    assert!(!format!("{program:?}").contains("hunter2"));
}
