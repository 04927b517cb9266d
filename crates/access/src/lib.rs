//! Who may do what: roles, password hashes, tokens, fabric credentials and topic rules.
//!
//! The rules are pure: randomness and the time are inputs, and the one file that is touched is that
//! of the [`SigningKey`]. The rooms that ask decide what to answer; this one only decides whether.
//!
//! - A user shows a password ([`verify_password`]) and gets a token ([`issue_token`]), which says who
//!   it is on each request ([`verify_token`]); [`authorize`] decides on each [`Action`].
//! - A workload shows the fabric a [`FabricRole`] with its password; [`may_publish`] and
//!   [`may_subscribe`] decide on each topic, and [`may_say`] on what is said between workloads.

mod authorize;
mod fabric;
mod fabric_contents;
mod fabric_rules;
mod handed_on;
mod key;
mod password;
mod policy;
mod random;
mod refresh;
mod throttle;
mod token;

pub use authorize::{Action, Caller, Denied, Idempotency, Origin, Rule, authorize};
pub use fabric::{FabricRole, UnknownFabricUser};
pub use fabric_contents::may_say;
pub use fabric_rules::{Connections, may_publish, may_subscribe};
pub use handed_on::{handed_on, verify_handed_on};
pub use key::{KeyError, SigningKey};
pub use password::{PASSWORD_MAX_BYTES, PasswordError, hash_password, verify_password};
pub use policy::{PASSWORD_MIN_CHARACTERS, WeakPassword, check_new_password};
pub use random::{generate_password, generate_silo_token, same_secret};
pub use refresh::{RefreshClaim, print_of, refresh_token, verify_refresh_token};
pub use throttle::{Throttle, ThrottleOptions};
pub use token::{Claims, TokenError, TokenOptions, issue_token, verify_token};
