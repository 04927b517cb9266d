//! remoteCSE (TS-0001 9.6.4, TS-0004 7.4.4): another CSE that registered here, or where this one registered.

use super::{
    Attribute, Kind, TypeDef,
    common::{ANNOUNCEABLE, EXPIRING, GOVERNED, HELD, LABELLED, LOCATED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 18] = [
    Attribute::once("cst", Kind::Enum(&[1, 2, 3])),
    Attribute::optional("poa", Kind::List(&Kind::Text)),
    Attribute::fixed("cb", Kind::Word),
    // The originator's CSE-ID; one that says something else is not believed (TS-0004 7.4.4.2.1).
    Attribute::once("csi", Kind::Word),
    Attribute::optional("mei", Kind::Text),
    Attribute::optional("tri", Kind::Text),
    Attribute::mandatory("rr", Kind::Bool),
    Attribute::optional("nl", Kind::Text),
    Attribute::optional("trn", Kind::UInt),
    Attribute::optional("tren", Kind::Bool),
    Attribute::optional("ape", Kind::Any),
    Attribute::optional("csz", Kind::List(&Kind::Text)),
    Attribute::optional("srv", Kind::List(&Kind::Text)),
    Attribute::optional("dcse", Kind::List(&Kind::Word)),
    Attribute::optional("egid", Kind::Text),
    Attribute::optional("mtcc", Kind::UInt),
    Attribute::optional("ici", Kind::Text),
    Attribute::optional("spi", Kind::Text),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::CSR,
    root: "m2m:csr",
    prefix: "csr",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &HELD, &LOCATED, &ANNOUNCEABLE, &OWN],
    children: &[
        ty::ACP,
        ty::CNT,
        ty::GRP,
        ty::SUB,
        ty::PCH,
        ty::FCNT,
        ty::TS,
        ty::CRS,
        ty::LCP,
        ty::TSB,
        ty::announced(ty::AE),
        ty::announced(ty::ACP),
        ty::announced(ty::CNT),
        ty::announced(ty::GRP),
        ty::announced(ty::FCNT),
        ty::announced(ty::TS),
        ty::announced(ty::LCP),
        ty::announced(ty::NOD),
        ty::announced(ty::SCH),
        ty::announced(ty::TSB),
    ],
};
