//! The commands, from their words to what they print, against a stand-in for the controller.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod failures;
mod forms;
mod parsing;
mod road;
mod shell;
#[path = "../../../client/tests/api/stand_in/mod.rs"]
#[allow(dead_code, reason = "it is the client's, and has more than is needed here")]
mod stand_in;
