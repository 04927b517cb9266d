//! The oneM2M Common Services Entity.
mod location;
mod schedule;
mod status;
mod time;
mod tree;
mod types;
