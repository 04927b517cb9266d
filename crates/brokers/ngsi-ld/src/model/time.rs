use std::fmt;

use jiff::{Timestamp as Instant, fmt::temporal::DateTimePrinter};
use minicbor::{Decode, Encode};
use serde::{Serialize, Serializer};

/// A point in time in UTC, to the microsecond; written as NGSI-LD 4.6.3 asks (`2026-11-22T05:45:30.123Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] i64);

impl Timestamp {
    /// The beginning of 1970.
    pub(crate) const EPOCH: Self = Self(0);

    /// The time of the machine.
    pub fn now() -> Self {
        Self(Instant::now().as_microsecond())
    }

    /// Reads a DateTime of NGSI-LD 4.6.3: date, time and zone. `None` when the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        // jiff reads more than the standard allows, such as a blank in place of the T.
        let strict = text.len() >= 20 && text.is_ascii() && matches!(text.as_bytes()[10], b'T');
        if !strict || text.contains('[') {
            return None;
        }
        // A comma may stand for the point of the seconds (ISO 8601), and does in older clients.
        text.replace(',', ".").parse::<Instant>().ok().map(|instant| Self(instant.as_microsecond()))
    }

    /// The time this many microseconds after 1970; `None` far outside of history.
    pub fn from_micros(micros: i64) -> Option<Self> {
        Instant::from_microsecond(micros).ok().map(|_| Self(micros))
    }

    /// The time as text, with so many digits after the second.
    pub(crate) fn with_digits(self, digits: u8) -> String {
        let printer = DateTimePrinter::new().precision(Some(digits));
        Instant::from_microsecond(self.0)
            .map_or_else(|_| String::new(), |at| printer.timestamp_to_string(&at))
    }

    /// Microseconds since 1970.
    pub fn as_micros(self) -> i64 {
        self.0
    }
}

impl From<Instant> for Timestamp {
    fn from(instant: Instant) -> Self {
        Self(instant.as_microsecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PRINTER: DateTimePrinter = DateTimePrinter::new();
        let instant = Instant::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        PRINTER.print_timestamp(&instant, jiff::fmt::StdFmtWrite(formatter)).map_err(|_| fmt::Error)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_times_of_the_standard_are_read_and_written() {
        for text in ["2026-11-22T05:45:30Z", "2026-11-22T05:45:30.123Z", "2026-11-22T05:45:30.123456Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Timestamp::parse("2026-11-22T05:45:30+01:00").unwrap().to_string(),
            "2026-11-22T04:45:30Z"
        );
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T05:45:30",
            "2026-11-22 05:45:30Z",
            "yesterday at noon, or so",
            "2026-13-22T05:45:30Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
