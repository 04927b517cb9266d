//! Times as oneM2M writes them: `20261122T064838,123456` in UTC (TS-0004 6.3.3, m2m:timestamp), and durations.

use std::fmt;

use jiff::{SignedDuration, civil::DateTime, tz::TimeZone};

/// Microseconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Time(pub(crate) i64);

impl Time {
    /// Later than every time there is.
    pub(crate) const NEVER: Self = Self(i64::MAX);

    pub(crate) fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    pub(crate) fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1000)))
    }

    /// Reads `YYYYMMDDThhmmss` with an optional fraction after a comma or a point.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = match text.split_once([',', '.']) {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (text, ""),
        };
        let whole = whole.strip_suffix('Z').unwrap_or(whole);
        let digits = |range: std::ops::Range<usize>| -> Option<i16> {
            let part = whole.get(range)?;
            if part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse().ok() } else { None }
        };
        if whole.len() != 15 || whole.as_bytes().get(8) != Some(&b'T') {
            return None;
        }
        let small = |range| digits(range).and_then(|number| i8::try_from(number).ok());
        let civil = DateTime::new(
            digits(0..4)?,
            small(4..6)?,
            small(6..8)?,
            small(9..11)?,
            small(11..13)?,
            small(13..15)?,
            0,
        )
        .ok()?;
        let seconds = civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
        let mut micros = 0;
        if !fraction.is_empty() {
            let fraction = fraction.strip_suffix('Z').unwrap_or(fraction);
            if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            for place in 0..6 {
                micros =
                    micros * 10 + i64::from(fraction.as_bytes().get(place).map_or(0, |digit| digit - b'0'));
            }
        }
        Some(Self(seconds * 1_000_000 + micros))
    }

    /// Reads an m2m:absRelTimestamp: a timestamp, or milliseconds from `now`; and a duration, which clients send too.
    pub(crate) fn parse_from(text: &str, now: Self) -> Option<Self> {
        if text.starts_with(['P', 'p']) {
            return duration_millis(text).map(|millis| now.plus_millis(millis));
        }
        match text.parse::<f64>() {
            Ok(millis) if text.len() < 15 && millis.is_finite() => Some(now.plus_millis(millis as i64)),
            _ => Self::parse(text),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        let civil = TimeZone::UTC.to_datetime(timestamp);
        write!(
            formatter,
            "{:04}{:02}{:02}T{:02}{:02}{:02},{:06}",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second(),
            civil.subsec_nanosecond() / 1000
        )
    }
}

/// The milliseconds of an xs:duration (`PT2.5S`, `P1DT2H`; a month is 30 days, a year 365) or of a plain number of
/// milliseconds, which TS-0004 allows where m2m:absRelTimestamp or a duration in milliseconds stands.
pub(crate) fn duration_millis(text: &str) -> Option<i64> {
    if let Ok(millis) = text.parse::<i64>() {
        return Some(millis);
    }
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let text = text.strip_prefix('P')?;
    let (date, time) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (text, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let date = units(date, &[('Y', 31_536_000.0), ('M', 2_592_000.0), ('W', 604_800.0), ('D', 86_400.0)])?;
    let time = units(time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])?;
    Some((sign * (date + time) * 1000.0).round() as i64)
}

/// Sums `12H3M`: each unit at most once, in order.
fn units(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut sum = 0.0;
    for (unit, seconds) in units {
        if let Some((number, rest)) = text.split_once(*unit) {
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
                return None;
            }
            sum += number.parse::<f64>().ok()? * seconds;
            text = rest;
        }
    }
    text.is_empty().then_some(sum)
}

/// A number of milliseconds as a duration that tokio understands; negative ones are nothing.
pub(crate) fn millis(millis: i64) -> std::time::Duration {
    std::time::Duration::try_from(SignedDuration::from_millis(millis)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_read_and_written_alike() {
        let time = Time::parse("20261122T064838,123456").unwrap();
        assert_eq!(time.to_string(), "20261122T064838,123456");
        assert_eq!(Time::parse("20261122T064838").unwrap().to_string(), "20261122T064838,000000");
        assert_eq!(Time::parse("88881231T235959").unwrap().to_string(), "88881231T235959,000000");
        for wrong in
            ["", "2026", "20261322T064838", "20261122 064838", "20261122T064838,", "20261122T064838,x"]
        {
            assert_eq!(Time::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_iso_8601_or_milliseconds() {
        assert_eq!(duration_millis("PT2S"), Some(2_000));
        assert_eq!(duration_millis("P1DT1H1.5S"), Some(90_001_500));
        assert_eq!(duration_millis("500"), Some(500));
        for wrong in ["", "P", "PT", "2S", "PT2", "PTS"] {
            assert_eq!(duration_millis(wrong), None, "{wrong}");
        }
    }
}
