//! How far a silo is with the whole context of one vThing.

use std::time::{Duration, Instant};

/// How long to wait for a first answer; then twice as long, and so on.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait between two requests.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Whether the whole context came since the fabric was last connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// It is to be asked for.
    Wanted {
        /// When to ask.
        due: Instant,
        /// How long to wait after that request.
        wait: Duration,
    },
    /// It came; changes arrive by themselves.
    Known,
}

impl Context {
    /// Nothing was asked for yet.
    pub(super) fn wanted(now: Instant) -> Self {
        Self::Wanted { due: now, wait: FIRST_WAIT }
    }

    /// When to ask next.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::Wanted { due, .. } => Some(*due),
            Self::Known => None,
        }
    }

    /// Whether to ask now; if so, the next request is due after a wait that doubles each time.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        match self {
            Self::Wanted { due, wait } if *due <= now => {
                *due = now + *wait;
                *wait = (*wait * 2).min(LONGEST_WAIT);
                true
            }
            _ => false,
        }
    }
}
