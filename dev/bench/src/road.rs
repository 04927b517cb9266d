//! The platform that is measured: one ThingVisor that obeys, one tenant with a silo of each flavour.

use std::path::Path;

use morgana_model::{VSilo, WorkloadName};
use morgana_testbed::{Platform, Process, User};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;

/// The vThing that is timed.
pub(crate) const PROBE: &str = "bench/probe";

/// The road, ready to be measured.
pub(crate) struct Road {
    pub(crate) platform: Platform,
    pub(crate) tenant: User,
    pub(crate) mqtt: VSilo,
    pub(crate) ngsi_ld: VSilo,
    source: Mutex<(Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf)>,
}

impl Road {
    /// Starts it all. Whatever does not work ends the program with the reason.
    pub(crate) async fn start(program: &Path) -> Self {
        let platform = Platform::start(&program.to_string_lossy()).await;
        let admin = platform.admin().await;
        let orders = TcpListener::bind("127.0.0.1:0").await.expect("a port for orders");
        let address = orders.local_addr().expect("its address").to_string();
        let this_program = std::env::current_exe().expect("this program");
        let image = format!("exec:{}", this_program.display());
        platform.thing_visor(&admin, "bench", &image, json!({ "orders": address })).await;
        platform.thing_visor(&admin, "host", "builtin:host", json!({})).await;
        let (stream, _) = orders.accept().await.expect("the source of messages");
        let (answers, orders) = stream.into_split();
        platform.v_thing(&admin, PROBE).await;
        let tenant = platform.tenant(&admin, "tenant1").await;
        let mqtt = platform.silo(&tenant, "messages", "mqtt").await;
        let ngsi_ld = platform.silo(&tenant, "context", "ngsi-ld").await;
        for silo in [&mqtt, &ngsi_ld] {
            platform.plug(&tenant, silo, PROBE).await;
        }
        let source = Mutex::new((BufReader::new(answers).lines(), orders));
        Self { platform, tenant, mqtt, ngsi_ld, source }
    }

    /// A ThingVisor as it is shipped, beside the one that obeys.
    pub(crate) fn host_process(&self) -> Option<Process> {
        let id = "host".parse().ok()?;
        self.platform.workload(&WorkloadName::ThingVisor(id))
    }

    /// Has the ThingVisor publish so many messages at a rate; returns when it has.
    pub(crate) async fn publish(&self, messages: u64, rate: f64) {
        let mut source = self.source.lock().await;
        let order = format!("{messages} {rate}\n");
        source.1.write_all(order.as_bytes()).await.expect("the source takes orders");
        source.0.next_line().await.expect("the source answers");
    }
}
