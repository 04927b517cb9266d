//! CSEBase, the root of the tree (TS-0001 9.6.3, TS-0004 7.4.3). Nobody creates, updates or deletes it.

use super::{
    Attribute, Kind, TypeDef,
    common::{GOVERNED, LABELLED, LOCATED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 8] = [
    Attribute::read_only("cst", Kind::UInt),
    Attribute::read_only("csi", Kind::Text),
    Attribute::read_only("srt", Kind::List(&Kind::UInt)),
    Attribute::read_only("poa", Kind::List(&Kind::Text)),
    Attribute::read_only("nl", Kind::Text),
    Attribute::read_only("csz", Kind::List(&Kind::Text)),
    Attribute::read_only("srv", Kind::List(&Kind::Text)),
    Attribute::read_only("ctm", Kind::Time),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::CB,
    root: "m2m:cb",
    prefix: "cb",
    attributes: &[&UNIVERSAL, &LABELLED, &GOVERNED, &LOCATED, &OWN],
    children: &[ty::ACP, ty::AE, ty::CNT, ty::GRP, ty::NOD, ty::REQ, ty::SUB, ty::FCNT, ty::TS],
};
