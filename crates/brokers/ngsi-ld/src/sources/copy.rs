//! The copy of a subscription that a source gets (NGSI-LD 5.8.1.4): what the source is registered for, told to this
//! broker instead of the subscriber.

use http::{HeaderMap, HeaderValue, header};
use morgana_model::Secret;

use super::{Reach, Wanted, passed, selector};
use crate::{
    Context, EntityQuery, Name,
    model::Json,
    registrations::{Operation, Registration},
    subscriptions::{Selected, Subscription},
};

/// Where sources notify this broker.
pub(crate) const CALLBACK: &str = "/ngsi-ld/ex/remote-notify";

/// The header in which a source shows for which copy it notifies, and that it is the one who has that copy.
pub(crate) const CREDENTIAL: &str = "x-morgana-copy";

/// How a source reaches this broker with what it has to tell.
pub(crate) struct Callback<'a> {
    /// Where to.
    pub(crate) uri: &'a str,
    /// The tenant that the copy is of; `None` for the default one.
    pub(crate) tenant: Option<&'a str>,
    /// What it shows as [`CREDENTIAL`].
    pub(crate) credential: &'a Secret,
}

/// Members that a copy has as they were written.
const TAKEN: &[&str] =
    &["notificationTrigger", "timeInterval", "throttling", "expiresAt", "isActive", "datasetId"];

/// Members that ask for some entities only.
const FILTERS: &[&str] = &["q", "scopeQ", "geoQ", "expandValues", "jsonKeys"];

/// A subscription and a source that is to have a copy of it.
pub(crate) struct Copied<'a> {
    subscription: &'a Subscription,
    registration: &'a Registration,
    /// What of each of its selectors the source can answer.
    reached: Vec<(usize, Reach)>,
}

impl<'a> Copied<'a> {
    /// `None` when the source has nothing to do with the subscription, cannot be subscribed to, or is where the
    /// subscription came from.
    pub(crate) fn new(subscription: &'a Subscription, registration: &'a Registration) -> Option<Self> {
        let access = &registration.access;
        let origin = &subscription.origin;
        if origin.is_local
            || subscription.is_local
            || !access.allows(Operation::CreateSubscription)
            || !registration.is_of_the_present()
            || access.alias.as_deref().is_some_and(|alias| passed(&came_through(subscription), alias))
        {
            return None;
        }
        if let Some(csf) = subscription.document.get("csf").and_then(Json::as_str) {
            let csf = EntityQuery::default().with_q(csf, &subscription.context).ok()?;
            if !csf.matches(&registration.source) {
                return None;
            }
        }
        let selected = subscription.selected();
        let reach = |(at, (ids, pattern, types)): (usize, &Selected)| {
            let (pattern, types) = (pattern.as_ref(), types.as_ref());
            let wanted = Wanted { ids, pattern, types, names: subscription.watched() };
            Some((at, registration.reach(wanted)?))
        };
        let reached: Vec<_> = selected.iter().enumerate().filter_map(reach).collect();
        (!reached.is_empty()).then_some(Self { subscription, registration, reached })
    }

    /// Whether the source itself looks at the subscription's filters. It does not when no part of an entity says
    /// whether the whole matches, or when it is spoken to in other terms than those of the query.
    pub(crate) fn is_filtered(&self) -> bool {
        let document = &self.subscription.document;
        let names = document.get("q").is_some()
            || document.get("geoQ").is_some_and(|geo| geo.get("geoproperty").is_some());
        !self.subscription.is_split && (!names || self.registration.access.speaks(&self.subscription.context))
    }

    /// The copy named `id`, in the terms of `wire`, that tells `callback`.
    pub(crate) fn document(&self, id: &str, wire: &Context, callback: &Callback<'_>) -> Json {
        let subscription = self.subscription;
        let mut members: Vec<(Box<str>, Json)> =
            vec![("id".into(), id.into()), ("type".into(), "Subscription".into())];
        let entities = self.entities(wire);
        if !entities.is_empty() {
            members.push(("entities".into(), Json::Array(entities.into())));
        }
        let watched = self.names();
        if !watched.is_empty() {
            members.push(("watchedAttributes".into(), terms(&watched, wire)));
        }
        let filters = if self.is_filtered() { FILTERS } else { &[] };
        for name in TAKEN.iter().chain(filters) {
            members.extend(subscription.document.get(name).map(|value| ((*name).into(), value.clone())));
        }
        if subscription.is_split {
            members.push(("splitEntities".into(), Json::Bool(true)));
        }
        let mut endpoint: Vec<(Box<str>, Json)> =
            vec![("uri".into(), callback.uri.into()), ("accept".into(), "application/ld+json".into())];
        let tenant = callback.tenant.map(|tenant| ("NGSILD-Tenant", tenant));
        let shown = tenant.into_iter().chain([(CREDENTIAL, callback.credential.expose())]);
        let pair = |(key, value): (&str, &str)| {
            Json::Object([("key".into(), key.into()), ("value".into(), value.into())].into())
        };
        endpoint.push(("receiverInfo".into(), Json::Array(shown.map(pair).collect())));
        // Times are needed to tell what is newer, and all else to show it as the subscriber wants it.
        let mut notification: Vec<(Box<str>, Json)> = vec![
            ("format".into(), "normalized".into()),
            ("sysAttrs".into(), Json::Bool(true)),
            ("endpoint".into(), Json::Object(endpoint.into())),
        ];
        if let Some(shown) = self.shown() {
            notification.push(("attributes".into(), terms(&shown, wire)));
        }
        members.push(("notification".into(), Json::Object(notification.into())));
        Json::Object(members.into())
    }

    fn entities(&self, wire: &Context) -> Vec<Json> {
        let written = self.subscription.document.get("entities").and_then(Json::as_array);
        let speaks = self.registration.access.speaks(&self.subscription.context);
        let mut found = Vec::new();
        for (at, reach) in &self.reached {
            let written = |member: &str| written?.get(*at)?.get(member)?.as_str();
            let (text, pattern) = (written("type"), written("idPattern"));
            let types = match text.filter(|_| speaks) {
                Some(text) if text != "*" => text.to_owned(),
                _ => reach.types.iter().map(|name| wire.compact(name)).collect::<Vec<_>>().join(","),
            };
            if types.is_empty() && reach.ids.is_empty() && pattern.is_none() && text.is_none() {
                return Vec::new();
            }
            found.push(selector(&reach.ids, pattern, &types));
        }
        found
    }

    /// The attributes whose changes are told; none is all.
    fn names(&self) -> Vec<Name> {
        let mut names: Vec<Name> = Vec::new();
        for (_, reach) in &self.reached {
            if reach.names.is_empty() {
                return Vec::new();
            }
            for name in &reach.names {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        names
    }

    /// The attributes that are shown: those the source has, and the subscriber wants to see. A filter that is looked at
    /// here needs all of them.
    fn shown(&self) -> Option<Vec<Name>> {
        let registered: Vec<&Vec<Name>> =
            self.registration.information.iter().map(|part| &part.names).collect();
        let all = registered.iter().any(|names| names.is_empty());
        let wanted =
            self.subscription.params.view.projection.attributes.as_ref().filter(|_| self.is_filtered());
        let has = |name: &&Name| all || registered.iter().any(|names| names.contains(name));
        match wanted {
            Some(wanted) => {
                let both: Vec<Name> = wanted.iter().filter(has).cloned().collect();
                (!both.is_empty()).then_some(both)
            }
            None if all => None,
            None => Some(registered.into_iter().flatten().cloned().collect()),
        }
    }
}

/// The headers that say which brokers a subscription came through.
pub(crate) fn came_through(subscription: &Subscription) -> HeaderMap {
    let via = subscription.origin.via.as_deref().and_then(|via| HeaderValue::from_str(via).ok());
    via.map(|via| (header::VIA, via)).into_iter().collect()
}

fn terms(names: &[Name], wire: &Context) -> Json {
    Json::Array(names.iter().map(|name| Json::from(&*wire.compact(name))).collect())
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        model::Timestamp,
        subscriptions::{Contexts, Origin},
    };

    fn registration(information: &str, more: &str) -> Registration {
        let text = format!(
            r#"{{"id":"urn:r","type":"ContextSourceRegistration","endpoint":"http://x","information":{information}{more}}}"#
        );
        let (json, now) = (Json::parse(text.as_bytes()).unwrap(), Timestamp::now());
        Registration::new(crate::registrations::expanded(&json, &Context::core()), now, now).unwrap()
    }

    fn subscription(more: &str, context: &Arc<Context>) -> Subscription {
        let text = format!(
            r#"{{"id":"urn:s","type":"Subscription"{more},"notification":{{"attributes":["speed","color"],"endpoint":{{"uri":"http://me/x"}}}}}}"#
        );
        let (json, now) = (Json::parse(text.as_bytes()).unwrap(), Timestamp::now());
        Subscription::new(json, Contexts::one(context), now, now, Duration::from_secs(1)).unwrap()
    }

    const CARS: &str = r#","entities":[{"type":"Car"},{"type":"Bus"}],"watchedAttributes":["speed","size"]"#;

    fn copy(subscription: &Subscription, registration: &Registration) -> Option<Json> {
        let copied = Copied::new(subscription, registration)?;
        let credential = &Secret::new("shown");
        let callback = Callback { uri: "http://b/cb", tenant: Some("t"), credential };
        Some(copied.document("urn:copy", &Context::core(), &callback))
    }

    #[test]
    fn a_copy_is_narrowed_to_its_source_and_tells_the_broker() {
        let source = registration(
            r#"[{"entities":[{"type":"Car","id":"urn:c:1"}],"propertyNames":["speed","brand"]}]"#,
            "",
        );
        let one = subscription(
            &format!(r#"{CARS},"q":"speed>5","throttling":3,"isActive":false"#),
            &Context::core(),
        );
        let expected = Json::parse(
            br#"{"id":"urn:copy","type":"Subscription","entities":[{"id":"urn:c:1","type":"Car"}],
            "watchedAttributes":["speed"],"throttling":3,"isActive":false,"q":"speed>5","notification":{"format":"normalized",
            "sysAttrs":true,"endpoint":{"uri":"http://b/cb","accept":"application/ld+json",
            "receiverInfo":[{"key":"NGSILD-Tenant","value":"t"},{"key":"x-morgana-copy","value":"shown"}]},
            "attributes":["speed"]}}"#,
        );
        assert_eq!(copy(&one, &source), Some(expected.unwrap()));
    }

    #[test]
    fn filters_stay_here_when_the_source_cannot_tell() {
        let source = registration(r#"[{"entities":[{"type":"Car"}]}]"#, "");
        let split = subscription(&format!(r#"{CARS},"q":"speed>5","splitEntities":true"#), &Context::core());
        let document = copy(&split, &source).unwrap();
        assert_eq!((document.get("q"), document.get("splitEntities")), (None, Some(&Json::Bool(true))));
        assert!(document.get("notification").unwrap().get("attributes").is_none());
        // Terms without a URL cannot be named to the source.
        let terms = Json::parse(br#"{"Car":"https://e.org/Car"}"#).unwrap();
        let nameless = Arc::new(Context::from_terms(terms.clone(), &terms));
        let source = registration(r#"[{"entities":[{"type":"https://e.org/Car"}]}]"#, "");
        let document = copy(&subscription(&format!(r#"{CARS},"q":"speed>5""#), &nameless), &source).unwrap();
        assert_eq!(document.get("q"), None);
        let types = document.get("entities").and_then(Json::as_array).and_then(|all| all[0].get("type"));
        assert_eq!(types.and_then(Json::as_str), Some("https://e.org/Car"));
    }

    #[test]
    fn sources_that_have_nothing_of_it_or_brought_it_get_no_copy() {
        let one = subscription(CARS, &Context::core());
        for (information, more) in [
            (r#"[{"entities":[{"type":"Ship"}]}]"#, ""),
            (r#"[{"propertyNames":["brand"]}]"#, ""),
            (r#"[{"entities":[{"type":"Car"}]}]"#, r#","operations":["retrieveOps"]"#),
            (r#"[{"entities":[{"type":"Car"}]}]"#, r#","contextSourceAlias":"other""#),
        ] {
            let via = Origin { via: Some("1.1 first, 1.1 other".into()), ..Origin::default() };
            let one = subscription(CARS, &Context::core()).from(via);
            assert_eq!(copy(&one, &registration(information, more)), None, "{information}{more}");
        }
        assert!(copy(&one, &registration(r#"[{"entities":[{"type":"Car"}]}]"#, "")).is_some());
        let local = subscription(&format!(r#"{CARS},"localOnly":true"#), &Context::core());
        assert_eq!(copy(&local, &registration(r#"[{"entities":[{"type":"Car"}]}]"#, "")), None);
    }
}
