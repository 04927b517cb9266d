//! `/v2`, `/version` and `/statistics`.

use super::{Reply, request::Call};
use crate::Json;

/// The version of Orion whose interface this is; PEP 440, since clients parse it.
const ORION_VERSION: &str = "4.7.0";

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
        ("measuring_interval_in_secs", number(statistics.counting_s())),
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

/// `DELETE /statistics`
pub(super) fn forget_statistics(call: &Call<'_>) -> Reply {
    call.broker().statistics().forget();
    json(&Json::object([("message", "All statistics counter reset".into())]))
}
