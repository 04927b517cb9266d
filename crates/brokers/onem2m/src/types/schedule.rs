//! schedule (TS-0001 9.6.9, TS-0004 7.4.9): when a node can be reached, or when a subscription may notify.

use super::{
    Attribute, Field, Kind, TypeDef,
    common::{ANNOUNCEABLE, EXPIRING, GOVERNED, LABELLED, UNIVERSAL},
    ty,
};

const ENTRIES: &[Field] = &[Field::required("sce", Kind::Some(&Kind::ScheduleEntry))];

static OWN: [Attribute; 2] =
    [Attribute::mandatory("se", Kind::Struct(ENTRIES)), Attribute::optional("nco", Kind::Bool)];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::SCH,
    root: "m2m:sch",
    prefix: "sch",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &ANNOUNCEABLE, &OWN],
    children: &[ty::SUB],
};
