use proptest::prelude::*;

use super::*;

pub(super) const GRACE: Duration = Duration::from_secs(5);
pub(super) const PATIENCE: Patience =
    Patience { grace: GRACE, revive_first: Duration::from_secs(60), revive_last: Duration::from_secs(600) };

pub(super) fn report(state: State, generation: u64) -> Report {
    Report {
        name: "thingvisor/tv".parse().unwrap(),
        generation,
        state,
        incarnation: 1,
        update: 0,
        pid: None,
        endpoints: Default::default(),
        restarts: 0,
        limits: None,
    }
}

pub(super) fn wanted(phase: Phase) -> Desired {
    let updates = Updates::default();
    Desired { generation: 1, ending_since: None, phase, plugged: false, updates, next: 0, given: None }
}

fn updates(number: u64) -> Updates {
    Updates { all: number, at_start: number }
}

fn ending() -> Desired {
    Desired { ending_since: Some(now()), ..wanted(Phase::Stopping) }
}

fn failed() -> State {
    State::Failed { reason: "x".to_owned() }
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_000_000).unwrap()
}

fn steps(desired: &Desired, report: Option<&Report>, memory: Memory, after: Duration) -> Vec<Step> {
    decide(Some(desired), report, memory, now() + after, PATIENCE)
}

fn at_once(desired: &Desired, report: Option<&Report>) -> Vec<Step> {
    steps(desired, report, Memory::default(), Duration::ZERO)
}

#[test]
fn what_no_node_has_is_assigned() {
    assert_eq!(at_once(&wanted(Phase::Pending), None), [Step::Assign]);
    assert_eq!(at_once(&wanted(Phase::Pending), Some(&report(State::Ready, 0))), [Step::Assign]);
}

#[test]
fn what_no_node_has_is_shown_as_pending() {
    assert_eq!(at_once(&wanted(Phase::Running), None), [Step::Show(Phase::Pending), Step::Assign]);
}

#[test]
fn what_nobody_wants_is_removed() {
    let stray = report(State::Ready, 1);
    assert_eq!(decide(None, Some(&stray), Memory::default(), now(), PATIENCE), [Step::Remove]);
    assert_eq!(decide(None, None, Memory::default(), now(), PATIENCE), []);
}

#[test]
fn news_reach_the_node_without_a_new_start() {
    let news = Desired { updates: updates(2), next: 2, given: Some(updates(1)), ..wanted(Phase::Running) };
    let starting = at_once(&news, Some(&report(State::Starting, 1)));
    assert_eq!(starting, [Step::Show(Phase::Pending), Step::Assign]);
    let expected = [Step::Show(Phase::Running), Step::Assign, Step::Tell, Step::LookAgain(FIRST_TELL_PAUSE)];
    assert_eq!(at_once(&news, Some(&report(State::Ready, 1))), expected);
}

#[test]
fn what_runs_is_told_of_an_update_until_it_says_that_it_has_it() {
    let news = Desired { updates: updates(2), next: 2, ..wanted(Phase::Running) };
    let running = report(State::Ready, 1);
    let told = |times| Some(Told { incarnation: 1, update: 2, times, at: now() });
    let says = |update| Some(Knows { incarnation: 1, update });
    let after = |memory, pause| steps(&news, Some(&running), memory, pause)[1..].to_vec();
    let (first, long) = (FIRST_TELL_PAUSE, LAST_TELL_PAUSE);
    let memory = Memory { told: told(1), knows: says(1), ..Memory::default() };
    assert_eq!(after(memory, first / 2), [Step::LookAgain(first / 2)]);
    assert_eq!(after(memory, first), [Step::Tell, Step::LookAgain(first * 2)]);
    let often = Memory { told: told(100), ..memory };
    assert_eq!(after(often, long), [Step::Tell, Step::LookAgain(long)]);
    assert_eq!(after(Memory { knows: says(2), ..memory }, long), []);
    // One that does not speak is told a few times, and once more when it was started anew with old ones.
    assert_eq!(after(Memory { told: told(TELLS_WITHOUT_ACK), ..Memory::default() }, long), []);
    let before = Some(Told { incarnation: 0, update: 2, times: TELLS_WITHOUT_ACK, at: now() });
    let anew = Memory { told: before, knows: Some(Knows { incarnation: 0, update: 2 }), ..Memory::default() };
    assert_eq!(after(anew, first), [Step::Tell, Step::LookAgain(first)]);
    // What it was started with it knows.
    let up_to_date = Report { update: 2, ..running.clone() };
    assert_eq!(at_once(&news, Some(&up_to_date)), [Step::Show(Phase::Running)]);
}

#[test]
fn what_is_told_once_is_told_whatever_it_was_started_with_and_then_no_more() {
    // Of its four updates the third came with something that is told once.
    let updates = Updates { all: 4, at_start: 2 };
    let news = Desired { updates, next: 3, given: Some(updates), ..wanted(Phase::Running) };
    let running = Report { update: 2, ..report(State::Ready, 1) };
    let after = |memory, pause| steps(&news, Some(&running), memory, pause)[1..].to_vec();
    let told = |times| Some(Told { incarnation: 1, update: 3, times, at: now() });
    let says = |update| Some(Knows { incarnation: 1, update });
    let first = FIRST_TELL_PAUSE;
    assert_eq!(after(Memory::default(), first), [Step::Tell, Step::LookAgain(first)]);
    let memory = Memory { told: told(TELLS_WITHOUT_ACK), knows: says(2), ..Memory::default() };
    assert_eq!(after(memory, first * 4), [Step::Tell, Step::LookAgain(first * 8)]);
    assert_eq!(after(Memory { knows: says(3), ..memory }, first), [Step::Told(3)]);
    // One that says nothing counts as told after a few times.
    assert_eq!(after(Memory { knows: None, ..memory }, first), [Step::Told(3)]);
    // What an earlier start of it said is no sign of this one.
    let before = Some(Knows { incarnation: 0, update: 3 });
    assert_eq!(after(Memory { knows: before, ..Memory::default() }, first)[0], Step::Tell);
}

#[test]
fn a_running_workload_is_asked_before_it_is_removed() {
    let asked = Desired { phase: Phase::Running, ..ending() };
    let expected = [Step::Show(Phase::Stopping), Step::AskToEnd, Step::LookAgain(GRACE)];
    assert_eq!(at_once(&asked, Some(&report(State::Ready, 1))), expected);
}

#[test]
fn a_thing_visor_is_asked_to_end_only_when_no_silo_has_anything_of_it() {
    let plugged = Desired { plugged: true, ..ending() };
    for state in [State::Ready, State::Starting, failed()] {
        let running = report(state, 1);
        let soon = at_once(&plugged, Some(&running));
        assert_eq!(soon, [Step::Unplug, Step::LookAgain(UNPLUG_PAUSE)]);
    }
    assert_eq!(at_once(&plugged, None), [Step::Unplug, Step::LookAgain(UNPLUG_PAUSE)]);
    // A silo that never hears does not keep it for ever.
    let late = steps(&plugged, Some(&report(State::Ready, 1)), Memory::default(), GRACE);
    let expected = [Step::Unplug, Step::Record(NOT_ALL_HEARD), Step::AskToEnd, Step::LookAgain(GRACE)];
    assert_eq!(late, expected);
}

#[test]
fn a_workload_that_never_acknowledges_is_removed_after_the_grace_period_and_the_reason_is_recorded() {
    let running = report(State::Ready, 1);
    let memory = Memory { asked_at: Some(now()), ..Memory::default() };
    let soon = steps(&ending(), Some(&running), memory, Duration::from_secs(2));
    assert_eq!(soon, [Step::LookAgain(Duration::from_secs(3))]);
    let late = steps(&ending(), Some(&running), memory, GRACE);
    assert_eq!(late, [Step::Record(NEVER_AGREED), Step::Remove]);
}

#[test]
fn a_workload_that_does_not_answer_is_removed_at_once() {
    for state in [State::Starting, failed()] {
        assert_eq!(at_once(&ending(), Some(&report(state, 1))), [Step::Remove]);
    }
}

#[test]
fn a_workload_is_forgotten_only_when_its_node_has_it_no_more() {
    let gone = report(State::Gone, 1);
    for report in [None, Some(&gone)] {
        assert_eq!(at_once(&ending(), report), [Step::Remove, Step::Forget]);
    }
}

#[test]
fn a_failed_workload_is_tried_again_ever_more_slowly_until_it_is_well() {
    let (desired, down) = (wanted(Phase::Pending), report(failed(), 1));
    let shown = Step::Show(Phase::Failed { reason: "x".to_owned() });
    let minute = Duration::from_secs(60);
    let noticed = [shown.clone(), Step::NoteFailure, Step::LookAgain(minute)];
    assert_eq!(at_once(&desired, Some(&down)), noticed);
    let memory = Memory { failed_at: Some(now()), ..Memory::default() };
    assert_eq!(
        steps(&desired, Some(&down), memory, minute / 2),
        [shown.clone(), Step::LookAgain(minute / 2)]
    );
    assert_eq!(
        steps(&desired, Some(&down), memory, minute),
        [shown.clone(), Step::NoteRevival, Step::Assign]
    );
    let again = Memory { failed_at: Some(now()), revived: 2, ..Memory::default() };
    assert_eq!(steps(&desired, Some(&down), again, minute), [shown.clone(), Step::LookAgain(minute * 3)]);
    let often = Memory { failed_at: Some(now()), revived: 40, ..Memory::default() };
    assert_eq!(steps(&desired, Some(&down), often, minute), [shown, Step::LookAgain(minute * 9)]);
    let well = steps(&desired, Some(&report(State::Ready, 1)), again, minute);
    assert_eq!(well, [Step::Show(Phase::Running), Step::NoteHealth]);
}

fn any_state() -> impl Strategy<Value = Option<State>> {
    prop_oneof![
        Just(None),
        Just(Some(State::Starting)),
        Just(Some(State::Ready)),
        Just(Some(failed())),
        Just(Some(State::Gone)),
    ]
}

proptest! {
    /// Whatever the node reports, in whatever order, a workload whose end was asked for is
    /// removed once the grace period is over, and never started again.
    #[test]
    fn every_end_comes_to_its_end(
        state in any_state(), asked in any::<bool>(), acknowledged in any::<bool>(), plugged in any::<bool>(),
    ) {
        let desired = Desired { plugged, ..ending() };
        let memory = Memory { asked_at: asked.then(now), acknowledged, ..Memory::default() };
        let found = state.map(|state| report(state, 1));
        let steps = steps(&desired, found.as_ref(), memory, GRACE);
        let answers = found.as_ref().is_some_and(|found| found.state == State::Ready);
        prop_assert_eq!(steps.contains(&Step::Remove), asked || acknowledged || !answers);
        let there = found.as_ref().is_some_and(|found| found.state != State::Gone);
        prop_assert_eq!(steps.contains(&Step::Forget), !there);
        prop_assert!(!steps.contains(&Step::Assign));
    }

    /// A workload that is wanted is never taken down.
    #[test]
    fn what_is_wanted_is_never_removed(state in any_state(), generation in 0_u64..3, number in 0_u64..3) {
        let (updates, given) = (updates(number), Some(updates(1)));
        let desired = Desired { updates, next: number, given, ..wanted(Phase::Pending) };
        let found = state.map(|state| report(state, generation));
        let steps = at_once(&desired, found.as_ref());
        let takes_down = |step: &Step| matches!(step, Step::Remove | Step::Forget | Step::AskToEnd | Step::Unplug);
        prop_assert!(!steps.iter().any(takes_down));
    }
}
