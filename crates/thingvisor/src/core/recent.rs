//! Which commands were taken lately: a command is carried out at most once for each `cmd-id`, though
//! the fabric or a silo that was away may bring it twice.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use morgana_model::{Command, VSiloId};

/// How many are remembered. What comes twice comes soon after.
const REMEMBERED: usize = 4_096;

/// The commands taken last, as hashes: what a tenant writes may be long.
#[derive(Debug, Default)]
pub(super) struct Recent {
    hasher: RandomState,
    order: VecDeque<u64>,
    known: HashSet<u64>,
}

impl Recent {
    /// Whether it was taken before; from now on it was.
    pub(super) fn is_repeated(
        &mut self,
        silo: Option<&VSiloId>,
        entity: &str,
        name: &str,
        command: &Command,
    ) -> bool {
        let id = command.cmd_id.as_ref().map(ToString::to_string);
        let hash = self.hasher.hash_one((silo, entity, name, id));
        if !self.known.insert(hash) {
            return true;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn repeated(recent: &mut Recent, silo: &str, id: usize) -> bool {
        let command: Command = from_value(json!({ "cmd-value": 1, "cmd-id": id })).unwrap();
        recent.is_repeated(Some(&silo.parse().unwrap()), "urn:x", "set-on", &command)
    }

    #[test]
    fn an_id_counts_once_for_its_silo_and_memory_is_bounded() {
        let mut recent = Recent::default();
        assert!(!repeated(&mut recent, "a_s", 0));
        assert!(repeated(&mut recent, "a_s", 0));
        assert!(!repeated(&mut recent, "b_s", 0), "another silo has ids of its own");
        for id in 1..2 * REMEMBERED {
            assert!(!repeated(&mut recent, "a_s", id));
        }
        assert_eq!((recent.order.len(), recent.known.len()), (REMEMBERED, REMEMBERED));
    }
}
