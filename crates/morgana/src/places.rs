//! What this binary brings: the kinds of ThingVisors and silos.

use morgana_controller::{Builtin, Place};
use morgana_model::WorkloadKind;

use crate::configuration::Configuration;

/// What the controller is told of this machine and this binary.
pub(crate) fn place(configuration: &Configuration) -> Place {
    let silos = morgana_silo::builtins().iter().map(|silo| Builtin {
        workload: WorkloadKind::VSilo,
        kind: silo.kind.to_owned(),
        description: silo.description.to_owned(),
        doors: silo.doors.to_vec(),
        ready: silo.ready,
    });
    let visors = morgana_visors::builtins().iter().map(|visor| Builtin {
        workload: WorkloadKind::ThingVisor,
        kind: visor.kind.to_owned(),
        description: visor.description.to_owned(),
        doors: visor.doors.to_vec(),
        ready: true,
    });
    Place {
        node: configuration.node_id.clone(),
        zone: configuration.zone.clone(),
        builtins: silos.chain(visors).collect(),
    }
}
