//! AE, a registered application (TS-0001 9.6.5, TS-0004 7.4.5).

use super::{
    Attribute, Kind, TypeDef,
    common::{ANNOUNCEABLE, EXPIRING, GOVERNED, HELD, LABELLED, LOCATED, UNIVERSAL},
    ty,
};

const SERIALIZATIONS: &[&str] = &[
    "application/xml",
    "application/json",
    "application/cbor",
    "application/vnd.onem2m-res+json",
    "application/vnd.onem2m-res+cbor",
    "application/vnd.onem2m-res+xml",
];

static OWN: [Attribute; 15] = [
    Attribute::optional("apn", Kind::Text),
    Attribute::fixed("api", Kind::Text),
    Attribute::read_only("aei", Kind::Text),
    Attribute::optional("poa", Kind::List(&Kind::Text)),
    Attribute::optional("or", Kind::Text),
    Attribute::mandatory("rr", Kind::Bool),
    Attribute::optional("nl", Kind::Text),
    Attribute::optional("csz", Kind::Some(&Kind::OneOf(SERIALIZATIONS))),
    Attribute::optional("mei", Kind::Text),
    Attribute::optional("srv", Kind::List(&Kind::Text)),
    Attribute::optional("scp", Kind::List(&Kind::Text)),
    Attribute::optional("tren", Kind::Bool),
    Attribute::optional("trn", Kind::UInt),
    Attribute::optional("ape", Kind::Any),
    Attribute::optional("regs", Kind::Any),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::AE,
    root: "m2m:ae",
    prefix: "ae",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &HELD, &LOCATED, &ANNOUNCEABLE, &OWN],
    children: &[
        ty::ACP,
        ty::CNT,
        ty::GRP,
        ty::SUB,
        ty::PCH,
        ty::FCNT,
        ty::TS,
        ty::LCP,
        ty::TSB,
        ty::CRS,
        ty::DAC,
    ],
};
