//! timeSyncBeacon (TS-0001 and TS-0004 from release 4 on): tells entities the time of the CSE.

use super::{
    Attribute, Kind, TypeDef,
    common::{ANNOUNCEABLE, CREATED_BY, EXPIRING, GOVERNED, LABELLED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 5] = [
    Attribute::mandatory("bcnu", Kind::Some(&Kind::Word)),
    // m2m:beaconCriteria: 1 periodic, 2 loss of synchronization.
    Attribute::mandatory("bcnc", Kind::Enum(&[1, 2])),
    Attribute::optional("bcni", Kind::Duration),
    // A duration, or a number of milliseconds.
    Attribute::optional("bcnt", Kind::Span),
    Attribute::once("bcnr", Kind::Word),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::TSB,
    root: "m2m:tsb",
    prefix: "tsb",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &CREATED_BY, &ANNOUNCEABLE, &OWN],
    children: &[ty::SUB],
};
