use std::time::Duration;

use http::{HeaderMap, header};
use jiff::Timestamp;

/// How long an answer may be used before it is asked for again, by what its server says (RFC 9111, 4.2.1); `None` when
/// it says nothing.
pub(crate) fn fresh_for(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut max_age = None;
    for directive in text(header::CACHE_CONTROL).flat_map(|value| value.split(',')) {
        let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            // What is no number says that it is old (RFC 9111, 4.2.1).
            "max-age" => max_age = Some(argument.trim().trim_matches('"').parse().unwrap_or(0)),
            _ => {}
        }
    }
    if let Some(seconds) = max_age {
        let age = text(header::AGE).next().and_then(|age| age.trim().parse().ok()).unwrap_or(0);
        return Some(Duration::from_secs(u64::saturating_sub(seconds, age)));
    }
    let expires = text(header::EXPIRES).next()?;
    // A date that is none has passed (RFC 9111, 5.3).
    let end = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(expires).ok();
    let left = end.map_or(0, |end| end.as_second().saturating_sub(now.as_second()));
    Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_server_says_how_long_its_answer_is_good() {
        let now: Timestamp = "2026-11-26T08:00:00Z".parse().unwrap();
        let seconds = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            fresh_for(&HeaderMap::from_iter(pairs), now).map(|fresh| fresh.as_secs())
        };
        assert_eq!(seconds(&[]), None);
        assert_eq!(seconds(&[("cache-control", "public, immutable")]), None);
        assert_eq!(seconds(&[("cache-control", "public, max-age=600")]), Some(600));
        assert_eq!(seconds(&[("cache-control", "Max-Age=\"600\""), ("age", "500")]), Some(100));
        assert_eq!(seconds(&[("cache-control", "max-age=600"), ("age", "700")]), Some(0));
        assert_eq!(seconds(&[("cache-control", "max-age=soon")]), Some(0));
        assert_eq!(seconds(&[("cache-control", "max-age=600, no-cache")]), Some(0));
        assert_eq!(seconds(&[("cache-control", "no-store")]), Some(0));
        assert_eq!(seconds(&[("expires", "Thu, 26 Nov 2026 08:01:00 GMT")]), Some(60));
        assert_eq!(seconds(&[("expires", "Thu, 26 Nov 2026 07:00:00 GMT")]), Some(0));
        assert_eq!(seconds(&[("expires", "0")]), Some(0));
        let both = [("expires", "0"), ("cache-control", "max-age=5")];
        assert_eq!(seconds(&both), Some(5));
    }
}
