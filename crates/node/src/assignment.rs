use jiff::Timestamp;
use morgana_model::{Endpoints, ImageName, WorkloadName};
use morgana_workload::{FabricAccess, Role};

/// A workload that a node is to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Which workload.
    pub name: WorkloadName,
    /// Grows when anything below changes in a way that asks for a restart.
    pub generation: u64,
    /// Up to which update a ThingVisor is that starts with the parameters in its role. One that runs goes on with
    /// what it has and is told through the fabric; the next start has these.
    pub update: u64,
    /// When what it runs for came to be. A folder of another birth under the same name is not its own,
    /// and is deleted before it starts.
    pub born: Timestamp,
    /// What to run.
    pub image: ImageName,
    /// What it is, with its parameters.
    pub role: Role,
    /// How it reaches the fabric.
    pub fabric: FabricAccess,
    /// The inner ports of its doors, TCP.
    pub doors: Vec<u16>,
    /// The outer ports it had before; it gets them again where they are free.
    pub endpoints: Endpoints,
    /// The outer ports that it has to have, of some of its doors or none. Where one is in use it does not start.
    pub asked: Endpoints,
}
