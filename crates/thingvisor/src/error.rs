//! What can go wrong, for the author and for the node.

use morgana_model::{InvalidId, VThingId};
use morgana_workload::{EXIT_CONFIGURATION, EXIT_PORT_TAKEN, EnvironmentError};

/// A request of the author that the kit did not carry out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The ThingVisor is going down.
    #[error("the ThingVisor is stopping")]
    Stopping,
    /// The local name of a vThing has characters that an id may not have.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// There is a vThing of this name already.
    #[error("vThing '{0}' exists already")]
    Exists(VThingId),
    /// There is no such vThing, or no more.
    #[error("vThing '{0}' does not exist")]
    NotFound(VThingId),
    /// One of the bounds in [`Options`](crate::Options) is reached.
    #[error("{what} goes beyond {limit}, the option {option}")]
    Limit {
        /// What was asked for.
        what: String,
        /// The bound.
        limit: usize,
        /// The option that sets it.
        option: &'static str,
    },
}

/// Why a ThingVisor ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What its node gave it is incomplete.
    #[error("cannot read the environment of the ThingVisor: {0}")]
    Environment(#[from] EnvironmentError),
    /// Its parameters are wrong. Starting it again cannot help; new parameters do.
    #[error("the parameters of the ThingVisor are wrong: {0}")]
    Configuration(String),
    /// Another program listens on the port of one of its doors.
    #[error("cannot listen on {address}: {source}")]
    PortTaken {
        /// The address.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The fabric cannot be reached, or not with its credential.
    #[error("cannot use the fabric: {0}")]
    Fabric(#[from] morgana_fabric::ClientError),
    /// The kit refused a request of the author.
    #[error(transparent)]
    Kit(#[from] Error),
    /// The runtime, a signal or the data folder failed.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was being done.
        doing: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The ThingVisor's own work failed.
    #[error("{0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RunError {
    /// A failure of the ThingVisor's own work.
    pub fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(cause.into())
    }

    /// A failure of the operating system while `doing` something ("open /dev/ttyUSB0").
    pub fn system(doing: impl Into<String>, source: std::io::Error) -> Self {
        Self::System { doing: doing.into(), source }
    }

    /// Whether starting again with the same parameters is of no use.
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::Environment(_) | Self::Configuration(_))
    }

    /// The exit status that tells the node which of these it was.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Environment(_) | Self::Configuration(_) => EXIT_CONFIGURATION,
            Self::PortTaken { .. } => EXIT_PORT_TAKEN,
            _ => 1,
        }
    }
}
