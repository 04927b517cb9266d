//! A subscription as the broker uses it.

use std::{sync::Arc, time::Duration};

use http::Method;

use super::{Status, matching::Alteration};
use crate::{
    input::Expression,
    model::{Json, ServicePath, Time},
    query::EntitySelector,
    render::Names,
};

/// Whether a subscription is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    Inactive,
    /// Until the next notification.
    Oneshot,
}

/// How entities are represented in notifications.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum AttrsFormat {
    #[default]
    Normalized,
    SimplifiedNormalized,
    KeyValues,
    SimplifiedKeyValues,
    Values,
}

impl AttrsFormat {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "normalized" => Self::Normalized,
            "simplifiedNormalized" => Self::SimplifiedNormalized,
            "keyValues" => Self::KeyValues,
            "simplifiedKeyValues" => Self::SimplifiedKeyValues,
            "values" => Self::Values,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Normalized => "normalized",
            Self::SimplifiedNormalized => "simplifiedNormalized",
            Self::KeyValues => "keyValues",
            Self::SimplifiedKeyValues => "simplifiedKeyValues",
            Self::Values => "values",
        }
    }
}

/// What a custom notification carries.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Payload {
    /// What a notification that is not custom would.
    #[default]
    Default,
    /// Nothing.
    None,
    /// A text with macros.
    Text(Box<str>),
    /// A JSON value with macros.
    Json(Json),
    /// A part of an entity, with macros, that is laid over the entity.
    Ngsi(Json),
}

/// Names and their values, in the order they were written.
pub(crate) type Pairs = Vec<(Box<str>, Box<str>)>;

/// The parts of a notification that a custom subscription makes itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Custom {
    pub(crate) payload: Payload,
    pub(crate) headers: Pairs,
    pub(crate) qs: Pairs,
    pub(crate) method: Option<Method>,
}

/// Where notifications go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Http { timeout: Option<Duration> },
    Mqtt { topic: Box<str>, qos: u8, retain: bool, user: Option<(Box<str>, Box<str>)> },
}

/// Where and how notifications go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) url: Box<str>,
    pub(crate) target: Target,
    pub(crate) custom: Option<Custom>,
}

/// A subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: Box<str>,
    /// As its owner wrote it, with what later updates changed.
    pub(crate) document: Json,
    pub(crate) path: ServicePath,
    pub(crate) selectors: Vec<EntitySelector>,
    /// Attributes whose change triggers; none means any.
    pub(crate) watched: Names,
    pub(crate) expression: Expression,
    pub(crate) alterations: Vec<Alteration>,
    pub(crate) on_metadata_change: bool,
    pub(crate) endpoint: Endpoint,
    pub(crate) attrs: Option<Names>,
    pub(crate) except: Option<Names>,
    pub(crate) metadata: Option<Names>,
    pub(crate) format: AttrsFormat,
    pub(crate) only_changed: bool,
    pub(crate) covered: bool,
    pub(crate) max_fails: Option<u64>,
    pub(crate) expires: Option<Time>,
    pub(crate) throttling: Option<Duration>,
    /// What became of it; shared with its later versions.
    pub(crate) status: Arc<Status>,
}
