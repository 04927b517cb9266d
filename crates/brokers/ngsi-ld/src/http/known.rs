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

/// Refuses what a path of the discovery of types and attributes does not take, which is fewer than others do (NGSI-LD
/// 6.25.3, 6.26.3, 6.27.3, 6.28.3).
pub(super) fn check_path(path: &str, pairs: &[(String, String)]) -> Result<(), Error> {
    let path = path.trim_end_matches('/');
    let is_in = |folder: &str| path.rsplit_once('/').is_some_and(|(before, _)| before.ends_with(folder));
    let known: &[&str] = if path.ends_with("/v1/types") || path.ends_with("/v1/attributes") {
        &["details", "local", "count"]
    } else if is_in("/v1/types") || is_in("/v1/attributes") {
        &["local"]
    } else {
        return Ok(());
    };
    match pairs.iter().find(|(name, _)| !known.contains(&&**name)) {
        None => Ok(()),
        Some((name, _)) => {
            let detail = format!("parameter \"{}\" does not belong to this resource", shorten(name));
            Err(Error::new(ErrorKind::InvalidRequest, detail))
        }
    }
}

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
