//! The VirIoT-compatible API at the root (viriot-wire.md section 2): the same operations as REST
//! v1 in the words of f4i, so that existing scripts go on.

mod documents;
mod flavours;
mod input;
mod reply;
mod tenants;
mod thing_visors;
mod users;
mod v_silos;
mod v_things;
mod view;

use axum::routing::{delete, get, post};
use morgana_controller::Controller;

use crate::routes::Routes;

pub use view::SystemDbView;

/// Every endpoint that is here.
pub(crate) fn routes() -> Routes<Controller> {
    Routes::new()
        .add("POST", "/login", post(users::login))
        .add("DELETE", "/logout", delete(users::logout))
        .add("POST", "/register", post(users::register))
        .add("POST", "/unregister", post(users::unregister))
        .add("GET", "/listUsers", get(users::list))
        .add("POST", "/addFlavour", post(flavours::add))
        .add("POST", "/deleteFlavour", post(flavours::delete))
        .add("GET", "/listFlavours", get(flavours::list))
        .add("POST", "/inspectFlavour", post(flavours::inspect))
        .add("POST", "/addThingVisor", post(thing_visors::add))
        .add("POST", "/updateThingVisor", post(thing_visors::update))
        .add("POST", "/deleteThingVisor", post(thing_visors::delete))
        .add("GET", "/listThingVisors", get(thing_visors::list))
        .add("POST", "/inspectThingVisor", post(thing_visors::inspect))
        .add("GET", "/listVThings", get(v_things::list))
        .add("POST", "/setVThingEndpoint", post(v_things::set_endpoint))
        .add("POST", "/delVThingEndpoint", post(v_things::delete_endpoint))
        .add("POST", "/siloCreate", post(v_silos::create))
        .add("POST", "/siloDestroy", post(v_silos::destroy))
        .add("GET", "/listVirtualSilos", get(v_silos::list))
        .add("POST", "/inspectVirtualSilo", post(v_silos::inspect))
        .add("POST", "/inspectTenant", post(tenants::inspect))
        .add("POST", "/addVThing", post(v_things::add))
        .add("POST", "/deleteVThing", post(v_things::delete))
}
