//! The resource types (TS-0001 9.6, TS-0004 7.4) as tables: which attributes a type has, what they hold, when they may
//! be given, and which children it may have. The tables drive validation and the texts that name what offended.

mod access_control_policy;
mod ae;
mod announced;
mod common;
mod container;
mod content_instance;
mod cross_resource_subscription;
mod cse_base;
mod dynamic_authorization_consultation;
mod flex_container;
mod group;
mod kind;
mod location_policy;
mod mgmt_obj;
mod node;
mod policy;
mod polling_channel;
mod remote_cse;
mod request;
mod schedule;
mod subscription;
mod time_series;
mod time_sync_beacon;

pub(crate) use announced::{Announcement, announced_root, announcement, original_root, original_type};
pub(crate) use kind::{Field, Kind, is_name};
pub(crate) use policy::{Attribute, TypeDef};

/// The numbers of resource types (m2m:resourceType, TS-0004 6.3.4.2.1) that the code names.
pub(crate) mod ty {
    pub(crate) const ACP: u32 = 1;
    pub(crate) const AE: u32 = 2;
    pub(crate) const CNT: u32 = 3;
    pub(crate) const CIN: u32 = 4;
    pub(crate) const CB: u32 = 5;
    pub(crate) const GRP: u32 = 9;
    pub(crate) const LCP: u32 = 10;
    pub(crate) const MGMT_OBJ: u32 = 13;
    pub(crate) const NOD: u32 = 14;
    pub(crate) const PCH: u32 = 15;
    pub(crate) const CSR: u32 = 16;
    pub(crate) const REQ: u32 = 17;
    pub(crate) const SCH: u32 = 18;
    pub(crate) const SUB: u32 = 23;
    pub(crate) const FCNT: u32 = 28;
    pub(crate) const TS: u32 = 29;
    pub(crate) const TSI: u32 = 30;
    pub(crate) const DAC: u32 = 34;
    pub(crate) const CRS: u32 = 48;
    pub(crate) const FCI: u32 = 58;
    pub(crate) const TSB: u32 = 60;

    /// The announced variant of a type.
    pub(crate) const fn announced(original: u32) -> u32 {
        original + 10_000
    }
}

static ALL: [&TypeDef; 21] = [
    &access_control_policy::DEFINITION,
    &ae::DEFINITION,
    &container::DEFINITION,
    &content_instance::DEFINITION,
    &cse_base::DEFINITION,
    &group::DEFINITION,
    &mgmt_obj::DEFINITION,
    &node::DEFINITION,
    &polling_channel::DEFINITION,
    &request::DEFINITION,
    &subscription::DEFINITION,
    &flex_container::DEFINITION,
    &time_series::DEFINITION,
    &time_series::INSTANCE,
    &flex_container::INSTANCE,
    &remote_cse::DEFINITION,
    &schedule::DEFINITION,
    &location_policy::DEFINITION,
    &cross_resource_subscription::DEFINITION,
    &dynamic_authorization_consultation::DEFINITION,
    &time_sync_beacon::DEFINITION,
];

/// Resource types of the standard that this CSE does not have; a request for one is answered NOT_IMPLEMENTED.
const KNOWN_ELSEWHERE: [u32; 34] = [
    6, 7, 8, 11, 12, 19, 20, 21, 22, 24, 25, 26, 27, 31, 32, 33, 35, 38, 39, 43, 44, 47, 49, 50, 51, 52, 53,
    54, 62, 63, 64, 65, 66, 67,
];

/// What is known of a resource type.
pub(crate) enum Lookup {
    /// The CSE has it.
    Here(&'static TypeDef),
    /// The standard has it, this CSE does not.
    Elsewhere,
    /// Nobody has it.
    Unknown,
}

/// The definition of a resource type.
pub(crate) fn lookup(ty: u32) -> Lookup {
    match definition(ty) {
        Some(definition) => Lookup::Here(definition),
        None if KNOWN_ELSEWHERE.contains(&ty) || (10_000..11_000).contains(&ty) => Lookup::Elsewhere,
        None => Lookup::Unknown,
    }
}

/// The definition of a resource type that the CSE has.
pub(crate) fn definition(ty: u32) -> Option<&'static TypeDef> {
    ALL.iter().copied().chain(&announced::DEFINITIONS).find(|definition| definition.ty == ty)
}

/// The types that the CSE has, for `supportedResourceType`.
pub(crate) fn supported() -> impl Iterator<Item = u32> {
    ALL.iter().copied().chain(&announced::DEFINITIONS).map(|definition| definition.ty)
}

/// The attributes that the given specialisation of a type adds (flexContainer, mgmtObj); for other types none.
pub(crate) fn specialization(ty: u32, root: &str) -> &'static [Attribute] {
    match ty {
        ty::FCNT | ty::FCI => flex_container::specialization(root).map_or(&[], |found| found.attributes),
        ty::MGMT_OBJ => mgmt_obj::specialization(root).map_or(&[], |found| found.attributes),
        _ => &[],
    }
}

/// The name of a specialisation of a type as the tables have it; empty when there is none.
pub(crate) fn specialization_name(ty: u32, root: &str) -> &'static str {
    match ty {
        ty::FCNT | ty::FCI => flex_container::specialization(root).map_or("", |known| known.root),
        ty::MGMT_OBJ => mgmt_obj::specialization(root).map_or("", |known| known.root),
        _ => "",
    }
}

pub(crate) use flex_container::specialization as flex_specialization;
pub(crate) use mgmt_obj::specialization as mgmt_specialization;

/// Whether some resource type has an attribute of this name.
pub(crate) fn is_attribute(name: &str) -> bool {
    let has = |attributes: &[Attribute]| attributes.iter().any(|attribute| attribute.name == name);
    name == "lnk"
        || ALL.iter().any(|definition| definition.attributes.iter().any(|group| has(group)))
        || flex_container::specializations().any(has)
        || mgmt_obj::specializations().any(has)
}
