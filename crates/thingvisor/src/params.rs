//! Reading the parameters of a ThingVisor.

use morgana_model::ThingVisorId;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::RunError;

/// Reads parameters into the author's type. Nothing at all reads as `{}`. A text is read as JSON, or
/// as the Python notation that VirIoT's documentation shows (`{'vThingName': 'x'}`, viriot-wire.md
/// section 5).
///
/// # Errors
/// [`RunError::Configuration`], with the path of the parameter that is wrong. Give the type
/// `#[serde(deny_unknown_fields)]`, and an unknown parameter is named with those that are known.
pub fn read_params<P: DeserializeOwned>(visor: &ThingVisorId, params: &Value) -> Result<P, RunError> {
    let wrong = |why: String| RunError::Configuration(format!("ThingVisor '{visor}': {why}"));
    let value = match params {
        Value::Null => Value::Object(Map::new()),
        Value::String(text) if text.trim().is_empty() => Value::Object(Map::new()),
        Value::String(text) => serde_json::from_str(text)
            .or_else(|_| serde_json::from_str(&python_to_json(text)))
            .map_err(|cause| wrong(format!("they are no JSON: {cause}")))?,
        other => other.clone(),
    };
    // serde would read the fields of a structure from a list, too.
    if !value.is_object() {
        return Err(wrong("they are no object of names and values".to_owned()));
    }
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        "." => wrong(error.inner().to_string()),
        path => wrong(format!("at '{path}': {}", error.inner())),
    })
}

/// Turns Python literals into JSON: texts in single quotes, `True`, `False`, `None`.
fn python_to_json(text: &str) -> String {
    let mut json = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\'' || c == '"' {
            rest = quoted(c, &rest[1..], &mut json);
            continue;
        }
        let word = rest.len() - rest.trim_start_matches(|c: char| c.is_alphanumeric()).len();
        let (word, after) = rest.split_at(word.max(c.len_utf8()));
        json.push_str(match word {
            "True" => "true",
            "False" => "false",
            "None" => "null",
            other => other,
        });
        rest = after;
    }
    json
}

/// Copies a text that ends with `quote` to `json` in double quotes; answers what follows it.
fn quoted<'a>(quote: char, text: &'a str, json: &mut String) -> &'a str {
    json.push('"');
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                // JSON knows no escaped apostrophe.
                if c != '\'' {
                    json.push('\\');
                }
                json.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            _ if c == quote => {
                json.push('"');
                return &text[at + 1..];
            }
            '"' => json.push_str("\\\""),
            _ => json.push(c),
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
    struct Params {
        rate: u32,
        name: Option<String>,
        nested: Option<Nested>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nested {
        on: bool,
    }

    fn read(value: Value) -> Result<Params, RunError> {
        read_params(&"tv".parse().unwrap(), &value)
    }

    #[test]
    fn no_parameters_are_the_defaults() {
        for nothing in [Value::Null, json!(""), json!("  "), json!({}), json!("{}")] {
            assert_eq!(read(nothing).unwrap(), Params::default());
        }
    }

    #[test]
    fn python_notation_is_read() {
        let text = r#"{'rate': 3, 'name': 'it\'s "x" True ü', "nested": {'on': True}}"#;
        let params = read(json!(text)).unwrap();
        assert_eq!(params.name.as_deref(), Some("it's \"x\" True ü"));
        assert_eq!((params.rate, params.nested), (3, Some(Nested { on: true })));
    }

    #[test]
    fn a_wrong_parameter_is_named_with_what_is_allowed() {
        let error = |value| read(value).unwrap_err().to_string();
        let unknown = error(json!({ "rat": 3 }));
        assert!(unknown.contains("`rat`") && unknown.contains("`rate`"), "{unknown}");
        let wrong = error(json!({ "nested": { "on": "yes" } }));
        assert!(wrong.contains("nested.on"), "{wrong}");
        assert!(error(json!("{'rate'")).contains("no JSON"));
        assert!(error(json!([1])).contains("'tv'"));
        assert!(read(json!({ "rate": -1 })).unwrap_err().is_configuration());
    }

    proptest! {
        #[test]
        fn no_text_of_parameters_panics(text in "\\PC{0,40}") {
            let _ = read(Value::String(text));
        }

        #[test]
        fn any_text_survives_the_quotes_of_python(name in "[^\\\\\\p{C}]{0,20}") {
            let python = format!("{{'name': '{}'}}", name.replace('\'', "\\'"));
            prop_assert_eq!(read(json!(python)).unwrap().name, Some(name));
        }
    }
}
