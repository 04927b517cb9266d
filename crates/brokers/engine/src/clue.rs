use regex_syntax::hir::{Hir, HirKind, Look, literal::Extractor};

/// Something that is known of every text that a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clue {
    /// It is one of these.
    Is(Box<[Box<str>]>),
    /// It starts with one of these.
    StartsWith(Box<[Box<[u8]>]>),
    /// One of these is somewhere in it.
    Contains(Box<[Box<[u8]>]>),
}

/// Parts of a pattern that are looked at, and how many are taken together: a pattern may be long.
const PARTS: usize = 32;
const TOGETHER: usize = 8;

/// The shortest literals that tell something: most texts have a digit somewhere.
const START_BYTES: usize = 2;
const PART_BYTES: usize = 3;

impl Clue {
    /// Whether it holds for a text.
    pub fn holds(&self, text: &str) -> bool {
        let text_bytes = text.as_bytes();
        match self {
            Self::Is(texts) => texts.iter().any(|one| **one == *text),
            Self::StartsWith(starts) => starts.iter().any(|start| text_bytes.starts_with(start)),
            Self::Contains(parts) => parts.iter().any(|part| {
                part.is_empty() || text_bytes.windows(part.len()).any(|window| *window == **part)
            }),
        }
    }
}

/// What is known of the texts that an expression matches: what they start with, and the parts they have. The parts are
/// given apart, as the reader knows which of them few other expressions have.
pub(crate) fn clues(hir: &Hir) -> Vec<Clue> {
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    let parts = &parts[..parts.len().min(PARTS)];
    let mut clues = Vec::new();
    let mut parts = match parts.split_first() {
        Some((first, rest)) if matches!(first.kind(), HirKind::Look(Look::Start)) => {
            clues.extend(starts(rest, START_BYTES).map(Clue::StartsWith));
            // Where the start is known, its literals are no second clue.
            if clues.is_empty() { rest } else { rest.get(1..).unwrap_or_default() }
        }
        _ => parts,
    };
    while !parts.is_empty() {
        match starts(parts, PART_BYTES) {
            Some(literals) => {
                clues.push(Clue::Contains(literals));
                // What follows directly was taken together with this part.
                let next = parts.iter().position(|part| !is_plain(part)).unwrap_or(parts.len());
                parts = &parts[next.max(1)..];
            }
            None => parts = &parts[1..],
        }
    }
    clues
}

/// The literals one of which every match of these parts, one after the other, starts with; none if one of them has fewer
/// than `least` bytes.
fn starts(parts: &[Hir], least: usize) -> Option<Box<[Box<[u8]>]>> {
    let together = Hir::concat(parts[..parts.len().min(TOGETHER)].to_vec());
    let found = Extractor::new().extract(&together);
    if found.min_literal_len()? < least {
        return None;
    }
    let mut literals: Vec<Box<[u8]>> =
        found.literals()?.iter().map(|literal| literal.as_bytes().into()).collect();
    literals.sort_unstable();
    literals.dedup();
    Some(literals.into())
}

fn is_plain(part: &Hir) -> bool {
    matches!(part.kind(), HirKind::Literal(_) | HirKind::Look(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clues_of(pattern: &str) -> Vec<String> {
        let hir = regex_syntax::parse(pattern).unwrap();
        let show = |literals: &[Box<[u8]>]| {
            literals.iter().map(|literal| String::from_utf8_lossy(literal).into_owned()).collect::<Vec<_>>()
        };
        let text = |clue: Clue| match clue {
            Clue::Is(texts) => format!("is {}", texts.join("|")),
            Clue::StartsWith(literals) => format!("^{}", show(&literals).join("|")),
            Clue::Contains(literals) => show(&literals).join("|"),
        };
        clues(&hir).into_iter().map(text).collect()
    }

    #[test]
    fn a_pattern_tells_what_its_texts_start_with_and_have() {
        for (pattern, clues) in [
            ("^urn:x:[a-z]+$", &["^urn:x:"][..]),
            ("^urn:x:.*:Room12$", &["^urn:x:", ":Room12"]),
            ("Room[A-Z]{2,}", &["Room"]),
            (".*Room[A-Z]*:temp", &["Room", ":temp"]),
            ("^(A|B)x", &["^Ax|Bx"]),
            ("^(kitchen|bath)", &["^bath|kitchen"]),
            ("(?i)abc", &["ABC|ABc|AbC|Abc|aBC|aBc|abC|abc"]),
            ("^[A-Z]+-12", &["-12"]),
            ("^[a-z]+$", &[]),
            ("[0-9]{2}", &[]),
            ("a?b*", &[]),
        ] {
            assert_eq!(clues_of(pattern), clues, "{pattern}");
        }
    }
}
