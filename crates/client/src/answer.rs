//! What the bytes of an answer mean.

use morgana_model::Problem;
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::Error;
use crate::error::innermost;

/// How much of an answer that is not understood an error repeats, in characters.
const MAX_QUOTED: usize = 200;

/// Lets an answer pass that says the request went well; anything else is the server's refusal.
pub(crate) async fn accept(response: Response, max_bytes: usize) -> Result<Response, Error> {
    if response.status().is_success() {
        return Ok(response);
    }
    let (url, status) = (response.url().to_string(), response.status());
    let body = read_body(response, max_bytes).await?;
    Err(refusal(url, status, &body))
}

/// Reads the resource in an answer.
pub(crate) async fn read<T: DeserializeOwned>(response: Response, max_bytes: usize) -> Result<T, Error> {
    let (url, status) = (response.url().to_string(), response.status().as_u16());
    let body = read_body(response, max_bytes).await?;
    serde_json::from_slice(&body).map_err(|error| Error::Unexpected {
        url,
        status,
        reason: format!("{error} in {}", quoted(&body)),
    })
}

async fn read_body(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, Error> {
    let (url, status) = (response.url().to_string(), response.status().as_u16());
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() > max_bytes => {
                let reason = format!("the answer is longer than {max_bytes} bytes");
                return Err(Error::Unexpected { url, status, reason });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return Err(Error::BrokenOff { url, reason: innermost(&error) }),
        }
    }
}

fn refusal(url: String, status: StatusCode, body: &[u8]) -> Error {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => Error::Refused { url, problem },
        Err(_) => Error::Unexpected { url, status: status.as_u16(), reason: quoted(body) },
    }
}

/// The start of a body for people: control characters are escaped, so that no answer can write to
/// the terminal of whoever reads the error.
fn quoted(body: &[u8]) -> String {
    if body.is_empty() {
        return "an empty body".to_owned();
    }
    let text = String::from_utf8_lossy(body);
    let mut shown: String = text.chars().take(MAX_QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_is_a_refusal_and_anything_else_is_quoted() {
        let problem =
            br#"{"type":"urn:morgana:error:not-found","title":"Not found","status":404,"detail":"d"}"#;
        let status = StatusCode::NOT_FOUND;
        assert!(matches!(refusal("u".into(), status, problem), Error::Refused { .. }));
        let error = refusal("http://h/v1".into(), status, b"<html>\x1b[2J").to_string();
        assert_eq!(
            error,
            "http://h/v1 answered 404, but not as a Morgana controller does: \"<html>\\u{1b}[2J\""
        );
    }

    #[test]
    fn a_long_body_is_cut() {
        assert!(quoted(&[b'x'; 100_000]).len() < MAX_QUOTED + 10);
        assert_eq!(quoted(b""), "an empty body");
    }
}
