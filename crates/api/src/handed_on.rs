//! Requests that a controller on standby hands on to the one that leads.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderName;
use morgana_controller::Controller;

/// Marks a request that a controller on standby hands on, and says whose it is (`morgana_access::handed_on`).
pub const HANDED_ON: HeaderName = HeaderName::from_static("morgana-handed-on");

/// Lets a request that was handed on come from its client, where the header is that of another controller; a
/// header that a client made up changes nothing.
pub(crate) async fn from_its_client(State(controller): State<Controller>, mut request: Request) -> Request {
    let said = request.headers().get(HANDED_ON).and_then(|said| said.to_str().ok());
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let client = said.and_then(|said| controller.client_handed_on(request.method().as_str(), target, said));
    if let Some(client) = client {
        // Its port is known to the standby alone, and nobody asks for it.
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(client, 0)));
    }
    request
}
