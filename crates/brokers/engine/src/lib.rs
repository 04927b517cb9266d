//! What the context brokers share, whatever their protocol: an ordered notifier, an HTTP client with a say in where
//! it goes, HTTP server parts, and an index of subscriptions.
//!
//! - [`Notifier`] keeps one bounded ordered queue a subscription and hands each message to a [`Transport`].
//! - [`HttpClient`] has pooled keep-alive connections with `TCP_NODELAY`; [`Fetcher`] gets small documents with it,
//!   by default from public addresses only.
//! - [`serve`] runs a router on a listener with `TCP_NODELAY` until it is told to stop; [`Access`] checks tokens;
//!   [`Problem`] is an error body.
//! - [`Interest`] says what a subscription may be interested in; [`InterestIndex`] finds the subscriptions that a
//!   change may concern without looking at the others; [`Pattern`] is a regular expression that tells the [`Clue`]s by
//!   which it can do so.
//! - [`Watchers`] tell changes to parts of the same process.

mod access;
mod client;
mod clue;
mod fetch;
mod freshness;
mod interest;
mod lane;
mod metrics;
mod notifier;
mod pattern;
mod problem;
mod server;
mod transport;
mod watch;

pub use access::{Access, require_token};
pub use client::{ClientError, HttpClient, is_public};
pub use clue::Clue;
pub use fetch::{FetchError, FetchOptions, Fetched, Fetcher};
pub use interest::{Interest, InterestIndex};
pub use lane::DeliveryCounts;
pub use notifier::{Notifier, NotifierOptions};
pub use pattern::Pattern;
pub use problem::Problem;
pub use server::{ServerError, serve};
pub use transport::{DeliveryError, Endpoint, HttpTransport, Message, Transport};
pub use watch::{Lagged, Watch, Watchers};
