//! Announced resources (TS-0001 9.6.26, TS-0004 7.4.26): what a CSE shows of a resource of another CSE; and which
//! attributes of a resource may be shown elsewhere (the Annc columns of TS-0001 9.6).

use std::borrow::Cow;

use super::{
    Attribute, Kind, TypeDef,
    common::{EXPIRING, GOVERNED, LABELLED, UNIVERSAL},
    ty::{self, announced},
};

static OWN: [Attribute; 2] =
    [Attribute::fixed("lnk", Kind::Word), Attribute::optional("ast", Kind::Enum(&[1, 2]))];

/// What every announced resource has of its own.
static GROUPS: [&[Attribute]; 5] = [&UNIVERSAL, &EXPIRING, &LABELLED, &GOVERNED, &OWN];

const fn of(original: u32, root: &'static str, prefix: &'static str, children: &'static [u32]) -> TypeDef {
    TypeDef { ty: announced(original), root, prefix, attributes: &GROUPS, children }
}

/// Below an announced CSEBase, AE or remoteCSE: everything that can be announced, and what tenants add there.
const ANYTHING: &[u32] = &[
    announced(ty::ACP),
    announced(ty::AE),
    announced(ty::CNT),
    announced(ty::CIN),
    announced(ty::CSR),
    announced(ty::FCNT),
    announced(ty::FCI),
    announced(ty::GRP),
    announced(ty::LCP),
    announced(ty::MGMT_OBJ),
    announced(ty::NOD),
    announced(ty::SCH),
    announced(ty::TS),
    announced(ty::TSI),
    announced(ty::TSB),
    ty::ACP,
    ty::CNT,
    ty::FCNT,
    ty::GRP,
    ty::TS,
    ty::SUB,
];

const INSTANCES: &[u32] = &[
    announced(ty::CNT),
    announced(ty::CIN),
    announced(ty::FCNT),
    announced(ty::FCI),
    announced(ty::TS),
    announced(ty::TSI),
    ty::CNT,
    ty::CIN,
    ty::FCNT,
    ty::TS,
    ty::SUB,
];

pub(super) static DEFINITIONS: [TypeDef; 16] = [
    of(ty::ACP, "m2m:acpA", "acpA", &[ty::SUB]),
    of(ty::AE, "m2m:aeA", "aeA", ANYTHING),
    of(ty::CNT, "m2m:cntA", "cntA", INSTANCES),
    of(ty::CIN, "m2m:cinA", "cinA", &[]),
    of(ty::CB, "m2m:cbA", "cbA", ANYTHING),
    of(ty::GRP, "m2m:grpA", "grpA", &[ty::SUB]),
    of(ty::LCP, "m2m:lcpA", "lcpA", &[ty::SUB]),
    of(ty::MGMT_OBJ, "", "mgmtA", &[ty::SUB]),
    of(ty::NOD, "m2m:nodA", "nodA", &[announced(ty::MGMT_OBJ), announced(ty::SCH), ty::SUB]),
    of(ty::CSR, "m2m:csrA", "csrA", ANYTHING),
    of(ty::SCH, "m2m:schA", "schA", &[ty::SUB]),
    of(ty::FCNT, "", "fcntA", INSTANCES),
    of(ty::TS, "m2m:tsA", "tsA", INSTANCES),
    of(ty::TSI, "m2m:tsiA", "tsiA", &[]),
    of(ty::FCI, "", "fciA", &[]),
    of(ty::TSB, "m2m:tsbA", "tsbA", &[ty::SUB]),
];

/// The type of the original of an announced resource's type.
pub(crate) fn original_type(ty: u32) -> Option<u32> {
    (ty > 10_000 && DEFINITIONS.iter().any(|known| known.ty == ty)).then(|| ty - 10_000)
}

/// The member name of the announced variant: `m2m:aeA`, and `cod:tempeAnnc` for a flexContainer (TS-0004 8.2.4).
pub(crate) fn announced_root(original: u32, root: &str) -> String {
    let ending = if matches!(original, ty::FCNT | ty::FCI) { "Annc" } else { "A" };
    format!("{root}{ending}")
}

/// The member name of the original.
pub(crate) fn original_root(announced: u32, root: &str) -> Cow<'_, str> {
    let flex = announced == ty::announced(ty::FCNT) || announced == ty::announced(ty::FCI);
    Cow::Borrowed(root.strip_suffix(if flex { "Annc" } else { "A" }).unwrap_or(root))
}

/// Whether an attribute is shown with an announced resource (NA, OA and MA of TS-0001 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// Not at all.
    Never,
    /// When `announcedAttribute` names it.
    Optional,
    /// Always when it has a value.
    Mandatory,
}

/// Whether an attribute of a resource type can be announced; nothing when the type does not have it.
pub(crate) fn announcement(definition: &TypeDef, root: &str, name: &str) -> Option<Announcement> {
    definition.attribute(root, name)?;
    Some(match (definition.ty, name) {
        (_, "rn" | "ty" | "ri" | "pi" | "ct" | "lt" | "at" | "aa" | "cr" | "cstn" | "st") => {
            Announcement::Never
        }
        (_, "cni" | "cbs" | "cs" | "mei" | "fcied") => Announcement::Never,
        (ty::GRP, "cnm") | (ty::TS, "mdd" | "mdc" | "mdlt" | "mdt") | (ty::CIN, "dcnt") => {
            Announcement::Never
        }
        (ty::CB, "srt" | "nl" | "ctm") => Announcement::Never,
        (_, "et" | "lbl" | "acpi" | "ast") => Announcement::Mandatory,
        (ty::ACP, "pv" | "pvs" | "adri" | "apri" | "airi") => Announcement::Mandatory,
        (ty::AE | ty::CB | ty::CSR, "srv") | (ty::NOD, "ni") => Announcement::Mandatory,
        (ty::FCNT, "cnd") | (ty::MGMT_OBJ, "mgd" | "obis" | "obps") => Announcement::Mandatory,
        _ => Announcement::Optional,
    })
}
