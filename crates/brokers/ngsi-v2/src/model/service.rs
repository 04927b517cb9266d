use std::fmt;

use crate::Error;

/// A place in the tree of service paths, such as `/madrid/gardens`, or with `#` everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServicePath(Box<str>);

/// Levels of a service path, and characters of a level.
const LEVELS: usize = 10;
const LEVEL_MAX: usize = 50;
/// Service paths in one header.
const PATHS: usize = 10;

impl ServicePath {
    /// Reads one path of a `Fiware-ServicePath` header.
    ///
    /// # Errors
    /// When it does not begin with `/`, or has too many, too long, empty or misspelt levels.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if !text.starts_with('/') {
            return Err(Error::bad(
                "Only /absolute/ Service Paths allowed [a service path must begin with /]",
            ));
        }
        let kept = text.trim_end_matches('/');
        if kept.is_empty() {
            // "/" is the root, "//" has an empty level.
            return if text.len() == 1 { Ok(Self::root()) } else { Err(empty_component()) };
        }
        if text.len() - kept.len() > 1 {
            return Err(empty_component());
        }
        let levels: Vec<&str> = kept[1..].split('/').collect();
        if levels.len() > LEVELS {
            return Err(Error::bad(format!(
                "too many components in ServicePath, max {LEVELS} components permitted"
            )));
        }
        for (index, level) in levels.iter().enumerate() {
            if level.is_empty() {
                return Err(empty_component());
            }
            if level.len() > LEVEL_MAX {
                return Err(Error::bad(format!(
                    "component-name too long in ServicePath, {LEVEL_MAX} chars max permitted"
                )));
            }
            let is_everything = *level == "#" && index + 1 == levels.len();
            if !is_everything && !level.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(Error::bad("a component of ServicePath contains an illegal character"));
            }
        }
        Ok(Self(kept.into()))
    }

    /// The root, `/`.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// Everything, `/#`.
    pub fn everything() -> Self {
        Self("/#".into())
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it ends in `#`.
    pub fn is_pattern(&self) -> bool {
        self.0.ends_with('#')
    }

    /// Whether an entity at `path` is here.
    pub fn covers(&self, path: &str) -> bool {
        match self.0.strip_suffix("/#") {
            None => *self.0 == *path,
            Some(base) => {
                path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

impl fmt::Display for ServicePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn empty_component() -> Error {
    Error::bad("empty component in ServicePath")
}

/// The service paths of a request: none when its header was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServicePaths(Vec<ServicePath>);

impl ServicePaths {
    /// Reads a `Fiware-ServicePath` header.
    ///
    /// # Errors
    /// When one of its paths is misspelt, or there are more than ten.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let paths = text.split(',').map(ServicePath::parse).collect::<Result<Vec<_>, _>>()?;
        if paths.len() > PATHS {
            return Err(Error::bad(format!(
                "too many service paths - a maximum of {PATHS} service paths is allowed"
            )));
        }
        Ok(Self(paths))
    }

    /// One path.
    pub fn one(path: ServicePath) -> Self {
        Self(vec![path])
    }

    /// The paths, in the order they were written.
    pub fn as_slice(&self) -> &[ServicePath] {
        &self.0
    }

    /// Whether an entity at `path` is in one of them. A request without paths asks for everything.
    pub fn cover(&self, path: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|known| known.covers(path))
    }

    /// The one path that an update works on: the root when none is given.
    ///
    /// # Errors
    /// When there are several, or one that ends in `#`.
    pub(crate) fn for_update(&self, words: &UpdateWords) -> Result<&str, Error> {
        match &*self.0 {
            [] => Ok("/"),
            [path] if path.is_pattern() => Err(Error::bad(words.pattern)),
            [path] => Ok(path.as_str()),
            _ => Err(Error::bad(words.several)),
        }
    }
}

/// How a request that changes entities words a wrong service path.
#[derive(Debug)]
pub(crate) struct UpdateWords {
    several: &'static str,
    pattern: &'static str,
}

impl UpdateWords {
    /// For most requests.
    pub(crate) const COMMON: Self = Self {
        several: "more than one service path in context update request",
        pattern: "service path with wildcard not allowed in context update request",
    };
    /// For `PATCH` of an entity's attributes.
    pub(crate) const PATCH: Self = Self {
        several: "more than one servicepath in patch update request is not allowed",
        pattern: "servicepath with wildcard # is not allowed in patch update request",
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_covers_itself_and_with_a_wildcard_all_below() {
        let covers = |filter: &str, path: &str| ServicePath::parse(filter).unwrap().covers(path);
        assert!(covers("/a", "/a"));
        assert!(!covers("/a", "/a/b"));
        assert!(covers("/a/#", "/a"));
        assert!(covers("/a/#", "/a/b/c"));
        assert!(!covers("/a/#", "/ab"));
        assert!(covers("/#", "/"));
        assert!(covers("/#", "/a/b"));
        assert!(covers("/a/", "/a"));
    }

    #[test]
    fn misspelt_paths_are_refused() {
        for text in [
            "a",
            "//",
            "/a//b",
            "/a-b",
            "/a/#/b",
            &format!("/{}", "x".repeat(51)),
            "/1/2/3/4/5/6/7/8/9/10/11",
        ] {
            assert!(ServicePath::parse(text).is_err(), "{text}");
        }
        assert!(ServicePaths::parse("/a, /b/#").unwrap().cover("/b/c"));
        assert!(ServicePaths::default().cover("/x"));
    }
}
