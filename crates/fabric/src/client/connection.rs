//! The task behind a client: makes connections and moves bytes.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::BytesMut;
use mqtt5::packet::connack::ConnAckPacket;
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::packet::disconnect::DisconnectPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;
use mqtt5::transport::packet_io::{decode_buffered_packet, encode_packet_to_buffer};
use mqtt5::{ConnectOptions, Packet};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};

use super::backoff::Backoff;
use super::outbox::Outbox;
use super::session::{Action, Command, Session};
use super::{ClientOptions, ConnectionError, Event};

const PROTOCOL_VERSION: u8 = 5;
/// Room made before each read.
const READ_BYTES: usize = 16 * 1024;
/// Commands that are taken together, so that what they send is written together.
const COMMANDS_AT_ONCE: usize = 64;
/// No further command is taken while more than this waits to be written.
const WRITE_HIGH_WATER_BYTES: usize = 64 * 1024;

/// The task's ends of the handle's channels.
pub(super) struct Wires {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<Event>,
    /// Turns true, or loses its sender, when the client is to end.
    pub(super) close: watch::Receiver<bool>,
    /// Whether a server is connected; closed when the task ends.
    pub(super) online: watch::Sender<bool>,
}

/// Connects, serves, waits and connects again, until the client is closed.
pub(super) async fn run(options: ClientOptions, wires: Wires) {
    let Wires { mut commands, events, mut close, online } = wires;
    let mut session = Session::new(options.max_in_flight);
    let mut outbox = Outbox::new(events);
    let mut backoff = Backoff::new(options.max_reconnect_delay());
    let mut first = true;
    let mut told: Option<String> = None;
    loop {
        let attempt = tokio::select! {
            attempt = outbox.deliver_during(connect(&options)) => attempt,
            () = closed(&mut close) => return,
        };
        let cause = match attempt {
            Ok((mut link, connack)) => {
                tracing::debug!(server = options.address, client = options.client_id, "mqtt connected");
                backoff.reset();
                told = None;
                outbox.forget_acknowledgements();
                outbox.push(Event::Connected { first }.into());
                first = false;
                link.begin(&connack, &mut session, &mut outbox);
                online.send_replace(true);
                let end = link.serve(&options, &mut session, &mut commands, &mut outbox, &mut close).await;
                online.send_replace(false);
                match end {
                    Ok(()) => return,
                    Err(cause) => cause,
                }
            }
            Err(cause) => cause,
        };
        let text = format!("{cause:?}");
        if told.as_ref() != Some(&text) {
            tracing::warn!(server = options.address, client = options.client_id, %cause, "mqtt disconnected");
            outbox.push(Event::Disconnected { cause }.into());
            told = Some(text);
        }
        tokio::select! {
            () = outbox.deliver_during(sleep(backoff.next(rand::random()))) => {}
            () = closed(&mut close) => return,
        }
    }
}

async fn closed(close: &mut watch::Receiver<bool>) {
    // An error means that the last handle is gone.
    let _ = close.wait_for(|close| *close).await;
}

/// One connection.
struct Link {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    input: BytesMut,
    output: BytesMut,
    max_packet_bytes: usize,
    keep_alive: Keeper,
}

async fn connect(options: &ClientOptions) -> Result<(Link, ConnAckPacket), ConnectionError> {
    timeout(options.connect_timeout(), open(options)).await.map_err(|_| ConnectionError::Timeout)?
}

async fn open(options: &ClientOptions) -> Result<(Link, ConnAckPacket), ConnectionError> {
    let stream = TcpStream::connect(options.address.as_str()).await?;
    // A small message must not wait for the acknowledgement of the one before it (RFC 896).
    stream.set_nodelay(true)?;
    let (reader, writer): (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>) =
        match &options.tls {
            None => {
                let (reader, writer) = stream.into_split();
                (Box::new(reader), Box::new(writer))
            }
            Some(trust) => {
                let (reader, writer) = tokio::io::split(trust.shake_hands(&options.address, stream).await?);
                (Box::new(reader), Box::new(writer))
            }
        };
    let mut link = Link {
        reader,
        writer,
        input: BytesMut::new(),
        output: BytesMut::new(),
        max_packet_bytes: options.max_packet_bytes as usize,
        keep_alive: Keeper::new(options.keep_alive_seconds),
    };
    link.encode(&Packet::Connect(Box::new(connect_packet(options))))?;
    link.writer.write_all_buf(&mut link.output).await?;
    link.writer.flush().await?;
    loop {
        if let Some(packet) = link.decode()? {
            return match packet {
                Packet::ConnAck(connack) if connack.reason_code == ReasonCode::Success => {
                    if let Some(seconds) = connack.properties.get_server_keep_alive() {
                        link.keep_alive = Keeper::new(seconds);
                    }
                    Ok((link, connack))
                }
                Packet::ConnAck(refused) => Err(ConnectionError::Refused(refused.reason_code.into())),
                other => {
                    let text = format!("expected CONNACK, got {}", other.packet_type_name());
                    Err(ConnectionError::Protocol(mqtt5::MqttError::ProtocolError(text)))
                }
            };
        }
        if link.reader.read_buf(&mut link.input).await? == 0 {
            return Err(ConnectionError::ClosedByServer);
        }
    }
}

fn connect_packet(options: &ClientOptions) -> ConnectPacket {
    let mut connect = ConnectOptions::new(options.client_id.as_str())
        .with_clean_start(options.session_expiry_seconds == 0)
        .with_session_expiry_interval(options.session_expiry_seconds)
        .with_receive_maximum(options.max_in_flight.max(1))
        .with_keep_alive(Duration::from_secs(u64::from(options.keep_alive_seconds)))
        .protocol_options;
    connect.username.clone_from(&options.user_name);
    connect.password = options.password.as_ref().map(|password| password.expose().as_bytes().to_vec());
    let mut packet = ConnectPacket::new(connect);
    packet.properties.set_maximum_packet_size(options.max_packet_bytes);
    packet
}

impl Link {
    fn begin(&mut self, connack: &ConnAckPacket, session: &mut Session, outbox: &mut Outbox) {
        let mut actions = Vec::new();
        session.connected(connack, &mut actions);
        // Packets of our own making that were encoded before; one that is not ends the connection
        // at its first read or write anyway.
        let _ = self.perform(&mut actions, outbox);
    }

    /// Moves bytes until the client is closed (`Ok`) or the connection fails.
    async fn serve(
        &mut self,
        options: &ClientOptions,
        session: &mut Session,
        commands: &mut mpsc::Receiver<Command>,
        outbox: &mut Outbox,
        close: &mut watch::Receiver<bool>,
    ) -> Result<(), ConnectionError> {
        let mut actions = Vec::new();
        let mut deadline = None;
        let mut no_more_commands = false;
        let mut unflushed = false;
        loop {
            if no_more_commands && session.is_settled() && self.output.is_empty() && !unflushed {
                return self.say_goodbye().await;
            }
            let awaited = !outbox.is_empty() && session.awaits_answer();
            if awaited && outbox.bytes() >= options.max_read_ahead_bytes {
                session.fail_waiting();
                continue;
            }
            let may_read = outbox.is_empty() || awaited;
            let may_take =
                !no_more_commands && session.has_window() && self.output.len() < WRITE_HIGH_WATER_BYTES;
            self.keep_alive.note(may_read);
            if may_read {
                self.input.reserve(READ_BYTES);
            }
            unflushed |= !self.output.is_empty();
            tokio::select! {
                pushed = push(&mut self.writer, &mut self.output), if unflushed => {
                    pushed?;
                    unflushed = !self.output.is_empty();
                }
                read = self.reader.read_buf(&mut self.input), if may_read => {
                    if read? == 0 {
                        return Err(ConnectionError::ClosedByServer);
                    }
                    self.keep_alive.heard();
                    while let Some(packet) = self.decode()? {
                        session.received(packet, &mut actions)?;
                    }
                }
                command = commands.recv(), if may_take => match command {
                    Some(command) => {
                        session.command(command, &mut actions);
                        for _ in 1..COMMANDS_AT_ONCE {
                            self.perform(&mut actions, outbox)?;
                            if !session.has_window() || self.output.len() >= WRITE_HIGH_WATER_BYTES {
                                break;
                            }
                            let Ok(command) = commands.try_recv() else { break };
                            session.command(command, &mut actions);
                        }
                    }
                    None => no_more_commands = true,
                },
                acknowledgement = outbox.deliver() => {
                    actions.extend(acknowledgement.map(Action::Send));
                    outbox.deliver_more(|acknowledgement| actions.push(Action::Send(acknowledgement)));
                }
                beat = self.keep_alive.beat() => match beat {
                    ControlFlow::Continue(()) => actions.push(Action::Send(Packet::PingReq)),
                    ControlFlow::Break(()) => return Err(ConnectionError::Timeout),
                },
                () = closed(close), if deadline.is_none() => {
                    // What is queued is still sent; nothing more is taken in.
                    commands.close();
                    deadline = Some(Instant::now() + options.close_timeout());
                }
                () = until(deadline) => return self.say_goodbye().await,
            }
            self.perform(&mut actions, outbox)?;
        }
    }

    fn perform(&mut self, actions: &mut Vec<Action>, outbox: &mut Outbox) -> Result<(), ConnectionError> {
        for action in actions.drain(..) {
            match action {
                Action::Send(packet) => self.encode(&packet)?,
                Action::Deliver(delivery) => outbox.push(delivery),
            }
        }
        Ok(())
    }

    fn encode(&mut self, packet: &Packet) -> Result<(), ConnectionError> {
        Ok(encode_packet_to_buffer(packet, &mut self.output)?)
    }

    fn decode(&mut self) -> Result<Option<Packet>, ConnectionError> {
        Ok(decode_buffered_packet(&mut self.input, PROTOCOL_VERSION, self.max_packet_bytes)?)
    }

    async fn say_goodbye(&mut self) -> Result<(), ConnectionError> {
        self.encode(&Packet::Disconnect(DisconnectPacket::normal()))?;
        // The server may be gone already; then there is nobody to tell.
        let goodbye = async {
            self.writer.write_all_buf(&mut self.output).await?;
            self.writer.shutdown().await
        };
        let _ = timeout(Duration::from_secs(1), goodbye).await;
        Ok(())
    }
}

/// Hands some of what waits to the operating system, or all. May be dropped at any await.
async fn push(writer: &mut (impl AsyncWrite + Unpin), output: &mut BytesMut) -> io::Result<()> {
    if !output.is_empty() {
        writer.write_buf(output).await?;
    }
    if output.is_empty() {
        // TLS may have encrypted what the socket had no room for.
        writer.flush().await?;
    }
    Ok(())
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Keep-alive: a ping every half of the time, and the server has until the next one to say anything.
struct Keeper {
    beats: Option<Interval>,
    unanswered: bool,
    /// Reading was paused since the last ping, so silence proves nothing.
    deaf: bool,
}

impl Keeper {
    fn new(keep_alive_seconds: u16) -> Self {
        let period = Duration::from_secs(u64::from(keep_alive_seconds)) / 2;
        let beats = (!period.is_zero()).then(|| {
            let mut beats = interval_at(Instant::now() + period, period);
            beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
            beats
        });
        Self { beats, unanswered: false, deaf: false }
    }

    fn note(&mut self, may_read: bool) {
        self.deaf |= !may_read;
    }

    fn heard(&mut self) {
        self.unanswered = false;
    }

    /// Continue: send a ping. Break: the server did not answer the last one.
    async fn beat(&mut self) -> ControlFlow<()> {
        match &mut self.beats {
            Some(beats) => beats.tick().await,
            None => std::future::pending().await,
        };
        if self.unanswered && !self.deaf {
            return ControlFlow::Break(());
        }
        self.unanswered = true;
        self.deaf = false;
        ControlFlow::Continue(())
    }
}
