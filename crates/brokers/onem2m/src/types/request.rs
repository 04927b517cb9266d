//! request (TS-0001 9.6.12, TS-0004 7.4.12): what became of a non-blocking request. Only the CSE creates it.

use super::{
    Attribute, Kind, TypeDef,
    common::{EXPIRING, GOVERNED, LABELLED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 8] = [
    Attribute::read_only("op", Kind::UInt),
    Attribute::read_only("tg", Kind::Text),
    Attribute::read_only("org", Kind::Text),
    Attribute::read_only("rid", Kind::Text),
    Attribute::read_only("mi", Kind::Object),
    Attribute::read_only("pc", Kind::Any),
    Attribute::read_only("rs", Kind::UInt),
    Attribute::read_only("ors", Kind::Object),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::REQ,
    root: "m2m:req",
    prefix: "req",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &OWN],
    children: &[ty::SUB],
};
