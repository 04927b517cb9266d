use proptest::prelude::*;
use serde_json::json;

use super::*;

fn document(value: &Value) -> Vec<u8> {
    to_bytes(value)
}

fn message(operation: i32, rest: &[u8]) -> (Head, Vec<u8>) {
    let mut head = Vec::new();
    for number in [i32::try_from(HEAD + rest.len()).unwrap(), 7, 0, operation] {
        head.extend(number.to_le_bytes());
    }
    (Head::parse(&head.try_into().unwrap()).unwrap(), rest.to_vec())
}

fn op_msg(flags: u32, sections: &[u8]) -> (Head, Vec<u8>) {
    message(OP_MSG, &[&flags.to_le_bytes(), sections].concat())
}

fn op_query(collection: &str, command: &Value) -> (Head, Vec<u8>) {
    let rest =
        [&0_i32.to_le_bytes(), collection.as_bytes(), &[0; 5], &(-1_i32).to_le_bytes(), &document(command)];
    message(OP_QUERY, &rest.concat())
}

#[test]
fn a_command_is_read_in_both_forms() {
    let (head, rest) = op_query("admin.$cmd", &json!({ "isMaster": 1 }));
    let request = parse(head, &rest).unwrap();
    assert_eq!((head.request, request.form), (7, Form::Query));
    assert_eq!(Value::Object(request.command), json!({ "isMaster": 1, "$db": "admin" }));

    let find = json!({ "find": "vSiloC", "filter": { "vSiloID": "t_s" }, "limit": 1, "$db": "viriotDB" });
    let (head, rest) = op_msg(0, &[&[0], &document(&find)[..]].concat());
    let request = parse(head, &rest).unwrap();
    assert_eq!((Value::Object(request.command), request.is_answered), (find, true));
}

#[test]
fn a_checksum_and_a_sequence_of_documents_are_passed_over() {
    let body = document(&json!({ "ping": 1 }));
    let sequence = [&[1_u8][..], &13_i32.to_le_bytes(), b"docs\0", &[0; 4]].concat();
    let rest = [&[0][..], &body, &sequence, &[1, 2, 3, 4]].concat();
    let (head, rest) = op_msg(CHECKSUM_PRESENT | MORE_TO_COME, &rest);
    let request = parse(head, &rest).unwrap();
    assert!(!request.is_answered);
    assert_eq!(request.command["ping"], 1);
}

#[test]
fn an_answer_is_a_message_that_can_be_read_again() {
    let reply = json!({ "ok": 1.0, "n": 7, "big": 1_u64 << 40, "a": [{ "x": null }], "t": "ü" });
    let bytes = answer(Form::Message, 7, &reply);
    let head = Head::parse(bytes[..HEAD].try_into().unwrap()).unwrap();
    assert_eq!(head.rest, bytes.len() - HEAD);
    assert_eq!(Value::Object(parse(head, &bytes[HEAD..]).unwrap().command), reply);
    let query = answer(Form::Query, 7, &reply);
    assert_eq!(query[8..16], [7_i32.to_le_bytes(), OP_REPLY.to_le_bytes()].concat());
    assert_eq!(query[HEAD + 20..], to_bytes(&reply));
}

#[test]
fn the_id_of_a_cursor_is_a_number_of_64_bits() {
    let bytes = to_bytes(&json!({ "firstBatch": [{ "id": 5 }], "id": 0 }));
    let raw = RawDocument::from_bytes(&bytes).unwrap();
    assert!(matches!(raw.get("id").unwrap(), Some(RawBsonRef::Int64(0))));
}

#[test]
fn lengths_and_operations_that_cannot_be_are_refused() {
    let head = |length: i32, operation: i32| {
        let bytes: Vec<u8> =
            [length, 1, 0, operation].iter().flat_map(|number| number.to_le_bytes()).collect();
        Head::parse(&bytes.try_into().unwrap())
    };
    for length in [0, -1, 15, i32::MIN, i32::MAX, i32::try_from(MAX_REQUEST).unwrap() + 1] {
        assert_eq!(head(length, OP_MSG), Err(WireError::Length(length)));
    }
    for operation in [0, 1, 2001, 2002, 2005, 2012] {
        assert_eq!(head(100, operation), Err(WireError::Operation(operation)));
    }
}

#[test]
fn malformed_requests_are_refused() {
    let body = document(&json!({ "ping": 1 }));
    let mut long = body.clone();
    long[0] = 255;
    let mut negative = body.clone();
    negative[3] = 255;
    let cases: [&[u8]; 9] = [
        &[],
        &[0],
        &[9],
        &[&[0][..], &body[..body.len() - 1]].concat(),
        &[&[0][..], &long].concat(),
        &[&[0][..], &negative].concat(),
        &[&[0][..], &body, &[0], &body].concat(),
        &[&[1][..], &3_i32.to_le_bytes()].concat(),
        &[&[1][..], &i32::MAX.to_le_bytes()].concat(),
    ];
    for case in cases {
        let (head, rest) = op_msg(0, case);
        assert!(parse(head, &rest).is_err(), "{case:?}");
    }
    let (head, rest) = op_msg(4, &[&[0][..], &body].concat());
    assert!(parse(head, &rest).is_err(), "a required flag that is not known");
    let (head, rest) = op_query("viriotDB.vSiloC", &json!({}));
    assert!(parse(head, &rest).is_err(), "a query of a collection in the old form");
    let (head, rest) = message(OP_QUERY, &[0, 0, 0, 0, b'a', b'b']);
    assert!(parse(head, &rest).is_err(), "a text without an end");
}

#[test]
fn a_document_nested_too_deep_is_refused_and_does_not_end_the_process() {
    let mut deep = json!({});
    for _ in 0..200 {
        deep = json!({ "a": deep });
    }
    let (head, rest) = op_msg(0, &[&[0][..], &document(&deep)].concat());
    assert_eq!(parse(head, &rest), Err(WireError::Document("it is nested too deep".to_owned())));
    // As deep as a request can be long, made by hand: making it with the library would itself recurse.
    let mut bytes = vec![5, 0, 0, 0, 0];
    while bytes.len() < MAX_REQUEST - 64 {
        let length = i32::try_from(bytes.len() + 8).unwrap();
        bytes = [&length.to_le_bytes()[..], &[3, b'a', 0], &bytes, &[0]].concat();
    }
    let (head, rest) = op_msg(0, &[&[0][..], &bytes].concat());
    assert!(parse(head, &rest).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_answered_with_a_request_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400), is_query: bool) {
        let operation = if is_query { OP_QUERY } else { OP_MSG };
        let (head, rest) = message(operation, &bytes);
        let _ = parse(head, &rest);
    }

    #[test]
    fn a_good_request_with_any_byte_changed_is_answered(position in 0_usize..60, byte: u8) {
        let find = json!({ "find": "vSiloC", "filter": { "vSiloID": "t_s" }, "$db": "viriotDB" });
        let mut sections = [&[0][..], &document(&find)].concat();
        let index = position % sections.len();
        sections[index] = byte;
        let (head, rest) = op_msg(0, &sections);
        let _ = parse(head, &rest);
    }

    #[test]
    fn any_head_is_answered(bytes: [u8; HEAD]) {
        let _ = Head::parse(&bytes);
    }
}
