//! How many connections each address has.

use std::net::IpAddr;

use morgana_controller::{Counted, Tally};

/// Counts the connections of each address, up to a bound.
#[derive(Debug)]
pub(crate) struct Guests {
    at: Tally<IpAddr>,
    most: usize,
}

impl Guests {
    pub(crate) fn new(most: usize) -> Self {
        Self { at: Tally::default(), most: most.max(1) }
    }

    /// Counts one more until the answer is dropped; nothing where the address has as many as it may have.
    pub(crate) fn welcome(&self, from: IpAddr) -> Option<Counted<IpAddr>> {
        self.at.count_up_to(from.to_canonical(), self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_leaves_the_others_theirs() {
        let guests = Guests::new(2);
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        let first = guests.welcome(one);
        let second = guests.welcome(mapped);
        assert!(first.is_some() && second.is_some() && guests.welcome(one).is_none());
        assert!(guests.welcome(other).is_some());
        drop(first);
        assert!(guests.welcome(one).is_some());
    }
}
