//! contentInstance (TS-0001 9.6.7, TS-0004 7.4.7). It never changes.

use super::{
    Attribute, Field, Kind, TypeDef,
    common::{COUNTED, CREATED_BY, LABELLED, LOCATED, UNIVERSAL},
    ty,
};

const CONTENT_REFERENCE: &[Field] = &[
    Field::required("nm", Kind::Text),
    Field::required("typ", Kind::UInt),
    Field::optional("spid", Kind::Text),
];

static OWN: [Attribute; 10] = [
    Attribute::once("et", Kind::AbsRelTime),
    Attribute::once("cnf", Kind::ContentInfo),
    Attribute::read_only("cs", Kind::UInt),
    Attribute::fixed("con", Kind::Any),
    Attribute::once("conr", Kind::Struct(CONTENT_REFERENCE)),
    Attribute::once("or", Kind::Text),
    Attribute::once("dcnt", Kind::Positive),
    Attribute::once("dgt", Kind::Time),
    Attribute::once("at", Kind::List(&Kind::Text)),
    Attribute::once("aa", Kind::List(&Kind::NcName)),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::CIN,
    root: "m2m:cin",
    prefix: "cin",
    attributes: &[&UNIVERSAL, &LABELLED, &CREATED_BY, &LOCATED, &COUNTED, &OWN],
    children: &[],
};
