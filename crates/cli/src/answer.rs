//! What a command answers, and the forms it can be printed in.

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::table::Table;

/// The form of what a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Yaml,
}

/// What a command answers.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For programs.
    value: Value,
    /// For people.
    text: Text,
}

#[derive(Debug)]
pub(crate) enum Text {
    Table(Table),
    /// A table with lines below it.
    TableAndLines(Table, String),
    Sentence(String),
    /// Printed as it is.
    Verbatim(String),
    /// Everything was written while it came.
    Written,
}

impl Answer {
    pub(crate) fn new(value: impl Serialize, text: Text) -> Result<Self, Error> {
        Ok(Self { value: serde_json::to_value(value)?, text })
    }

    pub(crate) fn table(value: impl Serialize, table: Table) -> Result<Self, Error> {
        Self::new(value, Text::Table(table))
    }

    pub(crate) fn sentence(value: impl Serialize, sentence: impl Into<String>) -> Result<Self, Error> {
        Self::new(value, Text::Sentence(sentence.into()))
    }

    /// The answer of a command that wrote while it ran.
    pub(crate) fn written() -> Self {
        Self { value: Value::Null, text: Text::Written }
    }

    pub(crate) fn write(&self, format: Format, width: Option<u16>, out: &mut dyn Write) -> Result<(), Error> {
        match (format, &self.text) {
            (_, Text::Written) => {}
            (Format::Json, _) => {
                serde_json::to_writer_pretty(&mut *out, &self.value)?;
                writeln!(out)?;
            }
            (Format::Yaml, _) => out.write_all(yaml(&self.value)?.as_bytes())?,
            (Format::Table, Text::Table(table)) => out.write_all(table.render(width).as_bytes())?,
            (Format::Table, Text::TableAndLines(table, lines)) => {
                write!(out, "{}{lines}", table.render(width))?;
            }
            (Format::Table, Text::Sentence(sentence)) => writeln!(out, "{sentence}")?,
            (Format::Table, Text::Verbatim(text)) => out.write_all(text.as_bytes())?,
        }
        Ok(out.flush()?)
    }
}

/// Writes one item of a stream: a line of text, a line of JSON, or the next item of a YAML list.
pub(crate) fn write_item(
    item: &impl Serialize,
    line: &str,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match format {
        Format::Table => writeln!(out, "{line}")?,
        Format::Json => {
            serde_json::to_writer(&mut *out, item)?;
            writeln!(out)?;
        }
        Format::Yaml => out.write_all(yaml(&[item])?.as_bytes())?,
    }
    Ok(out.flush()?)
}

fn yaml(value: &impl Serialize) -> Result<String, Error> {
    let mut text = serde_saphyr::to_string(value)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
