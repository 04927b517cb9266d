//! `/admin/log`: the level of the log, read and changed.

use std::fmt;

use super::{Handled, Reply, request::Call};
use crate::{Error, Json};

/// A level of Orion's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing.
    None,
    /// What ends the broker.
    Fatal,
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warning,
    /// What happens.
    Info,
    /// Everything.
    Debug,
}

impl LogLevel {
    fn parse(text: &str) -> Option<Self> {
        Some(match &*text.to_ascii_uppercase() {
            "NONE" => Self::None,
            "FATAL" => Self::Fatal,
            "ERROR" => Self::Error,
            "WARNING" | "WARN" => Self::Warning,
            "INFO" => Self::Info,
            "DEBUG" => Self::Debug,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            // As Orion shows it, whichever of its two names was set.
            Self::Warning => "WARNING",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

/// The log of the process that the broker is in. The broker itself only writes to it.
pub trait LogControl: fmt::Debug + Send + Sync {
    /// The level in force.
    fn level(&self) -> LogLevel;

    /// Changes it.
    ///
    /// # Errors
    /// When it cannot be changed, with the reason.
    fn set_level(&self, level: LogLevel) -> Result<(), String>;
}

/// `GET /admin/log`
pub(super) fn show(call: &Call<'_>) -> Reply {
    let level = call.service.options.log.as_ref().map_or(LogLevel::Info, |log| log.level());
    Reply::json(Json::object([("level", Json::from(level.name()))]).to_text().into_bytes())
}

/// `PUT /admin/log`. Where the broker has no say in the log of its process, the level is checked and left alone.
pub(super) fn set(call: &Call<'_>) -> Handled {
    let text = call.params.get("level").ok_or_else(|| Error::bad("URI param /level/ is missing"))?;
    let level = LogLevel::parse(text).ok_or_else(|| Error::bad("invalid log level in URI param /level/"))?;
    if let Some(log) = &call.service.options.log {
        log.set_level(level).map_err(|reason| Error::new(crate::ErrorKind::InternalServerError, reason))?;
    }
    Ok(Reply::ok())
}
