//! Operations of the standard that this broker does not do yet: each says so by its name.

use axum::routing::any;

use super::Route;
use crate::Error;

pub(super) fn routes() -> Vec<Route> {
    let answer = |what: &'static str| any(move || async move { Error::unsupported(what) });
    vec![
        ("/entityMaps", answer("entity maps (entityMaps)")),
        ("/entityMaps/{*rest}", answer("entity maps (entityMaps)")),
        ("/snapshots", answer("snapshots (snapshots)")),
        ("/snapshots/{*rest}", answer("snapshots (snapshots)")),
    ]
}
