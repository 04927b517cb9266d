//! Prefixes of keys as ranges.

/// The first text behind all texts that start with `prefix`; `None` if there is no such text.
///
/// A range instead of LIKE: it uses the index, and `_` and `%` mean themselves. The order of UTF-8
/// bytes is that of the code points.
pub(crate) fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if last != char::MAX {
            end.extend((last..=char::MAX).nth(1));
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::end_of_prefix;

    #[test]
    fn the_end_of_a_prefix_is_the_next_text_that_does_not_start_with_it() {
        let end = |prefix: &str| end_of_prefix(prefix);
        assert_eq!(end("tenant_"), Some("tenant`".to_owned()));
        assert_eq!(end("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(end("\u{d7ff}"), Some("\u{e000}".to_owned()), "surrogates are no characters");
        assert_eq!(end("\u{10ffff}"), None);
        assert_eq!(end(""), None);
    }
}
