//! Operations of the standard that this broker does not do yet: each says so by its name.

use axum::routing::any;

use super::Route;
use crate::Error;

pub(super) fn routes() -> Vec<Route> {
    let answer = |what: &'static str| any(move || async move { Error::unsupported(what) });
    vec![
        ("/temporal/entities", answer("temporal evolution of entities (temporal/entities)")),
        ("/temporal/{*rest}", answer("temporal evolution of entities (temporal/entities)")),
        ("/csourceRegistrations", answer("registration of context sources (csourceRegistrations)")),
        ("/csourceRegistrations/{*rest}", answer("registration of context sources (csourceRegistrations)")),
        ("/csourceSubscriptions", answer("subscription to context sources (csourceSubscriptions)")),
        ("/csourceSubscriptions/{*rest}", answer("subscription to context sources (csourceSubscriptions)")),
        ("/jsonldContexts", answer("hosting of contexts (jsonldContexts)")),
        ("/jsonldContexts/{*rest}", answer("hosting of contexts (jsonldContexts)")),
        ("/entityMaps", answer("entity maps (entityMaps)")),
        ("/entityMaps/{*rest}", answer("entity maps (entityMaps)")),
        ("/snapshots", answer("snapshots (snapshots)")),
        ("/snapshots/{*rest}", answer("snapshots (snapshots)")),
        ("/info/{*rest}", answer("the broker's identity (info/sourceIdentity)")),
    ]
}
