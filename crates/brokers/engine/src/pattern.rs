use regex::{Regex, RegexBuilder};
use regex_syntax::{
    Parser,
    hir::{Dot, Hir, HirKind, Look},
};

use crate::{Clue, clue};

/// A regular expression that looks anywhere in a text. Most patterns of ids are plain texts with anchors: those are
/// compared as such, which takes a hundredth of the memory and the time of a compiled expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    test: Test,
    clues: Box<[Clue]>,
}

#[derive(Debug, Clone)]
enum Test {
    Plain(Plain),
    Compiled(Regex),
}

impl Pattern {
    /// Reads a pattern. `max_bytes` is what its compiled form may take: a short text can describe a very large machine.
    ///
    /// # Errors
    /// When the text is no regular expression, or its machine is too large.
    pub fn parse(text: &str, max_bytes: usize) -> Result<Self, regex::Error> {
        let hir = Parser::new().parse(text).ok();
        if let Some(plain) = hir.as_ref().and_then(Plain::read) {
            return Ok(Self { clues: plain.clue().into_iter().collect(), test: Test::Plain(plain) });
        }
        let test = Test::Compiled(RegexBuilder::new(text).size_limit(max_bytes).build()?);
        let clues = hir.as_ref().map(clue::clues).unwrap_or_default();
        Ok(Self { test, clues: clues.into() })
    }

    /// Whether the text matches.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.test {
            Test::Plain(plain) => plain.is_match(text),
            Test::Compiled(regex) => regex.is_match(text),
        }
    }

    /// What is known of every text that matches: all of it holds for each. Nothing is known of the texts of `.*`.
    pub fn clues(&self) -> &[Clue] {
        &self.clues
    }

    /// Whether every text has to be tried with the compiled expression, as nothing is known of those that match.
    pub fn is_opaque(&self) -> bool {
        self.clues.is_empty() && matches!(self.test, Test::Compiled(_))
    }
}

/// A text, where it must be, and whether `.*` stands between it and an anchor: that matches all but line ends.
#[derive(Debug, Clone)]
struct Plain {
    text: Box<str>,
    from_start: bool,
    to_end: bool,
    gap_before: bool,
    gap_after: bool,
}

impl Plain {
    fn read(hir: &Hir) -> Option<Self> {
        let mut parts = match hir.kind() {
            HirKind::Concat(parts) => parts.as_slice(),
            _ => std::slice::from_ref(hir),
        };
        let mut strip = |at_start: bool, is_it: &dyn Fn(&Hir) -> bool| {
            let split = if at_start { parts.split_first() } else { parts.split_last() };
            let found = split.filter(|(part, _)| is_it(part));
            if let Some((_, rest)) = found {
                parts = rest;
            }
            found.is_some()
        };
        let from_start = strip(true, &|part| is_look(part, Look::Start));
        let to_end = strip(false, &|part| is_look(part, Look::End));
        let before = strip(true, &is_any);
        let after = strip(false, &is_any);
        let text = match parts {
            [] => "".into(),
            [part] => match part.kind() {
                HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok()?.into(),
                HirKind::Empty => "".into(),
                _ => return None,
            },
            _ => return None,
        };
        // Without an anchor, what may be anything may be nothing.
        let plain =
            Self { text, from_start, to_end, gap_before: before && from_start, gap_after: after && to_end };
        let has_gap = plain.gap_before || plain.gap_after;
        (!has_gap || is_one_line(&plain.text)).then_some(plain)
    }

    fn is_match(&self, text: &str) -> bool {
        let is_gap = |there: bool, part: Option<&str>| !there || part.is_none_or(is_one_line);
        match (self.from_start && !self.gap_before, self.to_end && !self.gap_after) {
            (true, true) => *text == *self.text,
            (true, false) => {
                text.strip_prefix(&*self.text).is_some_and(|rest| is_gap(self.gap_after, Some(rest)))
            }
            (false, true) => {
                text.strip_suffix(&*self.text).is_some_and(|rest| is_gap(self.gap_before, Some(rest)))
            }
            (false, false) => {
                // The occurrence that leaves the least before it, or else after it.
                let found = if self.gap_after && !self.gap_before {
                    text.rfind(&*self.text)
                } else {
                    text.find(&*self.text)
                };
                found.is_some_and(|at| {
                    is_gap(self.gap_before, text.get(..at))
                        && is_gap(self.gap_after, text.get(at + self.text.len()..))
                })
            }
        }
    }

    fn clue(&self) -> Option<Clue> {
        match (self.from_start && !self.gap_before, self.to_end && !self.gap_after) {
            (true, true) => Some(Clue::Is([self.text.clone()].into())),
            _ if self.text.is_empty() => None,
            (true, false) => Some(Clue::StartsWith([self.text.as_bytes().into()].into())),
            (false, _) => Some(Clue::Contains([self.text.as_bytes().into()].into())),
        }
    }
}

fn is_look(part: &Hir, look: Look) -> bool {
    matches!(part.kind(), HirKind::Look(found) if *found == look)
}

/// Whether a part is `.*`.
fn is_any(part: &Hir) -> bool {
    match part.kind() {
        HirKind::Repetition(repeated) => {
            (repeated.min, repeated.max) == (0, None) && *repeated.sub == Hir::dot(Dot::AnyCharExceptLF)
        }
        _ => false,
    }
}

fn is_one_line(text: &str) -> bool {
    !text.contains('\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Patterns of a few letters, so that they often match.
    fn pattern() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[ab]{1,3}",
            1 => Just(".*".to_owned()),
            1 => Just("\n".to_owned()),
            1 => "[ab](\\?|\\*|\\+|\\{1,2\\})",
            1 => Just("(a|bb|ab*)".to_owned()),
            1 => Just("[ab]".to_owned()),
            1 => Just("(?i:AB)".to_owned()),
            1 => Just("\\b".to_owned()),
        ];
        ("\\^?", prop::collection::vec(part, 0..4), "\\$?", "(\\.\\*)?", "(\\.\\*)?").prop_map(
            |(start, parts, end, before, after)| format!("{start}{before}{}{after}{end}", parts.concat()),
        )
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_regular_expression_does(pattern in pattern(), texts in prop::collection::vec("[abA\n]{0,5}", 1..30)) {
            let ours = Pattern::parse(&pattern, 1 << 20).unwrap();
            let regex = Regex::new(&pattern).unwrap();
            for text in texts {
                prop_assert_eq!(ours.is_match(&text), regex.is_match(&text), "{:?} in {:?}", &pattern, &text);
                if regex.is_match(&text) {
                    for clue in ours.clues() {
                        prop_assert!(clue.holds(&text), "{:?} matches {:?}, but not {:?}", &pattern, &text, clue);
                    }
                }
            }
        }
    }

    #[test]
    fn a_pattern_of_plain_text_is_not_compiled() {
        for text in
            ["", ".*", "^.*$", "^urn:x:1$", "^urn:x:", "urn", "Room.*", ".*Room", "^Room.*$", "^.*:a\\.b$"]
        {
            let pattern = Pattern::parse(text, 1024).unwrap();
            assert!(matches!(pattern.test, Test::Plain(_)), "{text}");
            assert!(!pattern.is_opaque());
        }
        assert!(Pattern::parse("^[A-Z]+$", 1 << 20).unwrap().is_opaque());
        assert!(Pattern::parse("a{1000}{1000}", 1024).is_err());
        assert!(Pattern::parse("a[", 1024).is_err());
    }
}
