//! Answers in parts (NGSI-LD 6.3.10): when there are more instances than one answer may have, it has those of a part of
//! the time, and says which.

use std::fmt;

use super::{Window, is_end, is_scope, scopes::when};
use crate::model::{Attribute, Entity, Projection, Timestamp};

/// The time that an answer covers, both ends included. Nothing that was asked for is missing within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    window: Window,
    oldest: Timestamp,
    newest: Timestamp,
}

impl Part {
    /// The first part of these entities with at most `max` instances; `None` when all of them fit. With `lastN` the
    /// newest instances come first, else the oldest. Instances of one time are not torn apart, so should more than
    /// `max` have one time, they make a part of their own.
    pub(crate) fn first<'a>(
        entities: impl IntoIterator<Item = &'a Entity>,
        window: &Window,
        projection: &Projection,
        max: usize,
    ) -> Option<Self> {
        let shown = |one: &&Attribute| !is_scope(one) && !is_end(one) && projection.attribute(one);
        let shown = entities.into_iter().flat_map(|entity| entity.attributes.iter().filter(shown));
        let mut times: Vec<Timestamp> = shown.map(|one| when(one, window.property)).collect();
        if times.len() <= max {
            return None;
        }
        let backwards = window.last.is_some();
        times.sort_unstable();
        if backwards {
            times.reverse();
        }
        let first = *times.first()?;
        let cut = times[max];
        let last = times[..max].iter().copied().rfind(|time| *time != cut).unwrap_or(first);
        let (oldest, newest) = if backwards { (last, first) } else { (first, last) };
        Some(Self { window: window.clone(), oldest, newest })
    }

    /// Whether the part has the instance. Scopes are part of every one.
    pub(super) fn has(&self, attribute: &Attribute) -> bool {
        let at = when(attribute, self.window.property);
        is_scope(attribute) || (self.oldest <= at && at <= self.newest)
    }
}

/// The value of the `Content-Range` header.
impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = self.window.span;
        match self.window.last {
            Some(last) => {
                let start = asked.and_then(|span| span.to).unwrap_or(self.newest);
                write!(formatter, "date-time {start}-{}/{last}", self.oldest)
            }
            None => {
                let start = asked.and_then(|span| span.from).unwrap_or(self.oldest);
                write!(formatter, "date-time {start}-{}/*", self.newest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Json, Kind, Name};

    fn at(minute: u32) -> Timestamp {
        Timestamp::parse(&format!("2026-03-01T12:{minute:02}:00Z")).unwrap()
    }

    fn entity(minutes: &[u32]) -> Entity {
        let instance = |minute: &u32| Attribute {
            name: Name::new("urn:a"),
            kind: Kind::Property,
            value: Json::Bool(true),
            created_at: at(59),
            modified_at: at(59),
            observed_at: Some(at(*minute)),
            details: None,
            observed_digits: None,
        };
        Entity {
            id: "urn:e:1".into(),
            types: Vec::new(),
            scopes: Vec::new(),
            created_at: at(0),
            modified_at: at(0),
            attributes: minutes.iter().map(instance).collect(),
            expires_at: None,
        }
    }

    fn range(minutes: &[u32], window: &Window, max: usize) -> Option<String> {
        let entity = entity(minutes);
        Part::first([&entity], window, &Projection::default(), max).map(|part| part.to_string())
    }

    #[test]
    fn a_range_is_what_clause_6_3_10_says() {
        let time = |text| Some(text);
        let window = |timerel, end, last| {
            let at = time("2026-03-01T00:00:00Z");
            Window::parse(timerel, timerel.and(at), end, None, last).unwrap()
        };
        let minutes = [1, 2, 3, 4];
        let all = window(None, None, None);
        assert_eq!(range(&minutes, &all, 4), None);
        let expect = |window: &Window, text: &str| {
            assert_eq!(range(&minutes, window, 2).as_deref(), Some(text));
        };
        expect(&all, "date-time 2026-03-01T12:01:00Z-2026-03-01T12:02:00Z/*");
        expect(&window(Some("after"), None, None), "date-time 2026-03-01T00:00:00Z-2026-03-01T12:02:00Z/*");
        expect(&window(Some("before"), None, None), "date-time 2026-03-01T12:01:00Z-2026-03-01T12:02:00Z/*");
        expect(&window(None, None, Some(9)), "date-time 2026-03-01T12:04:00Z-2026-03-01T12:03:00Z/9");
        expect(
            &window(Some("before"), None, Some(9)),
            "date-time 2026-03-01T00:00:00Z-2026-03-01T12:03:00Z/9",
        );
        expect(
            &window(Some("between"), Some("2026-03-02T00:00:00Z"), Some(9)),
            "date-time 2026-03-02T00:00:00Z-2026-03-01T12:03:00Z/9",
        );
    }

    #[test]
    fn what_happened_at_one_time_is_not_torn_apart() {
        let all = Window::default();
        let first = "date-time 2026-03-01T12:01:00Z-2026-03-01T12:01:00Z/*";
        assert_eq!(range(&[1, 2, 2, 2], &all, 2).as_deref(), Some(first));
        assert_eq!(range(&[1, 1, 1, 2], &all, 2).as_deref(), Some(first));
    }
}
