//! `/v1/thingvisors`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use morgana_controller::Controller;
use morgana_model::{NewThingVisor, Page, ThingVisor, ThingVisorPatch};

use crate::extract::{
    Asked, Authenticated, Body, Creation, DeleteQuery, IfMatch, Repeatable, id, list_query,
};
use crate::problem::Answer;
use crate::tagged::Tagged;

list_query!(
    /// Which ThingVisors.
    ThingVisorQuery {
        /// `pending`, `running`, `stopping` or `failed`.
        phase: "phase",
        /// The zone they were asked for.
        zone: "zone",
        /// The image they run.
        image: "image",
    }
);

/// List the ThingVisors.
#[utoipa::path(get, path = "/v1/thingvisors", tag = "thingvisors", params(ThingVisorQuery), responses((status = 200, body = Page<ThingVisor>)))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<ThingVisorQuery>,
) -> Answer<Json<Page<ThingVisor>>> {
    Ok(Json(controller.list_thing_visors(&caller, &query.into()).await?))
}

/// Add a ThingVisor. It is pending until it answers.
#[utoipa::path(post, path = "/v1/thingvisors", tag = "thingvisors", params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request creates once, and is answered the same")), request_body = NewThingVisor, responses((status = 202, body = ThingVisor)))]
pub(super) async fn add(
    State(controller): State<Controller>,
    Creation(caller, new): Creation<NewThingVisor>,
) -> Answer<(StatusCode, Json<ThingVisor>)> {
    Ok((StatusCode::ACCEPTED, Json(controller.add_thing_visor(&caller, new).await?)))
}

/// Show a ThingVisor.
#[utoipa::path(get, path = "/v1/thingvisors/{thingvisor}", tag = "thingvisors", params(("thingvisor" = String, Path)), responses((status = 200, body = ThingVisor, headers(("ETag" = String, description = "The revision; a change may ask for it with If-Match")))))]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(visor): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    Ok(Tagged(controller.find_thing_visor(&caller, &id(&visor)?).await?).unless_known(&headers))
}

/// Change the parameters or the description of a ThingVisor, and tell it. It goes on running.
#[utoipa::path(patch, path = "/v1/thingvisors/{thingvisor}", tag = "thingvisors", params(("thingvisor" = String, Path), ("If-Match" = Option<String>, Header, description = "The ETag that the resource has to have")), request_body = ThingVisorPatch, responses((status = 200, body = ThingVisor, headers(("ETag" = String, description = "The revision; a change may ask for it with If-Match")))))]
pub(super) async fn update(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(visor): Path<String>,
    IfMatch(revisions): IfMatch,
    Body(patch): Body<ThingVisorPatch>,
) -> Answer<Tagged<ThingVisor>> {
    Ok(Tagged(controller.update_thing_visor(&caller, &id(&visor)?, patch, &revisions).await?))
}

/// Start a ThingVisor anew, whether it runs or has failed. It is pending until it answers.
#[utoipa::path(post, path = "/v1/thingvisors/{thingvisor}/restart", tag = "thingvisors", params(("thingvisor" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request restarts once, and is answered the same")), responses((status = 202, body = ThingVisor)))]
pub(super) async fn restart(
    State(controller): State<Controller>,
    Path(visor): Path<String>,
    Repeatable(caller): Repeatable,
) -> Answer<(StatusCode, Json<ThingVisor>)> {
    Ok((StatusCode::ACCEPTED, Json(controller.restart_thing_visor(&caller, &id(&visor)?).await?)))
}

/// Delete a ThingVisor with its vThings. It is stopping until it is gone.
#[utoipa::path(delete, path = "/v1/thingvisors/{thingvisor}", tag = "thingvisors", params(("thingvisor" = String, Path), DeleteQuery), responses((status = 202, body = ThingVisor)))]
pub(super) async fn delete(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(visor): Path<String>,
    Asked(query): Asked<DeleteQuery>,
) -> Answer<(StatusCode, Json<ThingVisor>)> {
    Ok((StatusCode::ACCEPTED, Json(controller.delete_thing_visor(&caller, &id(&visor)?, query.force).await?)))
}
