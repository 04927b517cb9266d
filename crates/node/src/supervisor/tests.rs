use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Options;

fn policy() -> Policy {
    Policy::from(&Options::default())
}

/// A world in which the supervisor's actions happen, and which checks that they may.
struct World {
    supervisor: Supervisor,
    now: Instant,
    /// The incarnation that was started and has not ended, and whether its start was answered.
    live: Option<(u64, bool)>,
    last_incarnation: u64,
    assigned: bool,
    has_quit: bool,
    actions: Vec<Action>,
}

impl World {
    fn new() -> Self {
        Self {
            supervisor: Supervisor::new(policy(), 0),
            now: Instant::now(),
            live: None,
            last_incarnation: 0,
            assigned: false,
            has_quit: false,
            actions: Vec::new(),
        }
    }

    fn apply(&mut self, event: Event) {
        let actions = self.supervisor.apply(event, self.now);
        for action in &actions {
            match action {
                Action::Start { incarnation, .. } => {
                    assert_eq!(self.live, None, "two at the same time");
                    assert!(self.assigned, "started what nobody wants");
                    assert!(*incarnation > self.last_incarnation, "incarnations must grow");
                    self.last_incarnation = *incarnation;
                    self.live = Some((*incarnation, false));
                }
                Action::Stop => assert!(self.live.is_some(), "nothing to stop"),
                Action::Delete => assert_eq!(self.live, None, "deleted under a running workload"),
                Action::Quit => {
                    assert_eq!(self.live, None, "left a running workload alone");
                    self.has_quit = true;
                }
                Action::Report => {}
            }
        }
        self.actions = actions;
    }

    fn assign(&mut self, generation: u64, tells_ready: bool) {
        self.assigned = true;
        self.apply(Event::Assigned { generation, tells_ready });
    }

    fn remove(&mut self) {
        self.assigned = false;
        self.apply(Event::Removed);
    }

    fn started(&mut self) {
        if let Some((incarnation, answered @ false)) = &mut self.live {
            *answered = true;
            let incarnation = *incarnation;
            self.apply(Event::Started { incarnation });
        }
    }

    fn not_started(&mut self, permanent: bool) {
        if let Some((incarnation, false)) = self.live {
            self.live = None;
            self.apply(Event::NotStarted { incarnation, reason: "no".to_owned(), permanent });
        }
    }

    fn ready(&mut self) {
        if let Some((incarnation, true)) = self.live {
            self.apply(Event::Ready { incarnation });
        }
    }

    fn ended(&mut self, exit: Exit) {
        if let Some((incarnation, true)) = self.live {
            self.live = None;
            self.apply(Event::Ended { incarnation, exit, last_lines: vec!["bye".to_owned()] });
        }
    }

    fn advance(&mut self, duration: Duration) {
        self.now += duration;
        self.apply(Event::Tick);
    }

    /// Goes to the next deadline.
    fn wait(&mut self) {
        if let Some(deadline) = self.supervisor.deadline() {
            self.now = self.now.max(deadline);
            self.apply(Event::Tick);
        }
    }

    fn run(&mut self) {
        self.started();
        self.ready();
    }

    fn failure(&self) -> &str {
        match self.supervisor.phase() {
            Phase::Failed { reason } => reason,
            other => panic!("not failed: {other:?}"),
        }
    }
}

#[derive(Debug, Clone)]
enum Input {
    Assign(u64, bool),
    Remove,
    ShutDown,
    Started,
    NotStarted(bool),
    Ready,
    Ended(u8),
    Stale(u64),
    Advance(u64),
    Wait,
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        3 => (0..4_u64, any::<bool>()).prop_map(|(generation, tells)| Input::Assign(generation, tells)),
        1 => Just(Input::Remove),
        1 => Just(Input::ShutDown),
        4 => Just(Input::Started),
        1 => any::<bool>().prop_map(Input::NotStarted),
        4 => Just(Input::Ready),
        4 => prop_oneof![Just(0), Just(1), Just(EXIT_CONFIGURATION), Just(EXIT_PORT_TAKEN)].prop_map(Input::Ended),
        1 => (0..3_u64).prop_map(Input::Stale),
        2 => (0..40_000_u64).prop_map(Input::Advance),
        3 => Just(Input::Wait),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_one_runs_at_most_and_in_the_end_what_was_wanted(inputs in prop::collection::vec(input(), 0..60)) {
        let mut world = World::new();
        let mut shut_down = false;
        for input in inputs {
            match input {
                Input::Assign(generation, tells_ready) => world.assign(generation, tells_ready),
                Input::Remove => world.remove(),
                Input::ShutDown => {
                    shut_down = true;
                    world.apply(Event::ShutDown);
                }
                Input::Started => world.started(),
                Input::NotStarted(permanent) => world.not_started(permanent),
                Input::Ready => world.ready(),
                Input::Ended(status) => world.ended(Exit::Status(status)),
                Input::Stale(age) => {
                    let incarnation = world.last_incarnation.saturating_sub(1 + age);
                    world.apply(Event::Ended { incarnation, exit: Exit::Status(1), last_lines: Vec::new() });
                    prop_assert!(world.actions.is_empty());
                    world.apply(Event::Ready { incarnation });
                    prop_assert!(world.actions.is_empty());
                }
                Input::Advance(ms) => world.advance(Duration::from_millis(ms)),
                Input::Wait => world.wait(),
            }
            if world.has_quit {
                return Ok(());
            }
        }
        // From here on the world is kind.
        for _ in 0..10 {
            world.started();
            if matches!(world.supervisor.phase(), Phase::Stopping { .. }) {
                world.ended(Exit::Signal(15));
            }
            world.ready();
            if matches!(world.supervisor.phase(), Phase::Waiting { .. }) {
                world.wait();
            }
        }
        let phase = world.supervisor.phase();
        match (world.has_quit, world.assigned) {
            (true, _) => prop_assert!(shut_down || !world.assigned),
            (false, true) => prop_assert!(matches!(phase, Phase::Ready | Phase::Failed { .. }), "{:?}", phase),
            (false, false) => prop_assert!(matches!(phase, Phase::Idle), "{:?}", phase),
        }
    }
}

#[test]
fn a_workload_is_started_told_ready_and_started_again_after_its_end() {
    let mut world = World::new();
    world.assign(1, true);
    assert_eq!(world.actions, [Action::Start { incarnation: 1, fresh_ports: false }, Action::Report]);
    world.run();
    assert_eq!(world.supervisor.phase(), &Phase::Ready);
    world.ended(Exit::Signal(9));
    assert!(matches!(world.supervisor.phase(), Phase::Waiting { .. }));
    world.advance(Duration::from_millis(99));
    assert_eq!(world.actions, []);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.actions, [Action::Start { incarnation: 2, fresh_ports: false }, Action::Report]);
    assert_eq!(world.supervisor.restarts(), 1);
}

#[test]
fn the_same_assignment_again_changes_nothing_and_an_older_one_neither() {
    let mut world = World::new();
    world.assign(5, true);
    world.run();
    world.assign(5, true);
    assert_eq!(world.actions, []);
    world.assign(4, true);
    assert_eq!(world.actions, []);
}

#[test]
fn a_higher_generation_restarts_with_the_new_assignment() {
    let mut world = World::new();
    world.assign(1, true);
    world.run();
    world.assign(2, true);
    assert_eq!(world.actions, [Action::Stop, Action::Report]);
    world.ended(Exit::Signal(15));
    assert_eq!(world.actions, [Action::Start { incarnation: 2, fresh_ports: false }, Action::Report]);
}

#[test]
fn wrong_parameters_fail_at_once_with_the_last_lines_of_the_log() {
    let mut world = World::new();
    world.assign(1, true);
    world.started();
    world.ended(Exit::Status(EXIT_CONFIGURATION));
    assert!(world.failure().contains("exit status 78: its parameters are wrong"), "{}", world.failure());
    assert!(world.failure().contains("last lines of its log:\nbye"), "{}", world.failure());
    world.advance(Duration::from_secs(1_000_000));
    assert_eq!(world.actions, []);
}

#[test]
fn a_crash_loop_fails_and_another_assignment_brings_it_back() {
    let mut world = World::new();
    world.assign(1, true);
    for _ in 0..6 {
        world.run();
        world.ended(Exit::Status(1));
        world.wait();
    }
    assert!(world.failure().starts_with("ended 6 times within 30 s; last: exit status 1; last lines"));
    world.assign(1, true);
    world.run();
    assert_eq!((world.supervisor.phase(), world.supervisor.restarts()), (&Phase::Ready, 0));
}

#[test]
fn ends_that_are_far_apart_are_no_crash_loop() {
    let mut world = World::new();
    world.assign(1, true);
    for _ in 0..50 {
        world.run();
        world.advance(Duration::from_secs(29));
        world.ended(Exit::Signal(9));
        world.wait();
    }
    world.run();
    assert_eq!(world.supervisor.phase(), &Phase::Ready);
}

#[test]
fn one_that_gets_neither_ready_nor_dies_is_ended_and_tried_again_until_it_has_failed() {
    let mut world = World::new();
    world.assign(1, true);
    for _ in 0..6 {
        world.started();
        world.wait();
        assert_eq!(world.actions, [Action::Stop, Action::Report]);
        world.ended(Exit::Signal(15));
        world.wait();
    }
    assert!(
        world
            .failure()
            .starts_with("did not get ready 6 times in a row; last: did not get ready within 20 s")
    );
}

#[test]
fn a_program_that_does_not_tell_is_ready_when_it_has_lived_for_a_moment() {
    let mut world = World::new();
    world.assign(1, false);
    world.started();
    world.advance(Duration::from_millis(999));
    assert!(matches!(world.supervisor.phase(), Phase::Starting { .. }));
    world.advance(Duration::from_millis(1));
    assert_eq!(world.supervisor.phase(), &Phase::Ready);
}

#[test]
fn a_taken_port_is_changed_only_when_it_never_worked() {
    let mut world = World::new();
    world.assign(1, true);
    world.started();
    world.ended(Exit::Status(EXIT_PORT_TAKEN));
    world.wait();
    assert_eq!(world.actions[0], Action::Start { incarnation: 2, fresh_ports: true });
    world.run();
    world.ended(Exit::Status(EXIT_PORT_TAKEN));
    world.wait();
    assert_eq!(world.actions[0], Action::Start { incarnation: 3, fresh_ports: false });
}

#[test]
fn what_cannot_run_here_fails_without_a_second_try() {
    let mut world = World::new();
    world.assign(1, true);
    world.not_started(true);
    assert_eq!(world.failure(), "no");
}

#[test]
fn a_workload_that_was_removed_and_assigned_again_starts_afresh() {
    let mut world = World::new();
    world.assign(7, true);
    world.run();
    world.remove();
    assert_eq!(world.actions, [Action::Stop]);
    world.assign(1, true);
    world.ended(Exit::Signal(15));
    assert_eq!(
        world.actions,
        [Action::Delete, Action::Start { incarnation: 2, fresh_ports: false }, Action::Report]
    );
}

#[test]
fn the_end_of_the_agent_ends_a_workload_and_deletes_nothing() {
    let mut world = World::new();
    world.assign(1, true);
    world.run();
    world.apply(Event::ShutDown);
    assert_eq!(world.actions, [Action::Stop]);
    world.ended(Exit::Signal(15));
    assert_eq!(world.actions, [Action::Quit]);
}
