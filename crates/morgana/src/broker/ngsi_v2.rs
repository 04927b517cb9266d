//! `morgana broker ngsi-v2`.

mod log;
mod orion;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;
use morgana_ngsi_v2::{Broker, Cors, HttpOptions, Options, serve};
use tokio_util::sync::CancellationToken;

use self::log::ProcessLog;
pub(super) use self::orion::with_orion_flags;
use super::{Durability, Place, Reach, address_of, ready};
use crate::failure::Failure;
use crate::logging::LogHandle;

/// The switches of an NGSIv2 broker.
#[derive(Debug, Args)]
#[command(after_help = "\
Orion's own flags are understood too (-port, -multiservice, -corsOrigin, ...), so that its command lines keep working; \
what has no meaning here, such as the address of a MongoDB, is left out with a word in the log.

Examples:
  morgana broker ngsi-v2 --data /var/lib/context
  morgana broker ngsi-v2 --listen 0.0.0.0 --multiservice --http-timeout-ms 2000
  morgana broker ngsi-v2 -port 1026 -multiservice -corsOrigin __ALL")]
#[command(mut_arg("port", |arg| super::port_help(arg, 1026)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place<1026>,
    #[command(flatten)]
    reach: Reach,
    /// When a write is acknowledged.
    #[arg(long, value_enum, default_value_t = Durability::Commit)]
    durability: Durability,
    /// Keep what is written with different `Fiware-Service` headers apart. Without it there is one service, and the
    /// header is only handed on.
    #[arg(long, env = "ORION_MULTI_SERVICE", value_parser = FalseyValueParser::new())]
    multiservice: bool,
    /// Let web pages of this origin use the broker; `__ALL` for all pages [default: none].
    #[arg(long, value_name = "ORIGIN", env = "ORION_CORS_ALLOWED_ORIGIN")]
    cors_origin: Option<String>,
    /// How long a browser may remember that, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, env = "ORION_CORS_MAX_AGE")]
    cors_max_age_s: u64,
    /// How long an endpoint of notifications or a context provider may take to answer, in milliseconds, where a
    /// subscription does not say.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 5_000, env = "ORION_HTTP_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=1_800_000))]
    http_timeout_ms: u64,
    /// The largest request body, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1_048_576, env = "ORION_IN_REQ_PAYLOAD_MAX_SIZE")]
    body_max_bytes: usize,
    /// Notifications that may wait for one subscription's endpoint; when there are more, the oldest is dropped.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    notification_queue: usize,
    /// Flags of Orion that were left out.
    #[arg(long, hide = true, value_name = "FLAG")]
    orion_flag: Vec<String>,
}

impl Arguments {
    fn options(&self) -> Options {
        let mut options = Options {
            dir: self.place.data.clone(),
            durability: self.durability.into(),
            multiservice: self.multiservice,
            http_timeout_ms: self.http_timeout_ms,
            public_endpoints_only: self.reach.public_endpoints_only,
            ..Options::default()
        };
        options.notifications.queue_messages = self.notification_queue;
        options
    }

    fn http_options(&self, log: LogHandle) -> HttpOptions {
        let origin = self.cors_origin.clone().filter(|origin| !origin.is_empty());
        let cors = origin.map(|origin| Cors {
            origin: (origin != "__ALL").then_some(origin),
            max_age_s: self.cors_max_age_s,
        });
        HttpOptions {
            access: self.reach.access(),
            body_max_bytes: self.body_max_bytes,
            cors,
            log: Some(Arc::new(ProcessLog::new(log))),
            ..HttpOptions::default()
        }
    }
}

pub(super) async fn run(
    arguments: &Arguments,
    log: LogHandle,
    stop: CancellationToken,
) -> Result<(), Failure> {
    for flag in &arguments.orion_flag {
        tracing::info!(flag, "this flag of Orion has no meaning here and is left out");
    }
    let http = arguments.http_options(log);
    let patience = Duration::from_millis(http.patience_ms);
    let broker =
        Broker::open(arguments.options()).map_err(|error| Failure::new("cannot open the broker", error))?;
    let listener = arguments.place.bind().await?;
    ready(format_args!(
        "NGSIv2 http://{}/v2, data {}",
        address_of(&listener)?,
        arguments.place.data.display()
    ));
    let outcome = serve(broker.clone(), http, listener, stop).await;
    broker.shutdown(patience).await;
    outcome.map_err(|error| Failure::new("the broker ended badly", error))
}
