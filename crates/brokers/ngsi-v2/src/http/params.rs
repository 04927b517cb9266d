//! The parameters of a URL.

use super::HttpOptions;
use crate::{
    Error, Filter, Order, Query, ServicePaths,
    model::has_forbidden,
    query::{EntitySelector, GeoText, GeoWords, parse_pattern},
    render::{Format, Names},
};

/// The parameters of a request, decoded and free of forbidden characters.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

/// The options there are (`options`).
const OPTIONS: [&str; 17] = [
    "count",
    "normalized",
    "fullCounters",
    "libVersions",
    "keyValues",
    "values",
    "unique",
    "append",
    "upsert",
    "noAttrDetail",
    "skipForwarding",
    "skipInitialNotification",
    "forcedUpdate",
    "overrideMetadata",
    "flowControl",
    "dateCreated",
    "dateModified",
];

impl Params {
    /// Reads what is behind the `?`.
    ///
    /// # Errors
    /// When a parameter is empty, or has characters that it must not have.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Error> {
        let mut params = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(&value.replace('+', " "))?);
            if value.is_empty() {
                return Err(Error::bad(format!("Empty right-hand-side for URI param /{name}/")));
            }
            // These have a syntax of their own, which checks what they contain.
            let has_syntax =
                matches!(&*name, "q" | "mq" | "georel" | "coords" | "idPattern" | "typePattern" | "orderBy");
            if has_forbidden(&name) || (!has_syntax && has_forbidden(&value)) {
                return Err(Error::bad("invalid character in URI parameter"));
            }
            params.push((name, value));
        }
        let params = Self(params);
        let formats = params.options().filter(|option| matches!(*option, "keyValues" | "values" | "unique"));
        if formats.count() > 1 || params.options().any(|option| !OPTIONS.contains(&option)) {
            return Err(Error::bad("Invalid value for URI param /options/"));
        }
        Ok(params)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    fn options(&self) -> impl Iterator<Item = &str> {
        self.get("options").into_iter().flat_map(|options| options.split(','))
    }

    /// Whether an option is set.
    pub(super) fn has(&self, option: &str) -> bool {
        self.options().any(|known| known == option)
    }

    /// The representation that the options ask for.
    pub(super) fn format(&self) -> Format {
        if self.has("unique") {
            Format::Unique
        } else if self.has("values") {
            Format::Values
        } else if self.has("keyValues") {
            Format::KeyValues
        } else {
            Format::Normalized
        }
    }

    fn names(&self, name: &str) -> Option<Names> {
        self.get(name).map(|names| Names::new(names.split(',').filter(|name| !name.is_empty())))
    }

    /// The attributes to show. The dates of an entity can also be asked for as options, which is an old way.
    pub(super) fn attrs(&self) -> Option<Names> {
        let asked = self.names("attrs");
        let dates: Vec<&str> = self.options().filter(|option| option.starts_with("date")).collect();
        if dates.is_empty() {
            return asked;
        }
        match asked {
            Some(names) => Some(Names::new(names.iter().chain(dates))),
            None => Some(Names::new(std::iter::once("*").chain(dates))),
        }
    }

    /// The metadata to show.
    pub(super) fn metadata(&self) -> Option<Names> {
        self.names("metadata")
    }

    /// The page to show: how many are left out, and how many are given.
    ///
    /// # Errors
    /// When they are no numbers, or ask for too many.
    pub(super) fn page(&self, options: &HttpOptions) -> Result<(usize, usize), Error> {
        let number = |name: &str, default: usize| match self.get(name) {
            None => Ok(default),
            Some(text) => text.parse::<usize>().map_err(|_| {
                Error::bad(format!("Bad pagination {name}: /{text}/ [must be a decimal number]"))
            }),
        };
        let (offset, limit) = (number("offset", 0)?, number("limit", options.page_default)?);
        if limit > options.page_max {
            return Err(Error::bad(format!("Bad pagination limit: /{limit}/ [max: {}]", options.page_max)));
        }
        Ok((offset, limit))
    }

    /// The order to show results in.
    pub(super) fn order(&self) -> Result<Order, Error> {
        self.get("orderBy").map(Order::parse).transpose().map(Option::unwrap_or_default)
    }

    /// The query of `GET /v2/entities`.
    ///
    /// # Errors
    /// When a parameter is malformed, or two do not go together.
    pub(super) fn query(&self, options: &HttpOptions, paths: ServicePaths) -> Result<Query, Error> {
        let (offset, limit) = self.page(options)?;
        for name in ["q", "mq"] {
            if self.get(name).is_some_and(|text| text.contains(['(', ')', '"'])) {
                return Err(Error::bad(format!("invalid character found in URI param /{name}/")));
            }
        }
        let geo = GeoText {
            georel: self.get("georel"),
            geometry: self.get("geometry"),
            coords: self.get("coords"),
        };
        Ok(Query {
            selectors: self.selectors()?,
            paths,
            q: self.get("q").map(Filter::parse_q).transpose()?,
            mq: self.get("mq").map(Filter::parse_mq).transpose()?,
            geo: geo.parse(GeoWords::URL)?,
            having: Names::default(),
            order: self.order()?,
            offset,
            limit,
            count: self.has("count"),
        })
    }

    fn selectors(&self) -> Result<Vec<EntitySelector>, Error> {
        let (ids, id_pattern) = (self.get("id"), self.get("idPattern"));
        let (types, type_pattern) = (self.get("type"), self.get("typePattern"));
        if ids.is_some() && id_pattern.is_some() {
            return Err(Error::bad("Incompatible parameters: id, IdPattern"));
        }
        if types.is_some() && type_pattern.is_some() {
            return Err(Error::bad("Incompatible parameters: type, typePattern"));
        }
        let id_pattern = id_pattern.map(|text| parse_pattern(text, "idPattern")).transpose()?;
        let type_pattern = type_pattern.map(|text| parse_pattern(text, "typePattern")).transpose()?;
        let list = |texts: Option<&str>| -> Vec<Option<Box<str>>> {
            match texts {
                None => vec![None],
                Some(texts) => {
                    texts.split(',').filter(|text| !text.is_empty()).map(|text| Some(text.into())).collect()
                }
            }
        };
        if ids.is_none() && types.is_none() && id_pattern.is_none() && type_pattern.is_none() {
            return Ok(Vec::new());
        }
        let mut selectors = Vec::new();
        for id in list(ids) {
            for kind in list(types) {
                let (id_pattern, type_pattern) = (id_pattern.clone(), type_pattern.clone());
                selectors.push(EntitySelector { id: id.clone(), id_pattern, kind, type_pattern });
            }
        }
        Ok(selectors)
    }
}

/// A part of a URL with its encoded characters decoded.
///
/// # Errors
/// When what comes out is no text.
pub(super) fn decode(text: &str) -> Result<String, Error> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        if bytes[index] == b'%'
            && let (Some(high), Some(low)) = (digit(index + 1), digit(index + 2))
        {
            // Two hexadecimal digits are a byte.
            out.push((high * 16 + low) as u8);
            index += 3;
        } else {
            out.push(bytes[index]);
            index += 1;
        }
    }
    String::from_utf8(out).map_err(|_| Error::bad("invalid character in URI"))
}
