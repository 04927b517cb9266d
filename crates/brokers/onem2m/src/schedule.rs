//! Schedule entries (m2m:scheduleEntry, TS-0004 6.3.3): seven fields, `second minute hour day month weekday year`, each
//! `*`, a number, `a-b`, `*/n`, `a-b/n` or a list of those.

use jiff::{Timestamp, tz::TimeZone};

use crate::time::Time;

/// The ranges of the fields; weekday 0 and 7 are Sunday.
const RANGES: [(i64, i64); 7] = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7), (1900, 2999)];

/// When something is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule([Vec<Part>; 7]);

/// From, to, step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part(i64, i64, i64);

impl Schedule {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_whitespace();
        let mut parsed: [Vec<Part>; 7] = Default::default();
        for (parts, range) in parsed.iter_mut().zip(RANGES) {
            for part in fields.next()?.split(',') {
                parts.push(parse_part(part, range)?);
            }
        }
        fields.next().is_none().then_some(Self(parsed))
    }

    /// Whether a moment is inside, in UTC.
    pub(crate) fn contains(&self, time: Time) -> bool {
        let Ok(timestamp) = Timestamp::from_microsecond(time.0) else { return false };
        let civil = TimeZone::UTC.to_datetime(timestamp);
        let weekday = i64::from(civil.weekday().to_sunday_zero_offset());
        let fields = [
            i64::from(civil.second()),
            i64::from(civil.minute()),
            i64::from(civil.hour()),
            i64::from(civil.day()),
            i64::from(civil.month()),
            weekday,
            i64::from(civil.year()),
        ];
        self.0.iter().zip(fields).enumerate().all(|(index, (parts, value))| {
            parts.iter().any(|part| part.has(value) || (index == 5 && value == 0 && part.has(7)))
        })
    }
}

impl Part {
    fn has(self, value: i64) -> bool {
        (self.0..=self.1).contains(&value) && (value - self.0) % self.2 == 0
    }
}

fn parse_part(text: &str, (low, high): (i64, i64)) -> Option<Part> {
    let (range, step) = match text.split_once('/') {
        Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
        None => (text, 1),
    };
    let (from, to) = if range == "*" {
        (low, high)
    } else if let Some((from, to)) = range.split_once('-') {
        (from.parse().ok()?, to.parse().ok()?)
    } else {
        let value: i64 = range.parse().ok()?;
        (value, value)
    };
    (low <= from && from <= to && to <= high).then_some(Part(from, to, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_seven_fields_within_their_ranges() {
        for good in ["* * * * * * *", "10 * * * * * *", "0-30,45 */5 8-18 1 1-12 1-5 2026"] {
            assert!(Schedule::parse(good).is_some(), "{good}");
        }
        for wrong in ["", "* * * * *", "60 * * * * * *", "* * * 0 * * *", "a * * * * * *", "* * * * * * * *"]
        {
            assert!(Schedule::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_is_inside_when_every_field_has_it() {
        let sunday = Time::parse("20261122T064838").unwrap();
        assert!(Schedule::parse("38 48 6 22 11 0 2026").unwrap().contains(sunday));
        assert!(Schedule::parse("* * * * * 7 *").unwrap().contains(sunday));
        assert!(Schedule::parse("*/2 * 6-7 * * * *").unwrap().contains(sunday));
        assert!(!Schedule::parse("* * 7 * * * *").unwrap().contains(sunday));
    }
}
