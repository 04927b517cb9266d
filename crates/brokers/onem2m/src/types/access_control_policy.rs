//! accessControlPolicy (TS-0001 9.6.2, TS-0004 7.4.2).

use super::{
    Attribute, Field, Kind, TypeDef,
    common::{ANNOUNCEABLE, CREATED_BY, EXPIRING, LABELLED, UNIVERSAL},
    ty,
};

const LOCATION_REGION: &[Field] =
    &[Field::optional("accc", Kind::List(&Kind::Text)), Field::optional("accr", Kind::List(&Kind::Float))];

const ADDRESSES: &[Field] =
    &[Field::optional("ipv4", Kind::List(&Kind::Text)), Field::optional("ipv6", Kind::List(&Kind::Text))];

const CONTEXT: &[Field] = &[
    Field::optional("actw", Kind::List(&Kind::ScheduleEntry)),
    Field::optional("acip", Kind::Struct(ADDRESSES)),
    Field::optional("aclr", Kind::Struct(LOCATION_REGION)),
];

const OBJECT_DETAILS: &[Field] = &[
    Field::optional("ty", Kind::UInt),
    Field::optional("spty", Kind::Any),
    Field::required("chty", Kind::List(&Kind::UInt)),
];

const RULE: &[Field] = &[
    Field::required("acor", Kind::Some(&Kind::Text)),
    Field::required("acop", Kind::Operations),
    Field::optional("acco", Kind::List(&Kind::Struct(CONTEXT))),
    Field::optional("acod", Kind::List(&Kind::Struct(OBJECT_DETAILS))),
    Field::optional("acaf", Kind::Bool),
    Field::optional("aca", Kind::List(&Kind::Text)),
];

const PRIVILEGES: &[Field] = &[Field::optional("acr", Kind::List(&Kind::Struct(RULE)))];
/// Someone must be able to change the policy.
const SELF_PRIVILEGES: &[Field] = &[Field::required("acr", Kind::Some(&Kind::Struct(RULE)))];

static OWN: [Attribute; 5] = [
    Attribute::mandatory("pv", Kind::Struct(PRIVILEGES)),
    Attribute::mandatory("pvs", Kind::Struct(SELF_PRIVILEGES)),
    Attribute::optional("adri", Kind::List(&Kind::Text)),
    Attribute::optional("apri", Kind::List(&Kind::Text)),
    Attribute::optional("airi", Kind::List(&Kind::Text)),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::ACP,
    root: "m2m:acp",
    prefix: "acp",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &CREATED_BY, &ANNOUNCEABLE, &OWN],
    children: &[ty::SUB],
};
