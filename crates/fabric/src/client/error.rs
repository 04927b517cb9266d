//! What can go wrong, for the caller of one operation and for the connection as a whole.

use std::fmt;

use mqtt5::protocol::v5::reason_codes::ReasonCode;

/// A reason code of MQTT 5 (2.4), as the server sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(pub u8);

impl Reason {
    /// "Not authorized" (0x87).
    pub const NOT_AUTHORIZED: Self = Self(ReasonCode::NotAuthorized as u8);
    /// "Bad user name or password" (0x86).
    pub const BAD_USER_NAME_OR_PASSWORD: Self = Self(ReasonCode::BadUsernameOrPassword as u8);

    /// Whether it says that something failed (2.4: 0x80 and above).
    pub fn is_failure(self) -> bool {
        self.0 >= 0x80
    }
}

impl From<ReasonCode> for Reason {
    fn from(code: ReasonCode) -> Self {
        Self(code as u8)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x84 => "unsupported protocol version",
            0x85 => "client identifier not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8b => "server shutting down",
            0x8d => "keep alive timeout",
            0x8e => "session taken over",
            0x8f => "topic filter invalid",
            0x90 => "topic name invalid",
            0x95 => "packet too large",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x9e => "shared subscriptions not supported",
            code => return write!(f, "reason code {code:#04x}"),
        };
        f.write_str(name)
    }
}

/// Why one operation of a [`Client`](super::Client) failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// A QoS 0 message while there is no connection: it is dropped.
    #[error("not connected to the MQTT server; a QoS 0 message is not kept")]
    Disconnected,
    /// The client was closed.
    #[error("the MQTT client is closed")]
    Closed,
    /// The server refused a subscription.
    #[error("the MQTT server refused the subscription to '{filter}': {reason}")]
    SubscriptionRefused {
        /// The filter that was asked for.
        filter: String,
        /// The server's reason.
        reason: Reason,
    },
    /// The server refused a message.
    #[error("the MQTT server refused a message on '{topic}': {reason}")]
    PublicationRefused {
        /// The topic.
        topic: String,
        /// The server's reason.
        reason: Reason,
    },
    /// The text is no topic that can be published on, or no filter.
    #[error("'{0}' is not a valid MQTT topic here")]
    InvalidTopic(String),
    /// The message is larger than the server takes.
    #[error("a message of {bytes} bytes is larger than the {limit} the MQTT server takes")]
    TooLarge {
        /// Size of the packet.
        bytes: usize,
        /// The server's Maximum Packet Size.
        limit: usize,
    },
    /// The answer lies behind more unread messages than are read ahead, because the receiver takes
    /// no events. The server may have done what was asked.
    #[error("the receiver of MQTT events takes none, so the server's answer cannot be reached")]
    ReceiverStalled,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The socket.
    #[error("the connection to the MQTT server failed")]
    Io(#[from] std::io::Error),
    /// The server said no to the client, at the beginning or later.
    #[error("the MQTT server ended the connection: {0}")]
    Refused(Reason),
    /// The server closed the socket without a word.
    #[error("the MQTT server closed the connection")]
    ClosedByServer,
    /// No answer in time.
    #[error("the MQTT server does not answer")]
    Timeout,
    /// The server sent what MQTT does not allow.
    #[error("the MQTT server sent what the protocol does not allow")]
    Protocol(#[from] mqtt5::MqttError),
}
