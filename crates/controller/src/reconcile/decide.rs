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
    /// Whether its end was asked for.
    pub(crate) ending: bool,
    /// Its phase as users see it now.
    pub(crate) phase: Phase,
}

/// How far its end has come, as this controller knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// When it was asked to end itself.
    pub(crate) asked_at: Option<Timestamp>,
    /// It said that it is done, or nobody wants to wait for it.
    pub(crate) acknowledged: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Give it to a node, or give the node its newer generation.
    Assign,
    /// Let users see what the node reports, under this phase.
    Show(Phase),
    /// Ask it, through the fabric, to put its state away.
    AskToEnd,
    /// Look again after a while.
    LookAgain(Duration),
    /// Take it from its node, with its folder.
    Remove,
    /// Remove what the System DB has of it.
    Forget,
}

/// The steps for a workload: desired is what the System DB says, absent when it knows nothing of
/// it; the report is what the node says.
pub(crate) fn decide(
    desired: Option<&Desired>,
    report: Option<&Report>,
    ending: Ending,
    now: Timestamp,
    grace: Duration,
) -> Vec<Step> {
    let Some(desired) = desired else {
        return match report.map(|report| &report.state) {
            None | Some(State::Gone) => Vec::new(),
            Some(_) => vec![Step::Remove],
        };
    };
    if desired.ending { end(desired, report, ending, now, grace) } else { keep_up(desired, report) }
}

fn keep_up(desired: &Desired, report: Option<&Report>) -> Vec<Step> {
    match report {
        Some(report) if report.generation == desired.generation && report.state != State::Gone => {
            vec![Step::Show(phase(&report.state))]
        }
        _ if desired.phase == Phase::Running => vec![Step::Show(Phase::Pending), Step::Assign],
        _ => vec![Step::Assign],
    }
}

fn end(
    desired: &Desired,
    report: Option<&Report>,
    ending: Ending,
    now: Timestamp,
    grace: Duration,
) -> Vec<Step> {
    let mut steps = Vec::new();
    if desired.phase != Phase::Stopping {
        steps.push(Step::Show(Phase::Stopping));
    }
    match report.map(|report| &report.state) {
        // The node has nothing of it any more, but for folders of an earlier life of the node.
        None | Some(State::Gone) => steps.extend([Step::Remove, Step::Forget]),
        Some(State::Ready) if !ending.acknowledged => match ending.asked_at {
            None => steps.extend([Step::AskToEnd, Step::LookAgain(grace)]),
            Some(asked_at) => {
                let waited = Duration::try_from(now.duration_since(asked_at)).unwrap_or_default();
                match grace.checked_sub(waited) {
                    Some(left) if !left.is_zero() => steps.push(Step::LookAgain(left)),
                    _ => steps.push(Step::Remove),
                }
            }
        },
        Some(_) => steps.push(Step::Remove),
    }
    steps
}

fn phase(state: &State) -> Phase {
    match state {
        State::Ready => Phase::Running,
        State::Failed { reason } => Phase::Failed { reason: reason.clone() },
        State::Starting | State::Waiting { .. } | State::Gone => Phase::Pending,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn report(state: State, generation: u64) -> Report {
        Report {
            name: "thingvisor/tv".parse().unwrap(),
            generation,
            state,
            incarnation: 1,
            pid: None,
            endpoints: Default::default(),
            restarts: 0,
            limits: None,
        }
    }

    fn desired(ending: bool, phase: Phase) -> Desired {
        Desired { generation: 1, ending, phase }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_000_000).unwrap()
    }

    #[test]
    fn what_no_node_has_is_assigned() {
        let wanted = desired(false, Phase::Pending);
        assert_eq!(decide(Some(&wanted), None, Ending::default(), now(), GRACE), [Step::Assign]);
        let older = report(State::Ready, 0);
        assert_eq!(decide(Some(&wanted), Some(&older), Ending::default(), now(), GRACE), [Step::Assign]);
    }

    #[test]
    fn what_no_node_has_is_shown_as_pending() {
        let wanted = desired(false, Phase::Running);
        let steps = decide(Some(&wanted), None, Ending::default(), now(), GRACE);
        assert_eq!(steps, [Step::Show(Phase::Pending), Step::Assign]);
    }

    #[test]
    fn what_nobody_wants_is_removed() {
        let stray = report(State::Ready, 1);
        assert_eq!(decide(None, Some(&stray), Ending::default(), now(), GRACE), [Step::Remove]);
        assert_eq!(decide(None, None, Ending::default(), now(), GRACE), []);
    }

    #[test]
    fn a_running_workload_is_asked_before_it_is_removed() {
        let wanted = desired(true, Phase::Running);
        let running = report(State::Ready, 1);
        let steps = decide(Some(&wanted), Some(&running), Ending::default(), now(), GRACE);
        assert_eq!(steps, [Step::Show(Phase::Stopping), Step::AskToEnd, Step::LookAgain(GRACE)]);
    }

    #[test]
    fn a_workload_that_never_acknowledges_is_removed_after_the_grace_period() {
        let wanted = desired(true, Phase::Stopping);
        let running = report(State::Ready, 1);
        let ending = Ending { asked_at: Some(now()), acknowledged: false };
        let soon = now() + Duration::from_secs(2);
        assert_eq!(
            decide(Some(&wanted), Some(&running), ending, soon, GRACE),
            [Step::LookAgain(Duration::from_secs(3))]
        );
        let late = now() + GRACE;
        assert_eq!(decide(Some(&wanted), Some(&running), ending, late, GRACE), [Step::Remove]);
    }

    #[test]
    fn a_workload_that_does_not_answer_is_removed_at_once() {
        let wanted = desired(true, Phase::Stopping);
        for state in [State::Starting, State::Failed { reason: "x".to_owned() }] {
            let steps = decide(Some(&wanted), Some(&report(state, 1)), Ending::default(), now(), GRACE);
            assert_eq!(steps, [Step::Remove]);
        }
    }

    #[test]
    fn a_workload_is_forgotten_only_when_its_node_has_it_no_more() {
        let wanted = desired(true, Phase::Stopping);
        let gone = report(State::Gone, 1);
        for report in [None, Some(&gone)] {
            let steps = decide(Some(&wanted), report, Ending::default(), now(), GRACE);
            assert_eq!(steps, [Step::Remove, Step::Forget]);
        }
    }

    fn any_state() -> impl Strategy<Value = Option<State>> {
        prop_oneof![
            Just(None),
            Just(Some(State::Starting)),
            Just(Some(State::Ready)),
            Just(Some(State::Failed { reason: "x".to_owned() })),
            Just(Some(State::Gone)),
        ]
    }

    proptest! {
        /// Whatever the node reports, in whatever order, a workload whose end was asked for is
        /// removed once the grace period is over, and never started again.
        #[test]
        fn every_end_comes_to_its_end(state in any_state(), asked in any::<bool>(), acknowledged in any::<bool>()) {
            let wanted = desired(true, Phase::Stopping);
            let ending = Ending { asked_at: asked.then(now), acknowledged };
            let found = state.map(|state| report(state, 1));
            let steps = decide(Some(&wanted), found.as_ref(), ending, now() + GRACE, GRACE);
            let answers = found.as_ref().is_some_and(|found| found.state == State::Ready);
            prop_assert_eq!(steps.contains(&Step::Remove), asked || acknowledged || !answers);
            let there = found.as_ref().is_some_and(|found| found.state != State::Gone);
            prop_assert_eq!(steps.contains(&Step::Forget), !there);
            prop_assert!(!steps.contains(&Step::Assign));
        }

        /// A workload that is wanted is never taken down.
        #[test]
        fn what_is_wanted_is_never_removed(state in any_state(), generation in 0_u64..3) {
            let wanted = desired(false, Phase::Pending);
            let found = state.map(|state| report(state, generation));
            let steps = decide(Some(&wanted), found.as_ref(), Ending::default(), now(), GRACE);
            prop_assert!(steps.iter().all(|step| matches!(step, Step::Assign | Step::Show(_))));
        }
    }
}
