//! The bytes of a journal record: CBOR, so that a later version can add fields and still read what is on the disk.

use minicbor::{
    Decode, Decoder, Encode, Encoder,
    data::Type,
    decode,
    encode::{self, Write},
};
use serde_json::Number;

use super::{Entity, Json, Name, Timestamp};
use crate::context::ContextKind;

/// One change of the broker's state. Each is absolute, as the journal asks.
#[derive(Debug, Encode, Decode)]
pub(crate) enum Record {
    /// The entity is now this.
    #[n(0)]
    Entity(#[n(0)] Entity),
    /// There is no such entity, since when it says.
    #[n(1)]
    NoEntity(#[n(0)] Box<str>, #[n(1)] Option<Timestamp>),
    /// The subscription with this id is now this JSON document.
    #[n(2)]
    Subscription(#[n(0)] Box<str>, #[n(1)] Json),
    /// There is no such subscription.
    #[n(3)]
    NoSubscription(#[n(0)] Box<str>),
    /// The terms of the context that subscriptions name by this key: they go on when its URL is out of reach.
    #[n(4)]
    Context(#[n(0)] Box<str>, #[n(1)] Json),
    /// The broker serves this document as a context.
    #[n(5)]
    Hosted(#[n(0)] Box<str>, #[n(1)] ContextKind, #[n(2)] Json, #[n(3)] Timestamp),
    /// The broker serves no such context.
    #[n(6)]
    NoHosted(#[n(0)] Box<str>),
    /// The registration with this id is now this JSON document.
    #[n(7)]
    Registration(#[n(0)] Box<str>, #[n(1)] Json),
    /// There is no such registration.
    #[n(8)]
    NoRegistration(#[n(0)] Box<str>),
    /// Something of this kind with this id is now this JSON document.
    #[n(9)]
    Note(#[n(0)] NoteKind, #[n(1)] Box<str>, #[n(2)] Json),
    /// There is no such thing.
    #[n(10)]
    NoNote(#[n(0)] NoteKind, #[n(1)] Box<str>),
}

/// What is kept as a document with an id, beside entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum NoteKind {
    /// A subscription to context sources (NGSI-LD 5.11).
    #[n(0)]
    CsourceSubscription,
    /// Where copies of a subscription are (NGSI-LD 5.8.1.4).
    #[n(1)]
    Copies,
    /// An entity map (NGSI-LD 5.14).
    #[n(2)]
    EntityMap,
    /// A snapshot (NGSI-LD 5.16).
    #[n(3)]
    Snapshot,
}

/// Written like [`Record::Entity`], from a borrowed entity.
#[derive(Encode)]
enum Borrowed<'a> {
    #[n(0)]
    Entity(#[n(0)] &'a Entity),
    #[n(1)]
    NoEntity(#[n(0)] &'a str, #[n(1)] Timestamp),
    #[n(2)]
    Subscription(#[n(0)] &'a str, #[n(1)] &'a Json),
    #[n(3)]
    NoSubscription(#[n(0)] &'a str),
    #[n(4)]
    Context(#[n(0)] &'a str, #[n(1)] &'a Json),
    #[n(5)]
    Hosted(#[n(0)] &'a str, #[n(1)] ContextKind, #[n(2)] &'a Json, #[n(3)] Timestamp),
    #[n(6)]
    NoHosted(#[n(0)] &'a str),
    #[n(7)]
    Registration(#[n(0)] &'a str, #[n(1)] &'a Json),
    #[n(8)]
    NoRegistration(#[n(0)] &'a str),
    #[n(9)]
    Note(#[n(0)] NoteKind, #[n(1)] &'a str, #[n(2)] &'a Json),
    #[n(10)]
    NoNote(#[n(0)] NoteKind, #[n(1)] &'a str),
}

fn bytes(record: &Borrowed<'_>) -> Vec<u8> {
    // Writing to a vector cannot fail, and no type here refuses to be written.
    minicbor::to_vec(record).unwrap_or_default()
}

pub(crate) fn encode_entity(entity: &Entity) -> Vec<u8> {
    bytes(&Borrowed::Entity(entity))
}

pub(crate) fn encode_delete(id: &str, at: Timestamp) -> Vec<u8> {
    bytes(&Borrowed::NoEntity(id, at))
}

/// The record of a subscription, or of its end.
pub(crate) fn encode_subscription(id: &str, document: Option<&Json>) -> Vec<u8> {
    bytes(&document.map_or(Borrowed::NoSubscription(id), |document| Borrowed::Subscription(id, document)))
}

/// The record of a context's terms.
pub(crate) fn encode_context(key: &str, terms: &Json) -> Vec<u8> {
    bytes(&Borrowed::Context(key, terms))
}

/// The record of a context that the broker serves.
pub(crate) fn encode_hosted(id: &str, kind: ContextKind, document: &Json, created_at: Timestamp) -> Vec<u8> {
    bytes(&Borrowed::Hosted(id, kind, document, created_at))
}

/// The record of the end of such a context.
pub(crate) fn encode_no_hosted(id: &str) -> Vec<u8> {
    bytes(&Borrowed::NoHosted(id))
}

/// The record of a registration, or of its end.
pub(crate) fn encode_registration(id: &str, document: Option<&Json>) -> Vec<u8> {
    bytes(&document.map_or(Borrowed::NoRegistration(id), |document| Borrowed::Registration(id, document)))
}

/// The record of a note, or of its end.
pub(crate) fn encode_note(kind: NoteKind, id: &str, document: Option<&Json>) -> Vec<u8> {
    bytes(&document.map_or(Borrowed::NoNote(kind, id), |document| Borrowed::Note(kind, id, document)))
}

/// Reads a record back.
pub(crate) fn decode_record(bytes: &[u8]) -> Result<Record, decode::Error> {
    minicbor::decode(bytes)
}

impl<C> Encode<C> for Name {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        encoder.str(self)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Name {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Self::new(decoder.str()?))
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
            Self::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => encoder.i64(number)?.ok(),
                (None, Some(number)) => encoder.u64(number)?.ok(),
                (None, None) => encoder.f64(number.as_f64().unwrap_or_default())?.ok(),
            },
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

impl<'b, C> Decode<'b, C> for Json {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::read(decoder)
    }
}

/// Reads so many items into no more room than they need: what is read from the disk stays for long.
fn items<'b, T>(
    decoder: &mut Decoder<'b>,
    length: Option<u64>,
    mut read: impl FnMut(&mut Decoder<'b>) -> Result<T, decode::Error>,
) -> Result<Vec<T>, decode::Error> {
    let length = length.ok_or_else(|| decode::Error::message("an array or a map without its length"))?;
    // An item takes a byte at least, so that a damaged length asks for no more memory than its record is worth.
    let rest = decoder.input().len() - decoder.position();
    let length = usize::try_from(length).ok().filter(|length| *length <= rest);
    let length = length.ok_or_else(decode::Error::end_of_input)?;
    let mut items = Vec::with_capacity(length);
    for _ in 0..length {
        items.push(read(decoder)?);
    }
    Ok(items)
}

/// An array of members of entities, for their `decode_with`.
pub(super) fn exact<'b, C, T: Decode<'b, C>>(
    decoder: &mut Decoder<'b>,
    context: &mut C,
) -> Result<Vec<T>, decode::Error> {
    let length = decoder.array()?;
    items(decoder, length, |decoder| T::decode(decoder, context))
}

impl Json {
    fn read(decoder: &mut Decoder<'_>) -> Result<Self, decode::Error> {
        Ok(match decoder.datatype()? {
            Type::Null => {
                decoder.null()?;
                Self::Null
            }
            Type::Bool => Self::Bool(decoder.bool()?),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => Self::Number(decoder.u64()?.into()),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => Self::Number(decoder.i64()?.into()),
            Type::F16 | Type::F32 | Type::F64 => Self::Number(
                Number::from_f64(decoder.f64()?).ok_or_else(|| decode::Error::message("not a number"))?,
            ),
            Type::String => Self::String(decoder.str()?.into()),
            Type::Array => {
                let length = decoder.array()?;
                items(decoder, length, Self::read)?.into()
            }
            Type::Map => {
                let length = decoder.map()?;
                Self::Object(items(decoder, length, |it| Ok((it.str()?.into(), Self::read(it)?)))?.into())
            }
            other => return Err(decode::Error::type_mismatch(other)),
        })
    }
}
