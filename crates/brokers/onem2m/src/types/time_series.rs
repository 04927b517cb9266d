//! timeSeries and timeSeriesInstance (TS-0001 9.6.36, 9.6.37, TS-0004 7.4.38, 7.4.39).

use super::{
    Attribute, Kind, TypeDef,
    common::{ANNOUNCEABLE, COUNTED, CREATED_BY, EXPIRING, GOVERNED, HELD, LABELLED, LOCATED, UNIVERSAL},
    ty,
};

static SERIES: [Attribute; 15] = [
    Attribute::optional("mni", Kind::UInt),
    Attribute::optional("mbs", Kind::UInt),
    Attribute::optional("mia", Kind::UInt),
    Attribute::read_only("cni", Kind::UInt),
    Attribute::read_only("cbs", Kind::UInt),
    Attribute::optional("pei", Kind::UInt),
    Attribute::optional("peid", Kind::UInt),
    Attribute::optional("mdd", Kind::Bool),
    Attribute::optional("mdn", Kind::UInt),
    Attribute::read_only("mdlt", Kind::Any),
    Attribute::read_only("mdc", Kind::UInt),
    Attribute::optional("mdt", Kind::UInt),
    Attribute::optional("or", Kind::Text),
    Attribute::optional("cnf", Kind::ContentInfo),
    Attribute::optional("disr", Kind::Bool),
];

static SAMPLE: [Attribute; 5] = [
    Attribute::once("et", Kind::AbsRelTime),
    Attribute::fixed("dgt", Kind::Time),
    Attribute::fixed("con", Kind::Any),
    Attribute::read_only("cs", Kind::UInt),
    Attribute::once("snr", Kind::UInt),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::TS,
    root: "m2m:ts",
    prefix: "ts",
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
        &SERIES,
    ],
    children: &[ty::TSI, ty::SUB],
};

pub(super) static INSTANCE: TypeDef = TypeDef {
    ty: ty::TSI,
    root: "m2m:tsi",
    prefix: "tsi",
    attributes: &[&UNIVERSAL, &LABELLED, &CREATED_BY, &SAMPLE],
    children: &[],
};
