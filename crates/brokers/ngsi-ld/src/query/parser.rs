//! Tokens to an expression: `|` binds weaker than `;`, parentheses bind strongest (NGSI-LD 4.9).

use regex::{Regex, RegexBuilder};

use super::{
    expression::{Choice, Expression, Operand, Path, Query, Term, Test, is_system},
    lexer::{Operator, Token, tokens},
};
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
