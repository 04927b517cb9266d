//! node (TS-0001 9.6.18, TS-0004 7.4.18).

use super::{
    Attribute, Kind, TypeDef,
    common::{ANNOUNCEABLE, EXPIRING, GOVERNED, HELD, LABELLED, LOCATED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 7] = [
    Attribute::fixed("ni", Kind::Text),
    Attribute::read_only("hcl", Kind::Text),
    Attribute::optional("hael", Kind::Some(&Kind::Text)),
    Attribute::optional("hsl", Kind::List(&Kind::Text)),
    Attribute::optional("mgca", Kind::Text),
    Attribute::optional("rms", Kind::UInt),
    Attribute::optional("nid", Kind::Text),
];

static MORE: [Attribute; 1] = [Attribute::optional("nty", Kind::Range(0, 100))];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::NOD,
    root: "m2m:nod",
    prefix: "nod",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &HELD, &LOCATED, &ANNOUNCEABLE, &OWN, &MORE],
    children: &[ty::MGMT_OBJ, ty::SCH, ty::SUB],
};
