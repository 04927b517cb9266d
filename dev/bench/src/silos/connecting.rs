//! From the tenant's request to connect a vThing to a running silo to its whole context in the silo's broker.
//!
//! The time is that of an application that asks the broker again and again, from the moment the request is sent; so the
//! request to the platform, the message to the silo, the context asked of the ThingVisor and its answer are all in it.

use std::time::{Duration, Instant};

use morgana_model::VSilo;

use super::standard::{Place, Standard};
use super::{LAMP, messages};
use crate::road::Road;

/// How long a context may take before the measurement is wrong.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(1);

/// Connects the lamp again and again; it has been connected before, and is in the end.
pub(super) async fn measure(road: &Road, standard: Standard, silo: &VSilo, times: u64) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..times {
        road.platform.unplug(&road.tenant, silo, LAMP).await;
        wait(standard, silo, false).await;
        let start = Instant::now();
        let shown = wait(standard, silo, true);
        let ((), at) = tokio::join!(road.platform.plug(&road.tenant, silo, LAMP), shown);
        took.push(at - start);
    }
    took
}

/// Waits until the broker shows all of the lamp, or nothing of it; gives when it did.
async fn wait(standard: Standard, silo: &VSilo, whole: bool) -> Instant {
    let deadline = Instant::now() + PATIENCE;
    if standard == Standard::Mqtt {
        return messages::wait_for_lamp(silo, whole, PATIENCE).await;
    }
    let place = Place::in_silo(standard, silo);
    while place.shows_lamp(whole).await != whole {
        assert!(Instant::now() < deadline, "{}: the lamp is not as it should be", standard.name());
        tokio::time::sleep(LOOK).await;
    }
    Instant::now()
}
