//! From the request for a silo to the silo that answers.

use std::time::{Duration, Instant};

use morgana_client::Goal;
use morgana_model::WorkloadName;
use morgana_testbed::add_silo;

use crate::figures::Figures;
use crate::road::Road;

const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn measure(road: &Road, silos: usize, figures: &mut Figures) {
    let client = road.platform.client(&road.tenant);
    for (flavour, aim) in [("mqtt", "<= 150"), ("ngsi-ld", "<= 150")] {
        let mut took = Vec::with_capacity(silos);
        for number in 0..silos {
            let start = Instant::now();
            let silo = add_silo(&client, &road.tenant, &format!("{flavour}-{number}"), flavour).await;
            let silo = silo.unwrap_or_else(|error| panic!("silo {number}: {error}"));
            let name = WorkloadName::VSilo(silo.id.clone());
            let running = client.wait_until(&name, Goal::Running, DEADLINE, |_| {}).await;
            running.unwrap_or_else(|error| panic!("silo {number}: {error}"));
            took.push(start.elapsed());
            client
                .delete_vsilo(&silo.id, false)
                .await
                .unwrap_or_else(|error| panic!("silo {number}: {error}"));
            let gone = client.wait_until(&name, Goal::Gone, DEADLINE, |_| {}).await;
            gone.unwrap_or_else(|error| panic!("silo {number}: {error}"));
        }
        figures.put_durations(&format!("silo {flavour}: create -> running"), &mut took, Some(aim));
    }
}
