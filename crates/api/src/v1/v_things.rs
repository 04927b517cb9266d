//! `/v1/vthings`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use morgana_controller::Controller;
use morgana_model::{Page, VThing, VThingPatch};

use crate::extract::{Asked, Authenticated, Body, IfMatch, id, list_query};
use crate::problem::Answer;
use crate::tagged::Tagged;

list_query!(
    /// Which vThings.
    VThingQuery {
        /// The ThingVisor they are of.
        thing_visor: "thingVisor",
        /// `sensor` or `actuator`.
        kind: "type",
    }
);

/// List the vThings that silos can have.
#[utoipa::path(get, path = "/v1/vthings", tag = "vthings", params(VThingQuery), responses((status = 200, body = Page<VThing>)))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<VThingQuery>,
) -> Answer<Json<Page<VThing>>> {
    Ok(Json(controller.list_v_things(&caller, &query.into()).await?))
}

/// Show a vThing.
#[utoipa::path(
    get,
    path = "/v1/vthings/{thingvisor}/{*name}",
    tag = "vthings",
    params(("thingvisor" = String, Path), ("name" = String, Path, description = "The local name, maybe with slashes")),
    responses((status = 200, body = VThing, headers(("ETag" = String, description = "The revision; a change may ask for it with If-Match"))))
)]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path((visor, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Response> {
    let id = id(&format!("{visor}/{name}"))?;
    Ok(Tagged(controller.find_v_thing(&caller, &id).await?).unless_known(&headers))
}

/// Say where the generic content of a vThing is served from, or that it is not any more.
#[utoipa::path(
    patch,
    path = "/v1/vthings/{thingvisor}/{*name}",
    tag = "vthings",
    params(("thingvisor" = String, Path), ("name" = String, Path, description = "The local name, maybe with slashes"), ("If-Match" = Option<String>, Header, description = "The ETag that the resource has to have")),
    request_body = VThingPatch,
    responses((status = 200, body = VThing, headers(("ETag" = String, description = "The revision; a change may ask for it with If-Match"))))
)]
pub(super) async fn update(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path((visor, name)): Path<(String, String)>,
    IfMatch(revisions): IfMatch,
    Body(patch): Body<VThingPatch>,
) -> Answer<Tagged<VThing>> {
    let id = id(&format!("{visor}/{name}"))?;
    Ok(Tagged(controller.set_v_thing_endpoint(&caller, &id, patch.endpoint, &revisions).await?))
}
