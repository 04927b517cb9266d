//! The kit a ThingVisor author writes against.
//!
//! A ThingVisor turns real things into virtual ones. Its author writes what is particular to the
//! things; the kit connects to the fabric with the ThingVisor's credential, announces its vThings
//! and repeats it at every reconnection, keeps their context and gives it to silos that ask, hands
//! commands to actuators and feedback to the silo that asked, tells the node when it is ready, and
//! ends cleanly when it is told to. `docs/writing-a-thingvisor.md` is the tutorial.
//!
//! ```no_run
//! use morgana_thingvisor::{Entity, Environment, NewVThing, Options, RunError, ThingVisor, run};
//!
//! fn main() -> Result<(), RunError> {
//!     run(Environment::from_env()?, Options::default(), count)
//! }
//!
//! async fn count(visor: ThingVisor) -> Result<(), RunError> {
//!     let counter = visor.create(NewVThing::new("counter").description("counts seconds")).await?;
//!     for seconds in 0.. {
//!         let entity = Entity::builder("urn:ngsi-ld:Counter:1", "Counter").property("seconds", seconds);
//!         counter.publish(entity.build().map_err(RunError::failed)?).await?;
//!         tokio::time::sleep(std::time::Duration::from_secs(1)).await;
//!     }
//!     Ok(())
//! }
//! ```

mod actuator;
mod context;
mod core;
mod courier;
mod error;
mod handle;
mod memory;
mod message;
mod metrics;
mod options;
mod params;
pub mod policy;
mod run;
mod service;
mod vthing;

pub use crate::core::Update;
pub use actuator::{Actuator, Feedback, FollowUp, ReceivedCommand};
pub use error::{Error, RunError};
pub use handle::{ThingVisor, VThing};
pub use morgana_model::{Command, Entity};
pub use morgana_workload::{Environment, Notifier};
pub use options::Options;
pub use params::read_params;
pub use run::{run, serve};
pub use vthing::NewVThing;

/// The tutorial's code is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/writing-a-thingvisor.md")]
struct Tutorial;
