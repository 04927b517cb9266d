//! dynamicAuthorizationConsultation (TS-0001 9.6.40, TS-0004 7.4.36): whom the CSE asks about originators that no
//! policy knows.

use super::{
    Attribute, Kind, TypeDef,
    common::{EXPIRING, LABELLED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 4] = [
    Attribute::mandatory("dae", Kind::Bool),
    Attribute::mandatory("dap", Kind::Some(&Kind::Word)),
    Attribute::optional("dal", Kind::Time),
    Attribute::optional("acpi", Kind::Some(&Kind::Word)),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::DAC,
    root: "m2m:dac",
    prefix: "dac",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &OWN],
    children: &[ty::SUB],
};
