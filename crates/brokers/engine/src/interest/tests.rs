use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Pattern;

type Name = &'static str;

/// A selection of a subscription: exact or by pattern, as the protocols have them.
#[derive(Debug, Clone)]
struct Selection {
    id: Option<Pattern>,
    kind: Option<Name>,
    type_pattern: Option<Pattern>,
    watched: Vec<Name>,
}

impl Selection {
    fn is_about(&self, change: &Change) -> bool {
        self.id.as_ref().is_none_or(|pattern| pattern.is_match(&change.id))
            && self.kind.is_none_or(|kind| change.types.contains(&kind))
            && self
                .type_pattern
                .as_ref()
                .is_none_or(|pattern| change.types.iter().any(|kind| pattern.is_match(kind)))
            && (self.watched.is_empty() || self.watched.iter().any(|name| change.attributes.contains(name)))
    }

    fn interest(&self) -> Interest<Name> {
        let clues = |pattern: &Option<Pattern>| pattern.iter().flat_map(Pattern::clues).cloned().collect();
        Interest {
            types: self.kind.map(|kind| vec![kind]),
            attributes: (!self.watched.is_empty()).then(|| self.watched.clone()),
            id: clues(&self.id),
            type_text: clues(&self.type_pattern),
        }
    }
}

#[derive(Debug, Clone)]
struct Change {
    id: String,
    types: Vec<Name>,
    attributes: Vec<Name>,
}

fn name() -> impl Strategy<Value = Name> {
    prop::sample::select(vec!["Car", "Bus", "Cart", "Cab"])
}

fn pattern() -> impl Strategy<Value = Option<Pattern>> {
    let text = prop_oneof![
        "\\^?[Ca]{1,2}\\$?",
        "\\^?C(ar|ab|\\.\\*)?[ab]?\\$?",
        "\\^C\\.\\*[ab]{1,2}",
        Just(".*".to_owned()),
        Just("[A-Z]+".to_owned()),
    ];
    prop::option::weighted(0.8, text.prop_map(|text| Pattern::parse(&text, 1 << 20).unwrap()))
}

fn selection() -> impl Strategy<Value = Selection> {
    (pattern(), prop::option::of(name()), pattern(), prop::collection::vec(name(), 0..3)).prop_map(
        |(id, kind, type_pattern, watched)| Selection {
            id,
            type_pattern: type_pattern.filter(|_| kind.is_none()),
            kind,
            watched,
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    ("[Cab]{0,4}", prop::collection::vec(name(), 1..3), prop::collection::vec(name(), 0..3))
        .prop_map(|(id, types, attributes)| Change { id, types, attributes })
}

/// Puts a subscription in under this key, or takes it out.
type Step = (u8, Option<Vec<Selection>>);

fn step() -> impl Strategy<Value = Step> {
    (0..12_u8, prop::option::weighted(0.7, prop::collection::vec(selection(), 1..3)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_index_finds_all_that_a_look_at_each_finds(
        steps in prop::collection::vec(step(), 1..40),
        changes in prop::collection::vec(change(), 1..20),
    ) {
        let mut index = InterestIndex::<Name, u8>::default();
        let mut all: BTreeMap<u8, Vec<Selection>> = BTreeMap::new();
        for (key, selections) in steps {
            match selections {
                Some(selections) => {
                    let interests: Vec<_> = selections.iter().map(Selection::interest).collect();
                    index.insert(&key, &interests);
                    all.insert(key, selections);
                }
                None => {
                    index.remove(&key);
                    all.remove(&key);
                }
            }
            for change in &changes {
                let mut found = index.candidates(&change.id, &change.types, &change.attributes);
                found.retain(|key| all[*key].iter().any(|one| one.is_about(change)));
                let each = all.iter().filter(|(_, selections)| selections.iter().any(|one| one.is_about(change)));
                prop_assert_eq!(found, each.map(|(key, _)| key).collect::<Vec<_>>());
            }
        }
        for key in all.keys() {
            index.remove(key);
        }
        prop_assert!(index.places.named.is_empty() && index.places.any.any.is_empty());
        prop_assert!(index.places.any.named.is_empty() && index.placed.is_empty());
    }
}

fn id_pattern(text: &str) -> Interest<Name> {
    let pattern = Pattern::parse(text, 1 << 20).unwrap();
    Interest { id: pattern.clues().to_vec(), ..Interest::default() }
}

#[test]
fn a_change_finds_no_more_of_hundreds_of_patterns_than_of_ten() {
    let patterns: [fn(u32) -> String; 5] = [
        |number| format!("^urn:ngsi:Room:{number:04}$"),
        |number| format!("Room:{number:04}"),
        |number| format!("^urn:ngsi:Room:{number:04}(:a|:b)?$"),
        |number| format!("^urn:.*:[A-Z]oom:{number:04}"),
        |number| format!("^urn:.*:{number:04}[0-9]*$"),
    ];
    for pattern in patterns {
        for count in [10, 300] {
            let mut index = InterestIndex::<Name, u32>::default();
            for number in 0..count {
                index.insert(&number, &[id_pattern(&pattern(number))]);
            }
            let found = index.candidates("urn:ngsi:Room:0007", &["Room"], &["t"]);
            // The first of them went by a clue that turned out to be common.
            assert!(found.contains(&&7) && found.len() <= 4, "{} of {count} {}", found.len(), pattern(7));
        }
    }
}
