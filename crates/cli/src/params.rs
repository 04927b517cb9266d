//! Parameters of ThingVisors and flavours, as the command line gives them.

use serde_json::Value;

/// Reads parameters: JSON, `@FILE` with JSON, or a plain text as some VirIoT images take
/// (`Mobius`). Like VirIoT, takes a JSON text in single quotes.
///
/// # Errors
/// A sentence for the user, when the file cannot be read or what looks like JSON is none.
pub(crate) fn parse(given: &str) -> Result<Value, String> {
    let text = match given.strip_prefix('@') {
        Some(path) => &std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the parameters in '{path}': {error}"))?,
        None => given,
    };
    let text = text.trim();
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let error = match serde_json::from_str(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_) | Value::String(_))) => return Ok(value),
        // A number or a word is a text that happens to be JSON.
        Ok(_) => return Ok(Value::from(text)),
        Err(error) => error,
    };
    if !text.starts_with(['{', '[']) {
        return Ok(Value::from(text));
    }
    let in_single_quotes = !text.contains('"');
    if in_single_quotes && let Ok(value) = serde_json::from_str(&text.replace('\'', "\"")) {
        return Ok(value);
    }
    Err(format!("the parameters are not JSON: {error}; an example is '{{\"rate\": 5}}'"))
}

/// The documents of a YAML file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct YamlDocuments(pub(crate) Vec<Value>);

/// The largest YAML file, in bytes; requests to the controller are bounded, too.
const MAX_YAML: u64 = 512 * 1024;

/// Reads a file of YAML documents.
///
/// # Errors
/// A sentence for the user, when the file cannot be read or is no YAML.
pub(crate) fn yaml_documents(path: &str) -> Result<YamlDocuments, String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("cannot read the YAML documents in '{path}': {error}");
    let length = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
    if length > MAX_YAML {
        return Err(failed(&format_args!("it has {length} bytes, and {MAX_YAML} are the most")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    serde_saphyr::from_multiple(&text).map(YamlDocuments).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_taken_as_it_is() {
        assert_eq!(parse(r#"{"rate": 5, "who": "it's"}"#), Ok(json!({"rate": 5, "who": "it's"})));
        assert_eq!(parse("  "), Ok(Value::Null));
    }

    #[test]
    fn viriots_forms_are_understood() {
        assert_eq!(parse("Mobius"), Ok(json!("Mobius")));
        assert_eq!(parse("5"), Ok(json!("5")));
        assert_eq!(parse("{'cities': ['Rome'], 'rate': 60}"), Ok(json!({"cities": ["Rome"], "rate": 60})));
    }

    #[test]
    fn broken_json_is_refused_with_its_place() {
        let error = parse("{\"rate\": }").unwrap_err();
        assert!(error.contains("line 1 column 10") && error.contains("example"), "{error}");
    }

    #[test]
    fn a_yaml_file_may_have_several_documents() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "kind: Deployment\nspec:\n  replicas: 1\n---\nkind: Service\n").unwrap();
        let read = yaml_documents(&file.path().display().to_string()).unwrap();
        assert_eq!(
            read.0,
            [json!({"kind": "Deployment", "spec": {"replicas": 1}}), json!({"kind": "Service"})]
        );
        std::fs::write(&file, "kind: [oops").unwrap();
        assert!(yaml_documents(&file.path().display().to_string()).unwrap_err().contains("YAML documents"));
        assert!(yaml_documents("/no/such/file").unwrap_err().contains("/no/such/file"));
    }

    #[test]
    fn a_file_is_read_and_a_missing_one_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "{\"rate\": 5}\n").unwrap();
        assert_eq!(parse(&format!("@{}", file.path().display())), Ok(json!({"rate": 5})));
        let error = parse("@/no/such/file").unwrap_err();
        assert!(error.starts_with("cannot read the parameters in '/no/such/file'"), "{error}");
    }
}
