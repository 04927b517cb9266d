//! When a row was observed.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::cells::{Cells, Columns, shown};
use super::params::TimeParams;
use super::row_error::RowError;

/// How the time of a row is read.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    slots: Vec<usize>,
    format: Option<String>,
    zone: TimeZone,
}

impl Clock {
    /// # Errors
    /// When there is no such time zone.
    pub(super) fn new(params: &TimeParams, columns: &mut Columns) -> Result<Self, String> {
        let zone = match &params.time_zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| {
                format!("'{name}' is no time zone: give a name like 'Australia/Melbourne' or 'UTC'")
            })?,
        };
        let slots = params.columns.iter().map(|name| columns.slot(name)).collect();
        Ok(Self { slots, format: params.format.clone(), zone })
    }

    /// # Errors
    /// When a column is empty, or its text is not of the format.
    pub(super) fn read(&self, cells: &Cells<'_>) -> Result<Timestamp, RowError> {
        let texts = self.slots.iter().map(|slot| cells.text(*slot)).collect::<Result<Vec<_>, _>>()?;
        let text = texts.join(" ");
        let read = match &self.format {
            Some(format) => self.formatted(format, &text),
            None => self.iso(&text),
        };
        read.map_err(|cause| {
            let column = self.slots.first().copied().unwrap_or_default();
            cells.error(column, format!("'{}' is no time as expected: {cause}", shown(&text)))
        })
    }

    fn formatted(&self, format: &str, text: &str) -> Result<Timestamp, jiff::Error> {
        let parts = strtime::parse(format, text)?;
        match parts.to_timestamp() {
            Ok(timestamp) => Ok(timestamp),
            // Without an offset of its own it is the time of the zone.
            Err(_) => Ok(self.zone.to_timestamp(parts.to_datetime()?)?),
        }
    }

    /// ISO 8601, with an offset or in the zone.
    fn iso(&self, text: &str) -> Result<Timestamp, jiff::Error> {
        match text.parse::<Timestamp>() {
            Ok(timestamp) => Ok(timestamp),
            Err(_) => self.zone.to_timestamp(text.parse::<DateTime>()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(format: Option<&str>, zone: Option<&str>, texts: &[&str]) -> Result<String, String> {
        let names: Vec<String> = (0..texts.len()).map(|n| format!("c{n}")).collect();
        let params = TimeParams {
            columns: names,
            format: format.map(str::to_owned),
            time_zone: zone.map(str::to_owned),
        };
        let mut columns = Columns::default();
        let clock = Clock::new(&params, &mut columns)?;
        let values: Vec<Option<Value>> = texts.iter().map(|text| Some(json!(text))).collect();
        let time = clock.read(&Cells::new(&columns, &values)).map_err(|error| error.to_string())?;
        Ok(time.to_string())
    }

    #[test]
    fn melbournes_hours_are_read_in_melbournes_time() {
        let hour = |day, hour| read(Some("%Y-%m-%d %H"), Some("Australia/Melbourne"), &[day, hour]).unwrap();
        assert_eq!(hour("2014-11-01", "22"), "2014-11-01T11:00:00Z");
        assert_eq!(hour("2014-11-01", "2"), "2014-10-31T15:00:00Z");
    }

    #[test]
    fn iso_times_are_read_with_and_without_an_offset() {
        assert_eq!(read(None, None, &["2013-12-02 21:15:00"]).unwrap(), "2013-12-02T21:15:00Z");
        assert_eq!(read(None, Some("Europe/Berlin"), &["2013-12-02T21:15"]).unwrap(), "2013-12-02T20:15:00Z");
        assert_eq!(
            read(None, Some("Europe/Berlin"), &["2013-12-02T21:15:00Z"]).unwrap(),
            "2013-12-02T21:15:00Z"
        );
        assert_eq!(read(Some("%s"), None, &["1416614400"]).unwrap(), "2014-11-22T00:00:00Z");
    }

    #[test]
    fn a_wrong_time_names_column_and_text() {
        let error = read(Some("%Y-%m-%d %H"), None, &["2014-13-01", "2"]).unwrap_err();
        assert!(error.contains("'c0'") && error.contains("2014-13-01"), "{error}");
        assert!(read(None, None, &["yesterday"]).unwrap_err().contains("yesterday"));
        assert!(read(None, Some("Melbourne"), &["x"]).unwrap_err().contains("Australia/Melbourne"));
    }
}
