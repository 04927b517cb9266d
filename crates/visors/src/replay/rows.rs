//! A file as raw rows: where each begins and what bytes it has. Memory stays flat whatever the file.

use std::io::{self, BufRead, Seek};

use super::row_error::RowError;

/// The longest row, in bytes. A quote that is never closed would make one row of the whole file.
const MAX_ROW_BYTES: usize = 256 * 1024;
/// What some programs write at the beginning of a UTF-8 file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where a row begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The line in the file, from 1: what an editor shows.
    pub(super) line: u64,
    /// In bytes.
    pub(super) offset: u64,
}

/// The rows of a file, one after the other; blank lines are none.
pub(super) struct Rows<R> {
    input: R,
    next: Place,
    delimiter: Option<u8>,
    row: Vec<u8>,
}

/// Where a row begins, and its bytes or what is wrong with it.
pub(super) type RawRow<'a> = (Place, Result<&'a [u8], RowError>);

/// How the end of a row was found.
enum End {
    Newline,
    /// The file ends, maybe within quotes.
    File {
        in_quotes: bool,
    },
    TooLong,
}

impl<R: BufRead + Seek> Rows<R> {
    /// The rows of `input`. With a delimiter of fields, a newline in double quotes ends no row
    /// (RFC 4180, section 2.6).
    ///
    /// # Errors
    /// When the input cannot be read.
    pub(super) fn new(mut input: R, delimiter: Option<u8>) -> io::Result<Self> {
        let mut next = Place { line: 1, offset: 0 };
        if input.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
            input.consume(BYTE_ORDER_MARK.len());
            next.offset = BYTE_ORDER_MARK.len() as u64;
        }
        Ok(Self { input, next, delimiter, row: Vec::new() })
    }

    /// Goes on with the row that begins at `place`.
    ///
    /// # Errors
    /// When the input cannot be positioned.
    pub(super) fn seek(&mut self, place: Place) -> io::Result<()> {
        // Rows in order are mostly neighbours: what is read already is not read again.
        let here = self.next.offset as i64;
        self.input.seek_relative(place.offset as i64 - here)?;
        self.next = place;
        Ok(())
    }

    /// Where the next row begins: how much of the file is done.
    pub(super) fn offset(&self) -> u64 {
        self.next.offset
    }

    /// The next row, or what is wrong with it. A row that does not end is passed over up to the end
    /// of its first line.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<RawRow<'_>>> {
        loop {
            let place = self.next;
            self.row.clear();
            let reason = match self.scan()? {
                End::File { .. } if self.row.is_empty() => return Ok(None),
                End::Newline | End::File { in_quotes: false } => {
                    let newlines = self.row.iter().filter(|byte| **byte == b'\n').count() as u64;
                    self.next =
                        Place { line: place.line + newlines, offset: place.offset + self.row.len() as u64 };
                    if self.row.trim_ascii().is_empty() {
                        continue;
                    }
                    break Ok(Some((place, Ok(self.row.trim_ascii_end()))));
                }
                End::File { in_quotes: true } => {
                    "a quote is not closed before the end of the file".to_owned()
                }
                End::TooLong => format!("it is longer than {MAX_ROW_BYTES} bytes; is a quote not closed?"),
            };
            self.skip_line(place)?;
            break Ok(Some((place, Err(RowError::row(reason)))));
        }
    }

    /// Reads one row into the buffer, its newline included.
    fn scan(&mut self) -> io::Result<End> {
        let mut state = State::FieldStart;
        loop {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                return Ok(End::File { in_quotes: state == State::Quoted });
            }
            let mut end = None;
            let room = MAX_ROW_BYTES + 1 - self.row.len();
            let chunk = &available[..available.len().min(room)];
            for (at, byte) in chunk.iter().enumerate() {
                state = self.delimiter.map_or(State::Unquoted, |delimiter| state.after(*byte, delimiter));
                if *byte == b'\n' && state != State::Quoted {
                    end = Some(at + 1);
                    break;
                }
            }
            let used = end.unwrap_or(chunk.len());
            self.row.extend_from_slice(&chunk[..used]);
            self.input.consume(used);
            if end.is_some() {
                return Ok(End::Newline);
            }
            if self.row.len() > MAX_ROW_BYTES {
                return Ok(End::TooLong);
            }
        }
    }

    /// Goes on after the first line of the row that was begun at `place`.
    fn skip_line(&mut self, place: Place) -> io::Result<()> {
        let read = self.row.len();
        let first_line = match self.row.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                self.input.seek_relative(at as i64 + 1 - read as i64)?;
                at as u64 + 1
            }
            None => read as u64 + self.input.skip_until(b'\n')? as u64,
        };
        self.next = Place { line: place.line + 1, offset: place.offset + first_line };
        Ok(())
    }
}

/// Where in a row of RFC 4180 the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote in quotes: the end of them, or the first half of an escaped quote.
    QuoteSeen,
}

impl State {
    fn after(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::FieldStart | Self::QuoteSeen, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::QuoteSeen,
            (Self::Quoted, _) => Self::Quoted,
            (_, byte) if byte == delimiter => Self::FieldStart,
            _ => Self::Unquoted,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use proptest::prelude::*;

    use super::*;

    type Read = Vec<(u64, Result<String, String>)>;

    fn read(bytes: &[u8], delimiter: Option<u8>) -> Read {
        // A small buffer, so that rows cross its end.
        let mut rows = Rows::new(BufReader::with_capacity(8, Cursor::new(bytes)), delimiter).unwrap();
        let mut read = Vec::new();
        while let Some((place, row)) = rows.next().unwrap() {
            let row = row.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            read.push((place.line, row.map_err(|error| error.to_string())));
        }
        read
    }

    fn good(line: u64, row: &str) -> (u64, Result<String, String>) {
        (line, Ok(row.to_owned()))
    }

    #[test]
    fn newlines_in_quotes_are_part_of_the_row_and_lines_are_counted_on() {
        let text = b"\xef\xbb\xbfa,b\r\n\n1,\"x\ny\"\n2,5\" pipe\n3,\"\"\"\"";
        let expected = [good(1, "a,b"), good(3, "1,\"x\ny\""), good(5, "2,5\" pipe"), good(6, "3,\"\"\"\"")];
        assert_eq!(read(text, Some(b',')), expected);
        assert_eq!(read(b"{\"a\":\n1}", None), [good(1, "{\"a\":"), good(2, "1}")]);
    }

    #[test]
    fn a_quote_that_is_not_closed_costs_one_line() {
        let mut text = b"1,\"open\n2,b\n".to_vec();
        let short = read(&text, Some(b','));
        assert_eq!((short.len(), &short[1]), (2, &good(2, "2,b")));
        assert!(short[0].1.as_ref().unwrap_err().contains("not closed"));
        text.extend(std::iter::repeat_n(b"3,c\n".as_slice(), 100_000).flatten());
        let long = read(&text, Some(b','));
        assert_eq!((long.len(), &long[1], &long[2]), (100_002, &good(2, "2,b"), &good(3, "3,c")));
        assert!(long[0].1.as_ref().unwrap_err().contains("longer than"));
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let mut text = vec![b'x'; 3 * MAX_ROW_BYTES];
        text.extend(b"\nnext");
        let rows = read(&text, None);
        assert_eq!((rows.len(), &rows[1]), (2, &good(2, "next")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(bytes in prop::collection::vec(prop::sample::select(&b"ab,\"\n\r"[..]), 0..80)) {
            let rows = read(&bytes, Some(b','));
            prop_assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }

        #[test]
        fn a_row_is_found_again_by_its_place(texts in prop::collection::vec("[a-z]{1,9}", 1..20), order in any::<u64>()) {
            let text = texts.join("\n");
            let mut rows = Rows::new(BufReader::with_capacity(16, Cursor::new(text.as_bytes())), None).unwrap();
            let mut places = Vec::new();
            while let Some((place, _)) = rows.next().unwrap() {
                places.push(place);
            }
            let at = (order % texts.len() as u64) as usize;
            rows.seek(places[at]).unwrap();
            let (place, row) = rows.next().unwrap().unwrap();
            prop_assert_eq!((place, row.unwrap()), (places[at], texts[at].as_bytes()));
        }
    }
}
