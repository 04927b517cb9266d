//! Tokens that are exchanged when the controller refuses them.

use std::fmt::Debug;

use futures_util::future::BoxFuture;
use morgana_model::Secret;

/// Brings the next token of a session. It is asked when the controller does not take the one there is; the
/// request is then sent once more.
pub trait Renewal: Debug + Send + Sync {
    /// The token to use instead of the refused one; nothing where the session is over, or cannot be gone on
    /// with.
    fn renew<'a>(&'a self, refused: &'a Secret) -> BoxFuture<'a, Option<Secret>>;
}
