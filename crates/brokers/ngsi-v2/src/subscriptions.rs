//! Subscriptions: what they say, which changes concern them, what a notification looks like.

mod definition;
mod endpoint;
mod index;
mod matching;
mod notification;
mod opaque;
mod parse;
mod show;
mod status;
mod template;
mod url;

pub(crate) use definition::{AttrsFormat, Custom, Endpoint, Pairs, Payload, State, Subscription, Target};
pub(crate) use index::Subscriptions;
pub(crate) use matching::{Alteration, Change};
pub(crate) use notification::{Delivery, Origin, Route, render};
pub(crate) use parse::{merge, parse_state, parse_subscription};
pub(crate) use show::write_subscription;
pub(crate) use status::Status;
pub(crate) use url::check_url;
