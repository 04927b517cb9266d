//! pollingChannel (TS-0001 9.6.21, TS-0004 7.4.21).

use super::{
    Attribute, Kind, TypeDef,
    common::{EXPIRING, GOVERNED, LABELLED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 1] = [Attribute::optional("rqag", Kind::Bool)];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::PCH,
    root: "m2m:pch",
    prefix: "pch",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &OWN],
    children: &[],
};
