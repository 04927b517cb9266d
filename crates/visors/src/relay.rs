//! Takes any JSON over HTTP and publishes it (VirIoT's Relay, viriot-wire.md section 4.1).

mod http;
mod message;
mod params;

use std::net::SocketAddr;

use morgana_thingvisor::{NewVThing, Options, RunError, ThingVisor, VThing, read_params};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::catalogue::{Builtin, Param};
use params::Params;

/// The inner port of its door, VirIoT's.
const DOOR: u16 = 8089;

pub(crate) const BUILTIN: Builtin = Builtin {
    kind: "relay",
    description: "takes any JSON over HTTP (POST /notify) and publishes it",
    doors: &[DOOR],
    params: &[
        Param::required("vThingName", "the local name of the vThing"),
        Param::required("vThingType", "the type of its entity"),
        Param::optional(
            "as",
            "\"message\"",
            "message: a body is the Property msg of one entity; entities: a body is NGSI-LD entities",
        ),
        Param::optional("maxBodyBytes", "1048576", "a longer body is answered 413"),
        Param::optional("maxConnections", "64", "connections at once; more wait"),
    ],
};

/// A body may be as long as the fabric carries: 1 MiB, less what is around it.
pub(crate) fn options() -> Options {
    Options { max_message_bytes: 1024 * 1024 - 4096, ..Options::default() }
}

/// What is published now, and how.
#[derive(Debug, Clone)]
struct Target {
    v_thing: VThing,
    params: Params,
}

pub(crate) async fn work(visor: ThingVisor) -> Result<(), RunError> {
    let params: Params = visor.params()?;
    // The door first: who hears that it is ready can use it.
    let environment = visor.environment();
    let port = environment.doors.get(&DOOR).copied().unwrap_or(DOOR);
    let address = SocketAddr::new(environment.listen, port);
    let listener =
        TcpListener::bind(address).await.map_err(|source| RunError::PortTaken { address, source })?;
    tracing::info!(%address, "relay listens");

    let (target, targets) = watch::channel(target(&visor, params).await?);
    let serving = http::serve(listener, targets, visor.id().clone());
    let updating = follow_updates(visor, target);
    tokio::select! {
        error = serving => Err(RunError::system(format!("accept connections on {address}"), error)),
        updated = updating => updated,
    }
}

async fn target(visor: &ThingVisor, params: Params) -> Result<Target, RunError> {
    let new = NewVThing::new(params.v_thing_name.as_str())
        .label(params.v_thing_name.as_str())
        .description("relays what is posted to it");
    Ok(Target { v_thing: visor.create(new).await?, params })
}

/// Follows new parameters for as long as it lives.
async fn follow_updates(mut visor: ThingVisor, targets: watch::Sender<Target>) -> Result<(), RunError> {
    loop {
        let update = visor.updated().await;
        let params = match read_params::<Params>(visor.id(), &update.params) {
            Ok(params) => params,
            Err(error) => {
                tracing::warn!(%error, "new parameters refused: the old ones stay");
                visor.status(format!("new parameters refused: {error}")).await?;
                continue;
            }
        };
        let old = targets.borrow().clone();
        if old.params.v_thing_name == params.v_thing_name {
            targets.send_replace(Target { v_thing: old.v_thing, params });
        } else {
            targets.send_replace(target(&visor, params).await?);
            old.v_thing.delete().await?;
        }
    }
}
