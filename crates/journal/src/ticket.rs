use tokio::sync::watch;

use crate::AppendError;

/// How far the writer is. Shared by all tickets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The number of the last record that is as durable as the options ask.
    pub(crate) done: u64,
    /// Set once, when the disk refused or the journal closed early.
    pub(crate) failed: Option<AppendError>,
}

/// A promise for one appended record. Cheap to clone: all clones wait for the same record.
#[derive(Debug, Clone)]
#[must_use = "a record is not durable before its ticket resolves"]
pub struct Ticket {
    number: u64,
    progress: watch::Receiver<Progress>,
}

impl Ticket {
    pub(crate) fn new(number: u64, progress: watch::Receiver<Progress>) -> Self {
        Self { number, progress }
    }

    /// Whether the record is as durable as the options ask by now.
    pub fn is_durable(&self) -> bool {
        self.progress.borrow().done >= self.number
    }

    /// Waits until the record, and every record appended before it, is as durable as the options ask.
    ///
    /// # Errors
    /// [`AppendError::ReadOnly`] when the disk refused it: the record is then not acknowledged and may be lost.
    pub async fn durable(mut self) -> Result<(), AppendError> {
        let number = self.number;
        match self.progress.wait_for(|progress| progress.done >= number || progress.failed.is_some()).await {
            Ok(progress) if progress.done >= number => Ok(()),
            Ok(progress) => Err(progress.failed.clone().unwrap_or(AppendError::Closed)),
            Err(_) => Err(AppendError::Closed),
        }
    }
}
