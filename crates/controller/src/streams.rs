//! How many streams each user has open.

use std::collections::HashMap;
use std::sync::Arc;

use morgana_model::{ErrorCode, Failure, TenantId};
use parking_lot::Mutex;

/// How long somebody with too many streams should wait, in seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Counts the open streams of each user.
#[derive(Clone)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<TenantId, usize>>>,
    per_user: usize,
}

/// One open stream; it is closed when this is dropped.
pub(crate) struct OpenStream {
    streams: Streams,
    user: TenantId,
}

impl Streams {
    pub(crate) fn new(per_user: usize) -> Self {
        Self { open: Arc::default(), per_user: per_user.max(1) }
    }

    /// Opens one more.
    ///
    /// # Errors
    /// When the user has too many.
    pub(crate) fn open(&self, user: &TenantId) -> Result<OpenStream, Failure> {
        let mut open = self.open.lock();
        let count = open.entry(user.clone()).or_default();
        if *count >= self.per_user {
            let text = format!("user '{user}' has {count} streams open: close one of them first");
            return Err(Failure::new(ErrorCode::TooManyRequests, text).retry_after(RETRY_AFTER_SECONDS));
        }
        *count += 1;
        Ok(OpenStream { streams: self.clone(), user: user.clone() })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock();
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_streams_and_gets_another_when_one_is_closed() {
        let streams = Streams::new(2);
        let (one, two): (TenantId, TenantId) = ("one".parse().unwrap(), "two".parse().unwrap());
        let (first, _second) = (streams.open(&one).unwrap(), streams.open(&one).unwrap());
        let refused = streams.open(&one).err().unwrap();
        assert_eq!((refused.code, refused.retry_after_seconds), (ErrorCode::TooManyRequests, Some(5)));
        assert!(streams.open(&two).is_ok());
        drop(first);
        assert!(streams.open(&one).is_ok());
        assert_eq!(streams.open.lock().len(), 1, "who has none is forgotten");
    }
}
