//! One copy of a subscription at a source, as it is remembered.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use morgana_model::Secret;
use uuid::Uuid;

use super::super::registrations::{revived, stored};
use crate::{model::Json, registrations::Registration};

/// What the source has, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// Nothing, or no one knows.
    No,
    /// The copy with this mark.
    Yes(i64),
    /// Nothing: the source refused the copy with this mark, and would again.
    Refused(i64),
}

/// A copy of a subscription.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    /// The id that the copy has at the source. No one can guess it; where a broker asks for no token, who knows it may
    /// notify.
    pub(super) id: Box<str>,
    /// What the source shows, with the id, where a broker asks for a token.
    pub(super) secret: Secret,
    pub(super) subscription: Box<str>,
    pub(super) registration: Box<str>,
    pub(super) made: Made,
    /// The registration, when there is none any more.
    pub(super) orphan: Option<Arc<Registration>>,
}

impl Copy {
    pub(super) fn new(subscription: &str, registration: &str) -> Self {
        let id = format!("urn:ngsi-ld:Subscription:{}", Uuid::new_v4()).into();
        Self {
            id,
            secret: new_secret(),
            subscription: subscription.into(),
            registration: registration.into(),
            made: Made::No,
            orphan: None,
        }
    }

    /// What the source is given to show: the id, so that the secret can be found, and the secret.
    pub(super) fn credential(&self) -> Secret {
        Secret::new(format!("{}.{}", self.id, self.secret.expose()))
    }

    /// As the journal keeps it.
    pub(super) fn note(&self) -> Json {
        let mut members: Vec<(Box<str>, Json)> = vec![
            ("secret".into(), Json::String(self.secret.expose().into())),
            ("subscription".into(), Json::String(self.subscription.clone())),
            ("registration".into(), Json::String(self.registration.clone())),
        ];
        let mark = |mark: i64| Json::Number(mark.into());
        match self.made {
            Made::No => {}
            Made::Yes(made) => members.push(("made".into(), mark(made))),
            Made::Refused(refused) => members.push(("refused".into(), mark(refused))),
        }
        members.extend(self.orphan.as_ref().map(|orphan| ("orphan".into(), stored(orphan))));
        Json::Object(members.into())
    }

    /// What [`Self::note`] wrote; `None` when it is not that.
    pub(super) fn revived(id: &str, note: &Json) -> Option<Self> {
        let text = |member: &str| note.get(member).and_then(Json::as_str).map(Box::from);
        let mark = |member: &str| match note.get(member)? {
            Json::Number(number) => number.as_i64(),
            _ => None,
        };
        let made = match (mark("made"), mark("refused")) {
            (Some(made), _) => Made::Yes(made),
            (None, Some(refused)) => Made::Refused(refused),
            (None, None) => Made::No,
        };
        let orphan = note.get("orphan").and_then(revived).map(Arc::new);
        // A copy from before there were secrets gets one, and its source is told.
        let secret = text("secret").map_or_else(new_secret, |secret| Secret::new(String::from(secret)));
        Some(Self {
            id: id.into(),
            secret,
            subscription: text("subscription")?,
            registration: text("registration")?,
            made,
            orphan,
        })
    }
}

/// 244 random bits.
fn new_secret() -> Secret {
    Secret::new(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()))
}

/// What tells one form of a copy from another.
pub(super) fn mark(document: &Json) -> i64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(document).unwrap_or_default().hash(&mut hasher);
    hasher.finish().cast_signed()
}
