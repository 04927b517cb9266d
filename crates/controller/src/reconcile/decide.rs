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
    /// How often it was updated, and up to which update one is that starts now.
    pub(crate) updates: Updates,
    /// The update that it is to be told, where it does not have it; while something is told once, that which this
    /// came with.
    pub(crate) next: u64,
    /// What of its updates the node was given; nothing where it was never given.
    pub(crate) given: Option<Updates>,
}

/// What a node is given of the updates of a workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Updates {
    /// How often it was updated: the parameters are those of the newest.
    pub(crate) all: u64,
    /// Up to which update one is that starts with them. It is told of the others, for something that is told once is
    /// among them.
    pub(crate) at_start: u64,
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
    /// What it was told last of its updates.
    pub(crate) told: Option<Told>,
    /// Which updates it said it has.
    pub(crate) knows: Option<Knows>,
}

/// An update of which a workload was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// Which start of it.
    pub(crate) incarnation: u64,
    /// The number of the update.
    pub(crate) update: u64,
    /// How often.
    pub(crate) times: u32,
    /// When the last time.
    pub(crate) at: Timestamp,
}

/// Up to which update a workload says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Knows {
    /// Which start of it.
    pub(crate) incarnation: u64,
    /// The number of the update.
    pub(crate) update: u64,
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
    /// Tell it, through the fabric, of its next update.
    Tell,
    /// What was to be told once with this update was told.
    Told(u64),
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
/// Between two times that a ThingVisor is told of an update: it may have been starting, or away.
const FIRST_TELL_PAUSE: Duration = Duration::from_secs(5);
/// The longest of these pauses; each is twice as long as the one before.
const LAST_TELL_PAUSE: Duration = Duration::from_secs(60);
/// How often one is told that does not say what it has, as VirIoT's do not.
const TELLS_WITHOUT_ACK: u32 = 3;
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
    let has_news = desired.given.is_some_and(|given| given != desired.updates);
    if has_news && !steps.contains(&Step::Assign) && !matches!(report.state, State::Failed { .. }) {
        steps.push(Step::Assign);
    }
    if report.state == State::Ready {
        steps.extend(bring_up_to_date(desired, report, memory, now));
    }
    steps
}

/// One that runs has the updates it was started with, and those it says it has. It is told of the next
/// until it says that it has it; one that never says anything a few times, and then it counts as told.
fn bring_up_to_date(desired: &Desired, report: &Report, memory: Memory, now: Timestamp) -> Vec<Step> {
    let said = memory.knows.filter(|knows| knows.incarnation == report.incarnation);
    let is_told_once = desired.updates.at_start < desired.next;
    let done = || if is_told_once { vec![Step::Told(desired.next)] } else { Vec::new() };
    if report.update.max(said.map_or(0, |knows| knows.update)) >= desired.next {
        return done();
    }
    let told =
        memory.told.filter(|told| (told.incarnation, told.update) == (report.incarnation, desired.next));
    let Some(told) = told else { return vec![Step::Tell, Step::LookAgain(FIRST_TELL_PAUSE)] };
    if said.is_none() && told.times >= TELLS_WITHOUT_ACK {
        return done();
    }
    match left(tell_pause(told.times), told.at, now) {
        Some(left) => vec![Step::LookAgain(left)],
        None => vec![Step::Tell, Step::LookAgain(tell_pause(told.times + 1))],
    }
}

/// How long to wait for a word of a workload that was told so often.
fn tell_pause(times: u32) -> Duration {
    let factor = 2_u32.checked_pow(times.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_TELL_PAUSE.saturating_mul(factor).min(LAST_TELL_PAUSE)
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
