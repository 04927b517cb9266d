//! What was asked for and what the platform accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use morgana_model::{ThingVisorId, VSiloId, VThingId};

/// Whether something must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It was accepted.
    There,
    /// It was never accepted, or its end was.
    Gone,
    /// The answer was lost: both are right.
    Either,
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    Refused,
    Unknown,
}

#[derive(Default)]
pub(crate) struct Ledger {
    silos: Mutex<BTreeMap<VSiloId, State>>,
    visors: Mutex<BTreeMap<ThingVisorId, State>>,
    connections: Mutex<BTreeMap<(VSiloId, VThingId), State>>,
    accepted: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [accepted, refused, unknown] =
            [&self.accepted, &self.refused, &self.unknown].map(|count| count.load(Ordering::Relaxed));
        write!(f, "{accepted} requests accepted, {refused} refused, {unknown} cut off")
    }
}

/// What a key is after a request that would make it `wanted`.
fn after(before: State, wanted: State, outcome: Outcome) -> State {
    match outcome {
        Outcome::Accepted => wanted,
        Outcome::Refused => before,
        Outcome::Unknown if before == wanted => wanted,
        Outcome::Unknown => State::Either,
    }
}

impl Ledger {
    fn count(&self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Accepted => &self.accepted,
            Outcome::Refused => &self.refused,
            Outcome::Unknown => &self.unknown,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn silo(&self, id: &VSiloId) -> State {
        self.silos.lock().unwrap().get(id).copied().unwrap_or(State::Gone)
    }

    pub(crate) fn silo_asked(&self, id: &VSiloId, wanted: State, outcome: Outcome) {
        self.count(outcome);
        let state = after(self.silo(id), wanted, outcome);
        self.silos.lock().unwrap().insert(id.clone(), state);
        if state != State::There {
            // Its connections end with it, or may have.
            let mut connections = self.connections.lock().unwrap();
            for (_, of) in connections.iter_mut().filter(|((silo, _), _)| silo == id) {
                *of = if *of == State::Gone { State::Gone } else { state };
            }
        }
    }

    pub(crate) fn visor_asked(&self, id: &ThingVisorId, wanted: State, outcome: Outcome) {
        self.count(outcome);
        let mut visors = self.visors.lock().unwrap();
        let before = visors.get(id).copied().unwrap_or(State::Gone);
        visors.insert(id.clone(), after(before, wanted, outcome));
    }

    pub(crate) fn connection_asked(
        &self,
        silo: &VSiloId,
        v_thing: &VThingId,
        wanted: State,
        outcome: Outcome,
    ) {
        self.count(outcome);
        let mut connections = self.connections.lock().unwrap();
        let key = (silo.clone(), v_thing.clone());
        let before = connections.get(&key).copied().unwrap_or(State::Gone);
        connections.insert(key, after(before, wanted, outcome));
    }

    /// The vThings that may be plugged in.
    pub(crate) fn visors(&self) -> Vec<ThingVisorId> {
        let visors = self.visors.lock().unwrap();
        visors.iter().filter(|(_, state)| **state == State::There).map(|(id, _)| id.clone()).collect()
    }

    /// What differs from what was accepted, in words.
    pub(crate) fn differences(
        &self,
        silos: &BTreeSet<VSiloId>,
        visors: &BTreeSet<ThingVisorId>,
        connections: &BTreeSet<(VSiloId, VThingId)>,
    ) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: String, state: State, there: bool| match state {
            State::There if !there => found.push(format!("{what} was accepted and is not there")),
            State::Gone if there => found.push(format!("{what} should not be there")),
            _ => {}
        };
        let known_silos = self.silos.lock().unwrap();
        for (id, state) in known_silos.iter() {
            compare(format!("silo {id}"), *state, silos.contains(id));
        }
        let known_visors = self.visors.lock().unwrap();
        for (id, state) in known_visors.iter() {
            compare(format!("ThingVisor {id}"), *state, visors.contains(id));
        }
        for ((silo, v_thing), state) in self.connections.lock().unwrap().iter() {
            // A connection is there only as long as both its ends are.
            let of_visor = known_visors.get(&v_thing.thing_visor()).copied().unwrap_or(State::Gone);
            let state = if of_visor == State::There {
                *state
            } else if *state == State::There {
                of_visor
            } else {
                *state
            };
            compare(
                format!("connection {silo} {v_thing}"),
                state,
                connections.contains(&(silo.clone(), v_thing.clone())),
            );
        }
        drop((known_silos, known_visors));
        found
    }
}
