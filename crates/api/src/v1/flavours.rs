//! `/v1/flavours`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use morgana_controller::Controller;
use morgana_model::{Flavour, FlavourPatch, NewFlavour, Page};

use crate::extract::{Asked, Authenticated, Body, Creation, IfMatch, id, list_query};
use crate::problem::Answer;
use crate::tagged::Tagged;

list_query!(
    /// Which flavours.
    FlavourQuery {
        /// `ready` or `failed`.
        phase: "phase",
    }
);

/// List the flavours. Parameters are shown to administrators alone.
#[utoipa::path(get, path = "/v1/flavours", tag = "flavours", params(FlavourQuery), responses((status = 200, body = Page<Flavour>)))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<FlavourQuery>,
) -> Answer<Json<Page<Flavour>>> {
    Ok(Json(controller.list_flavours(&caller, &query.into()).await?))
}

/// Add a flavour.
#[utoipa::path(post, path = "/v1/flavours", tag = "flavours", params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request creates once, and is answered the same")), request_body = NewFlavour, responses((status = 201, body = Flavour)))]
pub(super) async fn add(
    State(controller): State<Controller>,
    Creation(caller, new): Creation<NewFlavour>,
) -> Answer<(StatusCode, Json<Flavour>)> {
    Ok((StatusCode::CREATED, Json(controller.add_flavour(&caller, new).await?)))
}

/// Show a flavour.
#[utoipa::path(get, path = "/v1/flavours/{flavour}", tag = "flavours", params(("flavour" = String, Path)), responses((status = 200, body = Flavour, headers(("ETag" = String, description = "The revision; a change may ask for it with If-Match")))))]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(flavour): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    Ok(Tagged(controller.find_flavour(&caller, &id(&flavour)?).await?).unless_known(&headers))
}

/// Change a flavour. Silos take it up when they start the next time.
#[utoipa::path(patch, path = "/v1/flavours/{flavour}", tag = "flavours", params(("flavour" = String, Path), ("If-Match" = Option<String>, Header, description = "The ETag that the resource has to have")), request_body = FlavourPatch, responses((status = 200, body = Flavour, headers(("ETag" = String, description = "The revision; a change may ask for it with If-Match")))))]
pub(super) async fn update(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(flavour): Path<String>,
    IfMatch(revisions): IfMatch,
    Body(patch): Body<FlavourPatch>,
) -> Answer<Tagged<Flavour>> {
    Ok(Tagged(controller.update_flavour(&caller, &id(&flavour)?, patch, &revisions).await?))
}

/// Delete a flavour that no silo uses.
#[utoipa::path(delete, path = "/v1/flavours/{flavour}", tag = "flavours", params(("flavour" = String, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(flavour): Path<String>,
) -> Answer<StatusCode> {
    controller.delete_flavour(&caller, &id(&flavour)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
