//! Cuts a query into tokens.

use crate::Error;

/// A piece of a query.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    And,
    /// `|`
    Or,
    /// `,`
    Comma,
    /// `..`
    Range,
    /// A comparison.
    Operator(Operator),
    /// A text in quotes, without them.
    Quoted(String),
    /// Anything else up to the next token: a path, a number, a date, a URI.
    Word(String),
}

/// A comparison (NGSI-LD 4.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `~=`
    Matches,
    /// `!~=`
    MatchesNot,
}

const OPERATORS: [(&str, Operator); 8] = [
    ("!~=", Operator::MatchesNot),
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    (">=", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("~=", Operator::Matches),
    (">", Operator::Greater),
    ("<", Operator::Less),
];

/// The tokens of `text`. What follows a pattern operator is one token up to the next logical operator, because a
/// regular expression may hold any of the other signs.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(Token::Operator(Operator::Matches | Operator::MatchesNot)) = tokens.last()
            && first != '"'
        {
            let end = pattern_end(rest);
            tokens.push(Token::Quoted(rest[..end].to_owned()));
            rest = &rest[end..];
            continue;
        }
        let single = match first {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            ';' => Some(Token::And),
            '|' => Some(Token::Or),
            ',' => Some(Token::Comma),
            _ => None,
        };
        if let Some(token) = single {
            tokens.push(token);
            rest = &rest[1..];
        } else if first == '"' {
            let (text, after) = quoted(&rest[1..])?;
            tokens.push(Token::Quoted(text));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("..") {
            tokens.push(Token::Range);
            rest = after;
        } else if let Some((sign, operator)) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            tokens.push(Token::Operator(*operator));
            rest = &rest[sign.len()..];
        } else {
            let end = word_end(rest);
            if end == 0 {
                return Err(Error::bad(format!("q: unexpected \"{first}\"")));
            }
            tokens.push(Token::Word(rest[..end].trim().to_owned()));
            rest = &rest[end..];
        }
    }
    Ok(tokens)
}

/// A quoted text with `\"` and `\\`, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), Error> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\'))) => out.push(c),
                Some((_, c)) => out.extend(['\\', c]),
                None => break,
            },
            c => out.push(c),
        }
    }
    Err(Error::bad("q: a text in quotes does not end"))
}

fn word_end(text: &str) -> usize {
    let mut bracket = false;
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '[' => bracket = true,
            ']' => bracket = false,
            '(' | ')' | ';' | '|' | ',' | '=' | '<' | '>' | '"' if !bracket => return at,
            '!' | '~' if !bracket && text[at + 1..].starts_with(['=', '~']) => return at,
            '.' if !bracket && previous == '.' => return at - 1,
            _ => {}
        }
        previous = c;
    }
    text.len()
}

/// Where an unquoted pattern ends: at a logical operator or a closing parenthesis outside its own parentheses.
fn pattern_end(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' | '[' => depth += 1,
            ')' | ']' if depth > 0 => depth -= 1,
            ')' | ';' | '|' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}
