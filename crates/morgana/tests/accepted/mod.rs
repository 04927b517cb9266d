//! Something that was accepted, and must not be lost whatever comes after it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use morgana_model::{ThingVisor, VSilo};
use morgana_testbed::{NgsiLd, Options, Platform, SimulatedThing, User, eventually};
use serde_json::json;
use uuid::Uuid;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// A platform that has something to lose: a relay whose vThing is in a tenant's silo.
pub(crate) struct Accepted {
    pub(crate) platform: Platform,
    pub(crate) admin: User,
    pub(crate) alice: User,
    pub(crate) relay: ThingVisor,
    pub(crate) context: VSilo,
}

impl Accepted {
    pub(crate) async fn before() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let platform = Platform::start_with(MORGANA, options).await;
        let admin = platform.admin().await;
        let relay = platform.relay(&admin, "relay", "room", "Room").await;
        // It says which update it has soon after it runs; its status changes no more then.
        let relay = eventually("the relay says which update it has", async || {
            let now = platform.client(&admin).thing_visor(&relay.id).await.unwrap();
            if now.status.updates_known.is_some() { Ok(now) } else { Err("none yet") }
        })
        .await;
        let alice = platform.tenant(&admin, "alice").await;
        let context = platform.silo(&alice, "context", "ngsi-ld").await;
        platform.plug(&alice, &context, "relay/room").await;
        let accepted = Self { platform, admin, alice, relay, context };
        accepted.is_not_lost().await;
        accepted
    }

    /// Checks that all of it still works.
    pub(crate) async fn is_not_lost(&self) {
        let Self { platform, admin, alice, relay, context } = self;
        let client = platform.client(alice);
        assert_eq!(client.vsilo(&context.id).await.unwrap(), *context);
        let connections = client.connections(&context.id).all().await.unwrap();
        assert!(connections.iter().any(|connection| connection.spec.v_thing.thing_visor() == relay.id));
        assert_eq!(platform.client(admin).thing_visor(&relay.id).await.unwrap(), *relay);
        let reading = json!(Uuid::new_v4());
        let broker = NgsiLd::at(context);
        eventually("data flows as before", async || {
            SimulatedThing::of(relay).send(&reading).await;
            let room = broker.entity("urn:ngsi-ld:relay:room").await.unwrap_or_default();
            if room["msg"]["value"] == reading { Ok(()) } else { Err(room) }
        })
        .await;
    }
}
