//! Notifications (TS-0001 10.2.10, TS-0004 7.5): which subscribers an event concerns, what they are told, and how it
//! gets there.

mod content;
mod courier;
mod event;
mod http;
mod pending;
mod publish;
mod reach;
mod request;
mod subscribers;

pub(crate) use content::reference;
pub(crate) use courier::{Answer, Courier, Parcel, Publisher};
pub(crate) use event::{Event, EventKind};
pub(crate) use pending::{Pending, watch_pending};
pub(crate) use publish::{count_off, publish, publish_prior};
pub(crate) use reach::{Destination, destinations};
pub(crate) use subscribers::Subscribers;
