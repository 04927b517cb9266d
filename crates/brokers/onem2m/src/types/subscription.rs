//! subscription (TS-0001 9.6.8, TS-0004 7.4.8).

use super::{
    Attribute, Field, Kind, TypeDef,
    common::{CREATED_BY, EXPIRING, GOVERNED, HELD, LABELLED, UNIVERSAL},
    ty,
};

const OPERATION_MONITOR: &[Field] =
    &[Field::optional("ops", Kind::Range(1, 5)), Field::optional("org", Kind::Text)];

const MISSING_DATA: &[Field] =
    &[Field::required("num", Kind::Positive), Field::required("dur", Kind::Duration)];

/// m2m:eventNotificationCriteria.
pub(super) const CRITERIA: &[Field] = &[
    Field::optional("crb", Kind::Time),
    Field::optional("cra", Kind::Time),
    Field::optional("ms", Kind::Time),
    Field::optional("us", Kind::Time),
    Field::optional("sts", Kind::UInt),
    Field::optional("stb", Kind::UInt),
    Field::optional("exb", Kind::Time),
    Field::optional("exa", Kind::Time),
    Field::optional("sza", Kind::UInt),
    Field::optional("szb", Kind::UInt),
    Field::optional("om", Kind::Some(&Kind::Struct(OPERATION_MONITOR))),
    Field::optional("atr", Kind::List(&Kind::Text)),
    Field::optional("net", Kind::Some(&Kind::Range(1, 8))),
    Field::optional("chty", Kind::List(&Kind::UInt)),
    Field::optional("md", Kind::Struct(MISSING_DATA)),
    Field::optional("fo", Kind::Enum(&[1, 2, 3])),
    // Its place is beside `enc`, but clients put it here with missing data; it then means nothing.
    Field::optional("nct", Kind::Range(1, 5)),
];

const BATCH: &[Field] = &[Field::optional("num", Kind::UInt), Field::optional("dur", Kind::Any)];

const RATE: &[Field] = &[Field::required("mnn", Kind::UInt), Field::required("tww", Kind::Duration)];

static OWN: [Attribute; 21] = [
    Attribute::optional("enc", Kind::Struct(CRITERIA)),
    Attribute::optional("exc", Kind::Positive),
    Attribute::mandatory("nu", Kind::Some(&Kind::Word)),
    Attribute::optional("gpi", Kind::Text),
    Attribute::optional("nfu", Kind::Text),
    Attribute::optional("bn", Kind::Struct(BATCH)),
    Attribute::optional("rl", Kind::Struct(RATE)),
    Attribute::once("psn", Kind::UInt),
    Attribute::optional("pn", Kind::Enum(&[1, 2])),
    Attribute::optional("nsp", Kind::UInt),
    Attribute::optional("ln", Kind::Bool),
    Attribute::optional("nct", Kind::Range(1, 5)),
    Attribute::optional("nec", Kind::Range(1, 4)),
    Attribute::once("su", Kind::Text),
    Attribute::optional("acrs", Kind::List(&Kind::Text)),
    Attribute::optional("nse", Kind::Bool),
    Attribute::read_only("nsi", Kind::Any),
    Attribute::optional("ma", Kind::Any),
    Attribute::optional("eeno", Kind::Bool),
    Attribute::optional("ttm", Kind::Any),
    Attribute::once("or", Kind::Text),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::SUB,
    root: "m2m:sub",
    prefix: "sub",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &HELD, &CREATED_BY, &OWN],
    children: &[ty::SCH],
};
