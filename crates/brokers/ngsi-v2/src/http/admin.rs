//! `/v2`, `/version`, `/statistics`, `/admin/log` and `/admin/metrics`.

use super::{Handled, Reply, request::Call};
use crate::{Error, Json};

/// The version of Orion whose interface this is; PEP 440, since clients parse it.
const ORION_VERSION: &str = "4.7.0";
/// The levels of Orion's log.
const LEVELS: [&str; 7] = ["NONE", "FATAL", "ERROR", "WARNING", "WARN", "INFO", "DEBUG"];

fn json(value: &Json) -> Reply {
    Reply::json(value.to_text().into_bytes())
}

/// `GET /v2`
pub(super) fn root() -> Reply {
    json(&Json::object([
        ("entities_url", Json::from("/v2/entities")),
        ("types_url", Json::from("/v2/types")),
        ("subscriptions_url", Json::from("/v2/subscriptions")),
        ("registrations_url", Json::from("/v2/registrations")),
    ]))
}

/// `GET /version`
pub(super) fn version(call: &Call<'_>) -> Reply {
    let seconds = call.broker().statistics().uptime_s();
    let uptime = format!(
        "{} d, {} h, {} m, {} s",
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60
    );
    let about = Json::object([
        ("version", Json::from(ORION_VERSION)),
        ("uptime", Json::from(&*uptime)),
        ("implementation", Json::from(concat!("morgana ", env!("CARGO_PKG_VERSION")))),
        ("doc", Json::from("https://fiware-orion.rtfd.io/en/4.7.0/")),
    ]);
    json(&Json::object([("orion", about)]))
}

/// `GET /statistics`
pub(super) fn statistics(call: &Call<'_>) -> Reply {
    let statistics = call.broker().statistics();
    let number = |number: u64| Json::Number(number as f64);
    json(&Json::object([
        ("uptime_in_secs", number(statistics.uptime_s())),
        ("measuring_interval_in_secs", number(statistics.uptime_s())),
        (
            "counters",
            Json::object([
                ("requests", number(statistics.requests())),
                ("failedRequests", number(statistics.failures())),
                ("notifications", number(statistics.notifications())),
            ]),
        ),
    ]))
}

/// `GET /admin/metrics`
pub(super) fn metrics(call: &Call<'_>) -> Reply {
    let statistics = call.broker().statistics();
    let number = |number: u64| Json::Number(number as f64);
    let sum = Json::object([
        ("incomingTransactions", number(statistics.requests())),
        ("incomingTransactionRequestSize", number(statistics.bytes_in())),
        ("incomingTransactionResponseSize", number(statistics.bytes_out())),
        ("incomingTransactionErrors", number(statistics.failures())),
        ("outgoingTransactions", number(statistics.notifications())),
    ]);
    json(&Json::object([("services", Json::object::<&str>([])), ("sum", Json::object([("sum", sum)]))]))
}

/// `GET /admin/log`
pub(super) fn log_level() -> Reply {
    json(&Json::object([("level", Json::from("INFO"))]))
}

/// `PUT /admin/log`: the level is checked and accepted; what is logged is the operator's choice, not a client's.
pub(super) fn set_log_level(call: &Call<'_>) -> Handled {
    match call.params.get("level") {
        Some(level) if LEVELS.contains(&&*level.to_ascii_uppercase()) => Ok(Reply::ok()),
        Some(_) => Err(Error::bad("invalid log level in URI param /level/").into()),
        None => Err(Error::bad("URI param /level/ is missing").into()),
    }
}
