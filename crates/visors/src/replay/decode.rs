//! From the bytes of a row to the values of its columns.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde_json::{Map, Value};

use super::cells::Columns;
use super::row_error::RowError;

/// One record of RFC 4180, read into buffers that are used again.
pub(super) struct Record {
    reader: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    fields: usize,
}

impl Record {
    pub(super) fn new(delimiter: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(delimiter).build();
        Self { reader, text: vec![0; 256], ends: vec![0; 32], fields: 0 }
    }

    /// Reads the fields of a row.
    pub(super) fn read(&mut self, mut row: &[u8]) {
        self.reader.reset();
        let (mut written, mut fields) = (0, 0);
        loop {
            let (result, read, wrote, ended) =
                self.reader.read_record(row, &mut self.text[written..], &mut self.ends[fields..]);
            (row, written, fields) = (&row[read..], written + wrote, fields + ended);
            match result {
                // An empty input, the second time, tells the reader that the row is over.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        self.fields = fields;
    }

    pub(super) fn len(&self) -> usize {
        self.fields
    }

    /// A field of the record; nothing where there is none.
    pub(super) fn field(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends[..self.fields].get(at)?;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        self.text.get(start..end)
    }

    /// The fields as text, for a header.
    pub(super) fn names(&self) -> Vec<String> {
        let fields = (0..self.fields).filter_map(|at| self.field(at));
        fields.map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect()
    }
}

/// Where each column of the header is.
///
/// # Errors
/// When one is not there; the error lists those that are.
pub(super) fn positions(wanted: &[String], header: &[String]) -> Result<Vec<usize>, String> {
    let position = |name: &String| {
        header
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| format!("there is no column '{name}'; the columns are: {}", header.join(", ")))
    };
    wanted.iter().map(position).collect()
}

/// Reads rows of one format.
pub(super) enum Decoder {
    Csv {
        record: Box<Record>,
        width: usize,
        positions: Vec<usize>,
    },
    /// The members of each column, from the outside in: `a.b` is `b` in the object `a`.
    JsonLines {
        paths: Vec<Vec<String>>,
    },
}

impl Decoder {
    /// # Errors
    /// When the header has not all columns.
    pub(super) fn csv(mut record: Record, header: &[u8], columns: &Columns) -> Result<Self, String> {
        record.read(header);
        let names = record.names();
        let positions = positions(columns.names(), &names)?;
        Ok(Self::Csv { record: Box::new(record), width: names.len(), positions })
    }

    pub(super) fn json_lines(columns: &Columns) -> Self {
        let path = |name: &String| name.split('.').map(str::to_owned).collect();
        Self::JsonLines { paths: columns.names().iter().map(path).collect() }
    }

    /// The values of a row, by the slots of the columns.
    ///
    /// # Errors
    /// When the row is not of the format.
    pub(super) fn decode(&mut self, row: &[u8], columns: &Columns) -> Result<Vec<Option<Value>>, RowError> {
        match self {
            Self::Csv { record, width, positions } => {
                record.read(row);
                if record.len() != *width {
                    let given = record.len();
                    return Err(RowError::row(format!("it has {given} columns, the header has {width}")));
                }
                let value = |(slot, at): (usize, &usize)| {
                    let field = record.field(*at).unwrap_or_default();
                    let text = std::str::from_utf8(field)
                        .map_err(|_| RowError::column(&columns.names()[slot], "it is no UTF-8"))?;
                    Ok(Some(Value::from(text)))
                };
                positions.iter().enumerate().map(value).collect()
            }
            Self::JsonLines { paths } => {
                let object: Map<String, Value> = serde_json::from_slice(row)
                    .map_err(|error| RowError::row(format!("it is no JSON object: {error}")))?;
                Ok(paths.iter().map(|path| member(&object, path).cloned()).collect())
            }
        }
    }
}

fn member<'a>(object: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (first, inner) = path.split_first()?;
    inner.iter().try_fold(object.get(first)?, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn columns(names: &[&str]) -> Columns {
        let mut columns = Columns::default();
        for name in names {
            columns.slot(name);
        }
        columns
    }

    fn csv(header: &str, wanted: &[&str], row: &[u8]) -> Result<Vec<Option<Value>>, String> {
        let columns = columns(wanted);
        let mut decoder = Decoder::csv(Record::new(b','), header.as_bytes(), &columns)?;
        decoder.decode(row, &columns).map_err(|error| error.to_string())
    }

    #[test]
    fn wanted_columns_come_in_their_order() {
        let row = csv("a, b,c", &["c", "b"], b"1,\"x \"\"y\"\"\",3").unwrap();
        assert_eq!(row, [Some(json!("3")), Some(json!("x \"y\""))]);
    }

    #[test]
    fn a_missing_column_is_named_with_those_there_are() {
        assert_eq!(csv("a,b", &["x"], b"1,2").unwrap_err(), "there is no column 'x'; the columns are: a, b");
    }

    #[test]
    fn a_row_that_is_not_like_its_header_is_wrong() {
        assert!(csv("a,b", &["a"], b"1").unwrap_err().contains("1 columns, the header has 2"));
        assert!(csv("a,b", &["b"], b"1,\xff").unwrap_err().contains("column 'b'"));
    }

    #[test]
    fn json_members_are_reached_by_their_path() {
        let columns = columns(&["a", "b.c", "x.y"]);
        let mut decoder = Decoder::json_lines(&columns);
        let row = decoder.decode(br#"{"a":1,"b":{"c":[2]},"x":3}"#, &columns).unwrap();
        assert_eq!(row, [Some(json!(1)), Some(json!([2])), None]);
        assert!(decoder.decode(b"[1]", &columns).unwrap_err().to_string().contains("no JSON object"));
    }

    proptest! {
        #[test]
        fn any_fields_come_back(fields in prop::collection::vec("[^\\p{C}]{0,300}", 1..50)) {
            let quoted: Vec<String> = fields.iter().map(|text| format!("\"{}\"", text.replace('"', "\"\""))).collect();
            let mut record = Record::new(b',');
            record.read(quoted.join(",").as_bytes());
            prop_assert_eq!(record.len(), fields.len());
            for (at, field) in fields.iter().enumerate() {
                prop_assert_eq!(record.field(at).unwrap(), field.as_bytes());
            }
        }
    }
}
