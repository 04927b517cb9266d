//! Under load and faults: clients create, connect and destroy in random order while the platform
//! (controller, node agent and fabric are one process) and single workloads are killed at random. At
//! the end what is desired is what is: nothing accepted is lost, no process and no port is left over.
//!
//! CI runs a small one; `make soak` the full one: 500 silos, 100 ThingVisors, 20 clients.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chaos;
mod clients;
mod ledger;
mod verdict;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use morgana_testbed::{Options, Platform};
use tokio::sync::RwLock;
use tokio::task::JoinSet;

use ledger::Ledger;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// The ports of silos and ThingVisors: those of other testbeds begin above.
const DOORS: RangeInclusive<u16> = 10_000..=19_999;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
struct Size {
    silos: usize,
    visors: usize,
    clients: usize,
}

impl Size {
    /// That of CI, or what the environment says.
    fn read() -> Self {
        let number = |name: &str, default| {
            std::env::var(name)
                .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
        };
        Self {
            silos: number("MORGANA_SOAK_SILOS", 40),
            visors: number("MORGANA_SOAK_VISORS", 10),
            clients: number("MORGANA_SOAK_CLIENTS", 4),
        }
    }
}

/// Where the platform is at the moment: its ports change when it is started again.
type Address = Arc<RwLock<String>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_kills_at_random_what_is_desired_is_what_is() {
    let size = Size::read();
    let mut platform = Platform::prepare(MORGANA, Options::default());
    platform.set_variable("MORGANA_NODE__DOOR_PORTS__START", &DOORS.start().to_string());
    platform.set_variable("MORGANA_NODE__DOOR_PORTS__END", &DOORS.end().to_string());
    platform.restart().await;
    let admin = platform.admin().await;
    let address: Address = Arc::new(RwLock::new(platform.rest_url().to_owned()));
    let ledger = Arc::new(Ledger::default());

    let started = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..size.clients {
        let tenant = platform.tenant(&admin, &format!("tenant{number}")).await;
        let user = clients::User::new(Arc::clone(&address), tenant);
        let silos = size.silos / size.clients + usize::from(number < size.silos % size.clients);
        clients.spawn(clients::rent(user, Arc::clone(&ledger), silos));
    }
    clients.spawn(clients::administer(
        clients::User::new(Arc::clone(&address), admin.clone()),
        Arc::clone(&ledger),
        size.visors,
    ));
    let kills = chaos::until_done(&mut platform, &address, clients).await;
    println!("{size:?}: {kills:?}, {ledger}, {:.0?}", started.elapsed());

    let settling = Instant::now();
    let admin = platform.log_in("admin", &admin.password).await;
    verdict::eventually_as_desired(&platform, &admin, &ledger, size).await;
    println!("as desired {:.1?} after the last request", settling.elapsed());

    // And all of it is there once more after the machine went down.
    platform.kill_all().await;
    platform.no_process_is_left().await;
    let recovering = Instant::now();
    platform.restart().await;
    let admin = platform.log_in("admin", &admin.password).await;
    verdict::eventually_as_desired(&platform, &admin, &ledger, size).await;
    println!("as desired again {:.1?} after a restart of all", recovering.elapsed());
    platform.terminate().await;
    platform.no_process_is_left().await;
}
