//! `morgana broker ngsi-ld`.

use clap::Args;
use morgana_ngsi_ld::{Broker, HttpOptions, Options, serve};
use tokio_util::sync::CancellationToken;

use super::{Durability, Place, REQUEST_PATIENCE, Reach, address_of, ready};
use crate::failure::Failure;

/// The switches of an NGSI-LD broker.
#[derive(Debug, Args)]
#[command(mut_arg("port", |arg| super::port_help(arg, 9090)))]
#[command(after_help = "\
Examples:
  morgana broker ngsi-ld --data /var/lib/context
  morgana broker ngsi-ld --listen 0.0.0.0 --history-instances 1000
  morgana broker ngsi-ld --strict --allow-host 127.0.0.1 --allow-host contexts.example:8080")]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place<9090>,
    #[command(flatten)]
    reach: Reach,
    /// When a write is acknowledged.
    #[arg(long, value_enum, default_value_t = Durability::Commit)]
    durability: Durability,
    /// Be as strict as the standard: refuse queries without a criterion (5.7.2), parameters it does not have (6.3.20)
    /// and bodies without Content-Length (6.3.4), all of which FIWARE clients send.
    #[arg(long)]
    strict: bool,
    /// Also fetch contexts and ask context sources at this host, or `host:port`, although its address is not public;
    /// `*` for all. May be given more than once.
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// This broker as its context sources reach it, such as `https://broker.example`: they notify it there of what its
    /// subscribers asked for (5.8.1.4). As subscribers reach it, when this is not given.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// A file of certificates (PEM) that vouch for the `mqtts` servers of subscribers, instead of the system's.
    #[arg(long, value_name = "FILE")]
    notification_ca: Option<std::path::PathBuf>,
    /// How many instances of each attribute's past are kept; 0 keeps no temporal evolution.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    history_instances: usize,
    /// For how many seconds the past is kept after it was written; 0 for ever.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    history_max_age: u64,
    /// The most instances of attributes in one answer about the past; longer ones come in parts, with 206 and the range
    /// of time that a part covers (6.3.10).
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    temporal_limit: usize,
    /// How many tenants there may be beside the default one.
    #[arg(long, value_name = "NUMBER")]
    tenants_max: Option<usize>,
    /// The largest request body, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    body_max_bytes: usize,
    /// Notifications that may wait for one subscription's endpoint; when there are more, the oldest is dropped.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    notification_queue: usize,
}

impl Arguments {
    fn options(&self) -> Options {
        let mut options = Options {
            dir: self.place.data.clone(),
            durability: self.durability.into(),
            history_instances: self.history_instances,
            history_max_age_s: self.history_max_age,
            public_endpoints_only: self.reach.public_endpoints_only,
            public_url: self.public_url.clone(),
            notification_ca: self.notification_ca.clone(),
            ..Options::default()
        };
        options.tenants_max = self.tenants_max.unwrap_or(options.tenants_max);
        options.contexts.fetch.allow_hosts.clone_from(&self.allow_host);
        options.sources.allow_hosts.clone_from(&self.allow_host);
        options.notifications.queue_messages = self.notification_queue;
        options
    }
}

pub(super) async fn run(arguments: &Arguments, stop: CancellationToken) -> Result<(), Failure> {
    let broker =
        Broker::open(arguments.options()).map_err(|error| Failure::new("cannot open the broker", error))?;
    let listener = arguments.place.bind().await?;
    ready(format_args!(
        "NGSI-LD http://{}/ngsi-ld/v1, data {}",
        address_of(&listener)?,
        arguments.place.data.display()
    ));
    let options = HttpOptions {
        access: arguments.reach.access(),
        lenient_queries: !arguments.strict,
        body_max_bytes: arguments.body_max_bytes,
        temporal_max: arguments.temporal_limit.max(1),
        patience_ms: REQUEST_PATIENCE.as_millis() as u64,
        ..HttpOptions::default()
    };
    let outcome = serve(broker.clone(), options, listener, stop).await;
    // What became of notifications is written, so that a restart goes on counting.
    broker.shutdown(REQUEST_PATIENCE).await;
    outcome.map_err(|error| Failure::new("the broker ended badly", error))
}
