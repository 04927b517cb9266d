//! The parameters of the standard. Others are refused, so that no one believes that they were heard (NGSI-LD 6.3.20).

use crate::{Error, ErrorKind, model::shorten};

const PARAMETERS: &[&str] = &[
    "aggrMethods",
    "aggrPeriodDuration",
    "attrs",
    "collation",
    "containedBy",
    "coordinates",
    "count",
    "csf",
    "datasetId",
    "deleteAll",
    "details",
    "drop",
    "endTimeAt",
    "entityMap",
    "entityMapLifetime",
    "expandValues",
    "format",
    "geometry",
    "geometryProperty",
    "geoproperty",
    "georel",
    "id",
    "idPattern",
    "join",
    "joinLevel",
    "jsonKeys",
    "keep",
    "kind",
    "lang",
    "lastN",
    "limit",
    "local",
    "observedAt",
    "offset",
    "omit",
    "onlyIds",
    "options",
    "orderBy",
    "orderFrom",
    "orderGeometry",
    "pick",
    "q",
    "reload",
    "scopeQ",
    "splitEntities",
    "sysAttrs",
    "timeAt",
    "timeproperty",
    "timerel",
    "type",
];

const OPTIONS: &[&str] = &[
    "aggregatedValues",
    "audit",
    "concise",
    "entityMap",
    "keyValues",
    "noOverwrite",
    "normalized",
    "replace",
    "simplified",
    "sysAttrs",
    "temporalValues",
    "update",
];

/// Refuses a parameter, or a word of `options`, that the standard does not have.
pub(super) fn check(pairs: &[(String, String)]) -> Result<(), Error> {
    for (name, value) in pairs {
        if !PARAMETERS.contains(&&**name) {
            let detail = format!("there is no parameter \"{}\"", shorten(name));
            return Err(Error::new(ErrorKind::InvalidRequest, detail));
        }
        let unknown = |word: &&str| !OPTIONS.contains(word);
        if name == "options"
            && let Some(word) = value.split(',').map(str::trim).find(unknown)
        {
            let detail = format!("options has no \"{}\"", shorten(word));
            return Err(Error::new(ErrorKind::InvalidRequest, detail));
        }
    }
    Ok(())
}
