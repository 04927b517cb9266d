//! Attributes that many resource types have (TS-0004 7.4.1, TS-0001 9.6.1.3).

use super::{Attribute, Kind};

const NAMES: Kind = Kind::List(&Kind::Token);

/// Every resource has these.
pub(super) static UNIVERSAL: [Attribute; 6] = [
    Attribute::once("rn", Kind::Name),
    Attribute::read_only("ty", Kind::UInt),
    Attribute::read_only("ri", Kind::Text),
    Attribute::read_only("pi", Kind::Text),
    Attribute::read_only("ct", Kind::Time),
    Attribute::read_only("lt", Kind::Time),
];

/// What resources have that live until a time.
pub(super) static EXPIRING: [Attribute; 1] = [Attribute::optional("et", Kind::AbsRelTime)];

/// Labels.
pub(super) static LABELLED: [Attribute; 1] = [Attribute::optional("lbl", NAMES)];

/// Access by policies.
pub(super) static GOVERNED: [Attribute; 2] =
    [Attribute::optional("acpi", Kind::Some(&Kind::Word)), Attribute::optional("daci", NAMES)];

/// The one in whose name it was created; null asks for it.
pub(super) static CREATED_BY: [Attribute; 1] = [Attribute::once("cr", Kind::Range(1, 0))];

/// Who has the access of the creator in its stead.
pub(super) static HELD: [Attribute; 1] = [Attribute::optional("cstn", Kind::Word)];

/// Where the thing is that it represents.
pub(super) static LOCATED: [Attribute; 1] = [Attribute::optional("loc", Kind::Location)];

/// How often it changed.
pub(super) static COUNTED: [Attribute; 1] = [Attribute::read_only("st", Kind::UInt)];

/// What can be announced to other CSEs.
pub(super) static ANNOUNCEABLE: [Attribute; 3] = [
    Attribute::optional("at", NAMES),
    Attribute::optional("aa", Kind::List(&Kind::NcName)),
    Attribute::optional("ast", Kind::Enum(&[1, 2])),
];
