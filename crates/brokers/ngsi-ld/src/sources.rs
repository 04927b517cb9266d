//! Context sources at work (NGSI-LD 4.3.6): which of them has what, how they are asked, and how what they answer comes
//! together with what the broker itself has. What decides is pure; [`Sources`] talks to them.

mod call;
mod client;
mod copy;
mod coverage;
mod merge;
mod plan;
mod recompact;

pub(crate) use call::{Call, encode, passed, selector, via};
pub use client::SourceOptions;
pub(crate) use client::{Answer, Failure, Sources};
pub(crate) use copy::{CALLBACK, CREDENTIAL, Callback, Copied, came_through};
pub(crate) use coverage::{Cover, Reach, Wanted};
pub(crate) use merge::{RemoteEntity, merge, read_entity};
pub(crate) use plan::{Plan, Share, Write};
