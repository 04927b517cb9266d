//! Journal records as CBOR. A record is absolute: what something now is, or that it is gone.

use minicbor::{
    Decode, Decoder, Encode, Encoder,
    data::Type,
    decode,
    encode::{self, Write},
};

use super::{Attribute, Entity, Json, Metadatum, Time};

/// What a record says, and about which tenant.
#[derive(Debug)]
pub(crate) enum Record {
    Entity(Entity),
    NoEntity { id: Box<str>, kind: Box<str>, path: Box<str> },
    Subscription(Json),
    NoSubscription(Box<str>),
    Registration(Json),
    NoRegistration(Box<str>),
}

/// A record to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RecordRef<'a> {
    Entity(&'a Entity),
    NoEntity(&'a Entity),
    Subscription(&'a Json),
    NoSubscription(&'a str),
    Registration(&'a Json),
    NoRegistration(&'a str),
}

/// The bytes of a record of `tenant`.
pub(crate) fn encode_record(tenant: &str, record: RecordRef<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let mut encoder = Encoder::new(&mut bytes);
    // Writing to memory does not fail.
    let _ = write_record(&mut encoder, tenant, record);
    bytes
}

fn write_record<W: Write>(
    encoder: &mut Encoder<W>,
    tenant: &str,
    record: RecordRef<'_>,
) -> Result<(), encode::Error<W::Error>> {
    encoder.str(tenant)?;
    match record {
        RecordRef::Entity(entity) => encoder.u8(0)?.encode(entity)?.ok(),
        RecordRef::NoEntity(entity) => {
            encoder.u8(1)?.str(&entity.id)?.str(&entity.kind)?.str(&entity.path)?.ok()
        }
        RecordRef::Subscription(document) => encoder.u8(2)?.encode(document)?.ok(),
        RecordRef::NoSubscription(id) => encoder.u8(3)?.str(id)?.ok(),
        RecordRef::Registration(document) => encoder.u8(4)?.encode(document)?.ok(),
        RecordRef::NoRegistration(id) => encoder.u8(5)?.str(id)?.ok(),
    }
}

/// Reads a record back, with its tenant.
pub(crate) fn decode_record(bytes: &[u8]) -> Result<(&str, Record), decode::Error> {
    let mut decoder = Decoder::new(bytes);
    let tenant = decoder.str()?;
    let record = match decoder.u8()? {
        0 => Record::Entity(decoder.decode()?),
        1 => {
            Record::NoEntity { id: text(&mut decoder)?, kind: text(&mut decoder)?, path: text(&mut decoder)? }
        }
        2 => Record::Subscription(decoder.decode()?),
        3 => Record::NoSubscription(text(&mut decoder)?),
        4 => Record::Registration(decoder.decode()?),
        5 => Record::NoRegistration(text(&mut decoder)?),
        _ => return Err(decode::Error::message("unknown kind of record")),
    };
    Ok((tenant, record))
}

fn text(decoder: &mut Decoder<'_>) -> Result<Box<str>, decode::Error> {
    Ok(decoder.str()?.into())
}

fn length(length: Option<u64>) -> Result<u64, decode::Error> {
    length.ok_or_else(|| decode::Error::message("a list without length"))
}

impl<C> Encode<C> for Entity {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.str(&self.id)?.str(&self.kind)?.str(&self.path)?;
        encoder.i64(self.created.as_millis())?.i64(self.modified.as_millis())?;
        encoder.array(self.attributes.len() as u64)?;
        self.attributes.iter().try_for_each(|attribute| attribute.encode(encoder, context))
    }
}

impl<'b, C> Decode<'b, C> for Entity {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let (id, kind, path) = (text(decoder)?, text(decoder)?, text(decoder)?);
        let (created, modified) = (Time::from_millis(decoder.i64()?), Time::from_millis(decoder.i64()?));
        let count = length(decoder.array()?)?;
        let attributes = (0..count).map(|_| Attribute::decode(decoder, context)).collect::<Result<_, _>>()?;
        Ok(Self { id, kind, path, attributes, created, modified })
    }
}

impl<C> Encode<C> for Attribute {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.str(&self.name)?.str(&self.kind)?;
        self.value.encode(encoder, context)?;
        encoder.i64(self.created.as_millis())?.i64(self.modified.as_millis())?;
        encoder.array(self.metadata.len() as u64)?;
        self.metadata.iter().try_for_each(|metadatum| {
            encoder.str(&metadatum.name)?.str(&metadatum.kind)?;
            metadatum.value.encode(encoder, context)
        })
    }
}

impl<'b, C> Decode<'b, C> for Attribute {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let (name, kind) = (text(decoder)?, text(decoder)?);
        let value = Json::decode(decoder, context)?;
        let (created, modified) = (Time::from_millis(decoder.i64()?), Time::from_millis(decoder.i64()?));
        let count = length(decoder.array()?)?;
        let metadatum = |_| {
            let (name, kind) = (text(decoder)?, text(decoder)?);
            Ok(Metadatum { name, kind, value: Json::decode(decoder, context)? })
        };
        let metadata = (0..count).map(metadatum).collect::<Result<_, decode::Error>>()?;
        Ok(Self { name, kind, value, metadata, created, modified })
    }
}

impl<C> Encode<C> for Json {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        match self {
            Self::Null => encoder.null()?.ok(),
            Self::Bool(bool) => encoder.bool(*bool)?.ok(),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                encoder.i64(*number as i64)?.ok()
            }
            Self::Number(number) => encoder.f64(*number)?.ok(),
            Self::String(text) => encoder.str(text)?.ok(),
            Self::Array(items) => {
                encoder.array(items.len() as u64)?;
                items.iter().try_for_each(|item| item.encode(encoder, context))
            }
            Self::Object(members) => {
                encoder.map(members.len() as u64)?;
                members.iter().try_for_each(|(name, value)| {
                    encoder.str(name)?;
                    value.encode(encoder, context)
                })
            }
        }
    }
}

#[allow(clippy::only_used_in_recursion, reason = "the trait asks for it")]
impl<'b, C> Decode<'b, C> for Json {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        Ok(match decoder.datatype()? {
            Type::Null => {
                decoder.null()?;
                Self::Null
            }
            Type::Bool => Self::Bool(decoder.bool()?),
            Type::F16 | Type::F32 | Type::F64 => Self::Number(decoder.f64()?),
            Type::String => Self::String(text(decoder)?),
            Type::Array => {
                let count = length(decoder.array()?)?;
                Self::Array((0..count).map(|_| Self::decode(decoder, context)).collect::<Result<_, _>>()?)
            }
            Type::Map => {
                let count = length(decoder.map()?)?;
                let member = |_| Ok((text(decoder)?, Self::decode(decoder, context)?));
                Self::Object((0..count).map(member).collect::<Result<_, decode::Error>>()?)
            }
            _ => Self::Number(decoder.i64()? as f64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_comes_back_as_it_was() {
        let at = Time::from_millis(1_700_000_000_123);
        let value = Json::parse(br#"{"a":[1,-2.5,1e300,"x",null,true],"b":{}}"#).unwrap();
        let metadata = [Metadatum { name: "m".into(), kind: "T".into(), value: value.clone() }];
        let entity = Entity {
            id: "e".into(),
            kind: "t".into(),
            path: "/p".into(),
            attributes: vec![Attribute {
                name: "a".into(),
                kind: "k".into(),
                value,
                metadata: metadata.into(),
                created: at,
                modified: at,
            }],
            created: at,
            modified: at,
        };
        let bytes = encode_record("tenant", RecordRef::Entity(&entity));
        match decode_record(&bytes).unwrap() {
            ("tenant", Record::Entity(back)) => assert_eq!(back, entity),
            other => panic!("{other:?}"),
        }
        assert!(decode_record(&bytes[..bytes.len() - 1]).is_err());
    }
}
