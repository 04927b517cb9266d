//! Tables for people: plain columns without lines, so that they read the same on a terminal, in a
//! pipe and in a log.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table as Layout};

/// The narrowest terminal that tables are fitted to, in columns; below, lines wrap by themselves.
const MIN_WIDTH: u16 = 40;

/// Rows under a header; a table without a header is a list of fields.
#[derive(Debug, Default)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(
        header: [&'static str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Self {
        Self { header: header.to_vec(), rows: rows.into_iter().map(Vec::from).collect() }
    }

    /// The fields of one resource; those without a value are left out.
    pub(crate) fn of_fields(fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let rows = fields.into_iter().filter(|(_, value)| !value.is_empty());
        Self { header: Vec::new(), rows: rows.map(|(name, value)| vec![name.to_owned(), value]).collect() }
    }

    /// The table as text, fitted into a terminal's width if there is a terminal.
    pub(crate) fn render(&self, width: Option<u16>) -> String {
        let mut layout = Layout::new();
        layout.load_style(NOTHING);
        match width {
            Some(width) => {
                layout.set_content_arrangement(ContentArrangement::Dynamic);
                layout.set_width(width.max(MIN_WIDTH));
            }
            None => {
                layout.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        if !self.header.is_empty() {
            layout.set_header(self.header.clone());
        }
        for row in &self.rows {
            layout.add_row(row.iter().map(|cell| printable(cell)));
        }
        for column in layout.column_iter_mut() {
            column.set_padding((0, 2));
        }
        layout.trim_fmt() + "\n"
    }
}

/// A text without control characters except line ends: what a ThingVisor says of its things must
/// not move the cursor of whoever lists them.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\n' {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |id: &str, text: &str| [id.to_owned(), text.to_owned()];
        let long = "a description that is a good deal longer than the terminal is wide";
        Table::new(["ID", "DESCRIPTION"], [row("host", long), row("relay-tv", "short")])
    }

    #[test]
    fn without_a_terminal_each_row_is_one_line() {
        insta::assert_snapshot!(table().render(None), @r"
        ID        DESCRIPTION
        host      a description that is a good deal longer than the terminal is wide
        relay-tv  short
        ");
    }

    #[test]
    fn a_terminal_is_not_overrun() {
        let text = table().render(Some(44));
        assert!(text.lines().all(|line| line.chars().count() <= 44), "{text}");
        assert_eq!(text.split_whitespace().count(), table().render(None).split_whitespace().count());
    }

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        let text = Table::of_fields([("label", "\x1b[2Jgone\r".to_owned())]).render(None);
        assert_eq!(text, "label  \\u{1b}[2Jgone\\r\n");
    }

    #[test]
    fn fields_without_a_value_are_left_out() {
        assert_eq!(Table::of_fields([("zone", String::new()), ("id", "a".into())]).render(None), "id  a\n");
    }
}
