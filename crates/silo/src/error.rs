//! Why a silo did not start, or ended.

use std::error::Error;
use std::net::SocketAddr;

use morgana_workload::{EXIT_CONFIGURATION, EXIT_PORT_TAKEN};

/// Why a silo did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no such flavour.
    #[error("there is no silo flavour '{kind}'; there are: {known}")]
    UnknownFlavour {
        /// What was asked for.
        kind: String,
        /// The names of all flavours.
        known: String,
    },
    /// The environment is that of a ThingVisor.
    #[error("the environment is of a ThingVisor, not of a vSilo: set vSiloID, not thingVisorID")]
    NotASilo,
    /// A parameter of the flavour has a wrong value.
    #[error("{0}")]
    Parameter(String),
    /// The silo is to ask for a token and has none.
    #[error(
        "the silo has no token to ask for: set MORGANA_SILO_TOKEN, or the flavour parameter \"access\":\"open\""
    )]
    NoToken,
    /// The node gave no port for a door.
    #[error("the silo has no port for its door {inner}: set MORGANA_PORT_{inner} (0 takes any)")]
    NoDoor {
        /// The inner port.
        inner: u16,
    },
    /// Another program has the port of a door.
    #[error("cannot listen on {address} for the silo's door {inner}: the port is in use")]
    PortTaken {
        /// The inner port.
        inner: u16,
        /// The address of the door.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot {action}")]
    Failed {
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl RunError {
    /// Wraps a cause: "cannot `action`".
    pub(crate) fn failed<E>(action: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        move |source| Self::Failed { action, source: source.into() }
    }

    /// The exit status that tells the node agent what to make of it: whether another start, or
    /// another port, could help.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::UnknownFlavour { .. }
            | Self::NotASilo
            | Self::Parameter(_)
            | Self::NoToken
            | Self::NoDoor { .. } => EXIT_CONFIGURATION,
            Self::PortTaken { .. } => EXIT_PORT_TAKEN,
            Self::Failed { .. } => 1,
        }
    }
}
