//! How many connections each address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts the connections of each address, up to a bound.
#[derive(Debug, Clone)]
pub(crate) struct Guests {
    at: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

/// One connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    guests: Guests,
    from: IpAddr,
}

impl Guests {
    pub(crate) fn new(most: usize) -> Self {
        Self { at: Arc::default(), most: most.max(1) }
    }

    /// Counts one more; nothing where the address has as many as it may have.
    pub(crate) fn welcome(&self, from: IpAddr) -> Option<Guest> {
        let from = from.to_canonical();
        let mut at = self.at.lock();
        let count = at.entry(from).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(at);
        Some(Guest { guests: self.clone(), from })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut at = self.guests.at.lock();
        if let Some(count) = at.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                at.remove(&self.from);
            }
        }
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
        drop(second);
        assert!(guests.at.lock().is_empty(), "nobody is remembered who is gone");
    }
}
