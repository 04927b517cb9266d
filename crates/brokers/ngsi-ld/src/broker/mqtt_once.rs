//! Publishes one message over a connection of its own, by MQTT 3.1.1, for subscribers that ask for it (NGSI-LD 7.2,
//! `MQTT-Version`), as few do. Everything else goes by MQTT 5.0, over connections that stay.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::mqtt::{Publication, client_id};

/// The identifier of the one message of a connection.
const PACKET_ID: [u8; 2] = [0, 1];

/// The longest packet that a server may answer with, in bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// The level of the protocol that is MQTT 3.1.1.
const LEVEL: u8 = 4;

const CONNACK: u8 = 2;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const PUBCOMP: u8 = 7;

/// Connects, publishes, waits for what the quality of service asks for, and disconnects.
///
/// # Errors
/// When the server cannot be reached, is not who it should be, refuses, or says what it should not.
pub(super) async fn publish(message: &Publication) -> io::Result<()> {
    let stream = TcpStream::connect(&*message.address).await?;
    stream.set_nodelay(true)?;
    match &message.tls {
        None => speak(stream, message).await,
        Some(tls) => {
            let connector = TlsConnector::from(Arc::clone(&tls.config));
            speak(connector.connect(tls.server.clone(), stream).await?, message).await
        }
    }
}

async fn speak(mut stream: impl AsyncRead + AsyncWrite + Unpin, message: &Publication) -> io::Result<()> {
    stream.write_all(&connect(message)?).await?;
    stream.flush().await?;
    let (kind, body) = packet(&mut stream).await?;
    if kind != CONNACK || body.get(1) != Some(&0) {
        return Err(io::Error::other(format!("the MQTT server refused the connection ({body:?})")));
    }
    stream.write_all(&publish_packet(message)?).await?;
    stream.flush().await?;
    match message.qos {
        0 => {}
        1 => expect(&mut stream, PUBACK).await?,
        _ => {
            expect(&mut stream, PUBREC).await?;
            stream.write_all(&[0x62, 2, PACKET_ID[0], PACKET_ID[1]]).await?;
            stream.flush().await?;
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
    // A user name may come without a password (MQTT 3.1.1, 3.1.2.8).
    let flags = match &message.user {
        Some((_, password)) if password.is_empty() => 0b1000_0010,
        Some(_) => 0b1100_0010,
        None => 0b10,
    };
    body.extend([LEVEL, flags, 0, 30]);
    text(&mut body, &client_id())?;
    if let Some((user, password)) = &message.user {
        text(&mut body, user)?;
        if !password.is_empty() {
            text(&mut body, password)?;
        }
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

async fn expect(stream: &mut (impl AsyncRead + Unpin), wanted: u8) -> io::Result<()> {
    let (kind, body) = packet(stream).await?;
    if kind != wanted || !body.starts_with(&PACKET_ID) {
        return Err(io::Error::other(format!("the MQTT server sent packet {kind} where {wanted} was due")));
    }
    Ok(())
}

/// The next packet: its kind and what follows its length.
async fn packet(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let first = stream.read_u8().await?;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let byte = stream.read_u8().await?;
        length |= usize::from(byte & 127) << shift;
        if byte < 128 {
            break;
        }
    }
    if length > ANSWER_MAX {
        return Err(io::Error::other("the MQTT server sent a packet that was not due"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((first >> 4, body))
}
