use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// A point in time, in milliseconds since 1970: what NGSIv2 can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

const DAY_MS: i64 = 86_400_000;

impl Time {
    /// Now.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// This many milliseconds after 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since 1970.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Reads a date in one of the forms of ISO 8601 that NGSIv2 takes ("Datetime support"): a date, a time of one to
    /// three parts with or without colons, a time zone. Without a zone it is UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let day = parse_date(date)?;
        let millis = match time {
            None => 0,
            Some(time) => parse_time(time)?,
        };
        Some(Self(day * DAY_MS + millis))
    }
}

impl fmt::Display for Time {
    /// `2026-11-22T06:49:08.000Z`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(DAY_MS));
        let millis = self.0.rem_euclid(DAY_MS);
        let (seconds, millis) = (millis / 1000, millis % 1000);
        write!(
            formatter,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

fn digits(text: &str, count: usize) -> Option<i64> {
    if text.len() != count || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

fn parse_time(text: &str) -> Option<i64> {
    if !text.is_ascii() {
        return None;
    }
    let zone_at = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone_at);
    let offset = parse_zone(zone)?;
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let compact: String;
    let parts: Vec<&str> = if clock.contains(':') {
        clock.split(':').collect()
    } else {
        compact = clock.to_owned();
        match compact.len() {
            2 => vec![&compact],
            4 => vec![&compact[..2], &compact[2..]],
            6 => vec![&compact[..2], &compact[2..4], &compact[4..]],
            _ => return None,
        }
    };
    if parts.len() > 3 || (fraction.is_some() && parts.len() != 3) {
        return None;
    }
    let part = |index: usize, below: i64| match parts.get(index) {
        None => Some(0),
        Some(text) => digits(text, 2).filter(|value| *value < below),
    };
    // A leap second is the first of the next minute.
    let seconds = part(0, 24)? * 3600 + part(1, 60)? * 60 + part(2, 61)?;
    let millis = match fraction {
        None => 0,
        Some(text) => {
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let padded: String = text.chars().chain("000".chars()).take(3).collect();
            padded.parse().ok()?
        }
    };
    Some(seconds * 1000 + millis - offset)
}

/// The zone's distance from UTC, in milliseconds.
fn parse_zone(text: &str) -> Option<i64> {
    let sign = match text.bytes().next() {
        None => return Some(0),
        Some(b'Z') => return (text.len() == 1).then_some(0),
        Some(b'+') => 1,
        _ => -1,
    };
    let text = &text[1..];
    let (hours, minutes) = match text.len() {
        2 => (digits(text, 2)?, 0),
        4 => (digits(&text[..2], 2)?, digits(&text[2..], 2)?),
        5 if text.as_bytes()[2] == b':' => (digits(&text[..2], 2)?, digits(&text[3..], 2)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their leap day at the end.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a number of days since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        Time::parse(text).map(|time| time.to_string())
    }

    #[test]
    fn the_forms_of_iso_8601_are_read() {
        for (text, same) in [
            ("2017-06-17", "2017-06-17T00:00:00.000Z"),
            ("2017-06-17T07", "2017-06-17T07:00:00.000Z"),
            ("2017-06-17T0721", "2017-06-17T07:21:00.000Z"),
            ("2017-06-17T07:21:24", "2017-06-17T07:21:24.000Z"),
            ("2017-06-17T072124.238Z", "2017-06-17T07:21:24.238Z"),
            ("2017-06-17T07:21:24.2", "2017-06-17T07:21:24.200Z"),
            ("2017-06-17T07:21+02:30", "2017-06-17T04:51:00.000Z"),
            ("2017-06-17T07:21:24.238-0130", "2017-06-17T08:51:24.238Z"),
            ("2017-06-17T23:00:00-02", "2017-06-18T01:00:00.000Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
            ("2000-02-29T00:00Z", "2000-02-29T00:00:00.000Z"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(same), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "foo",
            "2017",
            "2017-6-17",
            "2017-06-17Z",
            "2017-06-17T",
            "2017-06-17T25:00",
            "2017-13-01",
            "2017-02-29",
            "2017-06-17T07:21:24.",
            "2017-06-17T07.5",
            "2017-06-17T07:21:24+1",
            "2017-06-17 07:21",
            "2017-06-17T07:21:24ZZ",
            "2017-06-17T07:2é",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
