use std::time::Duration;

use crate::Options;

/// The figures that a supervisor decides by; [`Options`] says what they mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) restart_first: Duration,
    pub(crate) restart_max: Duration,
    pub(crate) crash_loop_ends: usize,
    pub(crate) crash_loop_window: Duration,
    pub(crate) ready_timeout: Duration,
    pub(crate) settle: Duration,
}

impl Policy {
    /// How long to wait after the `n`th end in short order.
    pub(crate) fn delay(&self, n: usize) -> Duration {
        let doublings = u32::try_from(n.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        self.restart_first.saturating_mul(factor).min(self.restart_max)
    }
}

impl From<&Options> for Policy {
    fn from(options: &Options) -> Self {
        Self {
            restart_first: Duration::from_millis(options.restart_first_ms),
            restart_max: Duration::from_millis(options.restart_max_ms),
            crash_loop_ends: usize::try_from(options.crash_loop_ends).unwrap_or(usize::MAX).max(1),
            crash_loop_window: Duration::from_secs(options.crash_loop_seconds),
            ready_timeout: Duration::from_millis(options.ready_timeout_ms),
            settle: Duration::from_millis(options.settle_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_largest() {
        let policy = Policy::from(&Options::default());
        let delays: Vec<_> = (1..=4).map(|n| policy.delay(n).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800]);
        assert_eq!(policy.delay(20), Duration::from_secs(30));
        assert_eq!(policy.delay(usize::MAX), Duration::from_secs(30));
    }
}
