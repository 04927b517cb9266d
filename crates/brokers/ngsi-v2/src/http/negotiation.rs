//! The forms of bodies: what a request's is, and what an answer's may be.

use http::{HeaderMap, header};

use crate::{Error, ErrorKind};

/// What the body says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ContentType {
    Missing,
    Json,
    Text,
    Other(String),
}

impl ContentType {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        // Of several the last counts, as in Orion.
        let Some(value) = headers.get_all(header::CONTENT_TYPE).iter().next_back() else {
            return Self::Missing;
        };
        let text = value.to_str().unwrap_or_default();
        let bare = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match &*bare {
            "application/json" => Self::Json,
            "text/plain" => Self::Text,
            _ => Self::Other(bare),
        }
    }

    pub(super) fn unsupported(&self) -> Error {
        let words = match self {
            Self::Missing => {
                "Content-Type header not used, default application/octet-stream is not supported".into()
            }
            Self::Json => "not supported content type: application/json".to_owned(),
            Self::Text => "not supported content type: text/plain".to_owned(),
            Self::Other(text) => format!("not supported content type: {text}"),
        };
        Error::new(ErrorKind::UnsupportedMediaType, words)
    }
}

/// What forms of answer a client takes, each with how much it likes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Accept {
    json: Option<f32>,
    text: Option<f32>,
    /// Whether JSON comes before text in the header, or through `*/*`.
    json_first: bool,
}

impl Accept {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut accept = Self { json: None, text: None, json_first: true };
        let mut any = false;
        for value in headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',').map(str::trim) {
                any = true;
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                let quality = parts
                    .find_map(|part| part.strip_prefix("q="))
                    .and_then(|q| q.parse().ok())
                    .unwrap_or(1.0);
                let (json, text) = match name {
                    "*/*" => (true, true),
                    "application/json" | "application/*" => (true, false),
                    "text/plain" | "text/*" => (false, true),
                    _ => (false, false),
                };
                if text && !json && accept.json.is_none() {
                    accept.json_first = false;
                }
                if json {
                    accept.json = Some(accept.json.unwrap_or(0.0).max(quality));
                }
                if text {
                    accept.text = Some(accept.text.unwrap_or(0.0).max(quality));
                }
            }
        }
        if any { accept } else { Self { json: Some(1.0), text: Some(1.0), json_first: true } }
    }

    /// Whether JSON will do.
    ///
    /// # Errors
    /// When it will not.
    pub(super) fn json(self) -> Result<(), Error> {
        match self.json {
            Some(_) => Ok(()),
            None => Err(Error::new(ErrorKind::NotAcceptable, "accepted MIME types: application/json")),
        }
    }

    /// Whether text will do.
    ///
    /// # Errors
    /// When it will not.
    pub(super) fn text(self) -> Result<(), Error> {
        match self.text {
            Some(_) => Ok(()),
            None => Err(Error::new(ErrorKind::NotAcceptable, "accepted MIME types: text/plain")),
        }
    }

    /// Whether JSON is liked better than text.
    ///
    /// # Errors
    /// When neither will do.
    pub(super) fn prefers_json(self) -> Result<bool, Error> {
        match (self.json, self.text) {
            (None, None) => {
                Err(Error::new(ErrorKind::NotAcceptable, "accepted MIME types: application/json, text/plain"))
            }
            (Some(json), Some(text)) if json == text => Ok(self.json_first),
            (json, text) => Ok(json > text),
        }
    }
}
