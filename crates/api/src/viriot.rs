//! The VirIoT-compatible API at the root (viriot-wire.md section 2): the same operations as REST
//! v1 in the words of f4i, so that existing scripts go on.

mod documents;
mod flavours;
mod reply;
mod thing_visors;
mod users;
mod v_silos;
mod v_things;

use axum::Router;
use axum::routing::{delete, get, post};
use morgana_controller::Controller;

/// Every endpoint that is here.
pub(crate) const ENDPOINTS: [(&str, &str); 19] = [
    ("POST", "/login"),
    ("DELETE", "/logout"),
    ("POST", "/register"),
    ("POST", "/unregister"),
    ("GET", "/listUsers"),
    ("POST", "/addFlavour"),
    ("POST", "/deleteFlavour"),
    ("GET", "/listFlavours"),
    ("POST", "/addThingVisor"),
    ("POST", "/deleteThingVisor"),
    ("GET", "/listThingVisors"),
    ("POST", "/inspectThingVisor"),
    ("GET", "/listVThings"),
    ("POST", "/siloCreate"),
    ("POST", "/siloDestroy"),
    ("GET", "/listVirtualSilos"),
    ("POST", "/inspectVirtualSilo"),
    ("POST", "/addVThing"),
    ("POST", "/deleteVThing"),
];

pub(crate) fn routes() -> Router<Controller> {
    Router::new()
        .route("/login", post(users::login))
        .route("/logout", delete(users::logout))
        .route("/register", post(users::register))
        .route("/unregister", post(users::unregister))
        .route("/listUsers", get(users::list))
        .route("/addFlavour", post(flavours::add))
        .route("/deleteFlavour", post(flavours::delete))
        .route("/listFlavours", get(flavours::list))
        .route("/addThingVisor", post(thing_visors::add))
        .route("/deleteThingVisor", post(thing_visors::delete))
        .route("/listThingVisors", get(thing_visors::list))
        .route("/inspectThingVisor", post(thing_visors::inspect))
        .route("/listVThings", get(v_things::list))
        .route("/siloCreate", post(v_silos::create))
        .route("/siloDestroy", post(v_silos::destroy))
        .route("/listVirtualSilos", get(v_silos::list))
        .route("/inspectVirtualSilo", post(v_silos::inspect))
        .route("/addVThing", post(v_things::add))
        .route("/deleteVThing", post(v_things::delete))
}
