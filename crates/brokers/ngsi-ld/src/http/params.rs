use super::{HttpOptions, known, request::Accepted};
use crate::{
    AppendMode, Context, Error, ErrorKind,
    model::{
        Form, Join, Joining, MergeOptions, Name, Projection, Representation, Timestamp, View, check_uri,
    },
    query::{
        GeoParts, GeoQuery, Order, OrderParts, coordinates,
        members::{self, Mode},
    },
};

/// How deep linked entities are followed at most: each level may multiply the answer.
const MAX_JOIN_LEVEL: usize = 8;

/// The parameters of a request's URL.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn parse(path: &str, query: Option<&str>, options: &HttpOptions) -> Result<Self, Error> {
        let pairs: Vec<(String, String)> = form_pairs(query.unwrap_or_default());
        if !options.lenient_queries {
            known::check(&pairs)?;
            known::check_path(path, &pairs)?;
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; one that is there but empty is an error.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.0.iter().find(|(key, _)| key == name) {
            Some((_, value)) if value.is_empty() => Err(Error::bad(format!("parameter {name} is empty"))),
            Some((_, value)) => Ok(Some(value)),
            None => Ok(None),
        }
    }

    /// These parameters, as they came.
    pub(super) fn pairs(&self, names: &[&str]) -> Vec<(String, String)> {
        self.0.iter().filter(|(name, _)| names.contains(&&**name)).cloned().collect()
    }

    /// A list with commas; an empty list when it is not there.
    pub(super) fn list(&self, name: &str) -> Result<Vec<&str>, Error> {
        Ok(self.get(name)?.map(|value| value.split(',').map(str::trim).collect()).unwrap_or_default())
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.get(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => {
                Err(Error::bad(format!("parameter {name} must be true or false, not \"{other}\"")))
            }
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, Error> {
        let parse = |value: &str| {
            value.parse().map_err(|_| {
                Error::bad(format!("parameter {name} must be a number from 0 on, not \"{value}\""))
            })
        };
        self.get(name)?.map(parse).transpose()
    }

    /// Whether `options` has this word.
    pub(super) fn option(&self, word: &str) -> bool {
        self.0
            .iter()
            .filter(|(key, _)| key == "options")
            .any(|(_, value)| value.split(',').any(|one| one.trim() == word))
    }

    /// Offset, limit, and whether to count (NGSI-LD 6.3.10, 6.3.13).
    pub(super) fn paging(&self, options: &HttpOptions) -> Result<Paging, Error> {
        let count = self.flag("count")?;
        let limit = self.number("limit")?.unwrap_or(options.page_default);
        if limit == 0 && !count {
            return Err(Error::bad("parameter limit may be 0 only together with count=true"));
        }
        if limit > options.page_max {
            let detail =
                format!("parameter limit is {limit}; this broker gives at most {} at once", options.page_max);
            return Err(Error::new(crate::ErrorKind::TooManyResults, detail));
        }
        Ok(Paging { offset: self.number("offset")?.unwrap_or_default(), limit, count })
    }

    /// How a request body writes attributes.
    pub(super) fn form(&self) -> Result<Form, Error> {
        let simplified = matches!(self.get("format")?, Some("keyValues" | "simplified"));
        let simplified = simplified || self.option("keyValues") || self.option("simplified");
        Ok(if simplified { Form::Simplified } else { Form::Full })
    }

    pub(super) fn append_mode(&self) -> AppendMode {
        if self.option("noOverwrite") { AppendMode::NoOverwrite } else { AppendMode::Overwrite }
    }

    /// How the past of entities is to be shown: as [`Self::view`], but its formats are of its own.
    pub(super) fn temporal_view(&self, context: &Context) -> Result<View, Error> {
        let others = self.0.iter().filter(|(key, _)| key != "format").cloned().collect();
        Ok(View { representation: Representation::Normalized, ..Self(others).view(context)? })
    }

    /// How entities are to be shown (NGSI-LD 6.3.7, 6.3.11, 4.21).
    pub(super) fn view(&self, context: &Context) -> Result<View, Error> {
        let representation = match self.get("format")? {
            Some("normalized") => Representation::Normalized,
            Some("concise") => Representation::Concise,
            Some("keyValues" | "simplified") => Representation::Simplified,
            Some(other) => {
                let kind = ErrorKind::InvalidRequest;
                return Err(Error::new(
                    kind,
                    format!("parameter format \"{other}\" is not one of normalized, concise, simplified"),
                ));
            }
            None if self.option("keyValues") || self.option("simplified") => Representation::Simplified,
            None if self.option("concise") => Representation::Concise,
            None => Representation::Normalized,
        };
        let attributes = self.names("attrs", context)?;
        let selection = |name, mode| {
            let text = self.get(name)?;
            text.map(|text| members::projection(text, mode, context)).transpose()
        };
        let (pick, omit) = (selection("pick", Mode::Pick)?, selection("omit", Mode::Omit)?);
        if attributes.is_some() && (pick.is_some() || omit.is_some()) {
            return Err(Error::bad("parameter attrs cannot be combined with pick or omit"));
        }
        let ids: Vec<_> = self.list("datasetId")?.into_iter().map(dataset_id).collect::<Result<_, _>>()?;
        let dataset_ids = (!ids.is_empty()).then_some(ids);
        let projection = Projection { attributes, dataset_ids, ..members::both(pick, omit)? };
        let links = projection.links();
        if links > self.join()?.map_or(0, |join| join.levels) {
            return Err(Error::bad(format!(
                "pick or omit reach into linked entities {links} deep, which join and joinLevel do not ask for (NGSI-LD 5.7.2.4)"
            )));
        }
        let sys_attrs = self.option("sysAttrs") || self.flag("sysAttrs")?;
        let language = self.get("lang")?.map(Into::into);
        Ok(View { representation, sys_attrs, projection, language, version: None, deleted_at: None })
    }

    /// The attribute whose value is the geometry of a GeoJSON answer (NGSI-LD 6.4.3.2); `None` for other answers.
    pub(super) fn geometry_property(
        &self,
        context: &Context,
        accepted: Accepted,
    ) -> Result<Option<Name>, Error> {
        let term = self.get("geometryProperty")?;
        if term.is_some() && !accepted.is_geojson() {
            return Err(Error::bad("geometryProperty belongs to answers in application/geo+json"));
        }
        let name = || context.name(term.unwrap_or("location"), "geometryProperty");
        accepted.is_geojson().then(name).transpose()
    }

    /// How linked entities are asked for, and how deep (NGSI-LD 4.5.23).
    pub(super) fn join(&self) -> Result<Option<Joining>, Error> {
        join_of(self.get("join")?, self.number("joinLevel")?, &self.list("containedBy")?)
    }

    /// By what results are ordered (NGSI-LD 4.23).
    pub(super) fn order(&self, context: &Context) -> Result<Option<Order>, Error> {
        let from = self.get("orderFrom")?.map(coordinates).transpose()?;
        let parts = OrderParts {
            keys: self.get("orderBy")?,
            from: from.as_ref(),
            geometry: self.get("orderGeometry")?,
            collation: self.get("collation")?,
        };
        Order::parse(parts, context)
    }

    /// The attributes whose values in `q` are expanded like names (`expandValues`, NGSI-LD 4.9).
    pub(super) fn expanded(&self, context: &Context) -> Result<Vec<Name>, Error> {
        self.names("jsonKeys", context)?;
        Ok(self.names("expandValues", context)?.unwrap_or_default())
    }

    /// What a merge does beside merging (NGSI-LD 5.6.17).
    pub(super) fn merge_options(&self) -> Result<MergeOptions, Error> {
        let at = |text: &str| {
            Timestamp::parse(text).ok_or_else(|| {
                Error::bad("parameter observedAt must be a date and time such as 2026-11-22T05:45:30Z")
            })
        };
        Ok(MergeOptions {
            observed_at: self.get("observedAt")?.map(at).transpose()?,
            language: self.get("lang")?.map(Into::into),
        })
    }

    /// The geo-query in the parameters (NGSI-LD 6.4.3.2), if there is one.
    pub(super) fn geo(&self, context: &Context) -> Result<Option<GeoQuery>, Error> {
        let parts = (self.get("georel")?, self.get("geometry")?, self.get("coordinates")?);
        let (Some(georel), Some(geometry), Some(text)) = parts else {
            return match parts {
                (None, None, None) => Ok(None),
                _ => Err(Error::bad("a geo-query needs georel, geometry and coordinates")),
            };
        };
        let parts = GeoParts {
            georel,
            geometry,
            coordinates: &coordinates(text)?,
            property: self.get("geoproperty")?,
        };
        GeoQuery::parse(parts, context).map(Some)
    }

    /// A list of attribute names, expanded.
    pub(super) fn names(&self, parameter: &str, context: &Context) -> Result<Option<Vec<Name>>, Error> {
        let names = self.list(parameter)?;
        let name = |term: &&str| context.name(term, parameter);
        if names.is_empty() {
            Ok(None)
        } else {
            names.iter().map(name).collect::<Result<Vec<_>, _>>().map(Some)
        }
    }

    /// The parameters again, with another offset, in the order of the alphabet.
    pub(super) fn with_offset(&self, offset: usize) -> String {
        let mut pairs = self.moved(offset);
        pairs.sort();
        pairs.join("&")
    }

    /// The parameters again, with another offset, in the order in which they were sent.
    pub(super) fn as_sent_with_offset(&self, offset: usize) -> String {
        self.moved(offset).join("&")
    }

    /// The parameters with another offset, which is last where none was sent.
    fn moved(&self, offset: usize) -> Vec<String> {
        let mut offset = Some(format!("offset={offset}"));
        let mut pairs = Vec::with_capacity(self.0.len() + 1);
        for (key, value) in &self.0 {
            match &**key {
                "offset" => pairs.extend(offset.take()),
                key => pairs.push(format!("{}={}", encode(key), encode(value))),
            }
        }
        pairs.extend(offset);
        pairs
    }
}

/// One of the datasets that are wanted: a URI, or `@none` for the default instance (NGSI-LD 4.5.5).
pub(super) fn dataset_id(id: &str) -> Result<Option<Box<str>>, Error> {
    if id == "@none" { Ok(None) } else { check_uri(id, "datasetId").map(|id| Some(id.into())) }
}

/// A segment of a path, decoded.
pub(super) fn decode_path(segment: &str) -> String {
    decode(&segment.replace('+', "%2B"))
}

/// How linked entities are asked for, by `join`, `joinLevel` and `containedBy`.
pub(super) fn join_of(
    join: Option<&str>,
    level: Option<usize>,
    known: &[&str],
) -> Result<Option<Joining>, Error> {
    if level == Some(0) {
        return Err(Error::bad("joinLevel must be a number from 1 on"));
    }
    let levels = level.unwrap_or(1).min(MAX_JOIN_LEVEL);
    let known: Vec<Box<str>> =
        known.iter().map(|id| Ok(check_uri(id, "containedBy")?.into())).collect::<Result<_, Error>>()?;
    let join = match join {
        None if level.is_some() => return Err(Error::bad("joinLevel needs join")),
        None if !known.is_empty() => return Err(Error::bad("containedBy needs join")),
        None | Some("@none") => return Ok(None),
        Some("inline") => Join::Inline,
        Some("flat") => Join::Flat,
        Some(other) => {
            return Err(Error::bad(format!("join must be inline or flat, not \"{other}\"")));
        }
    };
    Ok(Some(Joining { join, levels, known }))
}

/// Which page is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paging {
    pub(super) offset: usize,
    pub(super) limit: usize,
    pub(super) count: bool,
}

impl Paging {
    /// Offset, limit, and whether to count.
    pub(super) fn parts(self) -> (usize, usize, bool) {
        (self.offset, self.limit, self.count)
    }
}

/// The pairs of a query string, decoded.
fn form_pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

/// Decodes a value of a query string as forms write it: with percent signs, and a plus for a space. DateTimes have no
/// plus (NGSI-LD 4.6.3).
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        match (first, after) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or_default() << 4 | hex(*low).unwrap_or_default());
                rest = after;
            }
            (b'+', after) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/,*".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
