use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Silo `t1_s` has `tv/a` and `tv/deep/b`; silo `t10_s` has `tv2/a`; silo `t2_s` has nothing.
struct Plugged;

impl Connections for Plugged {
    fn is_connected(&self, silo: &VSiloId, v_thing: &VThingId) -> bool {
        matches!((silo.as_str(), v_thing.as_str()), ("t1_s", "tv/a" | "tv/deep/b") | ("t10_s", "tv2/a"))
    }

    fn silo_has_any_of(&self, silo: &VSiloId, thing_visor: &ThingVisorId) -> bool {
        matches!((silo.as_str(), thing_visor.as_str()), ("t1_s", "tv") | ("t10_s", "tv2"))
    }
}

fn role(user_name: &str) -> FabricRole {
    user_name.parse().unwrap()
}

fn publishes(user_name: &str, topic: &str) -> bool {
    may_publish(&role(user_name), topic, &Plugged)
}

fn subscribes(user_name: &str, filter: &str) -> bool {
    may_subscribe(&role(user_name), filter, &Plugged)
}

#[test]
fn a_thing_visor_publishes_as_itself_and_to_silos_that_have_one_of_its_v_things() {
    for topic in [
        "TV/tv/c_out",
        "vThing/tv/a/c_out",
        "vThing/tv/a/data_out",
        "vThing/tv/not/yet/announced/data_out",
        "vSilo/t1_s/c_in",
        "vSilo/t1_s/data_in",
    ] {
        assert!(publishes("tv:tv", topic), "{topic}");
    }
    for topic in [
        "TV/tv/c_in",
        "TV/tv2/c_out",
        "TV/t/c_out",
        "vThing/tv/a/c_in",
        "vThing/tv/a/data_in",
        "vThing/tv2/a/data_out",
        "vThing/tv/data_out",
        "vSilo/t1_s/c_out",
        "vSilo/t10_s/c_in",
        "vSilo/t2_s/data_in",
        "vSilo/t1_s/x/data_in",
        "master/c_in",
        "$SYS/broker/version",
        "",
    ] {
        assert!(!publishes("tv:tv", topic), "{topic}");
    }
}

#[test]
fn a_silo_publishes_to_the_controller_and_to_its_own_v_things() {
    for topic in ["vSilo/t1_s/c_out", "vThing/tv/a/c_in", "vThing/tv/a/data_in", "vThing/tv/deep/b/data_in"] {
        assert!(publishes("silo:t1_s", topic), "{topic}");
    }
    for topic in [
        "vSilo/t1_s/c_in",
        "vSilo/t1_s/data_in",
        "vSilo/t10_s/c_out",
        "vThing/tv/a/c_out",
        "vThing/tv/a/data_out",
        "vThing/tv2/a/data_in",
        "vThing/tv/deep/data_in",
        "vThing/tv/a/b/data_in",
        "TV/tv/c_in",
        "TV/tv/c_out",
    ] {
        assert!(!publishes("silo:t1_s", topic), "{topic}");
    }
}

#[test]
fn a_thing_visor_subscribes_what_is_said_to_it_and_its_v_things() {
    for filter in [
        "TV/tv/c_in",
        "vThing/tv/a/c_in",
        "vThing/tv/deep/b/data_in",
        "vThing/tv/+/c_in",
        "vThing/tv/+/data_in",
        "vThing/tv/+/+/data_in",
        "vThing/tv/deep/+/c_in",
        "$share/tv/vThing/tv/+/data_in",
    ] {
        assert!(subscribes("tv:tv", filter), "{filter}");
    }
    for filter in [
        "#",
        "+",
        "+/#",
        "TV/#",
        "TV/+/c_in",
        "TV/tv/#",
        "TV/tv/+",
        "TV/tv/c_out",
        "vThing/#",
        "vThing/tv/#",
        "vThing/tv/a/#",
        "vThing/tv/+/#",
        "vThing/+/a/c_in",
        "vThing/+/+/c_in",
        "+/tv/a/c_in",
        "vThing/tv/a/+",
        "vThing/tv/c_in",
        "vThing/tv/a+/c_in",
        "vThing/tv/a#/c_in",
        "vThing/tv/#/c_in",
        "vThing/tv/a/data_out",
        "vThing/tv2/a/data_out",
        "vSilo/t1_s/c_in",
        "$SYS/#",
        "$share/tv/#",
        "$share/tv2/vThing/tv/+/c_in",
        "$share//vThing/tv/+/c_in",
        "$share/+/vThing/tv/+/c_in",
        "$share/tv/$share/tv/TV/tv/c_in",
        "$share/tv",
        "$queue/TV/tv/c_in",
        "",
    ] {
        assert!(!subscribes("tv:tv", filter), "{filter}");
    }
}

#[test]
fn a_silo_subscribes_its_own_topics_and_those_of_its_v_things_one_by_one() {
    for filter in [
        "vSilo/t1_s/c_in",
        "vSilo/t1_s/data_in",
        "vThing/tv/a/data_out",
        "vThing/tv/deep/b/c_out",
        "$share/t1_s/vThing/tv/a/data_out",
    ] {
        assert!(subscribes("silo:t1_s", filter), "{filter}");
    }
    for filter in [
        "#",
        "vSilo/#",
        "vSilo/+/c_in",
        "vSilo/t1_s/#",
        "vSilo/t1_s/+",
        "vSilo/t1_s/c_out",
        "vSilo/t10_s/c_in",
        "vThing/tv/+/data_out",
        "vThing/tv/a/+",
        "vThing/tv/#",
        "vThing/tv/c/data_out",
        "vThing/tv2/a/data_out",
        "vThing/tv/a/data_in",
        "vThing/tv/a/c_in",
        "TV/+/c_out",
        "TV/tv/c_out",
        "$share/t10_s/vThing/tv/a/data_out",
        "$share/group/vSilo/t1_s/c_in",
    ] {
        assert!(!subscribes("silo:t1_s", filter), "{filter}");
    }
}

#[test]
fn the_controller_may_everything() {
    for topic in ["TV/tv/c_in", "vThing/tv/+/c_out", "vSilo/t1_s/c_in", "#", "$share/g/TV/+/c_out"] {
        assert!(publishes("controller", topic) && subscribes("controller", topic), "{topic}");
    }
}

/// What a client may hear, said topic by topic and without the code under test.
fn may_hear(user_name: &str, topic: &str) -> bool {
    let levels: Vec<&str> = topic.split('/').collect();
    let last = levels[levels.len() - 1];
    match user_name {
        "tv:tv" => {
            topic == "TV/tv/c_in"
                || levels.len() >= 4 && levels[..2] == ["vThing", "tv"] && ["c_in", "data_in"].contains(&last)
        }
        "silo:t1_s" => [
            "vSilo/t1_s/c_in",
            "vSilo/t1_s/data_in",
            "vThing/tv/a/c_out",
            "vThing/tv/a/data_out",
            "vThing/tv/deep/b/c_out",
            "vThing/tv/deep/b/data_out",
        ]
        .contains(&topic),
        _ => false,
    }
}

/// Whether a filter matches a topic, from MQTT 5.0 section 4.7 and 4.8.2.
fn matches(filter: &str, topic: &str) -> bool {
    fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            (["#"], _) => true,
            ([], []) => true,
            (["+", filter @ ..], [_, topic @ ..]) => levels_match(filter, topic),
            ([level, filter @ ..], [same, topic @ ..]) if level == same => levels_match(filter, topic),
            _ => false,
        }
    }
    let filter = match filter.strip_prefix("$share/") {
        Some(shared) => shared.split_once('/').map_or("", |(_, filter)| filter),
        None => filter,
    };
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (filter, topic): (Vec<_>, Vec<_>) = (filter.split('/').collect(), topic.split('/').collect());
    levels_match(&filter, &topic)
}

#[test]
fn the_matcher_of_these_tests_is_that_of_mqtt() {
    for (filter, topic, expected) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "$SYS/monitor", false),
        ("$share/group/a/+", "a/b", true),
    ] {
        assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
    }
}

const LEVELS: [&str; 22] = [
    "TV", "vThing", "vSilo", "tv", "tv2", "t1_s", "t10_s", "a", "deep", "b", "c_in", "c_out", "data_in",
    "data_out", "master", "", "$SYS", "$share", "c_in", "data_out", "vThing", "tv",
];

fn topic() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&LEVELS[..]), 1..7).prop_map(|levels| levels.join("/"))
}

/// A filter that is near some topic: with levels replaced by wildcards, cut, or shared.
fn filter_near(topic: &str) -> impl Strategy<Value = String> + use<> {
    let levels: Vec<String> = topic.split('/').map(str::to_owned).collect();
    let count = levels.len();
    let wild = prop::collection::vec(prop::bool::weighted(0.25), count);
    let group = select(&["", "", "", "$share/tv/", "$share/t1_s/", "$share/g/", "$share/"][..]);
    (wild, 1..=count, any::<bool>(), group).prop_map(move |(wild, keep, hash, group)| {
        let mut filter: Vec<&str> = levels.iter().map(String::as_str).collect();
        for (level, wild) in filter.iter_mut().zip(wild) {
            if wild {
                *level = "+";
            }
        }
        if hash && keep < filter.len() {
            filter.truncate(keep);
            filter.push("#");
        }
        format!("{group}{}", filter.join("/"))
    })
}

/// A topic that begins as one of the fabric and may go on as anything.
fn likely_topic() -> impl Strategy<Value = String> {
    let start = select(&["TV/tv", "vThing/tv", "vThing/tv2", "vSilo/t1_s", "vSilo/t10_s"][..]);
    let middle = prop::collection::vec(select(&["a", "deep", "b", "c_in", "data_out"][..]), 0..3);
    let end = select(&["c_in", "c_out", "data_in", "data_out"][..]);
    (start, middle, end).prop_map(|(start, middle, end)| {
        let middle: String = middle.iter().map(|level| format!("{level}/")).collect();
        format!("{start}/{middle}{end}")
    })
}

fn topic_and_filter() -> impl Strategy<Value = (String, String)> {
    prop_oneof![topic(), likely_topic(), likely_topic()].prop_flat_map(|topic| {
        let filter = filter_near(&topic);
        (Just(topic), filter)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn whatever_an_admitted_filter_matches_may_be_heard(
        (topic, filter) in topic_and_filter(),
        user_name in select(&["tv:tv", "silo:t1_s", "silo:t2_s"][..]),
    ) {
        if subscribes(user_name, &filter) && matches(&filter, &topic) {
            prop_assert!(may_hear(user_name, &topic), "{user_name} hears {topic} through {filter}");
        }
    }

    #[test]
    fn every_topic_that_may_be_heard_may_be_subscribed_by_its_name(
        topic in likely_topic(),
        user_name in select(&["tv:tv", "silo:t1_s", "silo:t2_s"][..]),
    ) {
        prop_assert_eq!(subscribes(user_name, &topic), may_hear(user_name, &topic));
    }

    #[test]
    fn nobody_publishes_what_it_hears(
        topic in prop_oneof![topic(), likely_topic()],
        user_name in select(&["tv:tv", "silo:t1_s"][..]),
    ) {
        prop_assert!(!(publishes(user_name, &topic) && subscribes(user_name, &topic)), "{}", topic);
    }

}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}", user_name in select(&["tv:tv", "silo:t1_s"][..])) {
        prop_assert!(!publishes(user_name, &text) && !subscribes(user_name, &text));
    }
}
