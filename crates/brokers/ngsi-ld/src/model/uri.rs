use crate::Error;

/// Checks that `text` is an absolute URI (RFC 3986: scheme, colon, something) and gives it back. `what` names the
/// member for the error.
pub(crate) fn check_uri<'a>(text: &'a str, what: &str) -> Result<&'a str, Error> {
    let valid = text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && !rest.is_empty()
            && !rest.contains(|c: char| {
                c.is_whitespace() || c.is_control() || is_invisible(c) || "<>\"{}|\\^`".contains(c)
            })
    });
    if valid {
        Ok(text)
    } else {
        Err(Error::bad(format!("{what} must be a URI, and \"{}\" is not", shorten(text))))
    }
}

/// Characters that cannot be seen, or change how others look: two ids that look the same would be different ones.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fdd0}'..='\u{fdef}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Checks the name of a type or an attribute (NGSI-LD 4.6.2), before expansion: what would mean something in a query
/// or a URL cannot be in a name. Hyphens and full IRIs are fine.
pub(crate) fn check_name(text: &str, what: &str) -> Result<(), Error> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "<>\"'=;()[]{}|,?*&\\^`!".contains(c);
    if text.is_empty() || text.starts_with('@') || text.contains(bad) || is_dots(text) {
        return Err(Error::bad(format!("{what} \"{}\" is not a name (NGSI-LD 4.6.2)", shorten(text))));
    }
    Ok(())
}

/// Whether a path would take the text for this folder or the one above, also when it is decoded once more.
fn is_dots(text: &str) -> bool {
    matches!(&*text.replace("%2e", ".").replace("%2E", "."), "." | "..")
}

/// At most 100 characters of `text`, so that an error about a huge value is not huge.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_a_path_are_no_names() {
        for text in [".", "..", "%2e%2E", "%2e", "", "@id", "a b", "a(b"] {
            assert!(check_name(text, "name").is_err(), "{text:?}");
        }
        for text in ["speed", "my-counter", "https://example.org/a.b", "...", "a.b"] {
            assert!(check_name(text, "name").is_ok(), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_in_no_uri() {
        for text in ["urn:a:1", "https://example.org/ü?x=1#y", "urn:ngsi-ld:Car:日本"] {
            assert!(check_uri(text, "id").is_ok(), "{text}");
        }
        for text in [
            "urn:",
            "a",
            "1a:b",
            "urn:a b",
            "urn:a\u{202e}b",
            "urn:a\u{200b}",
            "urn:\u{feff}a",
            "urn:\u{1fffe}a",
        ] {
            assert!(check_uri(text, "id").is_err(), "{text:?}");
        }
    }
}
