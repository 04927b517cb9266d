//! A whole platform in one test: the real binary, real ports, simulated things.
//!
//! [`Platform`] runs `morgana up` with any free ports and a folder of its own; [`Cli`] is a user at
//! a shell, [`MqttApplication`] and [`NgsiLd`] are a tenant's applications, [`Listener`] takes their
//! notifications, and [`SimulatedThing`] is something real that the platform virtualises.
//!
//! [`Postgres`] is a database server of the test's own, [`Broker`] is one standard broker alone, [`clients`] are clients of the standards that others wrote.
//!
//! Nothing here waits for a fixed time: [`eventually`] and [`Mailbox`] wait for a condition and say
//! what was there instead. And nothing here returns an error: a testbed that does not work is a
//! test that fails, with the words of whoever refused and, from [`Platform`], the logs.

mod application;
mod broker;
mod cli;
pub mod clients;
mod door_ports;
mod eventually;
mod http;
mod listener;
mod logs;
mod mailbox;
mod ngsi_ld;
mod platform;
mod postgres;
mod process;
mod program;
mod road;
mod series;
mod thing;
mod user;

pub use application::{Message, MqttApplication, mqtt_refusal};
pub use broker::Broker;
pub use cli::{Cli, Following};
pub use eventually::{PATIENCE, eventually};
pub use http::{Answer, Http};
pub use listener::Listener;
pub use mailbox::Mailbox;
pub use ngsi_ld::NgsiLd;
pub use platform::{Ending, Options, Platform};
pub use postgres::Postgres;
pub use process::{Process, listening_ports, processes_of};
pub use program::{Outcome, run_program};
pub use road::{add_silo, add_thing_visor};
pub use series::Series;
pub use thing::SimulatedThing;
pub use user::User;
