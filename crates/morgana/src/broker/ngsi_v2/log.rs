//! What `PUT /admin/log` changes: the log of this process.

use std::sync::Mutex;

use morgana_ngsi_v2::{LogControl, LogLevel};
use tracing_subscriber::filter::LevelFilter;

use crate::logging::LogHandle;

/// The log of this process, by Orion's levels.
#[derive(Debug)]
pub(super) struct ProcessLog {
    handle: LogHandle,
    level: Mutex<LogLevel>,
}

impl ProcessLog {
    pub(super) fn new(handle: LogHandle) -> Self {
        let level = match handle.level() {
            LevelFilter::OFF => LogLevel::None,
            LevelFilter::ERROR => LogLevel::Error,
            LevelFilter::WARN => LogLevel::Warning,
            LevelFilter::INFO => LogLevel::Info,
            _ => LogLevel::Debug,
        };
        Self { handle, level: Mutex::new(level) }
    }
}

impl LogControl for ProcessLog {
    fn level(&self) -> LogLevel {
        self.level.lock().map_or(LogLevel::Info, |level| *level)
    }

    fn set_level(&self, level: LogLevel) -> Result<(), String> {
        let filter = match level {
            LogLevel::None => "off",
            // There is no level above an error.
            LogLevel::Fatal | LogLevel::Error => "error",
            LogLevel::Warning => "warn",
            LogLevel::Info => "info,mqtt5=warn",
            LogLevel::Debug => {
                "info,mqtt5=warn,morgana=debug,morgana_ngsi_v2=debug,morgana_engine=debug,morgana_journal=debug"
            }
        };
        self.handle.change(filter).map_err(|failure| failure.to_string())?;
        if let Ok(mut known) = self.level.lock() {
            *known = level;
        }
        Ok(())
    }
}
