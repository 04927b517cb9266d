use serde_json::Value;

use crate::{
    status::Failure,
    time::{Time, duration_millis},
};

/// What an attribute holds (the data types of TS-0004 6.3).
#[derive(Debug)]
pub(crate) enum Kind {
    /// Any JSON.
    Any,
    /// xs:string, m2m:ID, xs:anyURI.
    Text,
    /// A string without spaces: m2m:ID, xs:NCName, xs:token with one word.
    Word,
    /// xs:token: no line breaks or tabs, and no spaces at the ends or next to each other.
    Token,
    /// A resource name: the unreserved characters of RFC 3986 (TS-0004 6.3.3, 7.3.2.1).
    Name,
    /// xs:NCName: the name of an attribute.
    NcName,
    /// xs:nonNegativeInteger.
    UInt,
    /// xs:positiveInteger.
    Positive,
    /// xs:integer.
    Int,
    /// xs:float.
    Float,
    /// xs:boolean.
    Bool,
    /// m2m:timestamp.
    Time,
    /// m2m:absRelTimestamp: a timestamp, or milliseconds from now.
    AbsRelTime,
    /// xs:duration.
    Duration,
    /// xs:duration, or a number of milliseconds.
    Span,
    /// A region, as a GeoJSON polygon.
    Area,
    /// An enumeration type of TS-0004 6.3.4, by its values.
    Enum(&'static [i64]),
    /// A string out of these.
    OneOf(&'static [&'static str]),
    /// An integer between these, both included.
    Range(i64, i64),
    /// m2m:accessControlOperations; Mobius clients write the number as a string.
    Operations,
    /// m2m:contentInfo: `type/subtype:encoding[:security]` (TS-0004 6.3.3).
    ContentInfo,
    /// m2m:scheduleEntries: one cron-like line of seven fields (TS-0004 6.3.3).
    ScheduleEntry,
    /// m2m:geoCoordinates.
    Location,
    /// A JSON array of these, maybe empty.
    List(&'static Kind),
    /// A JSON array with at least one of these.
    Some(&'static Kind),
    /// A JSON object with these members and no others.
    Struct(&'static [Field]),
    /// A JSON object with members of any name.
    Object,
}

/// A member of a complex type.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

impl Field {
    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false }
    }

    pub(crate) const fn required(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: true }
    }
}

/// What is wrong with a value, and where in it.
#[derive(Debug)]
pub(crate) struct Fault {
    path: String,
    what: String,
}

impl Fault {
    fn new(what: impl Into<String>) -> Self {
        Self { path: String::new(), what: what.into() }
    }

    fn inside(mut self, member: &str) -> Self {
        self.path = format!(".{member}{}", self.path);
        self
    }

    /// The failure of the request whose attribute this is.
    pub(crate) fn of(self, attribute: &str) -> Failure {
        Failure::bad(format!("{attribute}{}: {}", self.path, self.what))
    }
}

impl Kind {
    /// Checks a value.
    pub(crate) fn check(&self, value: &Value) -> Result<(), Fault> {
        let text = || value.as_str().ok_or_else(|| Fault::new("it must be a string"));
        let verdict = |good: bool, what: &'static str| if good { Ok(()) } else { Err(Fault::new(what)) };
        match self {
            Self::Any => Ok(()),
            Self::Text => text().map(drop),
            Self::Word => {
                let text = text()?;
                verdict(!text.is_empty() && !text.contains(char::is_whitespace), "it must be one word")
            }
            Self::Token => {
                let text = text()?;
                let good = text.split(' ').all(|word| !word.is_empty()) && !text.contains(['\t', '\n', '\r']);
                verdict(good, "it is empty, or has spaces at its ends or next to each other, or line breaks")
            }
            Self::Name => verdict(is_name(text()?), "a name has letters, digits and - . _ ~ only"),
            Self::NcName => verdict(is_nc_name(text()?), "it is not the name of an attribute"),
            Self::UInt => verdict(value.is_u64(), "it must be an integer of at least 0"),
            Self::Positive => verdict(
                value.as_u64().is_some_and(|number| number > 0),
                "it must be an integer of at least 1",
            ),
            Self::Int => verdict(value.is_i64() || value.is_u64(), "it must be an integer"),
            Self::Float => verdict(value.is_number(), "it must be a number"),
            Self::Bool => verdict(value.is_boolean(), "it must be true or false"),
            Self::Time => {
                verdict(Time::parse(text()?).is_some(), "it must be a timestamp YYYYMMDDThhmmss[,ffffff]")
            }
            Self::AbsRelTime => {
                let good = match value {
                    Value::String(text) => Time::parse_from(text, Time(0)).is_some(),
                    other => other.is_i64(),
                };
                verdict(good, "it must be a timestamp YYYYMMDDThhmmss[,ffffff] or a number of milliseconds")
            }
            Self::Duration => {
                let text = text()?;
                verdict(
                    text.starts_with('P') && duration_millis(text).is_some(),
                    "it must be a duration such as PT5S",
                )
            }
            Self::Span => {
                let good = value.as_u64().is_some_and(|millis| millis > 0)
                    || value.as_str().and_then(duration_millis).is_some_and(|millis| millis > 0);
                verdict(good, "it must be a duration such as PT5S, or a number of milliseconds")
            }
            Self::Area => crate::location::Area::of(value).map(drop).map_err(Fault::new),
            Self::Enum(values) => match value.as_i64() {
                Some(number) if values.contains(&number) => Ok(()),
                _ => Err(Fault::new(format!("it must be one of {values:?}"))),
            },
            Self::OneOf(values) => {
                let text = text()?;
                if values.contains(&text) {
                    Ok(())
                } else {
                    Err(Fault::new(format!("it must be one of {values:?}")))
                }
            }
            Self::Range(low, high) => match value.as_i64() {
                Some(number) if (*low..=*high).contains(&number) => Ok(()),
                _ => Err(Fault::new(format!("it must be an integer from {low} to {high}"))),
            },
            Self::Operations => {
                let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
                verdict(number.is_some_and(|number| number <= 63), "it must be a sum of operations, 0 to 63")
            }
            Self::ContentInfo => {
                verdict(is_content_info(text()?), "it must be type/subtype:encoding[:security]")
            }
            Self::ScheduleEntry => verdict(
                crate::schedule::Schedule::parse(text()?).is_some(),
                "it must be seven fields: second minute hour day month weekday year",
            ),
            Self::Location => crate::location::Geometry::of(value).map(drop).map_err(Fault::new),
            Self::List(kind) => check_list(kind, value),
            Self::Some(kind) => {
                verdict(value.as_array().is_none_or(|list| !list.is_empty()), "the list must not be empty")?;
                check_list(kind, value)
            }
            Self::Struct(fields) => check_struct(fields, value),
            Self::Object => verdict(value.is_object(), "it must be an object"),
        }
    }
}

fn check_list(kind: &Kind, value: &Value) -> Result<(), Fault> {
    let list = value.as_array().ok_or_else(|| Fault::new("it must be a list"))?;
    for (index, entry) in list.iter().enumerate() {
        kind.check(entry).map_err(|fault| fault.inside(&index.to_string()))?;
    }
    Ok(())
}

fn check_struct(fields: &[Field], value: &Value) -> Result<(), Fault> {
    let object = value.as_object().ok_or_else(|| Fault::new("it must be an object"))?;
    for (name, member) in object {
        let field = fields.iter().find(|field| field.name == name);
        let field = field.ok_or_else(|| Fault::new(format!("it has no member {name}")))?;
        field.kind.check(member).map_err(|fault| fault.inside(name))?;
    }
    match fields.iter().find(|field| field.required && !object.contains_key(field.name)) {
        Some(missing) => Err(Fault::new(format!("its member {} is missing", missing.name))),
        None => Ok(()),
    }
}

/// Whether a text can be the name of a resource.
pub(crate) fn is_name(text: &str) -> bool {
    // A colon is reserved in RFC 3986, but VirIoT names its AEs `<ThingVisor>:<vThing>` (viriot-wire 4.2).
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':');
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_content_info(text: &str) -> bool {
    let mut parts = text.split(':');
    let media = parts.next().unwrap_or_default();
    let small = |part: Option<&str>, max: u8| match part {
        None => true,
        Some(part) => part.parse::<u8>().is_ok_and(|number| number <= max),
    };
    let media_ok = media.split_once('/').is_some_and(|(kind, sub)| {
        !kind.is_empty() && !sub.is_empty() && !sub.contains('/') && !media.contains(char::is_whitespace)
    });
    let encoding = parts.next();
    media_ok && encoding.is_some() && small(encoding, 2) && small(parts.next(), 5) && parts.next().is_none()
}

fn is_nc_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.'))
}
