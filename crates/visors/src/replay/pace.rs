//! When a row is due.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// How fast rows go by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rule {
    /// So many times as fast as they were observed.
    Factor(f64),
    /// So many a second.
    RowsPerSecond(f64),
    /// As fast as they are taken.
    Max,
}

/// The schedule of one pass through the rows.
#[derive(Debug)]
pub(super) struct Pace {
    rule: Rule,
    start: Option<(Instant, Option<Timestamp>)>,
    rows: u64,
}

impl Pace {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, start: None, rows: 0 }
    }

    /// When the next row, observed at `at`, is due. The first is due `now`, and so is one from before
    /// the first.
    pub(super) fn due(&mut self, at: Option<Timestamp>, now: Instant) -> Instant {
        let (start, first) = *self.start.get_or_insert((now, at));
        let seconds = match self.rule {
            Rule::Max => return now,
            Rule::RowsPerSecond(rate) => self.rows as f64 / rate,
            Rule::Factor(factor) => match (first, at) {
                (Some(first), Some(at)) => at.duration_since(first).as_secs_f64() / factor,
                _ => 0.0,
            },
        };
        self.rows += 1;
        // A century is longer than anybody waits, and short enough for the clock.
        let wait = seconds.clamp(0.0, 100.0 * 366.0 * 86_400.0);
        start + Duration::from_secs_f64(wait)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Some(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn an_hour_at_speed_3600_takes_a_second() {
        let (mut pace, now) = (Pace::new(Rule::Factor(3600.0)), Instant::now());
        let dues: Vec<_> = [0, 3600, 7200, -3600].map(|second| pace.due(at(second), now) - now).to_vec();
        assert_eq!(dues, [0, 1, 2, 0].map(Duration::from_secs));
    }

    #[test]
    fn a_rate_needs_no_times() {
        let (mut pace, now) = (Pace::new(Rule::RowsPerSecond(4.0)), Instant::now());
        let dues: Vec<_> = (0..3).map(|_| (pace.due(None, now) - now).as_millis()).collect();
        assert_eq!(dues, [0, 250, 500]);
    }

    proptest! {
        #[test]
        fn no_time_and_no_speed_is_too_much(seconds: Vec<i64>, factor in 1e-300f64..1e300) {
            let (mut pace, now) = (Pace::new(Rule::Factor(factor)), Instant::now());
            for second in seconds {
                let time = Timestamp::from_second(second % 200_000_000_000).ok();
                prop_assert!(pace.due(time, now) >= now);
            }
        }
    }
}
