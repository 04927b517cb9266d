//! Messages of MongoDB's wire protocol: OP_QUERY for the first `isMaster` of old drivers, OP_MSG for
//! everything else ("MongoDB Wire Protocol", sections "OP_QUERY", "OP_REPLY", "OP_MSG").

use bson::RawBsonRef;
use bson::raw::{RawArray, RawDocument};
use serde_json::{Map, Value};

/// The length of a message's head, in bytes.
pub const HEAD: usize = 16;
/// The longest request that is read, in bytes: what VirIoT's components ask is shorter than one hundredth.
pub const MAX_REQUEST: usize = 64 * 1024;
/// How deep documents of a request may be nested.
const MAX_DEPTH: usize = 16;

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;

/// OP_MSG: a checksum follows the sections.
const CHECKSUM_PRESENT: u32 = 1;
/// OP_MSG: the sender waits for no answer.
const MORE_TO_COME: u32 = 2;
/// OP_MSG: the low half of the flags has to be understood.
const REQUIRED_FLAGS: u32 = 0xFFFF;
/// OP_REPLY: the server understands AwaitData.
const AWAIT_CAPABLE: i32 = 8;

/// The head of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many bytes follow it.
    pub rest: usize,
    /// The number that an answer refers to.
    pub request: i32,
    operation: i32,
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The command: its name is the first key.
    pub command: Map<String, Value>,
    /// In which form the answer is due.
    pub form: Form,
    /// Whether an answer is due at all.
    pub is_answered: bool,
}

/// The form of a request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// OP_QUERY, answered with OP_REPLY.
    Query,
    /// OP_MSG.
    Message,
}

/// Bytes that are no message we read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The length in the head cannot be.
    #[error("a message of {0} bytes is not between {HEAD} and {MAX_REQUEST}")]
    Length(i32),
    /// Another operation.
    #[error("operation {0} is neither OP_QUERY nor OP_MSG")]
    Operation(i32),
    /// The bytes end too early, or are not what the operation asks for.
    #[error("the message is malformed: {0}")]
    Malformed(&'static str),
    /// A document in it is none.
    #[error("a document of the message is no BSON: {0}")]
    Document(String),
}

impl Head {
    /// Reads the head of a message.
    ///
    /// # Errors
    /// [`WireError::Length`] and [`WireError::Operation`].
    pub fn parse(bytes: &[u8; HEAD]) -> Result<Self, WireError> {
        let mut reader = Reader(bytes);
        let (length, request) = (reader.int()?, reader.int()?);
        let (_response_to, operation) = (reader.int()?, reader.int()?);
        let total = usize::try_from(length).ok().filter(|length| (HEAD..=MAX_REQUEST).contains(length));
        let total = total.ok_or(WireError::Length(length))?;
        if operation != OP_QUERY && operation != OP_MSG {
            return Err(WireError::Operation(operation));
        }
        Ok(Self { rest: total - HEAD, request, operation })
    }
}

/// Reads the request that follows a head.
///
/// # Errors
/// [`WireError`] says what is wrong with it.
pub fn parse(head: Head, rest: &[u8]) -> Result<Request, WireError> {
    if head.operation == OP_QUERY { parse_query(rest) } else { parse_message(rest) }
}

fn parse_query(rest: &[u8]) -> Result<Request, WireError> {
    let mut reader = Reader(rest);
    let _flags = reader.int()?;
    let collection = reader.c_string()?;
    let (_skip, _return) = (reader.int()?, reader.int()?);
    let mut command = reader.document()?;
    let Some(database) = collection.strip_suffix(".$cmd") else {
        return Err(WireError::Malformed("an OP_QUERY is only for commands"));
    };
    // Some drivers wrap the command with their wishes.
    if let Some(Value::Object(inner)) = command.remove("$query").or_else(|| command.remove("query")) {
        command = inner;
    }
    command.entry("$db").or_insert_with(|| database.into());
    Ok(Request { command, form: Form::Query, is_answered: true })
}

fn parse_message(rest: &[u8]) -> Result<Request, WireError> {
    let mut reader = Reader(rest);
    let flags = reader.int()?.cast_unsigned();
    if flags & REQUIRED_FLAGS & !(CHECKSUM_PRESENT | MORE_TO_COME) != 0 {
        return Err(WireError::Malformed("an OP_MSG has flags that are not known"));
    }
    if flags & CHECKSUM_PRESENT != 0 {
        // TCP has one of its own; on loopback nothing else can change a byte.
        reader.cut_end(4)?;
    }
    let mut command = None;
    while !reader.0.is_empty() {
        match reader.byte()? {
            0 if command.is_none() => command = Some(reader.document()?),
            0 => return Err(WireError::Malformed("an OP_MSG has two bodies")),
            // Sequences of documents come with what is to be written, and nothing is written here.
            1 => {
                let length = reader.int()?;
                let length = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
                reader.take(length.ok_or(WireError::Malformed("the length of a section cannot be"))?)?;
            }
            _ => return Err(WireError::Malformed("a section of an OP_MSG is of no known kind")),
        }
    }
    let command = command.ok_or(WireError::Malformed("an OP_MSG has no body"))?;
    Ok(Request { command, form: Form::Message, is_answered: flags & MORE_TO_COME == 0 })
}

/// Writes the answer to a request.
pub fn answer(form: Form, request: i32, document: &Value) -> Vec<u8> {
    let body = to_bytes(document);
    let mut rest = Vec::with_capacity(body.len() + 32);
    match form {
        Form::Query => {
            rest.extend(AWAIT_CAPABLE.to_le_bytes());
            // No cursor stays open, the first document is the first, and there is one.
            rest.extend(0_i64.to_le_bytes());
            rest.extend(0_i32.to_le_bytes());
            rest.extend(1_i32.to_le_bytes());
        }
        Form::Message => {
            rest.extend(0_u32.to_le_bytes());
            rest.push(0);
        }
    }
    rest.extend(body);
    let operation = if form == Form::Query { OP_REPLY } else { OP_MSG };
    let length = i32::try_from(HEAD + rest.len()).unwrap_or(i32::MAX);
    let mut message = Vec::with_capacity(HEAD + rest.len());
    for number in [length, 0, request, operation] {
        message.extend(number.to_le_bytes());
    }
    message.extend(rest);
    message
}

/// An object as BSON; anything else as an empty document.
fn to_bytes(document: &Value) -> Vec<u8> {
    let document = match to_bson(document) {
        bson::Bson::Document(document) => document,
        _ => bson::Document::new(),
    };
    document.to_vec().unwrap_or_else(|_| vec![5, 0, 0, 0, 0])
}

fn to_bson(value: &Value) -> bson::Bson {
    match value {
        Value::Null => bson::Bson::Null,
        Value::Bool(value) => bson::Bson::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => i32::try_from(number).map_or(bson::Bson::Int64(number), bson::Bson::Int32),
            None => bson::Bson::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => bson::Bson::String(text.clone()),
        Value::Array(items) => bson::Bson::Array(items.iter().map(to_bson).collect()),
        Value::Object(fields) => bson::Bson::Document(
            fields
                .iter()
                .map(|(name, value)| (name.replace('\0', "\u{fffd}"), field(fields, name, value)))
                .collect(),
        ),
    }
}

/// Drivers take the id of a cursor as a 64-bit number alone. A key of BSON ends at its first NUL.
fn field(fields: &Map<String, Value>, name: &str, value: &Value) -> bson::Bson {
    match value.as_i64() {
        Some(id) if name == "id" && fields.contains_key("firstBatch") => bson::Bson::Int64(id),
        _ => to_bson(value),
    }
}

/// Bytes that are taken from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) =
            self.0.split_at_checked(length).ok_or(WireError::Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn cut_end(&mut self, length: usize) -> Result<(), WireError> {
        let left = self.0.len().checked_sub(length).ok_or(WireError::Malformed("it ends too early"))?;
        self.0 = &self.0[..left];
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    fn int(&mut self) -> Result<i32, WireError> {
        let bytes = self.take(4)?.try_into().map_err(|_| WireError::Malformed("it ends too early"))?;
        Ok(i32::from_le_bytes(bytes))
    }

    fn c_string(&mut self) -> Result<&'a str, WireError> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = self.take(end.ok_or(WireError::Malformed("a text has no end"))?)?;
        self.take(1)?;
        std::str::from_utf8(text).map_err(|_| WireError::Malformed("a text is not UTF-8"))
    }

    fn document(&mut self) -> Result<Map<String, Value>, WireError> {
        let length = Reader(self.0).int()?;
        let length =
            usize::try_from(length).map_err(|_| WireError::Malformed("a document has a negative length"))?;
        let raw = RawDocument::from_bytes(self.take(length)?)
            .map_err(|error| WireError::Document(error.to_string()))?;
        object(raw, 1)
    }
}

fn object(raw: &RawDocument, depth: usize) -> Result<Map<String, Value>, WireError> {
    let mut fields = Map::new();
    for element in raw {
        let (name, value) = element.map_err(|error| WireError::Document(error.to_string()))?;
        fields.insert(name.to_string(), value_of(value, depth)?);
    }
    Ok(fields)
}

fn array(raw: &RawArray, depth: usize) -> Result<Vec<Value>, WireError> {
    raw.into_iter()
        .map(|item| value_of(item.map_err(|error| WireError::Document(error.to_string()))?, depth))
        .collect()
}

/// Types that JSON has no word for come in sessions and clocks only, which nobody looks at here.
fn value_of(value: RawBsonRef<'_>, depth: usize) -> Result<Value, WireError> {
    if depth > MAX_DEPTH {
        return Err(WireError::Document("it is nested too deep".to_owned()));
    }
    Ok(match value {
        RawBsonRef::Double(number) => Value::from(number),
        RawBsonRef::String(text) => Value::from(text),
        RawBsonRef::Boolean(value) => Value::from(value),
        RawBsonRef::Int32(number) => Value::from(number),
        RawBsonRef::Int64(number) => Value::from(number),
        RawBsonRef::Document(raw) => Value::Object(object(raw, depth + 1)?),
        RawBsonRef::Array(raw) => Value::Array(array(raw, depth + 1)?),
        _ => Value::Null,
    })
}

#[cfg(test)]
mod tests;
