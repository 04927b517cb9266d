//! A small world around the decisions: a node, a ThingVisor, a silo, and messages between them that are
//! lost, come twice, late, or in another order. Whatever happens, once the world is left alone it
//! becomes as it is desired.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::tests::{PATIENCE, now, report, wanted};
use super::*;

/// What may happen.
#[derive(Debug, Clone, Copy)]
enum Happening {
    /// The reconciler looks.
    Look,
    /// The message at this place arrives, wherever it stood in the row.
    Deliver(usize),
    /// The same, and it stays to arrive once more.
    DeliverTwice(usize),
    /// It is lost.
    Lose(usize),
    /// The node brings up what it was given.
    Start,
    /// The workload ends by itself, and the node gives it up.
    Fail,
    /// The controller starts anew, and remembers nothing.
    ForgetAll,
    /// A user asks for its end.
    Delete,
    /// A user asks for it to be started anew.
    Restart,
    /// A user gives it new parameters.
    Update,
    /// The same, with something that it is to be told once.
    UpdateWithInfo,
    /// The workload ends by itself, and the node starts it again at once.
    Crash,
    /// Time passes, in seconds.
    Wait(u64),
}

/// A message on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Message {
    /// To the workload of this start: end yourself.
    End(u64),
    /// From it: done.
    Ack,
    /// To the workload, whichever start of it listens: your parameters are those of this update; and whether there is
    /// something with it that is told once.
    Update(u64, bool),
    /// From that start of it: I have that update.
    Has(u64, u64),
    /// To the silo: you have its vThing no more.
    Unplugged,
}

#[derive(Debug)]
struct World {
    desired: Option<Desired>,
    node: Option<Report>,
    memory: Memory,
    /// Up to which update the node was given it, and what the process has that runs now.
    given: u64,
    has: u64,
    /// Whether the workload says which updates it has, as those of VirIoT do not.
    speaks: bool,
    /// What the controller remembers to have given the node.
    given_noted: Option<Updates>,
    /// The updates with something that is told once: that it is still to be told of, that there were, and that a start
    /// of it heard.
    infos: Vec<u64>,
    all_infos: Vec<u64>,
    heard: BTreeSet<u64>,
    messages: Vec<Message>,
    /// Whether the silo serves the vThing, and whether the System DB says it should.
    silo_has_it: bool,
    connected: bool,
    /// Whether the silo has been told what holds, as far as the controller knows.
    silo_was_told: bool,
    time: Timestamp,
    look_again: Option<Timestamp>,
    /// It was asked to end before the silo was told.
    too_early: bool,
    recorded: usize,
}

impl World {
    fn new(speaks: bool) -> Self {
        Self {
            desired: Some(wanted(Phase::Pending)),
            node: None,
            memory: Memory::default(),
            given: 0,
            has: 0,
            speaks,
            given_noted: None,
            infos: Vec::new(),
            all_infos: Vec::new(),
            heard: BTreeSet::new(),
            messages: Vec::new(),
            silo_has_it: true,
            connected: true,
            silo_was_told: true,
            time: now(),
            look_again: None,
            too_early: false,
            recorded: 0,
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Look => self.look(),
            Happening::Deliver(at) if at < self.messages.len() => {
                let message = self.messages.remove(at);
                self.arrive(message);
            }
            Happening::DeliverTwice(at) if at < self.messages.len() => self.arrive(self.messages[at]),
            Happening::Lose(at) if at < self.messages.len() => drop(self.messages.remove(at)),
            Happening::Deliver(_) | Happening::DeliverTwice(_) | Happening::Lose(_) => {}
            Happening::Start => {
                if let Some(node) = &mut self.node
                    && node.state == State::Starting
                {
                    node.state = State::Ready;
                    self.say_what_it_has();
                }
            }
            Happening::Fail => {
                if let Some(node) = &mut self.node {
                    node.state = State::Failed { reason: "it fell over".to_owned() };
                }
            }
            Happening::ForgetAll => {
                self.memory = Memory::default();
                self.given_noted = None;
                // The silo is told anew by a controller that does not know what it was told.
                self.silo_was_told = !self.silo_has_it || self.connected;
            }
            Happening::Delete => {
                let time = self.time;
                if let Some(desired) = &mut self.desired {
                    desired.ending_since.get_or_insert(time);
                    desired.phase = Phase::Stopping;
                }
            }
            Happening::Restart => {
                if let Some(desired) = &mut self.desired {
                    desired.generation += 1;
                }
            }
            Happening::Update => {
                if let Some(desired) = self.desired.as_mut().filter(|desired| desired.ending_since.is_none())
                {
                    desired.updates.all += 1;
                }
            }
            Happening::UpdateWithInfo => {
                self.happen(Happening::Update);
                let desired = self.desired.as_ref().filter(|desired| desired.ending_since.is_none());
                if let Some(update) = desired.map(|desired| desired.updates.all) {
                    self.infos.push(update);
                    self.all_infos.push(update);
                }
            }
            Happening::Crash => {
                if self.node.as_ref().is_some_and(|node| matches!(node.state, State::Starting | State::Ready))
                {
                    self.begin();
                }
            }
            Happening::Wait(seconds) => self.time += Duration::from_secs(seconds),
        }
    }

    /// The node starts the workload, with what it was given.
    fn begin(&mut self) {
        if let Some(node) = &mut self.node {
            (node.incarnation, node.state, node.update) = (node.incarnation + 1, State::Starting, self.given);
            self.has = self.given;
        }
    }

    fn say_what_it_has(&mut self) {
        if let Some(node) = self.node.as_ref().filter(|_| self.speaks) {
            self.messages.push(Message::Has(node.incarnation, self.has));
        }
    }

    fn arrive(&mut self, message: Message) {
        let incarnation = self.node.as_ref().map(|node| node.incarnation);
        let answers = self.node.as_ref().is_some_and(|node| node.state == State::Ready);
        match message {
            Message::End(of) if answers && incarnation == Some(of) => self.messages.push(Message::Ack),
            // The controller believes an acknowledgement only of what is ending.
            Message::Ack if self.desired.as_ref().is_some_and(|desired| desired.ending_since.is_some()) => {
                self.memory.acknowledged = true;
            }
            Message::Unplugged => {
                self.silo_has_it = false;
                self.silo_was_told = true;
            }
            Message::Update(update, with_info) if answers => {
                self.has = self.has.max(update);
                self.heard.extend(with_info.then_some(update));
                self.say_what_it_has();
            }
            Message::Has(incarnation, update) => {
                let all = self.memory.knows.into_iter().chain([Knows { incarnation, update }]);
                self.memory.knows = all.max_by_key(|knows| (knows.incarnation, knows.update));
            }
            Message::End(_) | Message::Ack | Message::Update(..) => {}
        }
    }

    fn look(&mut self) {
        let plugged = self.connected || !self.silo_was_told;
        let mut desired = self.desired.clone();
        if let Some(desired) = &mut desired {
            desired.plugged = plugged;
            desired.given = self.given_noted;
            (desired.updates, desired.next) = (self.updates(), self.next());
        }
        self.look_again = None;
        for step in decide(desired.as_ref(), self.node.as_ref(), self.memory, self.time, PATIENCE) {
            self.act(step);
        }
    }

    fn next(&self) -> u64 {
        let all = self.desired.as_ref().map_or(0, |desired| desired.updates.all);
        self.infos.first().copied().unwrap_or(all)
    }

    fn updates(&self) -> Updates {
        let all = self.desired.as_ref().map_or(0, |desired| desired.updates.all);
        Updates { all, at_start: self.infos.first().map_or(all, |first| first - 1) }
    }

    fn act(&mut self, step: Step) {
        let generation = self.desired.as_ref().map_or(0, |desired| desired.generation);
        let (updates, next) = (self.updates(), self.next());
        match step {
            Step::Assign => {
                (self.given, self.given_noted) = (updates.at_start, Some(updates));
                let goes_on = |node: &Report| {
                    node.generation == generation && !matches!(node.state, State::Failed { .. } | State::Gone)
                };
                if !self.node.as_ref().is_some_and(goes_on) {
                    let incarnation = self.node.as_ref().map_or(0, |node| node.incarnation);
                    self.node = Some(Report { incarnation, ..report(State::Starting, generation) });
                    self.begin();
                }
            }
            Step::Tell => {
                let incarnation = self.node.as_ref().map_or(0, |node| node.incarnation);
                let same = |told: &Told| (told.incarnation, told.update) == (incarnation, next);
                let times = self.memory.told.filter(same).map_or(0, |told| told.times) + 1;
                self.memory.told = Some(Told { incarnation, update: next, times, at: self.time });
                self.messages.push(Message::Update(next, self.infos.first() == Some(&next)));
            }
            Step::Told(update) => self.infos.retain(|info| *info > update),
            Step::Show(phase) => {
                if let Some(desired) = &mut self.desired
                    && (desired.ending_since.is_none() || phase == Phase::Stopping)
                {
                    desired.phase = phase;
                }
            }
            Step::Unplug => {
                self.connected = false;
                self.silo_was_told = !self.silo_has_it;
                if self.silo_has_it {
                    self.messages.push(Message::Unplugged);
                }
            }
            Step::AskToEnd => {
                let over = self.desired.as_ref().and_then(|desired| desired.ending_since);
                let over = over.is_some_and(|since| left(PATIENCE.grace, since, self.time).is_none());
                self.too_early |= self.silo_has_it && !over;
                self.memory.asked_at.get_or_insert(self.time);
                let incarnation = self.node.as_ref().map_or(0, |node| node.incarnation);
                self.messages.push(Message::End(incarnation));
            }
            Step::LookAgain(after) => self.look_again = Some(self.time + after),
            Step::NoteFailure => self.memory.failed_at = Some(self.time),
            Step::NoteRevival => {
                self.memory.failed_at = None;
                self.memory.revived += 1;
            }
            Step::NoteHealth => (self.memory.failed_at, self.memory.revived) = (None, 0),
            Step::Record(_) => self.recorded += 1,
            Step::Remove => self.node = None,
            Step::Forget => {
                self.desired = None;
                self.connected = false;
                self.memory = Memory::default();
            }
        }
    }

    /// Leaves the world alone: everything arrives, what is started comes up, and time passes.
    fn settle(&mut self) {
        for _ in 0..200 {
            self.look();
            while let Some(message) = self.messages.pop() {
                self.arrive(message);
            }
            self.happen(Happening::Start);
            self.time = self.look_again.unwrap_or(self.time + Duration::from_secs(1)).max(self.time);
        }
    }
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => Just(Happening::Look),
        3 => (0_usize..4).prop_map(Happening::Deliver),
        2 => (0_usize..4).prop_map(Happening::DeliverTwice),
        2 => (0_usize..4).prop_map(Happening::Lose),
        3 => Just(Happening::Start),
        1 => Just(Happening::Fail),
        1 => Just(Happening::ForgetAll),
        1 => Just(Happening::Delete),
        1 => Just(Happening::Restart),
        3 => Just(Happening::Update),
        2 => Just(Happening::UpdateWithInfo),
        2 => Just(Happening::Crash),
        2 => (0_u64..90).prop_map(Happening::Wait),
    ]
}

proptest! {
    #[test]
    fn in_every_order_the_platform_comes_to_what_is_desired(
        happenings in prop::collection::vec(happening(), 0..60), speaks in any::<bool>(),
    ) {
        let mut world = World::new(speaks);
        for happening in happenings {
            world.happen(happening);
        }
        prop_assert!(!world.too_early, "asked to end while a silo still had its vThing");
        let ending = world.desired.as_ref().is_none_or(|desired| desired.ending_since.is_some());
        world.settle();
        prop_assert!(!world.too_early, "asked to end while a silo still had its vThing");
        if ending {
            prop_assert!(world.desired.is_none(), "forgotten: {:?}", world);
            prop_assert!(world.node.is_none(), "nothing runs: {:?}", world);
            prop_assert!(!world.silo_has_it || world.recorded > 0, "no silo has it, or it is recorded: {:?}", world);
        } else {
            let desired = world.desired.as_ref().unwrap();
            prop_assert_eq!(&desired.phase, &Phase::Running);
            let node = world.node.as_ref().unwrap();
            prop_assert_eq!((node.generation, &node.state), (desired.generation, &State::Ready));
            prop_assert!(world.connected && world.silo_has_it, "what was plugged in stays");
            // One that does not speak may have missed every time that it was told.
            prop_assert!(world.has == desired.updates.all || !world.speaks, "it has the newest: {:?}", world);
            prop_assert!(world.infos.is_empty(), "nothing is told for ever: {:?}", world);
            let heard = world.all_infos.iter().all(|info| world.heard.contains(info));
            prop_assert!(heard || !world.speaks, "it heard what is told once: {:?}", world);
        }
    }
}
