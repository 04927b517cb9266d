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

impl Query {
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
        let path = self.path(&path)?;
        let Some(Token::Operator(operator)) = self.tokens.first().cloned() else {
            return Ok(Expression::Term(Box::new(Term { path, test: None })));
        };
        self.next();
        let test = match operator {
            Operator::Matches | Operator::MatchesNot => {
                Test::Pattern(self.pattern()?, operator == Operator::Matches)
            }
            _ => Test::Compare(operator, self.choices(operator)?),
        };
        Ok(Expression::Term(Box::new(Term { path, test: Some(test) })))
    }

    fn path(&self, text: &str) -> Result<Path, Error> {
        if text.contains('{') {
            return Err(Error::unsupported("a query over linked entities (q with {})"));
        }
        let (names, inside) = match text.split_once('[') {
            Some((names, inside)) => {
                let inside =
                    inside.strip_suffix(']').filter(|inside| !inside.is_empty()).ok_or_else(|| {
                        Error::bad(format!("q: \"{text}\" has an opening bracket without a closing one"))
                    })?;
                (names, inside.split('.').map(Into::into).collect())
            }
            None => (text, Vec::new()),
        };
        // The dots of an IRI are no path.
        let parts: Vec<&str> = if names.contains("://") { vec![names] } else { names.split('.').collect() };
        let name = |part: &&str| Ok(((*part).into(), self.context.name(part, "q: attribute name")?));
        let names = parts.iter().map(name).collect::<Result<Vec<_>, Error>>()?;
        Ok(Path { first: parts.first().copied().unwrap_or_default().into(), names, inside })
    }

    fn pattern(&mut self) -> Result<Regex, Error> {
        match self.next() {
            Some(Token::Quoted(text)) => pattern(text, "q"),
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
pub(super) fn pattern(text: &str, what: &str) -> Result<Regex, Error> {
    RegexBuilder::new(text)
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|error| Error::bad(format!("{what}: not a regular expression: {error}")))
}

fn unexpected(token: Option<&Token>, expected: &str) -> Error {
    match token {
        Some(token) => Error::bad(format!("q: expected {expected}, not {token:?}")),
        None => Error::bad(format!("q: expected {expected} after the end")),
    }
}
