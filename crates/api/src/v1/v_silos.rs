//! `/v1/vsilos`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use morgana_controller::Controller;
use morgana_model::{NewVSilo, Page, VSilo};

use crate::extract::{Asked, Authenticated, Creation, DeleteQuery, Repeatable, id, list_query};
use crate::problem::Answer;
use crate::tagged::Tagged;

list_query!(
    /// Which silos.
    VSiloQuery {
        /// Whose they are.
        tenant: "tenant",
        /// Their flavour.
        flavour: "flavour",
        /// `pending`, `running`, `stopping` or `failed`.
        phase: "phase",
        /// The zone they were asked for.
        zone: "zone",
    }
);

/// List the vSilos: the caller's own, or for an administrator all. Their tokens are shown one by one.
#[utoipa::path(get, path = "/v1/vsilos", tag = "vsilos", params(VSiloQuery), responses((status = 200, body = Page<VSilo>)))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<VSiloQuery>,
) -> Answer<Json<Page<VSilo>>> {
    Ok(Json(controller.list_v_silos(&caller, &query.into()).await?))
}

/// Create a vSilo. It is pending until it answers.
#[utoipa::path(post, path = "/v1/vsilos", tag = "vsilos", params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request creates once, and is answered the same")), request_body = NewVSilo, responses((status = 202, body = VSilo)))]
pub(super) async fn create(
    State(controller): State<Controller>,
    Creation(caller, new): Creation<NewVSilo>,
) -> Answer<(StatusCode, Json<VSilo>)> {
    Ok((StatusCode::ACCEPTED, Json(controller.create_v_silo(&caller, new).await?)))
}

/// Show a vSilo. Its token is shown to its owner alone.
#[utoipa::path(get, path = "/v1/vsilos/{vsilo}", tag = "vsilos", params(("vsilo" = String, Path)), responses((status = 200, body = VSilo, headers(("ETag" = String, description = "The revision; a change may ask for it with If-Match")))))]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(silo): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    Ok(Tagged(controller.find_v_silo(&caller, &id(&silo)?).await?).unless_known(&headers))
}

/// Start a vSilo anew, whether it runs or has failed; it keeps all it holds. It is pending until it answers.
#[utoipa::path(post, path = "/v1/vsilos/{vsilo}/restart", tag = "vsilos", params(("vsilo" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request restarts once, and is answered the same")), responses((status = 202, body = VSilo)))]
pub(super) async fn restart(
    State(controller): State<Controller>,
    Path(silo): Path<String>,
    Repeatable(caller): Repeatable,
) -> Answer<(StatusCode, Json<VSilo>)> {
    Ok((StatusCode::ACCEPTED, Json(controller.restart_v_silo(&caller, &id(&silo)?).await?)))
}

/// Destroy a vSilo with all it holds. It is stopping until it is gone.
#[utoipa::path(delete, path = "/v1/vsilos/{vsilo}", tag = "vsilos", params(("vsilo" = String, Path), DeleteQuery), responses((status = 202, body = VSilo)))]
pub(super) async fn destroy(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(silo): Path<String>,
    Asked(query): Asked<DeleteQuery>,
) -> Answer<(StatusCode, Json<VSilo>)> {
    Ok((StatusCode::ACCEPTED, Json(controller.destroy_v_silo(&caller, &id(&silo)?, query.force).await?)))
}
