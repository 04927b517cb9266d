//! group (TS-0001 9.6.13, TS-0004 7.4.13).

use super::{
    Attribute, Kind, TypeDef,
    common::{ANNOUNCEABLE, CREATED_BY, EXPIRING, GOVERNED, HELD, LABELLED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 11] = [
    Attribute::once("mt", Kind::UInt),
    Attribute::once("spty", Kind::Any),
    Attribute::read_only("cnm", Kind::UInt),
    Attribute::mandatory("mnm", Kind::Positive),
    Attribute::mandatory("mid", Kind::List(&Kind::Word)),
    Attribute::optional("macp", Kind::List(&Kind::Word)),
    Attribute::read_only("mtv", Kind::Bool),
    Attribute::once("csy", Kind::Enum(&[1, 2, 3])),
    Attribute::optional("gn", Kind::Text),
    Attribute::optional("ssi", Kind::Bool),
    Attribute::read_only("nar", Kind::Any),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::GRP,
    root: "m2m:grp",
    prefix: "grp",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &HELD, &CREATED_BY, &ANNOUNCEABLE, &OWN],
    children: &[ty::SUB],
};
