//! The entry points of the fuzz targets (`fuzz/`), driven in CI with random and with almost right input.

use morgana_onem2m::fuzz;
use proptest::{collection::vec, prelude::*};

/// JSON of the members that primitives have, with values that they may or may not have.
fn almost_a_primitive() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "op", "to", "fr", "rqi", "ty", "pc", "rvi", "rcn", "rt", "fc", "rqet", "oet", "rset", "drt", "rsc",
        "m2m:rqp", "rtv", "nu", "lbl", "atr", "gmty", "geom", "gsf", "lim", "m2m:atrl",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        (0_u8..13).prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |number| number.is_finite())
            .prop_map(|number| number.to_string()),
        "[ -~]{0,12}".prop_map(|text| format!("{text:?}")),
        Just("\"20261122T064838\"".to_owned()),
        Just("\"[[0,0],[1,1]]\"".to_owned()),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            vec((names.clone(), inner), 0..8).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn almost_a_filter() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "fu", "crb", "cra", "ms", "us", "sts", "stb", "exb", "exa", "lbl", "clbl", "palb", "lbq", "ty",
        "chty", "pty", "sza", "szb", "cty", "atr", "catr", "patr", "fo", "lim", "lvl", "ofst", "arp", "gmty",
        "geom", "gsf", "con",
    ]);
    let value = prop_oneof![
        "[0-9+ ]{0,6}",
        "[ -~]{0,16}",
        Just("20261122T064838,1".to_owned()),
        Just("[[[0,0],[1,0],[1,1],[0,0]]]".to_owned()),
        Just("%5B1.5,%202%5D".to_owned()),
        Just("%".to_owned()),
        Just("-1".to_owned()),
    ];
    vec((name, value), 0..6).prop_map(|pairs| {
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    })
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..256)) {
        fuzz::primitive(&bytes);
        fuzz::filter(&bytes);
        fuzz::cbor(&bytes);
        fuzz::coap(&bytes);
    }

    #[test]
    fn what_is_almost_a_primitive_is_survived(text in almost_a_primitive()) {
        fuzz::primitive(&[b"\0", text.as_bytes()].concat());
    }

    #[test]
    fn what_is_almost_a_filter_is_survived(text in almost_a_filter()) {
        fuzz::filter(text.as_bytes());
    }

    #[test]
    fn what_is_almost_cbor_is_survived(mut bytes in vec(any::<u8>(), 0..64), shape in 0x80_u8..0xc0) {
        bytes.insert(0, shape);
        fuzz::cbor(&bytes);
    }
}
