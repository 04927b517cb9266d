//! A typed client of the REST v1 API.
//!
//! [`Client`] has one async method for each operation. Lists come as [`Pages`], which fetch page
//! after page; changes come as [`EventStream`], logs as [`LogStream`]; [`Client::wait_until`]
//! follows a workload until it is where it should be. Every [`Error`] says what was asked of which
//! URL, and carries the server's own words where the server said something.

mod answer;
mod client;
mod error;
mod events;
mod logs;
mod operations;
mod paging;
mod renewal;
mod wait;

pub use client::{Client, Options};
pub use error::Error;
pub use events::EventStream;
pub use logs::LogStream;
pub use paging::Pages;
pub use renewal::Renewal;
pub use wait::Goal;
