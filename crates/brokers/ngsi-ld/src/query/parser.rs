//! Tokens to an expression: `|` binds weaker than `;`, parentheses bind strongest (NGSI-LD 4.9).

use regex::{Regex, RegexBuilder};

use super::lexer::{Operator, Token, tokens};
use crate::{
    Context, Error, ErrorKind,
    model::{Name, Timestamp},
};

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 32;
/// How many comparisons a query may have.
const MAX_TERMS: usize = 256;
/// How many relationships a path may follow.
const MAX_LINKS: usize = 8;
/// How much memory a compiled pattern may take, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

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
    fn expand(&mut self, names: &[Name]) {
        let last = self.names.last();
        self.expands = self.linked.is_none() && last.is_some_and(|(_, name)| names.contains(name));
        if let Some(linked) = &mut self.linked {
            linked.expand(names);
        }
    }

    /// Whether it leads to what the broker itself writes.
    fn is_system(&self) -> bool {
        self.linked.is_none() && is_system(&self.first)
    }

    /// How many relationships are followed.
    fn links(&self) -> usize {
        self.linked.as_ref().map_or(0, |linked| 1 + linked.links())
    }
}

/// Members of entities that the broker itself writes (NGSI-LD 4.8).
pub(crate) fn is_system(member: &str) -> bool {
    matches!(member, "createdAt" | "modifiedAt" | "deletedAt" | "expiresAt")
}

impl Expression {
    fn each(&mut self, change: &mut impl FnMut(&mut Term)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter_mut().for_each(|part| part.each(change)),
            Self::Term(term) => change(term),
        }
    }

    fn is_system(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().all(Self::is_system),
            Self::Term(term) => term.path.is_system(),
        }
    }

    fn links(&self) -> usize {
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
    fn needs(&self) -> Vec<Vec<Name>> {
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

impl Query {
    /// Attributes that an entity needs to match: of each list, one.
    pub(crate) fn needs(&self) -> Vec<Vec<Name>> {
        self.0.needs()
    }

    /// Parses the value of a `q` parameter.
    pub(crate) fn parse(text: &str, context: &Context) -> Result<Self, Error> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, context, terms: 0 };
        let expression = parser.any(0)?;
        match parser.tokens.first() {
            None => Ok(Self(expression)),
            Some(token) => Err(unexpected(Some(token), "the end or a logical operator")),
        }
    }

    /// The same query, in which the values compared with these attributes stand for names (`expandValues`).
    pub(crate) fn expanding(mut self, names: &[Name]) -> Self {
        if !names.is_empty() {
            self.0.each(&mut |term| term.path.expand(names));
        }
        self
    }

    /// The attributes that it speaks of, each once.
    pub(crate) fn mentioned(mut self) -> Vec<Name> {
        let mut names = Vec::new();
        self.0.each(&mut |term| {
            if let Some((_, name)) = term.path.names.first()
                && !is_system(&term.path.first)
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        });
        names
    }

    /// Whether only what the broker itself writes is asked for.
    pub(crate) fn is_system(&self) -> bool {
        self.0.is_system()
    }

    /// How many relationships are followed, one after the other; 0 for a query over entities alone.
    pub(crate) fn links(&self) -> usize {
        self.0.links()
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    context: &'a Context,
    terms: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<&Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn take(&mut self, token: &Token) -> bool {
        let taken = self.tokens.first() == Some(token);
        if taken {
            self.tokens = &self.tokens[1..];
        }
        taken
    }

    fn any(&mut self, depth: usize) -> Result<Expression, Error> {
        let mut parts = vec![self.all(depth)?];
        while self.take(&Token::Or) {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Expression, Error> {
        let mut parts = vec![self.one(depth)?];
        while self.take(&Token::And) {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Expression, Error> {
        if depth > MAX_DEPTH {
            let detail = format!("q nests deeper than {MAX_DEPTH} parentheses");
            return Err(Error::new(ErrorKind::TooComplexQuery, detail));
        }
        if self.take(&Token::Open) {
            let inner = self.any(depth + 1)?;
            return if self.take(&Token::Close) {
                Ok(inner)
            } else {
                Err(unexpected(self.tokens.first(), "\")\""))
            };
        }
        self.terms += 1;
        if self.terms > MAX_TERMS {
            let detail = format!("q has more than {MAX_TERMS} comparisons");
            return Err(Error::new(ErrorKind::TooComplexQuery, detail));
        }
        let path = match self.next() {
            Some(Token::Word(word)) => word.clone(),
            other => return Err(unexpected(other, "an attribute name")),
        };
        let (negated, path) = path.strip_prefix('!').map_or((false, &*path), |path| (true, path));
        let path = self.path(path)?;
        let Some(Token::Operator(operator)) = self.tokens.first().cloned() else {
            return Ok(Expression::Term(Box::new(Term { path, test: None, negated })));
        };
        if negated {
            return Err(Error::bad("q: ! asks whether an attribute is not there; != and !~= compare"));
        }
        self.next();
        let test = match operator {
            Operator::Matches | Operator::MatchesNot => {
                Test::Pattern(self.pattern()?, operator == Operator::Matches)
            }
            _ => Test::Compare(operator, self.choices(operator)?),
        };
        Ok(Expression::Term(Box::new(Term { path, test: Some(test), negated })))
    }

    fn path(&self, text: &str) -> Result<Path, Error> {
        let unclosed =
            |what: &str| Error::bad(format!("q: \"{text}\" has an opening {what} without a closing one"));
        if let Some((own, rest)) = text.split_once('{') {
            let inner = rest.strip_suffix('}').ok_or_else(|| unclosed("brace"))?;
            let path = self.path(own)?;
            if !path.inside.is_empty() {
                return Err(Error::bad(format!("q: \"{own}\" is no relationship that can be followed")));
            }
            // A type in front of the attribute, which is not a prefix of its name when it is spelt out.
            let (hint, inner) = match inner.split_once(':') {
                Some((hint, inner)) if !inner.starts_with("//") && !hint.contains(['{', '[', '.']) => {
                    (Some(self.context.name(hint, "q: type")?), inner)
                }
                _ => (None, inner),
            };
            let linked = Box::new(Path { hint, ..self.path(inner)? });
            if linked.links() >= MAX_LINKS {
                let detail = format!("q follows more than {MAX_LINKS} relationships");
                return Err(Error::new(ErrorKind::TooComplexQuery, detail));
            }
            return Ok(Path { linked: Some(linked), ..path });
        }
        let (names, inside) = match text.split_once('[') {
            Some((names, inside)) => {
                let inside = inside
                    .strip_suffix(']')
                    .filter(|inside| !inside.is_empty())
                    .ok_or_else(|| unclosed("bracket"))?;
                (names, inside.split('.').map(Into::into).collect())
            }
            None => (text, Vec::new()),
        };
        // The dots of an IRI are no path.
        let parts: Vec<&str> = if names.contains("://") { vec![names] } else { names.split('.').collect() };
        let name = |part: &&str| Ok(((*part).into(), self.context.name(part, "q: attribute name")?));
        let names = parts.iter().map(name).collect::<Result<Vec<_>, Error>>()?;
        let first = parts.first().copied().unwrap_or_default().into();
        Ok(Path { first, names, inside, linked: None, hint: None, expands: false })
    }

    fn pattern(&mut self) -> Result<Regex, Error> {
        match self.next() {
            Some(Token::Quoted(text)) => {
                compiled(text, "q", |text, max_bytes| RegexBuilder::new(text).size_limit(max_bytes).build())
            }
            other => Err(unexpected(other, "a pattern")),
        }
    }

    fn choices(&mut self, operator: Operator) -> Result<Vec<Choice>, Error> {
        let equality = matches!(operator, Operator::Equal | Operator::Unequal);
        let mut choices = Vec::new();
        loop {
            let first = self.operand()?;
            if self.take(&Token::Range) {
                choices.push(Choice::Range(first, self.operand()?));
            } else {
                choices.push(Choice::One(first));
            }
            if !self.take(&Token::Comma) {
                break;
            }
        }
        if !equality && !matches!(&choices[..], [Choice::One(_)]) {
            return Err(Error::bad("q: a list or a range of values can only be compared with == and !="));
        }
        Ok(choices)
    }

    fn operand(&mut self) -> Result<Operand, Error> {
        let context = self.context;
        match self.next() {
            Some(Token::Quoted(text)) => Ok(Operand::Text((&**text).into(), context.expand(text).into())),
            Some(Token::Word(word)) => Ok(match &**word {
                "true" => Operand::Bool(true),
                "false" => Operand::Bool(false),
                word => match (number(word), Timestamp::parse(word)) {
                    (Some(number), _) => Operand::Number(number),
                    (None, Some(time)) => Operand::DateTime(time, word.into()),
                    (None, None) => Operand::Text(word.into(), context.expand(word).into()),
                },
            }),
            other => Err(unexpected(other, "a value")),
        }
    }
}

/// A JSON number; Rust also reads "inf" and "nan".
fn number(word: &str) -> Option<f64> {
    if !word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return None;
    }
    word.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Compiles a regular expression whose matching time is linear in the text and whose memory is bounded.
pub(super) fn compiled<T>(
    text: &str,
    what: &str,
    compile: impl FnOnce(&str, usize) -> Result<T, regex::Error>,
) -> Result<T, Error> {
    if repeats_a_repetition(text) {
        return Err(Error::bad(format!(
            "{what}: not a regular expression: a repetition repeats another one"
        )));
    }
    compile(text, MAX_PATTERN_BYTES)
        .map_err(|error| Error::bad(format!("{what}: not a regular expression: {error}")))
}

/// Whether a `*` or `+` follows another one: elsewhere an error or something else, so it is refused rather than guessed.
fn repeats_a_repetition(text: &str) -> bool {
    let (mut escaped, mut class, mut repeated) = (false, false, false);
    for c in text.chars() {
        let repeats = !escaped && !class && matches!(c, '*' | '+');
        if repeats && repeated {
            return true;
        }
        repeated = repeats;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            _ => {}
        }
    }
    false
}

fn unexpected(token: Option<&Token>, expected: &str) -> Error {
    match token {
        Some(token) => Error::bad(format!("q: expected {expected}, not {token:?}")),
        None => Error::bad(format!("q: expected {expected} after the end")),
    }
}
