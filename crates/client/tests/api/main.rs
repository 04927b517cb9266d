//! The client against a stand-in for the controller, and against servers that are none.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod broken_servers;
mod following;
mod operations;
mod stand_in;
