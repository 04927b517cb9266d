//! Waiting for a condition.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a test waits for what should happen soon. A machine that builds something else at the
/// same time is slow; a test that is right does not get slower by this being long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until it sees what it wants, for [`PATIENCE`]. An error is what was there instead.
///
/// # Panics
/// When it did not come, with `what` and what was last there.
pub async fn eventually<T, E: Display>(what: &str, look: impl AsyncFnMut() -> Result<T, E>) -> T {
    within(PATIENCE, what, look).await
}

async fn within<T, E: Display>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(instead) if Instant::now() >= deadline => {
                panic!("{what}: not within {patience:?}; last seen: {instead}")
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_returns_what_came_after_some_looks() {
        let mut looks = 0;
        let seen = eventually("three looks", async || {
            looks += 1;
            if looks == 3 { Ok("it") } else { Err(format!("only {looks}")) }
        })
        .await;
        assert_eq!((seen, looks), ("it", 3));
    }

    #[tokio::test]
    #[should_panic(expected = "the moon: not within 1ms; last seen: clouds")]
    async fn it_says_what_was_there_instead() {
        within(Duration::from_millis(1), "the moon", async || Err::<(), _>("clouds")).await;
    }
}
