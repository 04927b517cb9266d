//! REST v1: one file a resource.

mod audit;
mod complete;
mod connections;
mod events;
mod flavours;
mod nodes;
mod sessions;
mod tenants;
mod thing_visors;
mod users;
mod v_silos;
mod v_things;
mod workloads;

pub(crate) use complete::complete;

use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use morgana_controller::Controller;

/// The head of the OpenAPI document; the handlers bring the rest.
#[derive(OpenApi)]
#[openapi(
    info(title = "Morgana", description = "The Master Controller of a Cloud of Things."),
    modifiers(&BearerToken),
    security(("bearer" = []))
)]
struct Document;

struct BearerToken;

impl utoipa::Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.security_schemes.insert("bearer".to_owned(), SecurityScheme::Http(scheme).into());
    }
}

/// Every endpoint of REST v1, with its description.
pub(crate) fn endpoints() -> OpenApiRouter<Controller> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(sessions::login))
        .routes(routes!(sessions::refresh))
        .routes(routes!(sessions::logout))
        .routes(routes!(users::list, users::register))
        .routes(routes!(users::inspect, users::update, users::unregister))
        .routes(routes!(tenants::list))
        .routes(routes!(tenants::inspect))
        .routes(routes!(flavours::list, flavours::add))
        .routes(routes!(flavours::inspect, flavours::update, flavours::delete))
        .routes(routes!(thing_visors::list, thing_visors::add))
        .routes(routes!(thing_visors::inspect, thing_visors::update, thing_visors::delete))
        .routes(routes!(thing_visors::restart))
        .routes(routes!(v_things::list))
        .routes(routes!(v_things::inspect, v_things::update))
        .routes(routes!(v_silos::list, v_silos::create))
        .routes(routes!(v_silos::inspect, v_silos::destroy))
        .routes(routes!(v_silos::restart))
        .routes(routes!(connections::list, connections::add))
        .routes(routes!(connections::inspect, connections::delete))
        .routes(routes!(nodes::zones))
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::inspect))
        .routes(routes!(nodes::reconcilers))
        .routes(routes!(workloads::list))
        .routes(routes!(audit::list))
}

/// The endpoints that answer for as long as the caller listens; no timeout applies to them.
pub(crate) fn streams() -> OpenApiRouter<Controller> {
    OpenApiRouter::new().routes(routes!(events::events)).routes(routes!(workloads::logs))
}
