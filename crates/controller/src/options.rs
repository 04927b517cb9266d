//! What can be set about the controller.

use std::time::Duration;

use morgana_access::{PASSWORD_MIN_CHARACTERS, ThrottleOptions};
use morgana_model::{NodeId, WorkloadKind, ZoneId};
use serde::{Deserialize, Serialize};

/// Options of the controller.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How long an access token is good for, in minutes; a refresh token gives the next one.
    pub access_token_minutes: u32,
    /// How long a session goes on after its last refresh, in hours.
    pub session_life_hours: u32,
    /// How long a token of the VirIoT-compatible login is good for, in hours: its scripts know no refresh
    /// tokens. 0 makes it as short as any other.
    pub compatible_token_hours: u32,
    /// For how long the refresh token before the last is answered with the same answer again, in seconds:
    /// the first answer may have been lost on its way. Later it is a sign of theft and ends the session.
    pub refresh_leeway_seconds: u32,
    /// How many sessions a user may have; a further login ends the oldest.
    pub sessions_per_user: usize,
    /// How often somebody may guess a password.
    pub login: ThrottleOptions,
    /// The shortest new password, in characters.
    pub password_min_characters: usize,
    /// How long the audit log is kept, in days.
    pub audit_keep_days: u32,
    /// How long a creation with an idempotency key is remembered, in hours.
    pub idempotency_keep_hours: u32,
    /// How many event streams and followed logs a user may have open.
    pub streams_per_user: usize,
    /// How long a workload may take to put its state away before it is ended, in milliseconds.
    pub destroy_grace_milliseconds: u64,
    /// How long a workload that failed stays down before it is tried again, in seconds; twice as long
    /// after each further failure.
    pub revive_first_seconds: u64,
    /// How long at most, in seconds.
    pub revive_last_seconds: u64,
    /// How many vSilos a tenant may have.
    pub max_silos_per_tenant: usize,
    /// How often every resource is looked at though nothing hinted at it, in milliseconds.
    pub resync_milliseconds: u64,
    /// How many workloads are worked on side by side.
    pub reconcile_at_once: usize,
    /// How many passwords are checked side by side; each takes 19 MiB while it lasts.
    pub password_checks_at_once: usize,
    /// How many logins may wait for their turn before further ones are refused.
    pub logins_waiting: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access_token_minutes: 15,
            session_life_hours: 14 * 24,
            compatible_token_hours: 12,
            refresh_leeway_seconds: 10,
            sessions_per_user: 64,
            login: ThrottleOptions::default(),
            password_min_characters: PASSWORD_MIN_CHARACTERS,
            audit_keep_days: 90,
            idempotency_keep_hours: 24,
            streams_per_user: 16,
            destroy_grace_milliseconds: 5_000,
            revive_first_seconds: 60,
            revive_last_seconds: 3_600,
            max_silos_per_tenant: 1_000,
            resync_milliseconds: 15_000,
            reconcile_at_once: 16,
            password_checks_at_once: 2,
            logins_waiting: 64,
        }
    }
}

impl Options {
    pub(crate) fn destroy_grace(&self) -> Duration {
        Duration::from_millis(self.destroy_grace_milliseconds)
    }

    pub(crate) fn revive_first(&self) -> Duration {
        Duration::from_secs(self.revive_first_seconds)
    }

    pub(crate) fn revive_last(&self) -> Duration {
        Duration::from_secs(self.revive_last_seconds)
    }

    pub(crate) fn resync(&self) -> Duration {
        Duration::from_millis(self.resync_milliseconds)
    }
}

/// A kind of workload that this binary brings (`builtin:<kind>`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builtin {
    /// Whether it is a ThingVisor or a vSilo.
    pub workload: WorkloadKind,
    /// Its name after `builtin:`.
    pub kind: String,
    /// A sentence for people.
    pub description: String,
    /// The inner ports of its doors.
    pub doors: Vec<u16>,
    /// Whether it can be run yet.
    pub ready: bool,
}

/// What the controller is told of the place it runs in.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its node.
    pub node: NodeId,
    /// The zone of its node.
    pub zone: ZoneId,
    /// The kinds of workload that its binary brings.
    pub builtins: Vec<Builtin>,
}

impl Place {
    /// The builtin of that name, among ThingVisors or vSilos.
    pub fn builtin(&self, workload: WorkloadKind, kind: &str) -> Option<&Builtin> {
        self.builtins.iter().find(|builtin| builtin.workload == workload && builtin.kind == kind)
    }

    /// The names of all builtins of ThingVisors or vSilos, for an error's way out.
    pub fn builtin_names(&self, workload: WorkloadKind) -> String {
        let names: Vec<_> = self
            .builtins
            .iter()
            .filter(|b| b.workload == workload)
            .map(|b| format!("builtin:{}", b.kind))
            .collect();
        names.join(", ")
    }
}
