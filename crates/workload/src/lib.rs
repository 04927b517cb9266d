//! The contract between a node and the workloads on it, both sides of it.
//!
//! A workload gets what it needs in environment variables: those of VirIoT (viriot-wire.md
//! section 5) and, beside them, Morgana's own with the prefix `MORGANA_`. It tells that it is
//! ready in the way of systemd's `sd_notify`, which programs in every language know; one that
//! does not tell counts as ready when it has been alive for a moment.

mod environment;
mod exit;
mod notify;
mod start;

pub use environment::{Environment, EnvironmentError, FabricAccess, Role};
pub use exit::{EXIT_CONFIGURATION, EXIT_PORT_TAKEN};
pub use notify::{NOTIFY_SOCKET, Notification, Notifier};
pub use start::Start;
