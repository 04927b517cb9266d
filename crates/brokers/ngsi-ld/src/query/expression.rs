//! What a query is once it is read (NGSI-LD 4.9).

use regex::Regex;

use super::lexer::Operator;
use crate::model::{Name, Timestamp};

/// A parsed query with expanded names.
#[derive(Debug, Clone)]
pub(crate) struct Query(pub(super) Expression);

#[derive(Debug, Clone)]
pub(super) enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Term(Box<Term>),
}

/// One comparison, or the question whether something is there.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) path: Path,
    pub(super) test: Option<Test>,
    /// Whether what is tested must not hold (`!attribute`).
    pub(super) negated: bool,
}

/// Where to look: an attribute, an attribute of it and so on, and then inside the value (`a.b[c.d]`).
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// The first name as written, for the members of an entity that are no attributes.
    pub(super) first: Box<str>,
    /// Expanded names, with the terms for members of attributes such as `observedAt`.
    pub(super) names: Vec<(Box<str>, Name)>,
    /// Members inside the value; a language for a language map.
    pub(super) inside: Vec<Box<str>>,
    /// Where to look in the entities that a relationship points to (`a{b}`).
    pub(super) linked: Option<Box<Path>>,
    /// Which type the entities at this path have to be of (`a{Type:b}`).
    pub(super) hint: Option<Name>,
    /// Whether the values compared with stand for names (`expandValues`).
    pub(super) expands: bool,
}

impl Path {
    pub(super) fn expand(&mut self, names: &[Name]) {
        let last = self.names.last();
        self.expands = self.linked.is_none() && last.is_some_and(|(_, name)| names.contains(name));
        if let Some(linked) = &mut self.linked {
            linked.expand(names);
        }
    }

    /// Whether it leads to what the broker itself writes.
    pub(super) fn is_system(&self) -> bool {
        self.linked.is_none() && is_system(&self.first)
    }

    /// How many relationships are followed.
    pub(super) fn links(&self) -> usize {
        self.linked.as_ref().map_or(0, |linked| 1 + linked.links())
    }
}

/// Members of entities that the broker itself writes (NGSI-LD 4.8).
pub(crate) fn is_system(member: &str) -> bool {
    matches!(member, "createdAt" | "modifiedAt" | "deletedAt" | "expiresAt")
}

impl Expression {
    pub(super) fn each(&mut self, change: &mut impl FnMut(&mut Term)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter_mut().for_each(|part| part.each(change)),
            Self::Term(term) => change(term),
        }
    }

    pub(super) fn is_system(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().all(Self::is_system),
            Self::Term(term) => term.path.is_system(),
        }
    }

    pub(super) fn links(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::links).max().unwrap_or(0),
            Self::Term(term) => term.path.links(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Test {
    Compare(Operator, Vec<Choice>),
    Pattern(Regex, bool),
}

/// One of the values that are compared with, or a range of them.
#[derive(Debug, Clone)]
pub(super) enum Choice {
    One(Operand),
    Range(Operand, Operand),
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Bool(bool),
    Number(f64),
    /// A text; with the name it stands for, should the attribute be a VocabProperty.
    Text(Box<str>, Box<str>),
    DateTime(Timestamp, Box<str>),
}

impl Expression {
    /// Attributes that an entity needs to match: of each list, one.
    pub(super) fn needs(&self) -> Vec<Vec<Name>> {
        match self {
            Self::All(parts) => parts.iter().flat_map(Self::needs).collect(),
            Self::Any(parts) => {
                // Of several alternatives each has to need something, and then one of all of that is needed.
                let needs: Option<Vec<_>> =
                    parts.iter().map(|part| part.needs().into_iter().next()).collect();
                needs.map(|needs| needs.concat()).into_iter().collect()
            }
            Self::Term(term) => match term.path.names.first() {
                // Even what is unequal has to be there (NGSI-LD 4.9).
                Some((_, name)) if !term.negated && !is_system(&term.path.first) => vec![vec![name.clone()]],
                _ => Vec::new(),
            },
        }
    }
}
