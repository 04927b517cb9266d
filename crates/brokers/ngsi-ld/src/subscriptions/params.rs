use super::definition::{names, text};
use crate::{
    Context, Error,
    model::{Join, Json, Projection, Representation, View, check_uri},
    query::members::{self, Mode},
};

/// How deep linked entities are followed at most: each level may multiply a notification.
const MAX_JOIN_LEVEL: usize = 8;

/// What notifications show (NGSI-LD 5.2.14.1, NotificationParams).
#[derive(Debug)]
pub(crate) struct Params {
    pub(crate) view: View,
    /// Linked entities, and how deep they are followed.
    pub(crate) join: Option<(Join, usize)>,
    /// Whether former values are shown.
    pub(crate) show_changes: bool,
}

impl Params {
    pub(super) fn new(document: &Json, notification: &Json, context: &Context) -> Result<Self, Error> {
        let flag = |member: &str| match notification.get(member) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(other) => {
                Err(Error::bad(format!("notification: {member} must be a boolean, not {}", other.kind())))
            }
        };
        let representation = match text(notification, "format")? {
            None | Some("normalized") => Representation::Normalized,
            Some("concise") => Representation::Concise,
            Some("keyValues" | "simplified") => Representation::Simplified,
            Some(other) => {
                return Err(Error::bad(format!(
                    "notification: format \"{other}\" is not one of normalized, concise, simplified, keyValues"
                )));
            }
        };
        let show_changes = flag("showChanges")?;
        if show_changes && representation == Representation::Simplified {
            return Err(Error::bad(
                "notification: showChanges does not go with the format simplified (NGSI-LD 5.2.14.1)",
            ));
        }
        let view = View {
            representation,
            sys_attrs: flag("sysAttrs")?,
            projection: Projection {
                dataset_ids: dataset_ids(document)?,
                ..projection(notification, context)?
            },
            language: text(document, "lang")?.map(Into::into),
            version: None,
            deleted_at: None,
        };
        Ok(Self { view, join: join(notification)?, show_changes })
    }
}

fn projection(notification: &Json, context: &Context) -> Result<Projection, Error> {
    let selection = |member: &str, mode| -> Result<Option<Projection>, Error> {
        let Some(value) = notification.get(member) else { return Ok(None) };
        let terms: Option<Vec<&str>> =
            value.as_array().and_then(|items| items.iter().map(Json::as_str).collect());
        let terms = terms.filter(|terms| !terms.is_empty()).ok_or_else(|| {
            Error::bad(format!("notification: {member} must be an array with at least one name"))
        })?;
        members::projection(&terms.join(","), mode, context).map(Some)
    };
    let attributes = names(notification, "attributes", context)?;
    let (pick, omit) = (selection("pick", Mode::Pick)?, selection("omit", Mode::Omit)?);
    if attributes.is_some() && (pick.is_some() || omit.is_some()) {
        return Err(Error::bad("notification: attributes excludes pick and omit (NGSI-LD 5.2.14.1)"));
    }
    Ok(Projection { attributes, ..members::both(pick, omit)? })
}

/// Only instances with these dataset ids (NGSI-LD 5.2.12, datasetId).
fn dataset_ids(document: &Json) -> Result<Option<Vec<Option<Box<str>>>>, Error> {
    let Some(value) = document.get("datasetId") else { return Ok(None) };
    let id = |item: &Json| match item.as_str() {
        Some("@none") => Ok(None),
        Some(id) => Ok(Some(check_uri(id, "datasetId")?.into())),
        None => Err(Error::bad(format!("datasetId must be a URI or an array of URIs, not {}", item.kind()))),
    };
    value.as_array().unwrap_or(std::slice::from_ref(value)).iter().map(id).collect::<Result<_, _>>().map(Some)
}

fn join(notification: &Json) -> Result<Option<(Join, usize)>, Error> {
    let level = match notification.get("joinLevel") {
        None => None,
        Some(Json::Number(number)) if number.as_u64().is_some_and(|level| level > 0) => number.as_u64(),
        Some(_) => return Err(Error::bad("notification: joinLevel must be a number from 1 on")),
    };
    let join = match text(notification, "join")? {
        None | Some("@none") => None,
        Some("inline") => Some(Join::Inline),
        Some("flat") => Some(Join::Flat),
        Some(other) => {
            return Err(Error::bad(format!(
                "notification: join must be inline, flat or @none, not \"{other}\""
            )));
        }
    };
    if join.is_none() && level.is_some() {
        return Err(Error::bad("notification: joinLevel needs join"));
    }
    Ok(join.map(|join| (join, (level.unwrap_or(1) as usize).min(MAX_JOIN_LEVEL))))
}
