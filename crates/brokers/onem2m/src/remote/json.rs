//! A request primitive as JSON (TS-0004 8.4), for MQTT and polling channels.

use serde_json::{Map, Value, json};

use crate::primitive::{Request, ResponseType};

/// Writes a request primitive, without `m2m:rqp` around it.
pub(crate) fn request_to_json(request: &Request) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| {
        members.insert(name.to_owned(), value);
    };
    put("op", json!(request.operation as u8));
    put("to", json!(request.to));
    put("fr", json!(request.originator()));
    put("rqi", request.id.clone());
    if let Some(ty) = request.ty {
        put("ty", json!(ty));
    }
    let texts = [
        ("rvi", &request.release),
        ("rqet", &request.request_expires),
        ("rset", &request.result_expires),
        ("oet", &request.operation_time),
        ("ot", &request.originated),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            put(name, json!(value));
        }
    }
    if let Some(vendor) = &request.vendor {
        put("vsi", vendor.clone());
    }
    if let Some(category) = request.event_category {
        put("ec", json!(category));
    }
    if let Some(content) = request.result_content {
        put("rcn", json!(content as u8));
    }
    if request.response_type == ResponseType::None {
        put("rt", json!({ "rtv": request.response_type as u8 }));
    }
    if request.unstructured {
        put("drt", json!(2));
    }
    if !request.criteria.is_empty() {
        put("fc", criteria(&request.criteria));
    }
    match &request.content {
        Some(content) => put("pc", content.clone()),
        None if !request.attributes.is_empty() => put("pc", json!({ "m2m:atrl": request.attributes })),
        None => {}
    }
    Value::Object(members)
}

/// m2m:filterCriteria, with the types that TS-0004 6.3.5.8 gives its members.
fn criteria(pairs: &[(String, String)]) -> Value {
    const NUMBERS: [&str; 11] = ["fu", "fo", "sts", "stb", "sza", "szb", "lim", "ofst", "lvl", "gmty", "gsf"];
    const LISTS_OF_NUMBERS: [&str; 3] = ["ty", "chty", "pty"];
    const LISTS: [&str; 4] = ["lbl", "clbl", "palb", "cty"];
    const TEXTS: [&str; 11] = ["crb", "cra", "ms", "us", "exb", "exa", "lbq", "arp", "geom", "smf", "fq"];
    let mut members: Map<String, Value> = Map::new();
    let mut add = |name: &str, value: Value| {
        let list = members.entry(name.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(value);
        }
    };
    let number = |text: &str| text.parse::<u64>().map_or_else(|_| json!(text), Value::from);
    let mut single: Vec<(String, Value)> = Vec::new();
    for (name, value) in pairs {
        let words = || value.split([' ', '+']).filter(|word| !word.is_empty());
        match name.as_str() {
            known if NUMBERS.contains(&known) => single.push((name.clone(), number(value))),
            known if TEXTS.contains(&known) => single.push((name.clone(), json!(value))),
            known if LISTS_OF_NUMBERS.contains(&known) => words().for_each(|word| add(name, number(word))),
            known if LISTS.contains(&known) => words().for_each(|word| add(name, json!(word))),
            "atr" | "catr" | "patr" => {
                let (attribute, wanted) = value.split_once(',').unwrap_or((value, ""));
                add(name, json!({ "nm": attribute, "val": wanted }));
            }
            attribute => add("atr", json!({ "nm": attribute, "val": value })),
        }
    }
    members.extend(single);
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::{Operation, request_from_json};

    #[test]
    fn a_request_that_goes_on_is_read_again_as_it_was() {
        let mut request = Request::new(Operation::Retrieve, "/id-mn/-", "/id-in/Cae");
        request.id = json!("r1");
        for (name, value) in
            [("fu", "1"), ("lbl", "a b"), ("ty", "3 4"), ("rn", "x*"), ("rcn", "6"), ("lim", "5")]
        {
            request.set_parameter(name, value).unwrap();
        }
        let read = request_from_json(request_to_json(&request)).map_err(|(failure, _)| failure).unwrap();
        assert_eq!(read.filter, request.filter);
        assert_eq!((read.to, read.from, read.id), (request.to, request.from, request.id));
        assert_eq!(read.result_content, request.result_content);
    }
}
