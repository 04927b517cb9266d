use morgana_model::{Endpoints, ImageName, WorkloadName};
use morgana_workload::{FabricAccess, Role};

/// A workload that a node is to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Which workload.
    pub name: WorkloadName,
    /// Grows when anything below changes in a way that asks for a restart.
    pub generation: u64,
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
}
