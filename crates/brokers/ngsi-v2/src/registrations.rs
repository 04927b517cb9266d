//! Registrations: which context providers have which attributes of which entities.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Error,
    model::{Field, Json, ServicePath, Time, check_identifier, has_forbidden},
    query::{EntitySelector, parse_pattern},
    render::Names,
};

/// What a provider may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    All,
    None,
    Query,
    Update,
}

/// What a provider registered.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) id: Box<str>,
    pub(crate) path: ServicePath,
    pub(crate) url: Box<str>,
    selectors: Vec<EntitySelector>,
    /// None means all.
    attrs: Names,
    mode: Mode,
    expires: Option<Time>,
    is_active: bool,
    document: Json,
}

impl Registration {
    /// Reads a registration.
    ///
    /// # Errors
    /// When the document is not one.
    pub(crate) fn parse(id: &str, document: Json, path: ServicePath) -> Result<Self, Error> {
        if document.as_object().is_none() {
            return Err(Error::parse());
        }
        if let Some(description) = document.get("description") {
            let text = description.as_str().ok_or_else(|| Error::bad("description is not a string"))?;
            if has_forbidden(text) {
                return Err(Error::bad("forbidden characters in registration description"));
            }
        }
        let data = document.get("dataProvided").ok_or_else(|| Error::bad("dataProvided field is missing"))?;
        if data.as_object().is_none() {
            return Err(Error::bad("dataProvided is not an object"));
        }
        let entities = data.get("entities").ok_or_else(|| Error::bad("entities field is missing"))?;
        let items = entities.as_array().ok_or_else(|| Error::bad("entities is not an array"))?;
        if items.is_empty() {
            return Err(Error::bad("entities is empty"));
        }
        let selectors = items.iter().map(parse_selector).collect::<Result<_, _>>()?;
        let provider = document.get("provider").ok_or_else(|| Error::bad("provider field is missing"))?;
        let (url, mode) = parse_provider(provider)?;
        let expires = match document.get("expires").map(Json::as_str) {
            None | Some(Some("")) => None,
            Some(None) => return Err(Error::bad("expires is not a string")),
            Some(Some(text)) => {
                Some(Time::parse(text).ok_or_else(|| Error::bad("expires has an invalid format"))?)
            }
        };
        let is_active = match document.get("status").map(Json::as_str) {
            None | Some(Some("active")) => true,
            Some(Some("inactive")) => false,
            Some(_) => return Err(Error::bad("status is not valid: it has to be either active or inactive")),
        };
        let attrs = parse_attrs(data.get("attrs"))?;
        Ok(Self { id: id.into(), path, url, selectors, attrs, mode, expires, is_active, document })
    }

    /// As the journal keeps it.
    pub(crate) fn stored(&self) -> Json {
        Json::object([
            ("id", Json::String(self.id.clone())),
            ("path", Json::from(self.path.as_str())),
            ("document", self.document.clone()),
        ])
    }

    /// As `GET /v2/registrations` shows it.
    pub(crate) fn write(&self, now: Time, out: &mut Vec<u8>) {
        let given = |name: &str| self.document.get(name).cloned();
        let mut members = vec![("id", Json::String(self.id.clone()))];
        members.extend(given("description").map(|text| ("description", text)));
        members.extend(self.expires.map(|end| ("expires", Json::from(&*end.to_string()))));
        let entities = given("dataProvided").and_then(|data| data.get("entities").cloned());
        let names = self.attrs.iter().map(Json::from).collect();
        members.push((
            "dataProvided",
            Json::object([("entities", entities.unwrap_or(Json::Null)), ("attrs", Json::Array(names))]),
        ));
        let mode = match self.mode {
            Mode::All => "all",
            Mode::None => "none",
            Mode::Query => "query",
            Mode::Update => "update",
        };
        members.push((
            "provider",
            Json::object([
                ("http", Json::object([("url", Json::String(self.url.clone()))])),
                ("supportedForwardingMode", mode.into()),
                ("legacyForwarding", false.into()),
            ]),
        ));
        let status = match self.expires {
            Some(end) if end <= now => "expired",
            _ if self.is_active => "active",
            _ => "inactive",
        };
        members.push(("status", status.into()));
        Json::object(members).write(out);
    }

    fn is_on(&self, now: Time) -> bool {
        self.is_active && self.expires.is_none_or(|end| now < end)
    }

    /// Whether the provider is to be asked about an entity.
    pub(crate) fn answers(&self, id: &str, kind: Option<&str>, now: Time) -> bool {
        self.is_on(now) && matches!(self.mode, Mode::All | Mode::Query) && self.is_about(id, kind)
    }

    /// Whether the provider takes updates of this attribute of an entity.
    pub(crate) fn takes(&self, id: &str, kind: Option<&str>, attribute: &str, now: Time) -> bool {
        self.is_on(now)
            && matches!(self.mode, Mode::All | Mode::Update)
            && self.is_about(id, kind)
            && (self.attrs.is_empty() || self.attrs.has(attribute))
    }

    fn is_about(&self, id: &str, kind: Option<&str>) -> bool {
        self.selectors.iter().any(|selector| {
            selector.id.as_deref().is_none_or(|known| known == id)
                && selector.id_pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
                && kind.is_none_or(|kind| {
                    selector.kind.as_deref().is_none_or(|known| known == kind)
                        && selector.type_pattern.as_ref().is_none_or(|pattern| pattern.is_match(kind))
                })
        })
    }

    /// The attributes to ask for when these are wanted: of an empty list, all that are registered; `None` when the
    /// provider has none of them.
    pub(crate) fn wanted<'a>(&'a self, asked: &'a Names) -> Option<Vec<&'a str>> {
        if asked.is_empty() || asked.has("*") {
            return Some(self.attrs.iter().collect());
        }
        if self.attrs.is_empty() {
            return Some(asked.iter().collect());
        }
        let both: Vec<&str> = asked.iter().filter(|name| self.attrs.has(name)).collect();
        (!both.is_empty()).then_some(both)
    }
}

fn parse_selector(item: &Json) -> Result<EntitySelector, Error> {
    if item.as_object().is_none() {
        return Err(Error::bad("entities element is not an object"));
    }
    let text = |name: &str| match item.get(name) {
        None => Ok(None),
        Some(content) => content
            .as_str()
            .map(Some)
            .ok_or_else(|| Error::bad(format!("entities element {name} is not a string"))),
    };
    let (id, id_pattern, kind, type_pattern) =
        (text("id")?, text("idPattern")?, text("type")?, text("typePattern")?);
    if id.is_none() && id_pattern.is_none() {
        return Err(Error::bad("entities element does not have id nor idPattern"));
    }
    if let Some(id) = id {
        check_identifier(Field::EntityId, id)?;
    }
    if let Some(kind) = kind {
        check_identifier(Field::EntityType, kind)?;
    }
    Ok(EntitySelector {
        id: id.map(Into::into),
        id_pattern: id_pattern.map(|text| parse_pattern(text, "idPattern")).transpose()?,
        kind: kind.map(Into::into),
        type_pattern: type_pattern.map(|text| parse_pattern(text, "typePattern")).transpose()?,
    })
}

fn parse_attrs(attrs: Option<&Json>) -> Result<Names, Error> {
    let Some(attrs) = attrs else { return Ok(Names::default()) };
    let items = attrs.as_array().ok_or_else(|| Error::bad("attrs is not an array"))?;
    let name = |item: &Json| {
        let text = item.as_str().ok_or_else(|| Error::bad("attrs element is not a string"))?;
        check_identifier(Field::AttributeName, text).map(|()| Box::<str>::from(text))
    };
    Ok(Names::new(items.iter().map(name).collect::<Result<Vec<_>, _>>()?))
}

fn parse_provider(provider: &Json) -> Result<(Box<str>, Mode), Error> {
    if provider.as_object().is_none() {
        return Err(Error::bad("provider is not an object"));
    }
    if provider.get("legacyForwarding") == Some(&Json::Bool(true)) {
        return Err(Error::bad("legacyForwarding is not supported: providers are asked in NGSIv2"));
    }
    let mode = match provider.get("supportedForwardingMode").map(Json::as_str) {
        None | Some(Some("all")) => Mode::All,
        Some(Some("none")) => Mode::None,
        Some(Some("query")) => Mode::Query,
        Some(Some("update")) => Mode::Update,
        Some(_) => return Err(Error::bad("invalid value of /supportedForwardingMode/")),
    };
    let url = provider.get("http").and_then(|http| http.get("url")).and_then(Json::as_str);
    let url = url.ok_or_else(|| Error::bad("url http provider is missing"))?;
    crate::subscriptions::check_url(url).map_err(|_| Error::bad("Invalid URL"))?;
    Ok((url.into(), mode))
}

/// All registrations of a tenant.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    by_id: BTreeMap<Box<str>, Arc<Registration>>,
}

impl Registrations {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Registration>> {
        self.by_id.get(id)
    }

    /// In the order of creation.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Registration>> {
        self.by_id.values()
    }

    pub(crate) fn put(&mut self, registration: Registration) {
        self.by_id.insert(registration.id.clone(), Arc::new(registration));
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<Registration>> {
        self.by_id.remove(id)
    }

    /// Takes a registration from the journal.
    pub(crate) fn restore(&mut self, stored: &Json) {
        let text = |name: &str| stored.get(name).and_then(Json::as_str);
        let read = || {
            let path = ServicePath::parse(text("path")?).ok()?;
            Registration::parse(text("id")?, stored.get("document")?.clone(), path).ok()
        };
        match read() {
            Some(registration) => self.put(registration),
            None => tracing::error!(id = text("id"), "a stored registration cannot be read and is left out"),
        }
    }
}
