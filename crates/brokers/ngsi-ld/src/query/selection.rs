//! Selection by type (NGSI-LD 4.17), id pattern and scope (4.19).

use morgana_engine::Pattern;

use super::parser::compiled;
use crate::{
    Context, Error, ErrorKind,
    model::{Entity, Name},
};

/// Which types an entity must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TypeSelection {
    /// This type.
    Is(Name),
    /// All of these.
    All(Vec<TypeSelection>),
    /// One of these.
    Any(Vec<TypeSelection>),
}

impl TypeSelection {
    /// Parses `A`, `A,B`, `A|B`, `(A;B),C`. `None` for `*`, any type.
    pub(crate) fn parse(text: &str, context: &Context) -> Result<Option<Self>, Error> {
        if text == "*" {
            return Ok(None);
        }
        let mut rest = text;
        let selection = any(&mut rest, context, 0)?;
        if rest.is_empty() { Ok(Some(selection)) } else { Err(bad(text)) }
    }

    /// Whether these types are selected.
    pub(crate) fn matches(&self, types: &[Name]) -> bool {
        match self {
            Self::Is(name) => types.contains(name),
            Self::All(parts) => parts.iter().all(|part| part.matches(types)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(types)),
        }
    }

    /// Types of which every selected entity has at least one: where to look.
    pub(crate) fn cover(&self) -> Vec<&Name> {
        match self {
            Self::Is(name) => vec![name],
            Self::All(parts) => parts.iter().map(Self::cover).min_by_key(Vec::len).unwrap_or_default(),
            Self::Any(parts) => parts.iter().flat_map(Self::cover).collect(),
        }
    }
}

fn any(rest: &mut &str, context: &Context, depth: usize) -> Result<TypeSelection, Error> {
    let mut parts = vec![all(rest, context, depth)?];
    while let Some(after) = rest.strip_prefix([',', '|']) {
        *rest = after;
        parts.push(all(rest, context, depth)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { TypeSelection::Any(parts) })
}

fn all(rest: &mut &str, context: &Context, depth: usize) -> Result<TypeSelection, Error> {
    let mut parts = vec![one(rest, context, depth)?];
    while let Some(after) = rest.strip_prefix(';') {
        *rest = after;
        parts.push(one(rest, context, depth)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { TypeSelection::All(parts) })
}

fn one(rest: &mut &str, context: &Context, depth: usize) -> Result<TypeSelection, Error> {
    if depth > 32 {
        return Err(Error::new(ErrorKind::TooComplexQuery, "type nests deeper than 32 parentheses"));
    }
    if let Some(after) = rest.strip_prefix('(') {
        *rest = after;
        let inner = any(rest, context, depth + 1)?;
        *rest = rest.strip_prefix(')').ok_or_else(|| bad(rest))?;
        return Ok(inner);
    }
    let end = rest.find([',', '|', ';', '(', ')']).unwrap_or(rest.len());
    let (term, after) = rest.split_at(end);
    *rest = after;
    Ok(TypeSelection::Is(context.name(term, "type")?))
}

fn bad(text: &str) -> Error {
    Error::bad(format!("type: \"{}\" is not a type selection (NGSI-LD 4.17)", crate::model::shorten(text)))
}

/// Compiles an `idPattern`.
pub(crate) fn id_pattern(text: &str) -> Result<Pattern, Error> {
    compiled(text, "idPattern", Pattern::parse)
}

/// A parsed scope query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScopeQuery {
    /// A scope like this.
    Is(Box<str>),
    /// All of these.
    All(Vec<ScopeQuery>),
    /// One of these.
    Any(Vec<ScopeQuery>),
}

/// Parses a `scopeQ`: `/A/B`, `/A/+`, `/A/#`, `/A;/B`, `(/A;/B)|/C` (NGSI-LD 4.19).
pub(crate) fn scope_query(text: &str) -> Result<ScopeQuery, Error> {
    let mut rest = text;
    let query = any_scope(&mut rest, 0)?;
    if rest.is_empty() { Ok(query) } else { Err(bad_scope(rest)) }
}

fn any_scope(rest: &mut &str, depth: usize) -> Result<ScopeQuery, Error> {
    let mut parts = vec![all_scopes(rest, depth)?];
    while let Some(after) = rest.strip_prefix([',', '|']) {
        *rest = after;
        parts.push(all_scopes(rest, depth)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { ScopeQuery::Any(parts) })
}

fn all_scopes(rest: &mut &str, depth: usize) -> Result<ScopeQuery, Error> {
    let mut parts = vec![one_scope(rest, depth)?];
    while let Some(after) = rest.strip_prefix(';') {
        *rest = after;
        parts.push(one_scope(rest, depth)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { ScopeQuery::All(parts) })
}

fn one_scope(rest: &mut &str, depth: usize) -> Result<ScopeQuery, Error> {
    if depth > 32 {
        return Err(Error::new(ErrorKind::TooComplexQuery, "scopeQ nests deeper than 32 parentheses"));
    }
    if let Some(after) = rest.strip_prefix('(') {
        *rest = after;
        let inner = any_scope(rest, depth + 1)?;
        *rest = rest.strip_prefix(')').ok_or_else(|| bad_scope(rest))?;
        return Ok(inner);
    }
    let end = rest.find([',', '|', ';', '(', ')']).unwrap_or(rest.len());
    let (path, after) = rest.split_at(end);
    *rest = after;
    let level = |level: &str| level == "+" || !level.is_empty() && !level.contains(['#', '+', ' ']);
    let bare = path.strip_suffix("/#").unwrap_or(path);
    let bare = bare.strip_prefix('/').unwrap_or(bare);
    if path == "/#" || bare.split('/').all(level) {
        Ok(ScopeQuery::Is(path.into()))
    } else {
        Err(bad_scope(path))
    }
}

fn bad_scope(text: &str) -> Error {
    Error::bad(format!("scopeQ: \"{}\" is not a scope (NGSI-LD 4.19)", crate::model::shorten(text)))
}

impl ScopeQuery {
    /// Whether the entity's scopes are selected.
    pub(crate) fn matches(&self, entity: &Entity) -> bool {
        self.selects(&entity.scopes)
    }

    /// Whether who has these scopes is selected.
    pub(crate) fn selects(&self, scopes: &[Box<str>]) -> bool {
        match self {
            Self::Is(path) => scopes.iter().any(|scope| scope_matches(path, scope)),
            Self::All(parts) => parts.iter().all(|part| part.selects(scopes)),
            Self::Any(parts) => parts.iter().any(|part| part.selects(scopes)),
        }
    }

    /// Whether one of the scopes asked for is like this.
    pub(crate) fn mentions(&self, scope: &str) -> bool {
        match self {
            Self::Is(path) => scope_matches(path, scope),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.mentions(scope)),
        }
    }
}

fn scope_matches(path: &str, scope: &str) -> bool {
    let (path, below) = match path.strip_suffix('#') {
        Some(path) => (path.strip_suffix('/').unwrap_or(path), true),
        None => (path, false),
    };
    fn levels(text: &str) -> impl Iterator<Item = &str> {
        text.split('/').filter(|level| !level.is_empty())
    }
    let mut wanted = levels(path);
    let mut have = levels(scope);
    loop {
        match (wanted.next(), have.next()) {
            (None, None) => return true,
            (None, Some(_)) => return below,
            (Some(_), None) => return false,
            (Some(wanted), Some(have)) if wanted == "+" || wanted == have => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_selections_of_clause_4_17() {
        let context = Context::core();
        let types = |names: &[&str]| -> Vec<Name> {
            names.iter().map(|name| Name::new(&context.expand(name))).collect()
        };
        for (text, have, matches) in [
            ("A", &["A"][..], true),
            ("A", &["B"], false),
            ("A,B", &["B"], true),
            ("A|B", &["B"], true),
            ("A;B", &["A"], false),
            ("(A;B),C", &["A", "B"], true),
            ("(A;B)|C", &["C"], true),
            ("A;(B,C)", &["A", "C"], true),
        ] {
            let selection = TypeSelection::parse(text, &context).unwrap().unwrap();
            assert_eq!(selection.matches(&types(have)), matches, "{text} {have:?}");
        }
        assert_eq!(TypeSelection::parse("*", &context).unwrap(), None);
        for text in ["", "A,", "(A", "A)", ";", "A B"] {
            assert!(TypeSelection::parse(text, &context).is_err(), "{text}");
        }
    }

    #[test]
    fn scope_queries_of_clause_4_19() {
        for (path, scope, matches) in [
            ("/Madrid/Gardens", "/Madrid/Gardens", true),
            ("/Madrid", "/Madrid/Gardens", false),
            ("/Madrid/#", "/Madrid/Gardens/North", true),
            ("/Madrid/#", "/Madrid", true),
            ("/+/Gardens", "/Madrid/Gardens", true),
            ("/+", "/Madrid/Gardens", false),
            ("/#", "/Madrid", true),
        ] {
            assert_eq!(scope_matches(path, scope), matches, "{path} {scope}");
        }
        for text in ["(/A;/B)|/C", "/A,/B", "/A;(/B,/C/#)", "/#"] {
            assert!(scope_query(text).is_ok(), "{text}");
        }
        for text in ["", "(/A", "/A)", "/A;", "/A//B", "/A b"] {
            assert!(scope_query(text).is_err(), "{text}");
        }
    }
}
