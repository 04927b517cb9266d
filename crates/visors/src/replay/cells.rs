//! The values of a row, by column.

use std::borrow::Cow;

use serde_json::Value;

use super::row_error::RowError;

/// How much of a wrong value an error repeats, in characters.
const MAX_QUOTED: usize = 40;

/// The columns that a plan needs, each with a slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns(Vec<String>);

impl Columns {
    /// The slot of a column, a new one when it is new.
    pub(super) fn slot(&mut self, name: &str) -> usize {
        self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }

    /// The names, by slot.
    pub(super) fn names(&self) -> &[String] {
        &self.0
    }
}

/// The values of one row, by slot.
pub(super) struct Cells<'a> {
    columns: &'a Columns,
    values: &'a [Option<Value>],
}

impl<'a> Cells<'a> {
    pub(super) fn new(columns: &'a Columns, values: &'a [Option<Value>]) -> Self {
        Self { columns, values }
    }

    /// The value in a slot; nothing where it is missing, empty or null.
    pub(super) fn value(&self, slot: usize) -> Option<&'a Value> {
        let value = self.values.get(slot)?.as_ref()?;
        let empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        (!empty).then_some(value)
    }

    /// The value in a slot as text.
    ///
    /// # Errors
    /// When there is none, or it is a structure.
    pub(super) fn text(&self, slot: usize) -> Result<Cow<'a, str>, RowError> {
        match self.value(slot) {
            Some(Value::String(text)) => Ok(Cow::Borrowed(text.trim())),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Cow::Owned(value.to_string())),
            Some(_) => Err(self.error(slot, "it is a structure, not a text")),
            None => Err(self.error(slot, "it has no value")),
        }
    }

    /// An error about the column of a slot.
    pub(super) fn error(&self, slot: usize, reason: impl Into<String>) -> RowError {
        RowError::column(self.columns.0.get(slot).map_or("?", String::as_str), reason)
    }
}

/// A value in an error: not all of a long one.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        shown.push('…');
    }
    shown
}
