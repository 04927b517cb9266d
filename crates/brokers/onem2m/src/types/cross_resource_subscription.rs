//! crossResourceSubscription (TS-0001 9.6.58, TS-0004 7.4.58): one notification for events of several resources that
//! happen within a time window.

use super::{
    Attribute, Field, Kind, TypeDef,
    common::{CREATED_BY, EXPIRING, GOVERNED, HELD, LABELLED, UNIVERSAL},
    subscription::CRITERIA,
    ty,
};

const CRITERIA_SET: &[Field] = &[Field::required("enc", Kind::Some(&Kind::Struct(CRITERIA)))];

static OWN: [Attribute; 13] = [
    Attribute::once("rrat", Kind::Some(&Kind::Word)),
    Attribute::read_only("rrats", Kind::List(&Kind::Text)),
    Attribute::once("srat", Kind::Some(&Kind::Word)),
    // m2m:timeWindowType: 1 periodic, 2 sliding.
    Attribute::mandatory("twt", Kind::Enum(&[1, 2])),
    Attribute::mandatory("tws", Kind::Duration),
    // m2m:eventEvaluationMode: 1 all events present, 2 all or some present, 3 all or some missing, 4 all missing,
    // 5 some missing.
    Attribute::optional("eem", Kind::Enum(&[1, 2, 3, 4, 5])),
    Attribute::once("encs", Kind::Struct(CRITERIA_SET)),
    Attribute::optional("exc", Kind::Positive),
    Attribute::mandatory("nu", Kind::Some(&Kind::Word)),
    Attribute::once("su", Kind::Text),
    Attribute::once("nec", Kind::Range(1, 4)),
    Attribute::optional("nse", Kind::Bool),
    Attribute::read_only("nsi", Kind::Any),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::CRS,
    root: "m2m:crs",
    prefix: "crs",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &HELD, &CREATED_BY, &OWN],
    children: &[ty::SCH],
};
