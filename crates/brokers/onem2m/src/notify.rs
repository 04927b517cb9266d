//! Notifications (TS-0001 10.2.10, TS-0004 7.5): which subscribers an event concerns, what they are told, and how it
//! gets there.

mod content;
mod courier;
mod event;
mod http;
mod listeners;
mod parcel;
mod pending;
mod polled;
mod publish;
mod reach;
mod request;
mod send;
mod shelf;
mod subscribers;
mod windows;

pub(crate) use content::reference;
pub(crate) use courier::{Answer, Courier, Publisher};
pub(crate) use event::{Event, EventKind};
pub(crate) use parcel::Parcel;
pub(crate) use pending::watch_pending;
pub(crate) use polled::Polled;
pub(crate) use publish::{count_off, publish, publish_prior};
pub(crate) use reach::{Destination, destinations};
pub(crate) use shelf::{Found, Shelf};
pub(crate) use subscribers::Subscribers;
