use std::sync::{Arc, LazyLock, OnceLock};

use hashbrown::HashMap;
use http::HeaderValue;

use super::{
    CORE_CONTEXT_URL,
    core::{self, DEFAULT_VOCABULARY},
    is_core_url,
};
use crate::{
    Error,
    model::{Json, Name, check_name, check_uri},
    subscriptions::link_header,
};

/// How many steps a term may take over other terms before it is called circular.
const MAX_INDIRECTION: usize = 16;

/// A parsed @context: the user's terms over which the core @context always wins (NGSI-LD 5.5.7).
#[derive(Debug)]
pub struct Context {
    source: Json,
    terms: HashMap<Box<str>, Box<str>>,
    /// IRI to the term that compacts it.
    reverse: HashMap<Box<str>, Box<str>>,
    /// Terms that may stand for the beginning of an IRI, longest IRI first.
    prefixes: Vec<(Box<str>, Box<str>)>,
    /// The Link header that names it, once it was needed.
    link_value: OnceLock<Option<HeaderValue>>,
}

static CORE: LazyLock<Arc<Context>> =
    LazyLock::new(|| Arc::new(Context::new(Json::from(CORE_CONTEXT_URL), Vec::new())));

impl Context {
    /// The core @context alone.
    pub fn core() -> Arc<Self> {
        Arc::clone(&CORE)
    }

    /// A context from term definitions in the order they apply; a later one replaces an earlier one. `source` is what
    /// the user gave: a URL, an object, or an array of both.
    pub(super) fn new(source: Json, definitions: Vec<(Box<str>, Option<Box<str>>)>) -> Self {
        let mut raw: HashMap<Box<str>, Box<str>> = HashMap::new();
        for (term, iri) in definitions {
            match iri {
                Some(iri) => raw.insert(term, iri),
                None => raw.remove(&term),
            };
        }
        let mut terms = HashMap::with_capacity(raw.len());
        for term in raw.keys() {
            if core::iri(term).is_none()
                && let Some(iri) = resolve(&raw, term, MAX_INDIRECTION)
            {
                terms.insert(term.clone(), iri.into_boxed_str());
            }
        }
        let mut reverse: HashMap<Box<str>, Box<str>> = HashMap::with_capacity(terms.len());
        for (term, iri) in &terms {
            // Of several terms the shortest, then the first in the alphabet, as JSON-LD has it.
            let better = reverse.get(iri).is_none_or(|known| (term.len(), term) < (known.len(), known));
            if better {
                reverse.insert(iri.clone(), term.clone());
            }
        }
        let mut prefixes: Vec<_> = terms
            .iter()
            .filter(|(_, iri)| iri.ends_with(['/', '#', ':', '?', '=']))
            .map(|(term, iri)| (iri.clone(), term.clone()))
            .collect();
        prefixes.sort_by(|(a, x), (b, y)| b.len().cmp(&a.len()).then(x.cmp(y)));
        Self { source, terms, reverse, prefixes, link_value: OnceLock::new() }
    }

    /// The terms, to keep on the disk. With the source they make the same context again.
    pub(crate) fn terms(&self) -> Json {
        let mut terms: Vec<_> =
            self.terms.iter().map(|(term, iri)| (term.clone(), Json::String(iri.clone()))).collect();
        terms.sort_by(|(a, _), (b, _)| a.cmp(b));
        Json::Object(terms.into())
    }

    /// The context that [`Self::terms`] was called on.
    pub(crate) fn from_terms(source: Json, terms: &Json) -> Self {
        let definition = |(term, iri): &(Box<str>, Json)| (term.clone(), iri.as_str().map(Into::into));
        Self::new(source, terms.as_object().unwrap_or_default().iter().map(definition).collect())
    }

    /// What the user gave as @context: a URL, an object, or an array of both.
    pub fn source(&self) -> &Json {
        &self.source
    }

    /// What an answer's body shows as @context: the user's own. The core @context is implied last (NGSI-LD 5.5.7).
    pub(crate) fn shown(&self) -> Json {
        match &self.source {
            Json::Array(items) if items.is_empty() => Json::from(CORE_CONTEXT_URL),
            source => source.clone(),
        }
    }

    /// The URL that names this context in a Link header, when one URL does.
    pub(crate) fn link(&self) -> Option<&str> {
        match &self.source {
            Json::String(url) => Some(url),
            Json::Array(items) => match &**items {
                [] => Some(CORE_CONTEXT_URL),
                [Json::String(url)] => Some(url),
                [Json::String(url), Json::String(core)] if is_core_url(core) => Some(url),
                _ => None,
            },
            _ => None,
        }
    }

    /// The Link header that names this context, when one URL does (NGSI-LD 6.3.5).
    pub(crate) fn link_value(&self) -> Option<&HeaderValue> {
        let value = || HeaderValue::try_from(link_header(self.link()?)).ok();
        self.link_value.get_or_init(value).as_ref()
    }

    /// The IRI of a term, of a prefixed name, or of an IRI itself. What has no definition goes to the default
    /// vocabulary.
    pub fn expand(&self, term: &str) -> String {
        if let Some(iri) = core::iri(term) {
            return iri.to_owned();
        }
        if let Some(iri) = self.terms.get(term) {
            return iri.to_string();
        }
        if let Some((prefix, rest)) = term.split_once(':') {
            if rest.starts_with("//") {
                return term.to_owned();
            }
            return match core::iri(prefix).or_else(|| self.terms.get(prefix).map(|iri| &**iri)) {
                Some(iri) => format!("{iri}{rest}"),
                None => term.to_owned(),
            };
        }
        format!("{DEFAULT_VOCABULARY}{term}")
    }

    /// The expanded name of a type or attribute. `what` names it for the error.
    ///
    /// # Errors
    /// When `term` is not a name (NGSI-LD 4.6.2).
    pub(crate) fn name(&self, term: &str, what: &str) -> Result<Name, Error> {
        check_name(term, what)?;
        Ok(Name::new(&self.expand(term)))
    }

    /// The shortest name for an IRI: a term, a name of the default vocabulary, a prefixed name, or the IRI itself.
    pub fn compact<'a>(&'a self, iri: &'a str) -> std::borrow::Cow<'a, str> {
        if let Some(term) = core::term(iri) {
            return term.into();
        }
        if let Some(term) = self.reverse.get(iri) {
            return (&**term).into();
        }
        if let Some(rest) = iri.strip_prefix(DEFAULT_VOCABULARY)
            // A term of that name with another meaning is in the way.
            && !rest.is_empty() && !rest.contains(':') && core::iri(rest).is_none() && !self.terms.contains_key(rest)
        {
            return rest.into();
        }
        for (start, prefix) in &self.prefixes {
            if let Some(rest) = iri.strip_prefix(&**start)
                && !rest.is_empty()
                && !rest.starts_with("//")
            {
                return format!("{prefix}:{rest}").into();
            }
        }
        core::prefixed(iri).map_or(iri.into(), Into::into)
    }
}

/// Follows `term` over other terms and prefixes to an absolute IRI.
fn resolve(raw: &HashMap<Box<str>, Box<str>>, term: &str, steps: usize) -> Option<String> {
    let value = raw.get(term)?;
    if steps == 0 {
        return None;
    }
    if let Some(iri) = core::iri(value) {
        return Some(iri.to_owned());
    }
    if **value != *term && raw.contains_key(value) {
        return resolve(raw, value, steps - 1);
    }
    if let Some((prefix, rest)) = value.split_once(':') {
        if !rest.starts_with("//") && prefix != term {
            if let Some(iri) = core::iri(prefix) {
                return Some(format!("{iri}{rest}"));
            }
            if let Some(iri) = resolve(raw, prefix, steps - 1) {
                return Some(format!("{iri}{rest}"));
            }
        }
        return check_uri(value, "").is_ok().then(|| value.to_string());
    }
    Some(format!("{DEFAULT_VOCABULARY}{value}"))
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Self::Array(items.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(terms: &[(&str, &str)]) -> Context {
        let definitions = terms.iter().map(|(term, iri)| ((*term).into(), Some((*iri).into()))).collect();
        Context::new(Json::from("https://example.org/c.jsonld"), definitions)
    }

    #[test]
    fn names_expand_and_compact_back() {
        let context = context(&[
            ("ex", "https://example.org/"),
            ("speed", "ex:speed"),
            ("velocity", "speed"),
            ("location", "https://example.org/other-location"),
        ]);
        for (name, iri) in [
            ("speed", "https://example.org/speed"),
            ("ex:brand", "https://example.org/brand"),
            ("my-counter", "https://uri.etsi.org/ngsi-ld/default-context/my-counter"),
            // 5.5.7: a user's context cannot change a core term.
            ("location", "https://uri.etsi.org/ngsi-ld/location"),
            ("https://other.org/x", "https://other.org/x"),
            ("urn:x:y", "urn:x:y"),
        ] {
            assert_eq!(context.expand(name), iri);
            assert_eq!(context.compact(iri), name);
        }
        assert_eq!(context.expand("velocity"), "https://example.org/speed");
    }

    #[test]
    fn a_default_name_that_a_term_is_in_the_way_of_has_the_core_prefix() {
        let context = context(&[("speed", "https://example.org/speed")]);
        let iri = "https://uri.etsi.org/ngsi-ld/default-context/speed";
        assert_eq!(context.compact(iri), "ngsi-ld:default-context/speed");
        assert_eq!(context.expand("ngsi-ld:default-context/speed"), iri);
    }

    #[test]
    fn circular_terms_are_left_out() {
        let context = context(&[("a", "b"), ("b", "a"), ("c", "c:x")]);
        assert_eq!(context.expand("a"), "https://uri.etsi.org/ngsi-ld/default-context/a");
        assert_eq!(context.expand("c"), "c:x");
    }
}
