//! What people are told of a replay.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Words come at most so often.
const PAUSE: Duration = Duration::from_secs(1);

/// How far a replay is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    passes: u64,
    percent: Option<u8>,
    told: Option<Instant>,
    /// Rows of this pass that the kit refused.
    refused: u64,
}

impl Progress {
    /// So much is in order.
    pub(super) fn sorting(&mut self, percent: u8, now: Instant) -> Option<String> {
        self.tell(percent, now).then(|| format!("putting rows in order: {percent} %"))
    }

    /// A row was played, and so much of the pass with it.
    pub(super) fn row(&mut self, percent: u8, at: Option<Timestamp>, now: Instant) -> Option<String> {
        let words = || {
            let at = at.map(|at| format!(", at {at}")).unwrap_or_default();
            format!("pass {}: {percent} %{at}", self.passes + 1)
        };
        // Made only when it is told: this is done for every row.
        let words = (self.percent != Some(percent)).then(words);
        if self.tell(percent, now) { words } else { None }
    }

    /// A row was not played after all.
    pub(super) fn skipped(&mut self) {
        self.refused += 1;
    }

    /// A pass is over.
    pub(super) fn pass_ended(&mut self, rows: u64, skipped: u64) -> String {
        self.passes += 1;
        self.percent = None;
        let refused = std::mem::take(&mut self.refused);
        let (played, skipped) = (rows - refused.min(rows), skipped + refused);
        format!("pass {}: 100 %, {played} rows played, {skipped} rows skipped", self.passes)
    }

    fn tell(&mut self, percent: u8, now: Instant) -> bool {
        let rested = self.told.is_none_or(|told| now.saturating_duration_since(told) >= PAUSE);
        let tell = rested && self.percent != Some(percent);
        if tell {
            (self.percent, self.told) = (Some(percent), Some(now));
        }
        tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_when_the_percentage_changes_and_not_too_often() {
        let (mut progress, start) = (Progress::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(progress.row(0, None, start).unwrap(), "pass 1: 0 %");
        assert_eq!(progress.row(0, None, at(5)), None);
        assert_eq!(
            progress.row(1, Some(Timestamp::UNIX_EPOCH), at(5)).unwrap(),
            "pass 1: 1 %, at 1970-01-01T00:00:00Z"
        );
        assert_eq!(progress.row(2, None, at(5)), None);
        assert_eq!(progress.row(3, None, at(6)).unwrap(), "pass 1: 3 %");
        progress.skipped();
        assert_eq!(progress.pass_ended(10, 2), "pass 1: 100 %, 9 rows played, 3 rows skipped");
        assert_eq!(progress.row(3, None, at(7)).unwrap(), "pass 2: 3 %");
    }
}
