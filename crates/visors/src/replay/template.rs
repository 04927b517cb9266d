//! Texts with the values of columns in them: `urn:ngsi-ld:PersonCounter:{sensor_id}`.

use super::cells::{Cells, Columns};
use super::row_error::RowError;

/// A text with places for columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The slot of a column.
    Column(usize),
}

impl Template {
    /// Reads a template and notes the columns it needs.
    ///
    /// # Errors
    /// When a brace is not closed, or has no name in it.
    pub(super) fn parse(text: &str, columns: &mut Columns) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| format!("'{text}' is no template: write {{column}}"))?;
            parts.extend((!before.is_empty()).then(|| Part::Text(before.to_owned())));
            parts.push(Part::Column(columns.slot(name)));
            rest = after;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
        Ok(Self(parts))
    }

    /// The text itself, where it has no places.
    pub(super) fn constant(&self) -> Option<String> {
        match &self.0[..] {
            [] => Some(String::new()),
            [Part::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }

    /// The text for a row. `escape` says how a character of a value is written.
    ///
    /// # Errors
    /// When a column has no value in this row.
    pub(super) fn fill(&self, cells: &Cells<'_>, escape: fn(char, &mut String)) -> Result<String, RowError> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Column(slot) => cells.text(*slot)?.chars().for_each(|c| escape(c, &mut text)),
            }
        }
        Ok(text)
    }
}

/// A value in an id of an entity, which is a URI: other characters are percent-encoded (RFC 3986,
/// section 2.1).
pub(super) fn in_uri(c: char, text: &mut String) {
    if c.is_ascii_alphanumeric() || "-._~:".contains(c) {
        return text.push(c);
    }
    let mut buffer = [0; 4];
    for byte in c.encode_utf8(&mut buffer).bytes() {
        text.push_str(&format!("%{byte:02X}"));
    }
}

/// A value as it is.
pub(super) fn plain(c: char, text: &mut String) {
    text.push(c);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(template: &str, value: serde_json::Value) -> Result<String, String> {
        let mut columns = Columns::default();
        let template = Template::parse(template, &mut columns)?;
        let values = vec![Some(value); 2];
        template.fill(&Cells::new(&columns, &values), in_uri).map_err(|error| error.to_string())
    }

    #[test]
    fn a_column_takes_its_place_and_is_fit_for_a_uri() {
        assert_eq!(fill("urn:x:{id}", json!("City Square")).unwrap(), "urn:x:City%20Square");
        assert_eq!(fill("{a}-{b}!", json!(7)).unwrap(), "7-7!");
        assert_eq!(fill("ü", json!(7)).unwrap(), "ü");
    }

    #[test]
    fn a_brace_that_is_not_closed_is_no_template() {
        for wrong in ["{", "a{b", "{}", "x{}y"] {
            assert!(fill(wrong, json!(1)).unwrap_err().contains("{column}"), "{wrong}");
        }
    }

    #[test]
    fn a_column_without_value_is_named() {
        assert!(fill("{id}", json!(null)).unwrap_err().contains("column 'id'"));
    }
}
