use crate::Error;

/// Checks that `text` is an absolute URI (RFC 3986: scheme, colon, something) and gives it back. `what` names the
/// member for the error.
pub(crate) fn check_uri<'a>(text: &'a str, what: &str) -> Result<&'a str, Error> {
    let valid = text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && !rest.is_empty()
            && !rest.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c))
    });
    if valid {
        Ok(text)
    } else {
        Err(Error::bad(format!("{what} must be a URI, and \"{}\" is not", shorten(text))))
    }
}

/// Checks the name of a type or an attribute (NGSI-LD 4.6.2), before expansion: what would mean something in a query
/// or a URL cannot be in a name. Hyphens and full IRIs are fine.
pub(crate) fn check_name(text: &str, what: &str) -> Result<(), Error> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "<>\"'=;()[]{}|,?*&\\^`!".contains(c);
    if text.is_empty() || text.starts_with('@') || text.contains(bad) {
        return Err(Error::bad(format!("{what} \"{}\" is not a name (NGSI-LD 4.6.2)", shorten(text))));
    }
    Ok(())
}

/// At most 100 characters of `text`, so that an error about a huge value is not huge.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
