//! Filter criteria (m2m:filterCriteria, TS-0001 8.1.2), for discovery and for conditional
//! retrieval.

use serde_json::Value;

use crate::{location::Geometry, status::Failure, status::Status, time::Time, types};

/// What the filter is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum FilterUsage {
    /// Find resources below the target.
    Discovery,
    /// Say which children are shown.
    #[default]
    Conditional,
    /// Discovery on demand of an IPE; the same here.
    OnDemand,
}

/// How conditions go together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum FilterOperation {
    #[default]
    And,
    Or,
    Xor,
}

/// How a place has to lie to the filter's geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spatial {
    Within,
    Contains,
    Intersects,
}

/// Which resources a RETRIEVE or DELETE request is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    pub(crate) usage: FilterUsage,
    pub(crate) operation: FilterOperation,
    pub(crate) created_before: Option<Time>,
    pub(crate) created_after: Option<Time>,
    pub(crate) modified_since: Option<Time>,
    pub(crate) unmodified_since: Option<Time>,
    pub(crate) state_tag_below: Option<u64>,
    pub(crate) state_tag_above: Option<u64>,
    pub(crate) expires_before: Option<Time>,
    pub(crate) expires_after: Option<Time>,
    pub(crate) size_above: Option<u64>,
    pub(crate) size_below: Option<u64>,
    pub(crate) labels: Vec<String>,
    pub(crate) child_labels: Vec<String>,
    pub(crate) parent_labels: Vec<String>,
    pub(crate) label_query: Vec<String>,
    pub(crate) types: Vec<u32>,
    pub(crate) child_types: Vec<u32>,
    pub(crate) parent_types: Vec<u32>,
    pub(crate) content_types: Vec<String>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) child_attributes: Vec<(String, String)>,
    pub(crate) parent_attributes: Vec<(String, String)>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) level: Option<u64>,
    pub(crate) relative_path: Option<String>,
    geometry_kind: Option<u64>,
    geometry_text: Option<String>,
    pub(crate) geometry: Option<Geometry>,
    pub(crate) spatial: Option<Spatial>,
}

impl Filter {
    pub(crate) fn is_discovery(&self) -> bool {
        self.usage != FilterUsage::Conditional
    }

    /// Takes one criterion as it stands in a query. Several of a name add up.
    ///
    /// # Errors
    /// When the value is malformed or the criterion is unknown.
    pub(crate) fn add(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let time = || {
            let now = Time::now();
            Time::parse_from(value, now)
                .map(Some)
                .ok_or_else(|| Failure::bad(format!("{name}={value}: it must be a timestamp")))
        };
        let number = || {
            let wrong = |_| Failure::bad(format!("{name}={value}: it must be an integer of at least 0"));
            value.parse::<u64>().map_err(wrong)
        };
        let words = || value.split([' ', '+']).filter(|word| !word.is_empty()).map(str::to_owned);
        let numbers = |list: &mut Vec<u32>| -> Result<(), Failure> {
            for word in words() {
                let wrong = |_| Failure::bad(format!("{name}={value}: {word} is not a resource type"));
                list.push(word.parse().map_err(wrong)?);
            }
            Ok(())
        };
        let unknown = || Failure::bad(format!("{name}={value} is not one of its values"));
        match name {
            "fu" => {
                self.usage = match number()? {
                    1 => FilterUsage::Discovery,
                    2 => FilterUsage::Conditional,
                    3 => FilterUsage::OnDemand,
                    _ => return Err(unknown()),
                }
            }
            "fo" => {
                self.operation = match number()? {
                    1 => FilterOperation::And,
                    2 => FilterOperation::Or,
                    3 => FilterOperation::Xor,
                    _ => return Err(unknown()),
                }
            }
            "crb" => self.created_before = time()?,
            "cra" => self.created_after = time()?,
            "ms" => self.modified_since = time()?,
            "us" => self.unmodified_since = time()?,
            "exb" => self.expires_before = time()?,
            "exa" => self.expires_after = time()?,
            "sts" => self.state_tag_below = Some(number()?),
            "stb" => self.state_tag_above = Some(number()?),
            "sza" => self.size_above = Some(number()?),
            "szb" => self.size_below = Some(number()?),
            "lbl" => self.labels.extend(words()),
            "clbl" => self.child_labels.extend(words()),
            "palb" => self.parent_labels.extend(words()),
            "lbq" => self.label_query.push(value.to_owned()),
            "ty" => numbers(&mut self.types)?,
            "chty" => numbers(&mut self.child_types)?,
            "pty" => numbers(&mut self.parent_types)?,
            "cty" => self.content_types.extend(words()),
            "lim" => self.limit = Some(number()?),
            "ofst" => self.offset = Some(number()?.max(1)),
            "lvl" => self.level = Some(number()?),
            "arp" => self.relative_path = Some(value.to_owned()),
            "atr" => self.attributes.push(pair(name, value)?),
            "catr" => self.child_attributes.push(pair(name, value)?),
            "patr" => self.parent_attributes.push(pair(name, value)?),
            "gmty" => self.geometry_kind = Some(number()?),
            "geom" => self.geometry_text = Some(value.to_owned()),
            "gsf" => {
                self.spatial = Some(match number()? {
                    1 => Spatial::Within,
                    2 => Spatial::Contains,
                    3 => Spatial::Intersects,
                    _ => return Err(unknown()),
                })
            }
            "smf" => {
                return Err(Failure::new(Status::NotImplemented, "this CSE has no semantic filter (smf)"));
            }
            // The filter operation for policies of announced resources has no meaning here.
            "fq" => {}
            _ if types::is_attribute(name) => self.attributes.push((name.to_owned(), value.to_owned())),
            _ => {
                return Err(Failure::bad(format!(
                    "{name} is not a parameter, a filter criterion or an attribute"
                )));
            }
        }
        Ok(())
    }

    /// Takes one criterion as it stands in a JSON primitive.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(crate) fn add_json(&mut self, name: &str, value: &Value) -> Result<(), Failure> {
        match value {
            // m2m:geoQuery, with the coordinates as text or as they are.
            Value::Object(query) if name == "gq" => {
                query.iter().try_for_each(|(name, value)| self.add_json(name, value))
            }
            Value::Array(_) if name == "geom" => self.add(name, &value.to_string()),
            Value::Array(values) => values.iter().try_for_each(|value| self.add_json(name, value)),
            // m2m:attribute: a name and a value.
            Value::Object(object) if matches!(name, "atr" | "catr" | "patr") => {
                let member = |key: &str| object.get(key).map(text);
                match (member("nm"), member("val")) {
                    (Some(key), Some(value)) => self.add(name, &format!("{key},{value}")),
                    _ => Err(Failure::bad(format!("{name} must have nm and val"))),
                }
            }
            value => self.add(name, &text(value)),
        }
    }

    /// Checks what only makes sense together.
    ///
    /// # Errors
    /// When a geometry is incomplete.
    pub(crate) fn complete(&mut self) -> Result<(), Failure> {
        match (self.geometry_kind, &self.geometry_text, self.spatial) {
            (None, None, None) => Ok(()),
            (Some(kind), Some(text), Some(_)) => {
                let coordinates = serde_json::from_str(text)
                    .map_err(|_| Failure::bad("geom: it must be the coordinates of a GeoJSON geometry"))?;
                let geometry = Geometry::from_parts(kind, &coordinates);
                self.geometry = Some(geometry.map_err(|fault| Failure::bad(format!("geom: {fault}")))?);
                Ok(())
            }
            _ => Err(Failure::bad("gmty, geom and gsf must be given together")),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn pair(name: &str, value: &str) -> Result<(String, String), Failure> {
    let (attribute, wanted) = value.split_once(',').ok_or_else(|| {
        Failure::bad(format!("{name}={value}: it must be an attribute's name, a comma and a value"))
    })?;
    Ok((attribute.to_owned(), wanted.to_owned()))
}
