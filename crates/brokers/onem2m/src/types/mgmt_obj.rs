//! mgmtObj (TS-0001 9.6.15, TS-0004 7.4.15) and its specialisations (TS-0004 annex D, TS-0022 for `dcfg:`).

use super::{
    Attribute, Field, Kind, TypeDef,
    common::{ANNOUNCEABLE, EXPIRING, GOVERNED, HELD, LABELLED, UNIVERSAL},
    ty,
};

static OWN: [Attribute; 5] = [
    Attribute::fixed("mgd", Kind::UInt),
    Attribute::once("obis", Kind::List(&Kind::Text)),
    Attribute::once("obps", Kind::List(&Kind::Text)),
    Attribute::optional("dc", Kind::Text),
    Attribute::optional("cmlk", Kind::List(&Kind::Text)),
];

pub(super) static DEFINITION: TypeDef = TypeDef {
    ty: ty::MGMT_OBJ,
    root: "",
    prefix: "mgmt",
    attributes: &[&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &HELD, &ANNOUNCEABLE, &OWN],
    children: &[ty::SUB],
};

/// A specialisation of mgmtObj.
#[derive(Debug)]
pub(crate) struct Specialization {
    /// The member name of its representation.
    pub(crate) root: &'static str,
    /// The mgmtDefinition that goes with it (m2m:mgmtDefinition, TS-0004 6.3.4.2.22).
    pub(crate) definition: u64,
    pub(crate) attributes: &'static [Attribute],
}

/// The specialisation whose representation has this member name.
pub(crate) fn specialization(root: &str) -> Option<&'static Specialization> {
    SPECIALIZATIONS.iter().find(|known| known.root == root)
}

const fn object(root: &'static str, definition: u64, attributes: &'static [Attribute]) -> Specialization {
    Specialization { root, definition, attributes }
}

static SPECIALIZATIONS: [Specialization; 16] = [
    object("m2m:fwr", 1001, &FIRMWARE),
    object("m2m:swr", 1002, &SOFTWARE),
    object("m2m:mem", 1003, &MEMORY),
    object("m2m:ani", 1004, &AREA_NETWORK),
    object("m2m:andi", 1005, &AREA_NETWORK_DEVICE),
    object("m2m:bat", 1006, &BATTERY),
    object("m2m:dvi", 1007, &DEVICE_INFO),
    object("m2m:dvc", 1008, &DEVICE_CAPABILITY),
    object("m2m:rbo", 1009, &REBOOT),
    object("m2m:evl", 1010, &EVENT_LOG),
    object("dcfg:nycfc", 1023, &CERTIFICATE),
    object("dcfg:crds", 1029, &CREDENTIALS),
    object("dcfg:wific", 1028, &WIFI_CLIENT),
    object("dcfg:datc", 1021, &DATA_COLLECTION),
    object("dcfg:sim", 1030, &SIM),
    object("dcfg:mnwk", 1031, &MOBILE_NETWORK),
];

const TEXTS: Kind = Kind::List(&Kind::Text);

const ACTION_STATUS: Kind =
    Kind::Struct(&[Field::required("acn", Kind::Text), Field::required("sus", Kind::Enum(&[0, 1, 2, 3]))]);

static FIRMWARE: [Attribute; 5] = [
    Attribute::mandatory("vr", Kind::Text),
    Attribute::mandatory("fwn", Kind::Text),
    Attribute::mandatory("url", Kind::Text),
    Attribute::mandatory("ud", Kind::Bool),
    Attribute::read_only("uds", ACTION_STATUS),
];

static SOFTWARE: [Attribute; 9] = [
    Attribute::mandatory("vr", Kind::Text),
    Attribute::mandatory("swn", Kind::Text),
    Attribute::mandatory("url", Kind::Text),
    Attribute::optional("in", Kind::Bool),
    Attribute::optional("un", Kind::Bool),
    Attribute::optional("act", Kind::Bool),
    Attribute::optional("dea", Kind::Bool),
    Attribute::read_only("ins", ACTION_STATUS),
    Attribute::read_only("acts", ACTION_STATUS),
];

static MEMORY: [Attribute; 2] =
    [Attribute::mandatory("mma", Kind::UInt), Attribute::mandatory("mmt", Kind::UInt)];

static AREA_NETWORK: [Attribute; 2] =
    [Attribute::mandatory("ant", Kind::Text), Attribute::mandatory("ldv", TEXTS)];

static AREA_NETWORK_DEVICE: [Attribute; 7] = [
    Attribute::mandatory("dvd", Kind::Text),
    Attribute::mandatory("dvt", Kind::Text),
    Attribute::mandatory("awi", Kind::Text),
    Attribute::optional("sli", Kind::UInt),
    Attribute::optional("sld", Kind::UInt),
    Attribute::optional("ss", Kind::Enum(&[1, 2])),
    Attribute::mandatory("lnh", TEXTS),
];

static BATTERY: [Attribute; 2] =
    [Attribute::mandatory("btl", Kind::UInt), Attribute::mandatory("bts", Kind::Range(1, 7))];

static DEVICE_INFO: [Attribute; 19] = [
    Attribute::mandatory("dlb", Kind::Text),
    Attribute::mandatory("man", Kind::Text),
    Attribute::optional("mfdl", Kind::Text),
    Attribute::optional("mfd", Kind::Time),
    Attribute::mandatory("mod", Kind::Text),
    Attribute::optional("smod", Kind::Text),
    Attribute::mandatory("dty", Kind::Text),
    Attribute::optional("dvnm", Kind::Text),
    Attribute::optional("fwv", Kind::Text),
    Attribute::optional("swv", Kind::Text),
    Attribute::optional("hwv", Kind::Text),
    Attribute::optional("osv", Kind::Text),
    Attribute::optional("cnty", Kind::Text),
    Attribute::optional("loc", Kind::Text),
    Attribute::optional("syst", Kind::Time),
    Attribute::optional("spur", Kind::Text),
    Attribute::optional("purl", Kind::Text),
    Attribute::optional("ptl", TEXTS),
    Attribute::optional("dvi", Kind::Text),
];

static DEVICE_CAPABILITY: [Attribute; 6] = [
    Attribute::fixed("can", Kind::Text),
    Attribute::fixed("att", Kind::Bool),
    Attribute::fixed("cas", ACTION_STATUS),
    Attribute::mandatory("cus", Kind::Bool),
    Attribute::optional("ena", Kind::Bool),
    Attribute::optional("dis", Kind::Bool),
];

static REBOOT: [Attribute; 2] =
    [Attribute::optional("rbo", Kind::Bool), Attribute::optional("far", Kind::Bool)];

static EVENT_LOG: [Attribute; 5] = [
    Attribute::mandatory("lgt", Kind::Enum(&[1, 2, 3, 4, 5])),
    Attribute::mandatory("lgd", Kind::Text),
    Attribute::mandatory("lgst", Kind::Enum(&[1, 2, 3, 4, 5])),
    Attribute::optional("lga", Kind::Bool),
    Attribute::optional("lgo", Kind::Bool),
];

const SECURITY_USES: &[i64] =
    &[10, 11, 12, 13, 14, 15, 21, 22, 23, 24, 25, 31, 32, 33, 34, 35, 40, 41, 42, 43, 44, 45];

static CERTIFICATE: [Attribute; 3] = [
    Attribute::mandatory("suids", Kind::List(&Kind::Enum(SECURITY_USES))),
    Attribute::mandatory("mcff", Kind::Text),
    Attribute::mandatory("mcfc", Kind::Text),
];

static CREDENTIALS: [Attribute; 4] = [
    Attribute::mandatory("pur", Kind::Text),
    Attribute::optional("crid", Kind::Text),
    Attribute::optional("crse", Kind::Text),
    Attribute::optional("crtk", Kind::Text),
];

const WIFI_CREDENTIALS: Kind = Kind::Struct(&[
    Field::required("enct", Kind::Range(1, 8)),
    Field::optional("unm", Kind::Text),
    Field::optional("pwd", Kind::Text),
    Field::optional("wepk", Kind::Text),
    Field::optional("wpap", Kind::Text),
]);

static WIFI_CLIENT: [Attribute; 9] = [
    Attribute::mandatory("ssid", Kind::Text),
    Attribute::optional("wcrds", WIFI_CREDENTIALS),
    Attribute::optional("maca", Kind::Text),
    Attribute::optional("chan", Kind::UInt),
    Attribute::optional("scan", Kind::Bool),
    Attribute::read_only("scanr", Kind::List(&Kind::Any)),
    Attribute::optional("ud", Kind::Bool),
    Attribute::optional("trdst", Kind::Bool),
    Attribute::optional("rdst", Kind::Bool),
];

const SCHEDULES: Kind =
    Kind::List(&Kind::Struct(&[Field::required("sce", Kind::List(&Kind::ScheduleEntry))]));

static DATA_COLLECTION: [Attribute; 5] = [
    Attribute::mandatory("cntp", Kind::Text),
    Attribute::optional("rpsc", SCHEDULES),
    Attribute::optional("mesc", SCHEDULES),
    Attribute::optional("rpil", Kind::UInt),
    Attribute::optional("meil", Kind::UInt),
];

static SIM: [Attribute; 10] = [
    Attribute::mandatory("imsi", Kind::Text),
    Attribute::mandatory("icid", Kind::Text),
    Attribute::optional("sist", Kind::Range(0, 5)),
    Attribute::optional("sity", Kind::Range(1, 6)),
    Attribute::optional("spn", Kind::Text),
    Attribute::optional("euid", Kind::Text),
    Attribute::optional("msis", Kind::Any),
    Attribute::optional("vlid", Kind::Text),
    Attribute::optional("ssta", Kind::Any),
    Attribute::optional("hpl", Kind::Any),
];

const ADDRESSES: Kind =
    Kind::List(&Kind::Struct(&[Field::optional("ip4", Kind::Text), Field::optional("ip6", Kind::Text)]));

static MOBILE_NETWORK: [Attribute; 12] = [
    Attribute::mandatory("cnb", Kind::UInt),
    Attribute::mandatory("rss", Kind::Int),
    Attribute::optional("liqu", Kind::Int),
    Attribute::optional("ipad", ADDRESSES),
    Attribute::optional("ripa", ADDRESSES),
    Attribute::optional("lnut", Kind::UInt),
    Attribute::optional("apna", Kind::Text),
    Attribute::optional("ceid", Kind::UInt),
    Attribute::optional("smnc", Kind::UInt),
    Attribute::optional("smcc", Kind::UInt),
    Attribute::optional("lac", Kind::UInt),
    Attribute::optional("coel", Kind::UInt),
];
/// The attributes of all specialisations.
pub(super) fn specializations() -> impl Iterator<Item = &'static [Attribute]> {
    SPECIALIZATIONS.iter().map(|known| known.attributes)
}
