//! Control groups (cgroups(7)): what a workload may use, and what belongs to it.
//!
//! [`own`] finds where we are in each hierarchy and [`plan`] says which files get which text;
//! both are pure. [`Cgroups`] and [`Group`] do it. docs/decisions/0003-cgroups.md says why this
//! is not a library.

mod cgroups;
mod group;
mod own;
mod plan;

pub(crate) use cgroups::Cgroups;
pub(crate) use group::Group;
