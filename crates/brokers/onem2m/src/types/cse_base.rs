//! CSEBase, the root of the tree (TS-0001 9.6.3, TS-0004 7.4.3). Nobody creates, updates or deletes it.

use super::{
    Attribute, Kind, TypeDef,
    common::{GOVERNED, LABELLED, LOCATED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 10] = [
    Attribute::read_only("cst", Kind::UInt),
    Attribute::read_only("csi", Kind::Text),
    Attribute::read_only("srt", Kind::List(&Kind::UInt)),
    Attribute::read_only("poa", Kind::List(&Kind::Text)),
    Attribute::read_only("nl", Kind::Text),
    Attribute::read_only("csz", Kind::List(&Kind::Text)),
    Attribute::read_only("srv", Kind::List(&Kind::Text)),
    Attribute::read_only("ctm", Kind::Time),
    Attribute::read_only("spi", Kind::Text),
    Attribute::read_only("ici", Kind::Text),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::CB,
    root: "m2m:cb",
    prefix: "cb",
    attributes: &[&UNIVERSAL, &LABELLED, &GOVERNED, &LOCATED, &OWN],
    children: &[
        ty::ACP,
        ty::AE,
        ty::CNT,
        ty::GRP,
        ty::NOD,
        ty::REQ,
        ty::SUB,
        ty::FCNT,
        ty::TS,
        ty::CSR,
        ty::SCH,
        ty::LCP,
        ty::TSB,
        ty::CRS,
        ty::DAC,
        ty::announced(ty::CB),
        ty::announced(ty::ACP),
        ty::announced(ty::AE),
        ty::announced(ty::CNT),
        ty::announced(ty::FCNT),
        ty::announced(ty::GRP),
        ty::announced(ty::LCP),
        ty::announced(ty::NOD),
        ty::announced(ty::CSR),
        ty::announced(ty::SCH),
        ty::announced(ty::TS),
        ty::announced(ty::TSB),
    ],
};
