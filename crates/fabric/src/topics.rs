//! The arithmetic of topic filters (MQTT 5, 4.7): what a filter matches, and when a filter that is
//! asked for stays inside one that is allowed.

use serde::{Deserialize, Serialize};

/// Whether a filter, without a `$share/` prefix, matches a topic (MQTT 5, 4.7.1 and 4.7.2).
pub fn filter_matches(filter: &str, topic: &str) -> bool {
    mqtt5::topic_matches_filter(topic, filter)
}

/// Whether every topic that `asked` can match is matched by `allowed` too, so that granting `asked`
/// gives nothing that `allowed` does not.
///
/// Both are plain filters. `vThing/#` is not covered by `vThing/a/data_out`; `vThing/+/x` is covered
/// by `vThing/#`; nothing that starts with a wildcard covers a filter of `$` topics (4.7.2).
pub fn filter_covers(allowed: &str, asked: &str) -> bool {
    if asked.starts_with('$') && allowed.starts_with(['#', '+']) {
        return false;
    }
    let mut allowed = allowed.split('/');
    let mut asked = asked.split('/');
    loop {
        match (allowed.next(), asked.next()) {
            (Some("#"), _) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(own), Some(level)) if own == level => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// Splits `$share/<group>/<filter>` (MQTT 5, 4.8.2) into its group and its plain filter. Any other
/// filter comes back as it is.
pub fn split_shared(filter: &str) -> (Option<&str>, &str) {
    match mqtt5::parse_shared_subscription(filter) {
        (filter, Some(group)) => (Some(group), filter),
        (filter, None) => (None, filter),
    }
}

/// The topics one credential may use: what a [`Policy`](crate::Policy) usually looks up per user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicRules {
    /// Filters of the topics it may publish on.
    pub publish: Vec<String>,
    /// Filters it may subscribe to; it may also ask for anything narrower.
    pub subscribe: Vec<String>,
}

impl TopicRules {
    /// Whether a message may be published on `topic`.
    pub fn may_publish(&self, topic: &str) -> bool {
        self.publish.iter().any(|filter| filter_matches(filter, topic))
    }

    /// Whether a plain `filter` may be subscribed to: one single rule must cover it, for two rules
    /// that cover it together could lose one half while the subscription stands.
    pub fn may_subscribe(&self, filter: &str) -> bool {
        self.subscribe.iter().any(|allowed| filter_covers(allowed, filter))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wildcard_does_not_escape_an_exact_rule() {
        for asked in ["#", "+/a/data_out", "vThing/#", "vThing/+/data_out", "vThing/a/#", "vThing/a/+"] {
            assert!(!filter_covers("vThing/a/data_out", asked), "{asked}");
        }
        assert!(filter_covers("vThing/a/data_out", "vThing/a/data_out"));
    }

    #[test]
    fn a_narrower_filter_is_inside_a_wider_one() {
        assert!(filter_covers("vThing/#", "vThing/a/data_out"));
        assert!(filter_covers("vThing/#", "vThing/+/data_out"));
        assert!(filter_covers("vThing/#", "vThing"));
        assert!(filter_covers("vThing/#", "vThing/#"));
        assert!(filter_covers("vThing/+/x", "vThing/+/x"));
        assert!(!filter_covers("vThing/+", "vThing/#"));
        assert!(!filter_covers("vThing/+", "vThing"));
        assert!(!filter_covers("vThing/+", "vThing/a/b"));
    }

    #[test]
    fn dollar_topics_are_outside_a_leading_wildcard() {
        assert!(!filter_covers("#", "$SYS/#"));
        assert!(!filter_covers("+/x", "$SYS/x"));
        assert!(filter_covers("$SYS/#", "$SYS/broker/+"));
        assert!(!filter_matches("#", "$SYS/broker"));
    }

    #[test]
    fn a_shared_filter_is_split() {
        assert_eq!(split_shared("$share/g/a/#"), (Some("g"), "a/#"));
        assert_eq!(split_shared("a/#"), (None, "a/#"));
    }

    fn level() -> impl Strategy<Value = &'static str> {
        prop_oneof![Just("a"), Just("b"), Just("")]
    }

    fn topic() -> impl Strategy<Value = String> {
        prop::collection::vec(level(), 1..4).prop_map(|levels| levels.join("/"))
    }

    fn filter() -> impl Strategy<Value = String> {
        let levels = prop::collection::vec(prop_oneof![3 => level(), 1 => Just("+")], 0..4);
        (levels, any::<bool>()).prop_map(|(mut levels, open)| {
            if open || levels.is_empty() {
                levels.push("#");
            }
            levels.join("/")
        })
    }

    proptest! {
        #[test]
        fn a_covered_filter_matches_nothing_more(allowed in filter(), asked in filter(), topic in topic()) {
            if filter_covers(&allowed, &asked) && filter_matches(&asked, &topic) {
                prop_assert!(filter_matches(&allowed, &topic), "{allowed} {asked} {topic}");
            }
        }
    }
}
