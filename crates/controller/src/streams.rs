//! How many streams each user has open.

use morgana_model::{ErrorCode, Failure, TenantId};

use crate::tally::{Counted, Tally};

/// How long somebody with too many streams should wait, in seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Counts the open streams of each user.
pub(crate) struct Streams {
    open: Tally<TenantId>,
    per_user: usize,
}

/// One open stream; it is closed when this is dropped.
pub(crate) type OpenStream = Counted<TenantId>;

impl Streams {
    pub(crate) fn new(per_user: usize) -> Self {
        Self { open: Tally::default(), per_user: per_user.max(1) }
    }

    /// Opens one more.
    ///
    /// # Errors
    /// When the user has too many.
    pub(crate) fn open(&self, user: &TenantId) -> Result<OpenStream, Failure> {
        self.open.count_up_to(user.clone(), self.per_user).ok_or_else(|| {
            let text = format!("user '{user}' has {} streams open: close one of them first", self.per_user);
            Failure::new(ErrorCode::TooManyRequests, text).retry_after(RETRY_AFTER_SECONDS)
        })
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
    }
}
