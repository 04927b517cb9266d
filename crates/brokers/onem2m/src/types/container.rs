//! container (TS-0001 9.6.6, TS-0004 7.4.6).

use super::{
    Attribute, Kind, TypeDef,
    common::{ANNOUNCEABLE, COUNTED, CREATED_BY, EXPIRING, GOVERNED, HELD, LABELLED, LOCATED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 8] = [
    Attribute::optional("mni", Kind::UInt),
    Attribute::optional("mbs", Kind::UInt),
    Attribute::optional("mia", Kind::UInt),
    Attribute::read_only("cni", Kind::UInt),
    Attribute::read_only("cbs", Kind::UInt),
    Attribute::optional("li", Kind::Text),
    Attribute::optional("or", Kind::Text),
    Attribute::optional("disr", Kind::Bool),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::CNT,
    root: "m2m:cnt",
    prefix: "cnt",
    attributes: &[
        &UNIVERSAL,
        &EXPIRING,
        &LABELLED,
        &GOVERNED,
        &HELD,
        &CREATED_BY,
        &LOCATED,
        &COUNTED,
        &ANNOUNCEABLE,
        &OWN,
    ],
    children: &[ty::CNT, ty::CIN, ty::SUB, ty::FCNT, ty::TS, ty::CRS],
};
