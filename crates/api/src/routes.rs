//! Routes with the list of what is among them.

use axum::Router;
use axum::routing::MethodRouter;

/// The router with the list of what is in it: neither can have an endpoint that the other has not, so that a
/// test that walks the list forgets none.
pub(crate) struct Routes<S> {
    pub(crate) router: Router<S>,
    /// Method and path of each.
    pub(crate) endpoints: Vec<(String, String)>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), endpoints: Vec::new() }
    }

    pub(crate) fn add(mut self, method: &str, path: &str, handler: MethodRouter<S>) -> Self {
        self.router = self.router.route(path, handler);
        self.endpoints.push((method.to_owned(), path.to_owned()));
        self
    }
}
