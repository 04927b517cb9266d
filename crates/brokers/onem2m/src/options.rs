use std::path::PathBuf;

use morgana_engine::NotifierOptions;
use morgana_journal::Durability;
use serde::{Deserialize, Serialize};

/// All releases, oldest first (m2m:supportedReleaseVersions).
pub(crate) const RELEASES: [&str; 5] = ["2", "2a", "3", "4", "5"];

/// Who a CSE is, how it keeps its state, and how it talks to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The folder of the CSE's state; one CSE at a time.
    pub dir: PathBuf,
    /// When a change is acknowledged.
    pub durability: Durability,
    /// Milliseconds between two writes to the disk with `interval`.
    pub sync_interval_ms: u64,
    /// A snapshot is taken once the log is larger than this and than the last snapshot, in bytes.
    pub snapshot_after_bytes: u64,
    /// The name of the CSEBase: the first part of structured addresses.
    pub cse_name: String,
    /// The CSE-ID, with or without its slash; also the resourceID of the CSEBase.
    pub cse_id: String,
    /// The service provider's ID: the first part of absolute addresses.
    pub sp_id: String,
    /// m2m:cseTypeID: 1 IN, 2 MN, 3 ASN.
    pub cse_type: u8,
    /// The newest release that the CSE speaks, one of `2`, `2a`, `3`, `4`, `5`; the older ones too.
    pub release: String,
    /// Where others reach this CSE.
    pub points_of_access: Vec<String>,
    /// The CSE that this one registers with, for a middle node or an application service node.
    pub registrar: Option<Registrar>,
    /// The CSE-IDs that may register here, with `*` for any letters. None by default: a CSE that is registered gets
    /// the requests for its addresses.
    pub cse_originators: Vec<String>,
    /// Originators that may do everything.
    pub administrators: Vec<String>,
    /// Whether a resource without policies has those of the nearest resource above that has some. The standard gives
    /// such a resource to its creator alone (TS-0001 9.6.1.3.2); Mobius looks above.
    pub inherit_access: bool,
    /// Whether notifications name the subscription by its structured address, as VirIoT's controller expects it.
    pub structured_references: bool,
    /// Whether the URIs of a new subscription have to answer a verification request (TS-0001 10.2.10.2).
    pub verify_subscriptions: bool,
    /// Seconds that a resource lives when its creator does not say, and the most that it may ask for.
    pub max_expiration_seconds: u64,
    /// Seconds between two looks for resources whose time is over.
    pub expiration_check_seconds: u64,
    /// Seconds that a request may take when it does not say.
    pub request_expiration_seconds: u64,
    /// How notifications are queued and retried.
    pub notifications: NotifierOptions,
    /// Notifications that wait in one batch before the batch goes, at most.
    pub batch_max: usize,
    /// Requests that may wait in one polling channel.
    pub polling_queue: usize,
    /// Non-blocking requests under way at once; more are refused.
    pub background_requests: usize,
}

impl Options {
    /// The releases that the CSE speaks.
    pub(crate) fn releases(&self) -> &'static [&'static str] {
        let newest = RELEASES.iter().position(|known| *known == self.release);
        newest.map_or(&RELEASES[..], |newest| &RELEASES[..=newest])
    }
}

impl Default for Options {
    fn default() -> Self {
        let journal = morgana_journal::Options::default();
        Self {
            dir: PathBuf::from("onem2m"),
            durability: journal.durability,
            sync_interval_ms: journal.sync_interval_ms,
            snapshot_after_bytes: journal.snapshot_after_bytes,
            cse_name: "Mobius".to_owned(),
            cse_id: "/Mobius2".to_owned(),
            sp_id: "morgana.example".to_owned(),
            cse_type: 1,
            release: "5".to_owned(),
            points_of_access: Vec::new(),
            registrar: None,
            cse_originators: Vec::new(),
            administrators: vec!["CAdmin".to_owned()],
            inherit_access: false,
            structured_references: false,
            verify_subscriptions: true,
            max_expiration_seconds: 5 * 365 * 86_400,
            expiration_check_seconds: 60,
            request_expiration_seconds: 10,
            notifications: NotifierOptions::default(),
            batch_max: 1_000,
            polling_queue: 1_000,
            background_requests: 1_000,
        }
    }
}

/// The CSE that a CSE registers with (TS-0001 10.2.2.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registrar {
    /// Its CSE-ID, with its slash.
    pub cse_id: String,
    /// The name of its CSEBase.
    pub cse_name: String,
    /// Where it is reached: `http://host:port` or `mqtt://host:port`.
    pub point_of_access: String,
    /// Seconds between two looks whether the registration still stands.
    #[serde(default = "check_seconds")]
    pub check_seconds: u64,
}

fn check_seconds() -> u64 {
    30
}
