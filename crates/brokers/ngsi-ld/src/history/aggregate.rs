//! Values over periods (NGSI-LD 4.5.19).

use serde_json::Number;

use super::TimeProperty;
use crate::{
    Error,
    model::{Attribute, Json, Timestamp, shorten},
};

/// How values are put together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregation {
    methods: Vec<Method>,
    /// Microseconds a period takes; 0 for one period over everything.
    period: i64,
    /// When the first period starts, unless with the first value.
    start: Option<Timestamp>,
    property: TimeProperty,
}

/// A value for each period, with the period's start and end.
type Periods = Vec<(Json, Timestamp, Timestamp)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    TotalCount,
    DistinctCount,
    Sum,
    Avg,
    Min,
    Max,
    Stddev,
    Sumsq,
}

const METHODS: [(&str, Method); 8] = [
    ("totalCount", Method::TotalCount),
    ("distinctCount", Method::DistinctCount),
    ("sum", Method::Sum),
    ("avg", Method::Avg),
    ("min", Method::Min),
    ("max", Method::Max),
    ("stddev", Method::Stddev),
    ("sumsq", Method::Sumsq),
];

/// Microseconds of an ISO 8601 duration; months and years as in 1970.
pub(crate) fn duration(text: &str) -> Result<i64, Error> {
    let span = text.parse::<jiff::Span>().ok().filter(|_| text.starts_with('P'));
    span.and_then(|span| span.to_duration(jiff::civil::date(1970, 1, 1)).ok())
        .map(|duration| duration.as_micros() as i64)
        .filter(|micros| *micros >= 0)
        .ok_or_else(|| {
            Error::bad(format!("aggrPeriodDuration \"{}\" is not an ISO 8601 duration", shorten(text)))
        })
}

impl Aggregation {
    /// The methods by their names, over periods of `period` microseconds.
    pub(crate) fn new<'a>(
        methods: impl IntoIterator<Item = &'a str>,
        period: i64,
        start: Option<Timestamp>,
        property: TimeProperty,
    ) -> Result<Self, Error> {
        let method = |name: &str| {
            METHODS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method).ok_or_else(|| {
                Error::bad(format!("aggrMethods: \"{}\" is no aggregation method", shorten(name)))
            })
        };
        let methods = methods.into_iter().map(method).collect::<Result<Vec<_>, _>>()?;
        if methods.is_empty() {
            return Err(Error::bad("aggregated values need aggrMethods"));
        }
        Ok(Self { methods, period, start, property })
    }

    /// For each method, its value in each period that has one, with the period's start and end.
    pub(super) fn apply(&self, instances: &[&Attribute]) -> Vec<(&'static str, Periods)> {
        let mut timed: Vec<(Timestamp, &Json)> = instances
            .iter()
            .filter(|one| one.deleted_at().is_none())
            .filter_map(|one| Some((self.property.of(one)?, &one.value)))
            .collect();
        timed.sort_by_key(|(at, _)| *at);
        let Some((first, last)) = timed.first().zip(timed.last()) else { return Vec::new() };
        let start = self.start.unwrap_or(first.0).as_micros();
        let period = if self.period == 0 { (last.0.as_micros() - start + 1).max(1) } else { self.period };
        let index = |at: Timestamp| (at.as_micros() - start).div_euclid(period);
        let periods: Vec<_> = timed.chunk_by(|a, b| index(a.0) == index(b.0)).collect();
        let result = |method: &Method| {
            let name = METHODS.iter().find(|(_, known)| known == method).map_or("", |(name, _)| *name);
            let value = |period_: &&[(Timestamp, &Json)]| {
                let from = start + index(period_[0].0) * period;
                let end = Timestamp::from_micros(from + period)?;
                let values: Vec<&Json> = period_.iter().map(|(_, value)| *value).collect();
                Some((method.apply(&values)?, Timestamp::from_micros(from)?, end))
            };
            (name, periods.iter().filter_map(value).collect())
        };
        self.methods.iter().map(result).collect()
    }
}

impl Method {
    /// The value of some values, at least one; `None` when they are not of a type it is for.
    fn apply(self, values: &[&Json]) -> Option<Json> {
        let number = |number: f64| Number::from_f64(number).map(Json::Number);
        let count = |count: usize| Some(Json::Number(count.into()));
        let numbers: Option<Vec<f64>> = values
            .iter()
            .map(|value| match value {
                Json::Bool(bool) => Some(f64::from(u8::from(*bool))),
                value => value.as_f64(),
            })
            .collect();
        match (self, numbers) {
            (Self::TotalCount, _) => count(values.len()),
            (Self::DistinctCount, _) => {
                let distinct = values.iter().enumerate().filter(|(at, value)| !values[..*at].contains(value));
                count(distinct.count())
            }
            (Self::Min | Self::Max, None) => {
                let texts: Option<Vec<&str>> = values.iter().map(|value| value.as_str()).collect();
                let texts = texts?.into_iter();
                let text = if self == Self::Min { texts.min() } else { texts.max() };
                text.map(Json::from)
            }
            (_, None) => None,
            (method, Some(numbers)) => {
                let length = numbers.len() as f64;
                let sum: f64 = numbers.iter().sum();
                number(match method {
                    Self::Sum => sum,
                    Self::Avg => sum / length,
                    Self::Min => numbers.iter().copied().fold(f64::INFINITY, f64::min),
                    Self::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    Self::Sumsq => numbers.iter().map(|number| number * number).sum(),
                    _ => {
                        let mean = sum / length;
                        (numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / length).sqrt()
                    }
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_clause_4_5_19_give_their_values() {
        let values: Vec<Json> = [2, 4, 4, 6].into_iter().map(|n: i64| Json::Number(n.into())).collect();
        let values: Vec<&Json> = values.iter().collect();
        for (name, expected) in [
            ("totalCount", 4.0),
            ("distinctCount", 3.0),
            ("sum", 16.0),
            ("avg", 4.0),
            ("min", 2.0),
            ("max", 6.0),
            ("stddev", 2.0_f64.sqrt()),
            ("sumsq", 72.0),
        ] {
            let method = METHODS.iter().find(|(known, _)| *known == name).unwrap().1;
            assert_eq!(method.apply(&values).unwrap().as_f64(), Some(expected), "{name}");
        }
    }

    #[test]
    fn durations_are_those_of_iso_8601() {
        assert_eq!(duration("PT1H").unwrap(), 3_600_000_000);
        assert_eq!(duration("P1D").unwrap(), 86_400_000_000);
        assert_eq!(duration("PT0S").unwrap(), 0);
        for text in ["1 hour", "P", "-PT1H", ""] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
