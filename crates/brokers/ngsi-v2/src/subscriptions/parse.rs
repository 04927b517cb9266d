//! Subscriptions as requests carry them.

use std::{sync::Arc, time::Duration};

use super::{
    AttrsFormat, Endpoint, State, Status, Subscription, endpoint::parse_endpoint, matching::Alteration,
};
use crate::{
    Error,
    input::{Expression, parse_expression},
    model::{Field, Json, ServicePath, Time, check_identifier, has_forbidden},
    query::{EntitySelector, Filter, parse_pattern},
    render::Names,
};

/// What the notifications of a subscription can be.
const ENDPOINTS: [&str; 6] = ["http", "httpCustom", "mqtt", "mqttCustom", "kafka", "kafkaCustom"];
/// The longest description, in characters.
const DESCRIPTION_MAX: usize = 1024;

/// Reads a subscription.
///
/// # Errors
/// When the document is not one.
pub(crate) fn parse_subscription(
    id: &str,
    document: Json,
    path: ServicePath,
    status: Arc<Status>,
) -> Result<Subscription, Error> {
    if document.as_object().is_none() {
        return Err(Error::parse());
    }
    check_description(document.get("description"))?;
    let subject =
        document.get("subject").ok_or_else(|| Error::bad("no subject for subscription specified"))?;
    let (selectors, condition) = parse_subject(subject)?;
    let notification = document
        .get("notification")
        .ok_or_else(|| Error::bad("no notification for subscription specified"))?;
    let parts = parse_notification(notification)?;
    let expires = parse_expires(document.get("expires"))?;
    parse_state(document.get("status"))?;
    let throttling = match document.get("throttling") {
        None => None,
        Some(Json::Number(seconds)) if *seconds >= 0.0 && seconds.fract() == 0.0 && *seconds < 1e12 => {
            Some(Duration::from_secs(*seconds as u64)).filter(|period| !period.is_zero())
        }
        Some(_) => return Err(Error::bad("throttling is not an int")),
    };
    Ok(Subscription {
        id: id.into(),
        path,
        selectors,
        watched: condition.attrs,
        expression: condition.expression,
        alterations: condition.alterations,
        on_metadata_change: condition.on_metadata_change,
        endpoint: parts.endpoint,
        attrs: parts.attrs,
        except: parts.except,
        metadata: parts.metadata,
        format: parts.format,
        only_changed: parts.only_changed,
        covered: parts.covered,
        max_fails: parts.max_fails,
        expires,
        throttling,
        status,
        document,
    })
}

/// A document with the members of a patch in place of its own: of the subject each part, of the rest the whole.
pub(crate) fn merge(document: &Json, patch: &Json) -> Json {
    const KNOWN: [&str; 6] = ["description", "subject", "notification", "expires", "status", "throttling"];
    let patched = |known: &str| match (known, document.get(known), patch.get(known)) {
        ("subject", Some(old), Some(new)) if new.as_object().is_some() => {
            let part = |name: &'static str| Some((name, new.get(name).or_else(|| old.get(name))?.clone()));
            let unknown = new
                .as_object()
                .unwrap_or_default()
                .iter()
                .filter(|(name, _)| !matches!(&**name, "entities" | "condition"));
            let unknown = unknown.map(|(name, value)| (name.clone(), value.clone()));
            let parts = ["entities", "condition"].into_iter().filter_map(part);
            Some(Json::object(parts.map(|(name, value)| (Box::from(name), value)).chain(unknown)))
        }
        (_, old, new) => new.or(old).cloned(),
    };
    Json::object(KNOWN.into_iter().filter_map(|known| Some((known, patched(known)?))))
}

/// Reads the state that a document asks for.
///
/// # Errors
/// When it asks for another.
pub(crate) fn parse_state(status: Option<&Json>) -> Result<Option<State>, Error> {
    let Some(status) = status else { return Ok(None) };
    match status.as_str().ok_or_else(|| Error::bad("status is not a string"))? {
        "active" => Ok(Some(State::Active)),
        "inactive" => Ok(Some(State::Inactive)),
        "oneshot" => Ok(Some(State::Oneshot)),
        _ => Err(Error::bad("status is not valid: it has to be either active, inactive or oneshot")),
    }
}

fn check_description(description: Option<&Json>) -> Result<(), Error> {
    let Some(description) = description else { return Ok(()) };
    let text = description.as_str().ok_or_else(|| Error::bad("description is not a string"))?;
    if text.chars().count() > DESCRIPTION_MAX {
        return Err(Error::bad("max description length exceeded"));
    }
    if has_forbidden(text) {
        return Err(Error::bad("forbidden characters in subscription description"));
    }
    Ok(())
}

fn parse_expires(expires: Option<&Json>) -> Result<Option<Time>, Error> {
    match expires {
        None => Ok(None),
        Some(expires) => match expires.as_str().ok_or_else(|| Error::bad("expires is not a string"))? {
            // Takes the end of an earlier version away.
            "" => Ok(None),
            text => Time::parse(text).map(Some).ok_or_else(|| Error::bad("expires has an invalid format")),
        },
    }
}

struct Condition {
    attrs: Names,
    expression: Expression,
    alterations: Vec<Alteration>,
    on_metadata_change: bool,
}

fn parse_subject(subject: &Json) -> Result<(Vec<EntitySelector>, Condition), Error> {
    if subject.as_object().is_none() {
        return Err(Error::bad("subject is not an object"));
    }
    let entities = subject.get("entities").ok_or_else(|| Error::bad("no subject entities specified"))?;
    let items = entities.as_array().ok_or_else(|| Error::bad("/entities/ is not an array"))?;
    if items.is_empty() {
        return Err(Error::bad("empty /entities/ vector"));
    }
    let selectors = items.iter().map(parse_selector).collect::<Result<_, _>>()?;
    let condition = match subject.get("condition") {
        None => parse_condition(&[])?,
        Some(condition) => {
            let members = condition.as_object().ok_or_else(|| Error::bad("condition is not an object"))?;
            if members.is_empty() {
                return Err(Error::bad("condition is empty"));
            }
            parse_condition(members)?
        }
    };
    Ok((selectors, condition))
}

fn parse_selector(item: &Json) -> Result<EntitySelector, Error> {
    if item.as_object().is_none() {
        return Err(Error::bad("/entities/ vector item is not an object"));
    }
    if item.get("id").is_none() && item.get("idPattern").is_none() {
        return Err(Error::bad("/entities/ vector item does not have /id/ nor /idPattern/"));
    }
    for (one, other) in [("id", "idPattern"), ("type", "typePattern")] {
        if item.get(one).is_some() && item.get(other).is_some() {
            return Err(Error::bad(format!("/entities/ vector item has both /{one}/ and /{other}/")));
        }
    }
    let text = |name: &str| {
        let Some(content) = item.get(name) else { return Ok(None) };
        let slashed =
            if name == "type" || name == "typePattern" { name.to_owned() } else { format!("/{name}/") };
        let text = content
            .as_str()
            .ok_or_else(|| Error::bad(format!("/entities/ vector item {slashed} is not a string")))?;
        if text.is_empty() && name == "type" {
            check_identifier(Field::EntityType, text)?;
        }
        if text.is_empty() {
            return Err(Error::bad(format!("/entities/ element {name} is empty")));
        }
        let field = if name == "id" { Field::EntityId } else { Field::EntityType };
        if matches!(name, "id" | "type") && check_identifier(field, text).is_err() {
            return Err(Error::bad(format!("forbidden characters in /entities/ vector item /{name}/")));
        }
        Ok(Some(text))
    };
    Ok(EntitySelector {
        id: text("id")?.map(Into::into),
        id_pattern: text("idPattern")?.map(|text| parse_pattern(text, "idPattern")).transpose()?,
        kind: text("type")?.map(Into::into),
        type_pattern: text("typePattern")?.map(|text| parse_pattern(text, "typePattern")).transpose()?,
    })
}

fn parse_condition(members: &[(Box<str>, Json)]) -> Result<Condition, Error> {
    let mut condition = Condition {
        attrs: Names::default(),
        expression: Expression::default(),
        alterations: vec![Alteration::Create, Alteration::Change],
        on_metadata_change: true,
    };
    for (name, content) in members {
        match &**name {
            "attrs" => condition.attrs = parse_names(content, "attrs")?,
            "expression" => {
                let expression = parse_expression(content)?;
                let mq = expression.mq.map(Filter::for_subscription);
                condition.expression = Expression { mq, ..expression };
            }
            "alterationTypes" => {
                let items =
                    content.as_array().ok_or_else(|| Error::bad("alterationTypes is not an array"))?;
                let parse = |item: &Json| {
                    let text = item.as_str().ok_or_else(|| Error::bad("alterationType is not a string"))?;
                    Alteration::parse(text).ok_or_else(|| {
                        Error::bad(
                            "subscription alterationTypes array contains an element which is not a valid alteration \
                             type",
                        )
                    })
                };
                let given = items.iter().map(parse).collect::<Result<Vec<_>, Error>>()?;
                if !given.is_empty() {
                    condition.alterations = given;
                }
            }
            "notifyOnMetadataChange" => {
                condition.on_metadata_change =
                    content.as_bool().ok_or_else(|| Error::bad("notifyOnMetadataChange is not a bool"))?;
            }
            _ => {}
        }
    }
    Ok(condition)
}

fn parse_names(body: &Json, what: &str) -> Result<Names, Error> {
    let items =
        body.as_array().ok_or_else(|| Error::bad(format!("the field /{what}/ must be a JSON array")))?;
    let name = |item: &Json| -> Result<Box<str>, Error> {
        let text = item.as_str().ok_or_else(|| Error::bad(format!("{what} element is not an string")))?;
        if text.is_empty() {
            return Err(Error::bad(format!("{what} element is empty")));
        }
        match text {
            "*" => Ok(Box::from(text)),
            text => match check_identifier(Field::AttributeName, text) {
                Ok(()) => Ok(Box::from(text)),
                Err(_) => Err(Error::bad(format!("{what} element has forbidden characters"))),
            },
        }
    };
    Ok(Names::new(items.iter().map(name).collect::<Result<Vec<_>, _>>()?))
}

struct Notification {
    endpoint: Endpoint,
    attrs: Option<Names>,
    except: Option<Names>,
    metadata: Option<Names>,
    format: AttrsFormat,
    only_changed: bool,
    covered: bool,
    max_fails: Option<u64>,
}

fn parse_notification(body: &Json) -> Result<Notification, Error> {
    if body.as_object().is_none() {
        return Err(Error::bad("notification is not an object"));
    }
    let given: Vec<&str> = ENDPOINTS.into_iter().filter(|name| body.get(name).is_some()).collect();
    let kind = match *given {
        [] => return Err(Error::bad("http, httpCustom, mqtt, mqttCustom, kafka or kafkaCustom is missing")),
        [kind] => kind,
        _ => {
            return Err(Error::bad(
                "only one of http, httpCustom, mqtt, mqttCustom, kafka or kafkaCustom is allowed",
            ));
        }
    };
    let endpoint = parse_endpoint(kind, body.get(kind).unwrap_or(&Json::Null))?;
    let names = |name: &str| body.get(name).map(|content| parse_names(content, name)).transpose();
    let (attrs, except) = (names("attrs")?, names("exceptAttrs")?);
    if attrs.is_some() && except.is_some() {
        return Err(Error::bad("http notification has attrs and exceptAttrs"));
    }
    if except.as_ref().is_some_and(Names::is_empty) {
        return Err(Error::bad("http notification has exceptAttrs is empty"));
    }
    let flag = |name: &str| match body.get(name) {
        None => Ok(false),
        Some(content) => content.as_bool().ok_or_else(|| Error::bad(format!("{name} is not a bool"))),
    };
    let format = match body.get("attrsFormat") {
        None => AttrsFormat::default(),
        Some(content) => {
            let text = content.as_str().ok_or_else(|| Error::bad("attrsFormat is not a string"))?;
            AttrsFormat::parse(text).ok_or_else(|| {
                Error::bad(
                    "invalid attrsFormat, accepted values: normalized, simplifiedNormalized, keyValues, \
                     simplifiedkeyValues, values",
                )
            })?
        }
    };
    let covered = flag("covered")?;
    if covered && attrs.as_ref().is_none_or(Names::is_empty) {
        return Err(Error::bad("covered true cannot be used if notification attributes list is empty"));
    }
    let max_fails = match body.get("maxFailsLimit") {
        None => None,
        Some(Json::Number(limit)) if limit.fract() == 0.0 => {
            if *limit < 1.0 {
                return Err(Error::bad("maxFailsLimit must be greater than 0"));
            }
            Some(*limit as u64)
        }
        Some(_) => return Err(Error::bad("maxFailsLimit is not an int")),
    };
    Ok(Notification {
        endpoint,
        attrs,
        except,
        metadata: names("metadata")?,
        format,
        only_changed: flag("onlyChangedAttrs")?,
        covered,
        max_fails,
    })
}
