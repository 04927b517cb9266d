//! How long to wait before the next attempt to connect.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(20);

/// Delays that double up to a bound, each between half and all of its step so that the clients of a
/// restarted server do not come back all at once.
#[derive(Debug)]
pub(super) struct Backoff {
    step: Duration,
    max: Duration,
}

impl Backoff {
    pub(super) fn new(max: Duration) -> Self {
        Self { step: FIRST.min(max), max }
    }

    /// The next delay; `random` is in 0..1.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let delay = self.step.mul_f64(0.5 + random / 2.0);
        self.step = (self.step * 2).min(self.max);
        delay
    }

    /// Starts over, after a connection that was answered.
    pub(super) fn reset(&mut self) {
        self.step = FIRST.min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_bound_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let delays: Vec<u128> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(delays, [20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(backoff.next(0.0).as_millis(), 500);
        backoff.reset();
        assert_eq!(backoff.next(0.0).as_millis(), 10);
    }
}
