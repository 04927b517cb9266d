//! CBOR (RFC 8949) as another spelling of the JSON primitives (TS-0004 8.5).

use minicbor::{Decoder, Encoder, data::Type};
use serde_json::{Map, Number, Value};

/// How deep arrays and maps may nest, so that a small message cannot exhaust the stack.
const DEPTH: usize = 64;

/// Writes a value.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    // Writing to memory does not fail.
    let _ = write(&mut encoder, value);
    encoder.into_writer()
}

fn write(
    encoder: &mut Encoder<Vec<u8>>,
    value: &Value,
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    match value {
        Value::Null => drop(encoder.null()?),
        Value::Bool(flag) => drop(encoder.bool(*flag)?),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => drop(encoder.u64(number)?),
            (None, Some(number)) => drop(encoder.i64(number)?),
            (None, None) => drop(encoder.f64(number.as_f64().unwrap_or_default())?),
        },
        Value::String(text) => drop(encoder.str(text)?),
        Value::Array(list) => {
            encoder.array(list.len() as u64)?;
            list.iter().try_for_each(|entry| write(encoder, entry))?;
        }
        Value::Object(map) => {
            encoder.map(map.len() as u64)?;
            for (key, entry) in map {
                encoder.str(key)?;
                write(encoder, entry)?;
            }
        }
    }
    Ok(())
}

/// Reads a value; nothing when it is not CBOR, has more than one value, or something that JSON does not have.
pub(crate) fn decode(bytes: &[u8]) -> Option<Value> {
    let mut decoder = Decoder::new(bytes);
    let value = read(&mut decoder, DEPTH)?;
    (decoder.position() == bytes.len()).then_some(value)
}

fn read(decoder: &mut Decoder<'_>, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    Some(match decoder.datatype().ok()? {
        Type::Null | Type::Undefined => {
            decoder.skip().ok()?;
            Value::Null
        }
        Type::Bool => Value::Bool(decoder.bool().ok()?),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Value::from(decoder.u64().ok()?),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => Value::from(decoder.i64().ok()?),
        Type::F32 => Value::from(Number::from_f64(f64::from(decoder.f32().ok()?))?),
        Type::F64 => Value::from(Number::from_f64(decoder.f64().ok()?)?),
        Type::String => Value::from(decoder.str().ok()?),
        Type::StringIndef => {
            let parts: Result<String, _> = decoder.str_iter().ok()?.collect();
            Value::from(parts.ok()?)
        }
        Type::Array | Type::ArrayIndef => {
            let mut left = decoder.array().ok()?;
            let mut list = Vec::new();
            while more(decoder, &mut left)? {
                list.push(read(decoder, depth)?);
            }
            Value::Array(list)
        }
        Type::Map | Type::MapIndef => {
            let mut left = decoder.map().ok()?;
            let mut map = Map::new();
            while more(decoder, &mut left)? {
                let key = decoder.str().ok()?.to_owned();
                map.insert(key, read(decoder, depth)?);
            }
            Value::Object(map)
        }
        _ => return None,
    })
}

/// Whether an array or map goes on; one without a length ends with a break.
fn more(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> Option<bool> {
    match left {
        Some(0) => Some(false),
        Some(count) => {
            *count -= 1;
            Some(true)
        }
        None if decoder.datatype().ok()? == Type::Break => {
            decoder.skip().ok()?;
            Some(false)
        }
        None => Some(true),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_survives_cbor() {
        let value = json!({ "a": [1, -2, 1.5, null, true, "x"], "b": { "c": [] } });
        assert_eq!(decode(&encode(&value)), Some(value));
    }

    #[test]
    fn what_is_not_cbor_is_refused() {
        for bytes in [&b""[..], b"\xff", b"\x82\x01", b"\x01\x01", b"\x9f\x01", &[0x81; 100_000]] {
            assert_eq!(decode(bytes), None);
        }
    }
}
