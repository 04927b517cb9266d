#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use coap_lite::RequestType;
use proptest::prelude::*;

use super::*;

fn peer() -> SocketAddr {
    ([127, 0, 0, 1], 40_000).into()
}

fn endpoint() -> Endpoint {
    Endpoint::new(&CoapOptions::default(), || 7)
}

fn get(message: u16, kind: MessageType) -> Packet {
    let mut packet = Packet::new();
    packet.header.code = MessageClass::Request(RequestType::Get);
    packet.header.set_type(kind);
    packet.header.message_id = message;
    packet.set_token(vec![1, 2]);
    packet.add_option(CoapOption::UriPath, b"Mobius".to_vec());
    packet
}

fn bytes(packet: &Packet) -> Vec<u8> {
    packet.to_bytes_unlimited().unwrap()
}

fn content(body: &[u8]) -> Packet {
    let mut packet = Packet::new();
    packet.header.code = MessageClass::from(0x45);
    packet.payload = body.to_vec();
    packet
}

/// The only datagram among the effects.
fn sent(effects: &[Effect]) -> Packet {
    let mut packets = effects.iter().filter_map(|effect| match effect {
        Effect::Send(to, bytes) if *to == peer() => Some(Packet::from_bytes(bytes).unwrap()),
        _ => None,
    });
    let packet = packets.next().expect("a datagram leaves");
    assert!(packets.next().is_none());
    packet
}

fn taken(effects: Vec<Effect>) -> (Exchange, Packet) {
    match effects.into_iter().next() {
        Some(Effect::Take(exchange, packet)) => (exchange, *packet),
        other => panic!("no request is taken: {other:?}"),
    }
}

#[test]
fn an_answer_in_time_rides_on_the_acknowledgement_and_a_repeated_request_gets_it_again() {
    let mut endpoint = endpoint();
    let request = bytes(&get(9, MessageType::Confirmable));
    let (exchange, _) = taken(endpoint.datagram(peer(), &request, 0));
    assert_eq!(endpoint.datagram(peer(), &request, 1), []);
    let answer = sent(&endpoint.respond(&exchange, content(b"x"), 2));
    assert_eq!(answer.header.get_type(), MessageType::Acknowledgement);
    assert_eq!((answer.header.message_id, answer.get_token()), (9, &[1, 2][..]));
    assert_eq!(sent(&endpoint.datagram(peer(), &request, 3)), answer);
    assert_eq!(endpoint.next_due(), None);
}

#[test]
fn a_late_answer_comes_after_an_acknowledgement_and_again_until_it_is_acknowledged_itself() {
    let mut endpoint = endpoint();
    let request = bytes(&get(9, MessageType::Confirmable));
    let (exchange, _) = taken(endpoint.datagram(peer(), &request, 0));
    let acknowledgement = sent(&endpoint.tick(SEPARATE_AFTER));
    assert_eq!(acknowledgement.header.code, MessageClass::Empty);
    assert_eq!(acknowledgement.header.message_id, 9);
    let answer = sent(&endpoint.respond(&exchange, content(b"x"), 1_500));
    assert_eq!(answer.header.get_type(), MessageType::Confirmable);
    let again = endpoint.next_due().unwrap();
    assert_eq!(sent(&endpoint.tick(again)), answer);
    let mut acknowledged = Packet::new();
    acknowledged.header.set_type(MessageType::Acknowledgement);
    acknowledged.header.code = MessageClass::Empty;
    acknowledged.header.message_id = answer.header.message_id;
    assert_eq!(endpoint.datagram(peer(), &bytes(&acknowledged), again + 1), []);
    assert_eq!(endpoint.next_due(), None);
}

#[test]
fn a_message_that_nobody_acknowledges_is_sent_five_times_and_given_up() {
    let mut endpoint = endpoint();
    let mut packets = 0;
    let mut effects = endpoint.ask(3, peer(), get(0, MessageType::Confirmable), 1_000_000, 0);
    while let Some(Effect::Send(..)) = effects.first() {
        packets += 1;
        let due = endpoint.next_due().unwrap();
        effects = endpoint.tick(due);
    }
    assert_eq!(packets, 5);
    assert!(matches!(effects.as_slice(), [Effect::Answered(3, Err(_))]), "{effects:?}");
    assert_eq!(endpoint.next_due(), None);
}

#[test]
fn a_large_question_goes_in_blocks_and_its_answer_is_matched_by_the_token() {
    let mut endpoint = endpoint();
    let mut request = get(0, MessageType::Confirmable);
    request.payload = vec![5; 2_500];
    let mut came = Vec::new();
    let mut packet = sent(&endpoint.ask(3, peer(), request, 60_000, 0));
    loop {
        came.extend_from_slice(&packet.payload);
        let block = Block::of(&packet, CoapOption::Block1).unwrap().unwrap();
        let mut answer = plain(if block.more { 0x5f } else { 0x44 }, "");
        answer.header.set_type(MessageType::Acknowledgement);
        answer.header.message_id = packet.header.message_id;
        answer.set_token(packet.get_token().to_vec());
        block.put(&mut answer, CoapOption::Block1);
        let effects = endpoint.datagram(peer(), &bytes(&answer), 1);
        if !block.more {
            assert!(matches!(effects.as_slice(), [Effect::Answered(3, Ok(_))]), "{effects:?}");
            break;
        }
        packet = sent(&effects);
    }
    assert_eq!(came, vec![5; 2_500]);
    assert_eq!(endpoint.next_due(), None);
}

#[test]
fn a_large_answer_goes_in_blocks_of_the_size_that_the_client_wants_each_with_what_the_first_says() {
    let mut endpoint = endpoint();
    let body: Vec<u8> = (0..=255).cycle().take(3_000).collect();
    let mut whole = content(&body);
    whole.header.code = MessageClass::from(0x41);
    whole.add_option(CoapOption::ContentFormat, vec![50]);
    whole.add_option(CoapOption::from(307), vec![7, 208]);
    let mut read = Vec::new();
    let mut said = None;
    for number in 0.. {
        let mut request = get(number, MessageType::Confirmable);
        Block { number: usize::from(number), more: false, exponent: 4 }.put(&mut request, CoapOption::Block2);
        let mut effects = endpoint.datagram(peer(), &bytes(&request), 0);
        if number == 0 {
            let (exchange, _) = taken(effects);
            effects = endpoint.respond(&exchange, whole.clone(), 0);
        }
        let mut answer = sent(&effects);
        let block = Block::of(&answer, CoapOption::Block2).unwrap().unwrap();
        assert_eq!(block.size(), 256);
        read.append(&mut answer.payload);
        answer.clear_option(CoapOption::Block2);
        let options: Vec<_> = answer.options().map(|(number, value)| (*number, value.clone())).collect();
        let here = (answer.header.code, options);
        assert_eq!(said.get_or_insert_with(|| here.clone()), &here, "block {number}");
        if !block.more {
            break;
        }
    }
    assert_eq!(read, body);
    let (code, options) = said.unwrap();
    assert_eq!(code, MessageClass::from(0x41));
    for number in [CoapOption::ContentFormat, CoapOption::ETag, CoapOption::Size2, CoapOption::from(307)] {
        assert!(options.iter().any(|(known, _)| *known == u16::from(number)), "{number:?}");
    }
}

#[test]
fn a_request_in_blocks_is_taken_once_and_whole() {
    let mut endpoint = endpoint();
    for (number, more) in [(0, true), (1, true), (2, false)] {
        let mut request = get(number as u16, MessageType::Confirmable);
        request.payload = vec![number as u8; if more { 16 } else { 3 }];
        Block { number, more, exponent: 0 }.put(&mut request, CoapOption::Block1);
        let effects = endpoint.datagram(peer(), &bytes(&request), 0);
        if more {
            assert_eq!(u8::from(sent(&effects).header.code), 0x5f);
        } else {
            let (exchange, packet) = taken(effects);
            assert_eq!(packet.payload.len(), 35);
            assert!(endpoint.respond(&exchange, content(b""), 0).len() == 1);
        }
    }
}

#[test]
fn what_is_wrong_with_a_message_is_answered_where_the_standard_says_so() {
    let mut endpoint = endpoint();
    let reset = sent(&endpoint.datagram(peer(), &[0x40, 0, 0, 7], 0));
    assert_eq!((reset.header.get_type(), reset.header.message_id), (MessageType::Reset, 7));
    // Option length 15 is reserved.
    let malformed = sent(&endpoint.datagram(peer(), &[0x40, 1, 0, 8, 0x1f], 0));
    assert_eq!((malformed.header.get_type(), malformed.header.message_id), (MessageType::Reset, 8));
    let mut critical = get(10, MessageType::Confirmable);
    critical.add_option(CoapOption::from(4_001), Vec::new());
    assert_eq!(u8::from(sent(&endpoint.datagram(peer(), &bytes(&critical), 0)).header.code), 0x82);
    let mut missing = get(11, MessageType::Confirmable);
    Block { number: 5, more: false, exponent: 2 }.put(&mut missing, CoapOption::Block1);
    assert_eq!(u8::from(sent(&endpoint.datagram(peer(), &bytes(&missing), 0)).header.code), 0x88);
    for silent in [&[][..], &[0x40], &[0x50, 1, 0, 8, 0x1f], &[0x80, 1, 0, 8]] {
        assert_eq!(endpoint.datagram(peer(), silent, 0), [], "{silent:?}");
    }
}

#[test]
fn an_answer_that_nobody_waits_for_is_refused() {
    let mut endpoint = endpoint();
    let mut foreign = content(b"");
    foreign.header.set_type(MessageType::Confirmable);
    foreign.header.message_id = 4;
    foreign.set_token(vec![9]);
    let reset = sent(&endpoint.datagram(peer(), &bytes(&foreign), 0));
    assert_eq!((reset.header.get_type(), reset.header.message_id), (MessageType::Reset, 4));
    // One from elsewhere with the right token is foreign as well.
    let asked = sent(&endpoint.ask(1, peer(), get(0, MessageType::Confirmable), 60_000, 0));
    foreign.set_token(asked.get_token().to_vec());
    let other: SocketAddr = ([127, 0, 0, 1], 40_001).into();
    let effects = endpoint.datagram(other, &bytes(&foreign), 0);
    assert!(matches!(effects.as_slice(), [Effect::Send(to, _)] if *to == other), "{effects:?}");
}

#[test]
fn what_is_remembered_of_requests_has_a_bound() {
    let options = CoapOptions { remembered_messages: 8, ..CoapOptions::default() };
    let mut endpoint = Endpoint::new(&options, || 7);
    for message in 0..1_000 {
        endpoint.datagram(peer(), &bytes(&get(message, MessageType::NonConfirmable)), 0);
    }
    assert!(endpoint.seen.len() <= 8 && endpoint.order.len() <= 8);
}

proptest! {
    #[test]
    fn any_datagrams_are_survived(datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..32)) {
        let mut endpoint = endpoint();
        endpoint.ask(1, peer(), get(0, MessageType::Confirmable), 1_000, 0);
        for (now, datagram) in datagrams.iter().enumerate() {
            for effect in endpoint.datagram(peer(), datagram, now as u64 * 500) {
                if let Effect::Take(exchange, packet) = effect {
                    endpoint.respond(&exchange, content(&packet.payload), now as u64 * 500);
                }
            }
            endpoint.tick(now as u64 * 500);
        }
    }
}
