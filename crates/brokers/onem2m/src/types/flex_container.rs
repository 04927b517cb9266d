//! flexContainer and its instances (TS-0001 9.6.35, TS-0004 7.4.37; its instances came with release 4), and the specialisations that this CSE
//! knows: generic interworking (TS-0004 7.4.37.1) and module classes of TS-0023.

use super::{
    Attribute, Kind, TypeDef,
    common::{ANNOUNCEABLE, COUNTED, CREATED_BY, EXPIRING, GOVERNED, HELD, LABELLED, LOCATED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 10] = [
    Attribute::fixed("cnd", Kind::Word),
    Attribute::read_only("cs", Kind::UInt),
    Attribute::optional("or", Kind::Text),
    Attribute::optional("nl", Kind::Text),
    Attribute::optional("mni", Kind::Positive),
    Attribute::optional("mbs", Kind::Positive),
    Attribute::optional("mia", Kind::Positive),
    Attribute::read_only("cni", Kind::UInt),
    Attribute::read_only("cbs", Kind::UInt),
    Attribute::optional("fcied", Kind::Bool),
];

static INSTANCE_OWN: [Attribute; 3] = [
    Attribute::read_only("et", Kind::Time),
    Attribute::read_only("cs", Kind::UInt),
    Attribute::read_only("org", Kind::Text),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::FCNT,
    root: "",
    prefix: "fcnt",
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
        &OWN,
    ],
    children: &[ty::CNT, ty::FCNT, ty::SUB, ty::TS],
};

pub(super) static INSTANCE: TypeDef = TypeDef {
    ty: ty::FCI,
    root: "",
    prefix: "fci",
    attributes: &[&UNIVERSAL, &LABELLED, &LOCATED, &COUNTED, &INSTANCE_OWN],
    children: &[],
};

/// A specialisation of flexContainer.
#[derive(Debug)]
pub(crate) struct Specialization {
    /// The member name of its representation.
    pub(crate) root: &'static str,
    /// The containerDefinition that goes with it; empty where any does.
    pub(crate) definition: &'static str,
    pub(crate) attributes: &'static [Attribute],
}

/// The specialisation whose representation has this member name.
pub(crate) fn specialization(root: &str) -> Option<&'static Specialization> {
    SPECIALIZATIONS.iter().find(|known| known.root == root)
}

const fn module(
    root: &'static str,
    definition: &'static str,
    attributes: &'static [Attribute],
) -> Specialization {
    Specialization { root, definition, attributes }
}

static SPECIALIZATIONS: [Specialization; 10] = [
    module("m2m:gis", "", &SERVICE),
    module("m2m:gio", "", &OPERATION),
    module("cod:tempe", "org.onem2m.common.moduleclass.temperature", &TEMPERATURE),
    module("cod:binSh", "org.onem2m.common.moduleclass.binarySwitch", &BINARY_SWITCH),
    module("cod:lock", "org.onem2m.common.moduleclass.lock", &LOCK),
    module("cod:color", "org.onem2m.common.moduleclass.colour", &COLOUR),
    module("cod:brigs", "org.onem2m.common.moduleclass.brightness", &BRIGHTNESS),
    module("cod:bat", "org.onem2m.common.moduleclass.battery", &BATTERY),
    module("cod:aiQSr", "org.onem2m.common.moduleclass.airQualitySensor", &AIR_QUALITY),
    module("cod:devLt", "org.onem2m.common.device.deviceLight", &[]),
];

static SERVICE: [Attribute; 3] = [
    Attribute::fixed("gisn", Kind::Text),
    Attribute::optional("giip", Kind::List(&Kind::Text)),
    Attribute::optional("giop", Kind::List(&Kind::Text)),
];

static OPERATION: [Attribute; 6] = [
    Attribute::fixed("gion", Kind::Text),
    Attribute::mandatory("gios", Kind::Text),
    Attribute::optional("giip", Kind::List(&Kind::Text)),
    Attribute::optional("giop", Kind::List(&Kind::Text)),
    Attribute::optional("giol", Kind::List(&Kind::Text)),
    Attribute::optional("giil", Kind::List(&Kind::Text)),
];

/// What every module class may have (TS-0023 5.3).
const DATA_GENERATION_TIME: Attribute = Attribute::optional("dgt", Kind::Time);

static TEMPERATURE: [Attribute; 7] = [
    DATA_GENERATION_TIME,
    Attribute::optional("curT0", Kind::Float),
    Attribute::optional("tarTe", Kind::Float),
    Attribute::optional("unit", Kind::Range(1, 3)),
    Attribute::optional("minVe", Kind::Float),
    Attribute::optional("maxVe", Kind::Float),
    Attribute::optional("steVe", Kind::Float),
];

static BINARY_SWITCH: [Attribute; 2] = [DATA_GENERATION_TIME, Attribute::mandatory("state", Kind::Bool)];

static LOCK: [Attribute; 3] = [
    DATA_GENERATION_TIME,
    Attribute::mandatory("lock", Kind::Bool),
    Attribute::optional("opeOy", Kind::Bool),
];

static COLOUR: [Attribute; 4] = [
    DATA_GENERATION_TIME,
    Attribute::mandatory("red", Kind::UInt),
    Attribute::mandatory("green", Kind::UInt),
    Attribute::mandatory("blue", Kind::UInt),
];

static AIR_QUALITY: [Attribute; 9] = [
    DATA_GENERATION_TIME,
    Attribute::optional("monry", Kind::Bool),
    Attribute::optional("senPM1", Kind::Float),
    Attribute::optional("senPM2", Kind::Float),
    Attribute::optional("senPM10", Kind::Float),
    Attribute::optional("sensorOdor", Kind::Float),
    Attribute::optional("senHy", Kind::Float),
    Attribute::optional("co2", Kind::Float),
    Attribute::optional("voc", Kind::Float),
];

static BRIGHTNESS: [Attribute; 2] = [DATA_GENERATION_TIME, Attribute::mandatory("brigs", Kind::Int)];

static BATTERY: [Attribute; 8] = [
    DATA_GENERATION_TIME,
    Attribute::mandatory("lvl", Kind::Int),
    Attribute::optional("capay", Kind::Int),
    Attribute::optional("charg", Kind::Bool),
    Attribute::optional("discg", Kind::Bool),
    Attribute::optional("lowBy", Kind::Bool),
    Attribute::optional("batTd", Kind::Int),
    Attribute::optional("electricEnergy", Kind::Int),
];

/// The attributes of all specialisations.
pub(super) fn specializations() -> impl Iterator<Item = &'static [Attribute]> {
    SPECIALIZATIONS.iter().map(|known| known.attributes)
}
