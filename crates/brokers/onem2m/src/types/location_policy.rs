//! locationPolicy (TS-0001 9.6.10, TS-0004 7.4.10): how the place of a node comes into a container.

use super::{
    Attribute, Kind, TypeDef,
    common::{ANNOUNCEABLE, CREATED_BY, EXPIRING, GOVERNED, LABELLED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 13] = [
    // m2m:locationSource: 1 network, 2 device, 3 sharing.
    Attribute::fixed("los", Kind::Enum(&[1, 2, 3])),
    // m2m:locationInformationType: 1 position fix, 2 geo-fence event.
    Attribute::optional("lit", Kind::Enum(&[1, 2])),
    Attribute::optional("lou", Kind::List(&Kind::Duration)),
    Attribute::once("lot", Kind::Text),
    Attribute::once("lor", Kind::Text),
    Attribute::read_only("loi", Kind::Text),
    Attribute::once("lon", Kind::Name),
    Attribute::read_only("lost", Kind::Text),
    Attribute::optional("gta", Kind::Area),
    // m2m:geofenceEventCriteria: 1 entering, 2 leaving, 3 inside, 4 outside.
    Attribute::optional("gec", Kind::Enum(&[1, 2, 3, 4])),
    Attribute::once("aid", Kind::Text),
    Attribute::optional("rlkl", Kind::Bool),
    Attribute::optional("luec", Kind::UInt),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::LCP,
    root: "m2m:lcp",
    prefix: "lcp",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &CREATED_BY, &ANNOUNCEABLE, &OWN],
    children: &[ty::SUB],
};
