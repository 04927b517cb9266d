use http::Method;

use super::{
    Handled, Reply, admin, attributes, entities, log, metrics, operations, registrations, request::Call,
    subscriptions, types,
};
use crate::{
    Error, ErrorKind,
    model::{has_forbidden, is_identifier_char},
};

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    Root,
    Entities,
    Entity,
    EntityAttributes,
    Attribute,
    AttributeValue,
    Types,
    Type,
    Subscriptions,
    Subscription,
    Registrations,
    Registration,
    Update,
    Query,
    Notify,
    Version,
    Statistics,
    Log,
    Metrics,
    Prometheus,
}

impl Resource {
    fn of(path: &[&str]) -> Option<Self> {
        Some(match path {
            ["v2"] => Self::Root,
            ["v2", "entities"] => Self::Entities,
            ["v2", "entities", _] => Self::Entity,
            ["v2", "entities", _, "attrs"] => Self::EntityAttributes,
            ["v2", "entities", _, "attrs", _] => Self::Attribute,
            ["v2", "entities", _, "attrs", _, "value"] => Self::AttributeValue,
            ["v2", "types"] => Self::Types,
            ["v2", "types", _] => Self::Type,
            ["v2", "subscriptions"] => Self::Subscriptions,
            ["v2", "subscriptions", _] => Self::Subscription,
            ["v2", "registrations"] => Self::Registrations,
            ["v2", "registrations", _] => Self::Registration,
            ["v2", "op", "update"] => Self::Update,
            ["v2", "op", "query"] => Self::Query,
            ["v2", "op", "notify"] => Self::Notify,
            ["version"] => Self::Version,
            ["statistics"] => Self::Statistics,
            ["admin", "log"] => Self::Log,
            ["admin", "metrics"] => Self::Metrics,
            ["metrics"] => Self::Prometheus,
            _ => return None,
        })
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Root | Self::Types | Self::Type | Self::Version | Self::Prometheus => "GET",
            Self::Entities | Self::Subscriptions | Self::Registrations => "GET, POST",
            Self::Entity | Self::Registration | Self::Statistics | Self::Metrics => "GET, DELETE",
            Self::EntityAttributes => "GET, PATCH, POST, PUT",
            Self::Attribute => "GET, PUT, DELETE",
            Self::AttributeValue | Self::Log => "GET, PUT",
            Self::Subscription => "GET, PATCH, DELETE",
            Self::Update | Self::Query | Self::Notify => "POST",
        }
    }
}

/// Answers a request that has been read.
pub(super) async fn dispatch(call: &Call<'_>) -> Reply {
    match route(call).await {
        Ok(reply) | Err(reply) => reply,
    }
}

async fn route(call: &Call<'_>) -> Handled {
    let path: Vec<&str> = call.path.iter().map(|part| &**part).collect();
    let Some(resource) = Resource::of(&path) else {
        let is_strange = path.iter().any(|part| has_forbidden(part));
        return Err(if is_strange { Error::bad("invalid character in URI") } else { unknown() }.into());
    };
    let is_get = call.method == Method::GET;
    if is_get && !matches!(resource, Resource::AttributeValue | Resource::Prometheus) {
        call.accept.json()?;
    }
    check_path(&path, resource, &call.method).map_err(|error| {
        let as_text = resource == Resource::AttributeValue && is_get && call.accept.json().is_err();
        if as_text { Reply::from(error).into_text() } else { error.into() }
    })?;
    let at = |index: usize| path.get(index).copied().unwrap_or_default();
    match (resource, &call.method) {
        (Resource::Root, &Method::GET) => Ok(admin::root()),
        (Resource::Entities, &Method::GET) => entities::list(call).await,
        (Resource::Entities, &Method::POST) => entities::create(call).await,
        (Resource::Entity, &Method::GET) => entities::show(call, at(2), true).await,
        (Resource::Entity, &Method::DELETE) => entities::delete(call, at(2)).await,
        (Resource::EntityAttributes, &Method::GET) => entities::show(call, at(2), false).await,
        (Resource::EntityAttributes, &Method::POST | &Method::PATCH | &Method::PUT) => {
            entities::update(call, at(2)).await
        }
        (Resource::Attribute, &Method::GET) => attributes::show(call, at(2), at(4)),
        (Resource::Attribute, &Method::PUT) => attributes::update(call, at(2), at(4)).await,
        (Resource::Attribute, &Method::DELETE) => attributes::delete(call, at(2), at(4)).await,
        (Resource::AttributeValue, &Method::GET) => attributes::show_value(call, at(2), at(4)),
        (Resource::AttributeValue, &Method::PUT) => attributes::update_value(call, at(2), at(4)).await,
        (Resource::Types, &Method::GET) => types::list(call),
        (Resource::Type, &Method::GET) => types::show(call, at(2)),
        (Resource::Subscriptions, &Method::GET) => subscriptions::list(call),
        (Resource::Subscriptions, &Method::POST) => subscriptions::create(call).await,
        (Resource::Subscription, &Method::GET) => subscriptions::show(call, at(2)),
        (Resource::Subscription, &Method::PATCH) => subscriptions::update(call, at(2)).await,
        (Resource::Subscription, &Method::DELETE) => subscriptions::delete(call, at(2)).await,
        (Resource::Registrations, &Method::GET) => registrations::list(call),
        (Resource::Registrations, &Method::POST) => registrations::create(call).await,
        (Resource::Registration, &Method::GET) => registrations::show(call, at(2)),
        (Resource::Registration, &Method::DELETE) => registrations::delete(call, at(2)).await,
        (Resource::Registration, &Method::PATCH) => {
            Err(Error::new(ErrorKind::NotImplemented, "NotImplemented").into())
        }
        (Resource::Update, &Method::POST) => operations::update(call).await,
        (Resource::Query, &Method::POST) => operations::query(call).await,
        (Resource::Notify, &Method::POST) => operations::notify(call).await,
        (Resource::Version, &Method::GET) => Ok(admin::version(call)),
        (Resource::Statistics, &Method::GET) => Ok(admin::statistics(call)),
        (Resource::Log, &Method::GET) => Ok(log::show(call)),
        (Resource::Log, &Method::PUT) => log::set(call),
        (Resource::Metrics, &Method::GET) => Ok(metrics::show(call)),
        (Resource::Metrics, &Method::DELETE) => Ok(metrics::forget(call)),
        (Resource::Statistics, &Method::DELETE) => Ok(admin::forget_statistics(call)),
        (Resource::Prometheus, &Method::GET) => Ok(metrics::prometheus(call)),
        (resource, &Method::OPTIONS) if call.service.options.cors.is_some() => {
            let methods = format!("{}, OPTIONS", resource.methods());
            // Only asked for when there is one.
            let cors = call.service.options.cors.as_ref();
            Ok(cors.map_or_else(Reply::done, |cors| Reply::preflight(&methods, cors)))
        }
        (resource, _) => {
            let with_options = call.service.options.cors.is_some();
            let methods = resource.methods();
            let methods = if with_options { format!("{methods}, OPTIONS") } else { methods.to_owned() };
            let error = Error::new(ErrorKind::MethodNotAllowed, "method not allowed");
            Err(Reply::from(error).allowing(&methods))
        }
    }
}

fn unknown() -> Error {
    Error::bad("Service not found. Check your URL as probably it is wrong.")
}

/// The parts of a path that users name must be identifiers.
fn check_path(path: &[&str], resource: Resource, method: &Method) -> Result<(), Error> {
    let named: &[usize] = match resource {
        Resource::Entity | Resource::EntityAttributes | Resource::Type => &[2],
        // The body's check of the name has words of its own.
        Resource::Attribute if *method == Method::PUT => &[2],
        Resource::Attribute | Resource::AttributeValue => &[2, 4],
        _ => return Ok(()),
    };
    for index in named {
        let part = path[*index];
        if part.is_empty() {
            return Err(if *index == 2 && resource != Resource::Type {
                Error::bad("entity id length: 0, min length supported: 1")
            } else {
                unknown()
            });
        }
        if !part.bytes().all(is_identifier_char) {
            return Err(Error::bad("invalid character in URI"));
        }
    }
    Ok(())
}
