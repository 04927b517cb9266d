//! What kills.

use std::time::Duration;

use morgana_testbed::Platform;
use rand::random_range;
use tokio::task::JoinSet;

use crate::Address;

/// How often what was killed.
#[derive(Debug, Default)]
pub(crate) struct Kills {
    #[allow(dead_code, reason = "it is printed")]
    platform: usize,
    #[allow(dead_code, reason = "it is printed")]
    workloads: usize,
}

/// The platform is killed so often at least.
const PLATFORM_KILLS: usize = 2;

/// Kills the platform and its workloads at random moments until all clients are done; then it runs.
pub(crate) async fn until_done(
    platform: &mut Platform,
    address: &Address,
    mut clients: JoinSet<()>,
) -> Kills {
    let mut kills = Kills::default();
    loop {
        let pause = Duration::from_millis(random_range(100..1_500));
        let done = tokio::time::timeout(pause, async {
            while let Some(done) = clients.join_next().await {
                done.expect("a client does not panic");
            }
        });
        let done = done.await.is_ok();
        if done && kills.platform >= PLATFORM_KILLS {
            return kills;
        }
        if done || random_range(0..3) == 0 {
            platform.kill().await;
            kills.platform += 1;
            platform.restart().await;
            *address.write().await = platform.rest_url().to_owned();
        } else {
            let all = platform.processes();
            let own = platform.process().pid;
            let workloads: Vec<_> = all.iter().filter(|process| process.parent == own).collect();
            for _ in 0..random_range(1..4) {
                if !workloads.is_empty() {
                    workloads[random_range(0..workloads.len())].kill();
                    kills.workloads += 1;
                }
            }
        }
    }
}
