//! `/v1/vsilos/{vsilo}/connections`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use morgana_controller::Controller;
use morgana_model::{Connection, ConnectionSpec, NewConnection, Page};

use crate::extract::{Asked, Authenticated, Creation, id, list_query};
use crate::problem::Answer;
use crate::tagged::Tagged;

list_query!(
    /// Which connections.
    ConnectionQuery {
        /// The ThingVisor of the vThing.
        thing_visor: "thingVisor",
    }
);

/// List the connections of a vSilo.
#[utoipa::path(get, path = "/v1/vsilos/{vsilo}/connections", tag = "connections", params(("vsilo" = String, Path), ConnectionQuery), responses((status = 200, body = Page<Connection>)))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(silo): Path<String>,
    Asked(query): Asked<ConnectionQuery>,
) -> Answer<Json<Page<Connection>>> {
    Ok(Json(controller.list_connections(&caller, &id(&silo)?, &query.into()).await?))
}

/// Plug a vThing into a vSilo.
#[utoipa::path(post, path = "/v1/vsilos/{vsilo}/connections", tag = "connections", params(("vsilo" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request creates once, and is answered the same")), request_body = NewConnection, responses((status = 201, body = Connection)))]
pub(super) async fn add(
    State(controller): State<Controller>,
    Path(silo): Path<String>,
    Creation(caller, new): Creation<NewConnection>,
) -> Answer<(StatusCode, Json<Connection>)> {
    let spec = ConnectionSpec { v_silo: id(&silo)?, v_thing: new.v_thing };
    Ok((StatusCode::CREATED, Json(controller.add_v_thing(&caller, spec).await?)))
}

/// Show a connection.
#[utoipa::path(
    get,
    path = "/v1/vsilos/{vsilo}/connections/{thingvisor}/{*name}",
    tag = "connections",
    params(
        ("vsilo" = String, Path),
        ("thingvisor" = String, Path),
        ("name" = String, Path, description = "The local name, maybe with slashes")
    ),
    responses((status = 200, body = Connection, headers(("ETag" = String, description = "The revision; a change may ask for it with If-Match"))))
)]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path((silo, visor, name)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer<Response> {
    let spec = ConnectionSpec { v_silo: id(&silo)?, v_thing: id(&format!("{visor}/{name}"))? };
    Ok(Tagged(controller.find_connection(&caller, &spec).await?).unless_known(&headers))
}

/// Unplug a vThing from a vSilo.
#[utoipa::path(
    delete,
    path = "/v1/vsilos/{vsilo}/connections/{thingvisor}/{*name}",
    tag = "connections",
    params(
        ("vsilo" = String, Path),
        ("thingvisor" = String, Path),
        ("name" = String, Path, description = "The local name, maybe with slashes")
    ),
    responses((status = 204))
)]
pub(super) async fn delete(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path((silo, visor, name)): Path<(String, String, String)>,
) -> Answer<StatusCode> {
    let spec = ConnectionSpec { v_silo: id(&silo)?, v_thing: id(&format!("{visor}/{name}"))? };
    controller.delete_v_thing(&caller, &spec).await?;
    Ok(StatusCode::NO_CONTENT)
}
