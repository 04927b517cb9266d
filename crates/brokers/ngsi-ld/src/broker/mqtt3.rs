//! Publishes by MQTT 3.1.1 for subscribers that ask for it (NGSI-LD 7.2, `MQTT-Version`): one connection a message, as
//! few subscribers do. Everything else goes by MQTT 5.0, over connections that stay.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::mqtt::{Publication, client_id};

/// The identifier of the one message of a connection.
const PACKET_ID: [u8; 2] = [0, 1];

const CONNACK: u8 = 2;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const PUBCOMP: u8 = 7;

/// Connects, publishes, waits for what the quality of service asks for, and disconnects.
///
/// # Errors
/// When the server cannot be reached, refuses, or says what it should not.
pub(super) async fn publish(message: &Publication) -> io::Result<()> {
    let mut stream = TcpStream::connect(&*message.address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&connect(message)?).await?;
    let (kind, body) = packet(&mut stream).await?;
    if kind != CONNACK || body.get(1) != Some(&0) {
        return Err(io::Error::other(format!("the MQTT server refused the connection ({body:?})")));
    }
    stream.write_all(&publish_packet(message)?).await?;
    match message.qos {
        0 => {}
        1 => expect(&mut stream, PUBACK).await?,
        _ => {
            expect(&mut stream, PUBREC).await?;
            stream.write_all(&[0x62, 2, PACKET_ID[0], PACKET_ID[1]]).await?;
            expect(&mut stream, PUBCOMP).await?;
        }
    }
    stream.write_all(&[0xe0, 0]).await?;
    stream.shutdown().await
}

/// MQTT 3.1.1, 3.1: a clean session.
fn connect(message: &Publication) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    text(&mut body, "MQTT")?;
    let flags = if message.user.is_some() { 0b1100_0010 } else { 0b10 };
    body.extend([4, flags, 0, 30]);
    text(&mut body, &client_id())?;
    if let Some((user, password)) = &message.user {
        text(&mut body, user)?;
        text(&mut body, password)?;
    }
    framed(0x10, &body)
}

/// MQTT 3.1.1, 3.3.
fn publish_packet(message: &Publication) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    text(&mut body, &message.topic)?;
    if message.qos > 0 {
        body.extend(PACKET_ID);
    }
    body.extend_from_slice(&message.payload);
    framed(0x30 | (message.qos.min(2) << 1), &body)
}

fn text(into: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let length = u16::try_from(text.len()).map_err(io::Error::other)?;
    into.extend(length.to_be_bytes());
    into.extend_from_slice(text.as_bytes());
    Ok(())
}

/// A packet with its length in front (MQTT 3.1.1, 2.2.3).
fn framed(first: u8, body: &[u8]) -> io::Result<Vec<u8>> {
    if body.len() >= 1 << 28 {
        return Err(io::Error::other("the message is too large for MQTT"));
    }
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let more = if rest >= 128 { 128 } else { 0 };
        packet.push((rest % 128) as u8 | more);
        rest /= 128;
        if more == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    Ok(packet)
}

async fn expect(stream: &mut TcpStream, wanted: u8) -> io::Result<()> {
    match packet(stream).await? {
        (kind, body) if kind == wanted && body == PACKET_ID => Ok(()),
        (kind, _) => {
            Err(io::Error::other(format!("the MQTT server sent packet {kind} where {wanted} was due")))
        }
    }
}

/// The next packet: all that come here are of two bytes.
async fn packet(stream: &mut TcpStream) -> io::Result<(u8, [u8; 2])> {
    let mut packet = [0; 4];
    stream.read_exact(&mut packet).await?;
    let [first, length, a, b] = packet;
    if length != 2 {
        return Err(io::Error::other("the MQTT server sent a packet that was not due"));
    }
    Ok((first >> 4, [a, b]))
}
