//! What to do about a workload: pure.
//!
//! There is one path for creation, crash recovery, restart and removal: whatever happened, the
//! next step follows from what is desired and what the node reports.

use std::time::Duration;

use jiff::Timestamp;
use morgana_model::Phase;
use morgana_node::{Report, State};

/// What the System DB says of a workload.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Desired {
    /// The generation of its spec.
    pub(crate) generation: u64,
    /// When its end was asked for, if it was.
    pub(crate) ending_since: Option<Timestamp>,
    /// Its phase as users see it now.
    pub(crate) phase: Phase,
    /// Whether a silo has something of it, or was not yet told that it has not any more.
    pub(crate) plugged: bool,
    /// Whether its parameters are others than those that the node was given.
    pub(crate) has_news: bool,
}

/// What this controller remembers of a workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// When it was asked to end itself.
    pub(crate) asked_at: Option<Timestamp>,
    /// It said that it is done, or nobody wants to wait for it.
    pub(crate) acknowledged: bool,
    /// When it was found to have failed.
    pub(crate) failed_at: Option<Timestamp>,
    /// How often it was started again after that, since it was last well.
    pub(crate) revived: u32,
}

/// How patient to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How long a workload may take to agree to its end.
    pub(crate) grace: Duration,
    /// How long one that failed stays down before it is tried again; twice as long each time.
    pub(crate) revive_first: Duration,
    /// How long at most.
    pub(crate) revive_last: Duration,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Give it to a node, or give the node what is new about it.
    Assign,
    /// Let users see what the node reports, under this phase.
    Show(Phase),
    /// Take its vThings out of every silo, and see that the silos hear of it.
    Unplug,
    /// Ask it, through the fabric, to put its state away.
    AskToEnd,
    /// Look again after a while.
    LookAgain(Duration),
    /// Note that it failed at this time.
    NoteFailure,
    /// Note that it is tried again.
    NoteRevival,
    /// Note that it is well.
    NoteHealth,
    /// Put down, for the administrator, why it does not end as it should.
    Record(&'static str),
    /// Take it from its node, with its folder.
    Remove,
    /// Remove what the System DB has of it.
    Forget,
}

/// Between two looks at whether the silos have heard.
const UNPLUG_PAUSE: Duration = Duration::from_millis(100);
/// Why a workload was ended that answers and did not agree.
const NEVER_AGREED: &str = "it did not acknowledge its end within the grace period and was ended";
/// Why a ThingVisor is ended though a silo may still think it has its vThings.
const NOT_ALL_HEARD: &str = "not every silo heard within the grace period that its vThings are gone";

/// The steps for a workload: desired is what the System DB says, absent when it knows nothing of
/// it; the report is what the node says.
pub(crate) fn decide(
    desired: Option<&Desired>,
    report: Option<&Report>,
    memory: Memory,
    now: Timestamp,
    patience: Patience,
) -> Vec<Step> {
    let Some(desired) = desired else {
        return match report.map(|report| &report.state) {
            None | Some(State::Gone) => Vec::new(),
            Some(_) => vec![Step::Remove],
        };
    };
    match desired.ending_since {
        Some(since) => end(desired, since, report, memory, now, patience.grace),
        None => keep_up(desired, report, memory, now, patience),
    }
}

fn keep_up(
    desired: &Desired,
    report: Option<&Report>,
    memory: Memory,
    now: Timestamp,
    patience: Patience,
) -> Vec<Step> {
    let Some(report) = report.filter(|it| it.generation == desired.generation && it.state != State::Gone)
    else {
        return if desired.phase == Phase::Running {
            vec![Step::Show(Phase::Pending), Step::Assign]
        } else {
            vec![Step::Assign]
        };
    };
    let mut steps = vec![Step::Show(phase(&report.state))];
    match (&report.state, memory.failed_at) {
        (State::Failed { .. }, None) => {
            steps.extend([Step::NoteFailure, Step::LookAgain(patience.revival(memory.revived))]);
        }
        (State::Failed { .. }, Some(failed_at)) => {
            match left(patience.revival(memory.revived), failed_at, now) {
                Some(left) => steps.push(Step::LookAgain(left)),
                // Assigning what has failed starts it again.
                None => steps.extend([Step::NoteRevival, Step::Assign]),
            }
        }
        (State::Ready, _) if memory.revived > 0 || memory.failed_at.is_some() => steps.push(Step::NoteHealth),
        _ => {}
    }
    // The node keeps it for the next start; what runs is told through the fabric.
    if desired.has_news && !steps.contains(&Step::Assign) && !matches!(report.state, State::Failed { .. }) {
        steps.push(Step::Assign);
    }
    steps
}

fn end(
    desired: &Desired,
    since: Timestamp,
    report: Option<&Report>,
    memory: Memory,
    now: Timestamp,
    grace: Duration,
) -> Vec<Step> {
    let mut steps = Vec::new();
    if desired.phase != Phase::Stopping {
        steps.push(Step::Show(Phase::Stopping));
    }
    if desired.plugged {
        steps.push(Step::Unplug);
        if left(grace, since, now).is_some() {
            steps.push(Step::LookAgain(UNPLUG_PAUSE));
            return steps;
        }
        steps.push(Step::Record(NOT_ALL_HEARD));
    }
    match report.map(|report| &report.state) {
        // The node has nothing of it any more, but for folders of an earlier life of the node.
        None | Some(State::Gone) => steps.extend([Step::Remove, Step::Forget]),
        Some(State::Ready) if !memory.acknowledged => match memory.asked_at {
            None => steps.extend([Step::AskToEnd, Step::LookAgain(grace)]),
            Some(asked_at) => match left(grace, asked_at, now) {
                Some(left) => steps.push(Step::LookAgain(left)),
                None => steps.extend([Step::Record(NEVER_AGREED), Step::Remove]),
            },
        },
        Some(_) => steps.push(Step::Remove),
    }
    steps
}

impl Patience {
    /// How long a workload stays down that was started again so often.
    fn revival(&self, revived: u32) -> Duration {
        let factor = 2_u32.checked_pow(revived).unwrap_or(u32::MAX);
        self.revive_first.saturating_mul(factor).min(self.revive_last)
    }
}

/// What is left of a span that began at a time; nothing when it is over.
fn left(span: Duration, began: Timestamp, now: Timestamp) -> Option<Duration> {
    let waited = Duration::try_from(now.duration_since(began)).unwrap_or_default();
    span.checked_sub(waited).filter(|left| !left.is_zero())
}

fn phase(state: &State) -> Phase {
    match state {
        State::Ready => Phase::Running,
        State::Failed { reason } => Phase::Failed { reason: reason.clone() },
        State::Starting | State::Waiting { .. } | State::Gone => Phase::Pending,
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
