//! What fuzz targets and property tests drive: each function takes any bytes and must come back, whatever they are.
//! What can be read must also be the same after it was written and read again.

use std::net::SocketAddr;

use coap_lite::{CoapOption, MessageClass, Packet};
use serde_json::Value;

use crate::{
    CoapOptions, cbor,
    coap::{self, Effect, Endpoint},
    primitive::{Filter, request_from_json, response_from_json},
    wire::{Form, Incoming},
};

/// A message of the MQTT or WebSocket binding: the first byte says whether it is CBOR.
pub fn primitive(bytes: &[u8]) {
    let Some((first, message)) = bytes.split_first() else { return };
    let form = if first % 2 == 0 { Form::Json } else { Form::Cbor };
    if let Incoming::Response(response) = Incoming::read(form, message) {
        response_from_json(response);
    }
    if let Some(json) = form.read(message) {
        let _ = request_from_json(json.clone());
        assert!(form.read(&form.write(&json)).is_some(), "what was written is read");
    }
}

/// Filter criteria as they stand in a query, and the same as JSON.
pub fn filter(bytes: &[u8]) {
    let Ok(query) = std::str::from_utf8(bytes) else { return };
    let mut in_query = Filter::default();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let _ = crate::http::decode(value, true);
        let _ = in_query.add(name, value);
        let mut in_json = Filter::default();
        if in_json.add_json(name, &Value::from(value)).is_ok() {
            let _ = in_json.complete();
        }
        if let Ok(json) = serde_json::from_str::<Value>(value) {
            let _ = Filter::default().add_json(name, &json);
        }
    }
    let _ = in_query.complete();
}

/// CBOR.
pub fn cbor(bytes: &[u8]) {
    let Some(value) = cbor::decode(bytes) else { return };
    assert_eq!(cbor::decode(&cbor::encode(&value)).as_ref(), Some(&value));
}

/// Datagrams of the CoAP binding, each after a byte with its length.
pub fn coap(mut bytes: &[u8]) {
    let mut endpoint = Endpoint::new(&CoapOptions::default(), || 7);
    let from: SocketAddr = ([127, 0, 0, 1], 1).into();
    let mut now = 0;
    while let Some((length, rest)) = bytes.split_first() {
        let (datagram, next) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = next;
        now += 700;
        for effect in endpoint.datagram(from, datagram, now) {
            let Effect::Take(exchange, packet) = effect else { continue };
            coap::read_request(&packet);
            let mut answer = Packet::new();
            answer.header.code = MessageClass::from(0x45);
            answer.add_option(CoapOption::MaxAge, Vec::new());
            answer.payload.clone_from(&packet.payload);
            endpoint.respond(&exchange, answer, now);
        }
        endpoint.tick(now);
    }
}
