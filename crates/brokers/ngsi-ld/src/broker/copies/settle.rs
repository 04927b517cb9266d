//! Makes one copy what it is to be.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};

use super::{
    super::Broker,
    record::{Copy, Made, mark},
    state::Why,
};
use crate::{
    Context, Error,
    model::{Json, NoteKind, Timestamp},
    registrations::{Operation, Registration},
    sources::{Call, Callback, Copied, Failure, came_through, encode, via},
};

/// How often a source is asked to let go of what no one needs any more.
const DELETIONS: u32 = 8;

/// Members that an update takes away where the copy has them no more.
const OPTIONAL: &[&str] = &[
    "entities",
    "watchedAttributes",
    "notificationTrigger",
    "timeInterval",
    "throttling",
    "expiresAt",
    "datasetId",
    "q",
    "scopeQ",
    "geoQ",
    "expandValues",
    "jsonKeys",
    "splitEntities",
];

/// What became of it.
enum Step {
    Is(Made),
    Gone,
    /// The source failed, and may do better later.
    Again,
}

impl Broker {
    /// Starts on the copies that are not what they should be. Gives how long it is until the next one is due.
    pub(super) fn settle_due(&self) -> Option<Duration> {
        let parallel = self.inner.sources.options.parallel.max(1);
        let (due, wait) = self.inner.copies.take_due(parallel);
        for (copy, why) in due {
            let broker = self.clone();
            tokio::spawn(async move { broker.settle(copy, why).await });
        }
        wait
    }

    async fn settle(&self, mut copy: Copy, why: Why) {
        let saved = match self.step(&copy, why).await {
            Step::Again => return self.inner.copies.failed(&copy, why),
            Step::Is(made) if made == copy.made => Ok(()),
            Step::Is(made) => {
                copy.made = made;
                self.save(&copy).await
            }
            Step::Gone => {
                let removed = self.remove_note(NoteKind::Copies, &copy.id).await.map(drop);
                if removed.is_ok() {
                    self.inner.copies.remove(&copy);
                }
                return self.replan(&copy, removed).await;
            }
        };
        match saved {
            Ok(()) => self.inner.copies.done(&copy),
            Err(error) => {
                tracing::warn!(copy = %copy.id, %error, "cannot write what became of a copy");
                self.inner.copies.failed(&copy, Why::Change);
            }
        }
    }

    /// Writes what became of a copy, unless it was given up meanwhile.
    async fn save(&self, copy: &Copy) -> Result<(), Error> {
        self.write(|write| {
            let Some(known) = write.inner.copies.get(&copy.id) else { return Ok(()) };
            let note = Copy { made: copy.made, ..known }.note();
            write.put_note(NoteKind::Copies, &copy.id, note)
        })
        .await
    }

    /// A copy that went may be wanted again: its source was registered anew while the old one was let go.
    async fn replan(&self, copy: &Copy, removed: Result<(), Error>) {
        let planned = match removed {
            Err(error) => Err(error),
            Ok(()) => {
                self.write(|write| {
                    let subscription = write.inner.subscriptions.read().get(&copy.subscription).cloned();
                    subscription.map_or(Ok(()), |subscription| write.plan_copies(&subscription))
                })
                .await
            }
        };
        if let Err(error) = planned {
            tracing::warn!(copy = %copy.id, %error, "cannot write that a copy is gone");
            self.inner.copies.failed(copy, Why::Change);
        }
    }

    async fn step(&self, copy: &Copy, why: Why) -> Step {
        let now = Timestamp::now();
        let live = self.inner.registrations.read().get(&copy.registration, now).cloned();
        let Some(registration) = live.clone().or_else(|| copy.orphan.clone()) else {
            return Step::Gone;
        };
        let subscription = self.inner.subscriptions.read().get(&copy.subscription).cloned();
        let wanted = subscription.as_deref().filter(|_| live.is_some() && copy.orphan.is_none());
        let wanted = wanted.filter(|one| one.expires_at.is_none_or(|end| now < end));
        let copied = wanted.and_then(|one| Some((one, Copied::new(one, &registration)?)));
        let Some((one, copied)) = copied else { return self.let_go(copy, &registration).await };
        let Some(callback) = self.callback(one) else { return self.let_go(copy, &registration).await };
        let wire = match self.wire(&registration, &one.context).await {
            Ok(wire) => wire,
            Err(failure) => return again(copy, &failure),
        };
        let credential = &copy.credential();
        let callback = Callback { uri: &callback, tenant: self.tenant_name(), credential };
        let document = copied.document(&copy.id, &wire, &callback);
        let mark = mark(&document);
        let ask = Ask { broker: self, registration: &registration, wire: &wire, via: came_through(one) };
        match copy.made {
            Made::Yes(made) if made == mark && why == Why::Check => ask.check(copy, document, mark).await,
            Made::Yes(made) | Made::Refused(made) if made == mark => Step::Is(copy.made),
            Made::Yes(_) => ask.change(copy, document, mark).await,
            Made::No | Made::Refused(_) => ask.make(copy, document, mark).await,
        }
    }

    /// Has the source delete a copy.
    async fn let_go(&self, copy: &Copy, registration: &Registration) -> Step {
        if matches!(copy.made, Made::Refused(_)) || !registration.access.allows(Operation::DeleteSubscription)
        {
            return Step::Gone;
        }
        let (wire, via) = (&Context::core(), http::HeaderMap::new());
        let ask = Ask { broker: self, registration, wire, via };
        match ask.send(Method::DELETE, &format!("/subscriptions/{}", encode(&copy.id)), None).await {
            Ok(()) => Step::Gone,
            Err(Failure::Refused { status, .. }) if status.is_client_error() => Step::Gone,
            // Who is registered no more is told once; others a few times.
            Err(failure) if copy.orphan.is_some() || self.inner.copies.failures(copy) >= DELETIONS => {
                tracing::warn!(copy = %copy.id, source = %copy.registration, %failure, "a copy of a subscription stays behind");
                Step::Gone
            }
            Err(failure) => again(copy, &failure),
        }
    }
}

fn again(copy: &Copy, failure: &Failure) -> Step {
    tracing::debug!(copy = %copy.id, source = %copy.registration, %failure, "a copy of a subscription has to wait");
    Step::Again
}

/// A source and how it is spoken to.
struct Ask<'a> {
    broker: &'a Broker,
    registration: &'a Registration,
    wire: &'a Arc<Context>,
    via: http::HeaderMap,
}

impl Ask<'_> {
    async fn make(&self, copy: &Copy, document: Json, mark: i64) -> Step {
        match self.send(Method::POST, "/subscriptions", Some(document.clone())).await {
            Ok(()) => Step::Is(Made::Yes(mark)),
            // It was made before, and that was not written down.
            Err(Failure::Refused { status: StatusCode::CONFLICT, .. }) => {
                self.change(copy, document, mark).await
            }
            Err(failure) => refused(copy, &failure, mark),
        }
    }

    /// Looks whether the source still has the copy, and makes it again if not: a source may have been emptied, or have
    /// come back from an old backup.
    async fn check(&self, copy: &Copy, document: Json, mark: i64) -> Step {
        let path = format!("/subscriptions/{}", encode(&copy.id));
        let access = &self.registration.access;
        let found = if access.allows(Operation::RetrieveSubscription) {
            self.send(Method::GET, &path, None).await
        } else if access.allows(Operation::UpdateSubscription) {
            // What changes nothing tells as well.
            self.send(Method::PATCH, &path, Some(patch(&document))).await
        } else {
            return Step::Is(copy.made);
        };
        match found {
            Err(Failure::Refused { status: StatusCode::NOT_FOUND, .. }) => {
                tracing::warn!(
                    subscription = %copy.subscription, source = %copy.registration,
                    "a context source has lost the copy of a subscription, which is made again"
                );
                self.make(copy, document, mark).await
            }
            Ok(()) => Step::Is(copy.made),
            Err(failure) => again(copy, &failure),
        }
    }

    async fn change(&self, copy: &Copy, document: Json, mark: i64) -> Step {
        let path = format!("/subscriptions/{}", encode(&copy.id));
        if self.registration.access.allows(Operation::UpdateSubscription) {
            match self.send(Method::PATCH, &path, Some(patch(&document))).await {
                Ok(()) => return Step::Is(Made::Yes(mark)),
                Err(Failure::Refused { status, .. }) if status.is_client_error() => {}
                Err(failure) => return again(copy, &failure),
            }
        }
        // What cannot be changed is made anew.
        if let Err(failure) = self.send(Method::DELETE, &path, None).await
            && !matches!(&failure, Failure::Refused { status, .. } if status.is_client_error())
        {
            return again(copy, &failure);
        }
        match self.send(Method::POST, "/subscriptions", Some(document)).await {
            Ok(()) => Step::Is(Made::Yes(mark)),
            Err(failure) => refused(copy, &failure, mark),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Json>) -> Result<(), Failure> {
        let mut call = Call::new(method, path, self.wire);
        call.body = body;
        let via = via(&self.via, self.broker.alias());
        let request = call.request(&self.registration.access, self.wire, &via, &self.via);
        let request = request.map_err(|error| Failure::Invalid(error.to_string()))?;
        self.broker.sources().ask(self.registration, request).await.map(drop)
    }
}

/// A clear no is one until something changes.
fn refused(copy: &Copy, failure: &Failure, mark: i64) -> Step {
    match failure {
        Failure::Refused { status, .. }
            if *status != StatusCode::REQUEST_TIMEOUT
                && *status != StatusCode::TOO_MANY_REQUESTS
                && (status.is_client_error()
                    || matches!(*status, StatusCode::NOT_IMPLEMENTED | StatusCode::LOOP_DETECTED)) =>
        {
            tracing::warn!(
                subscription = %copy.subscription, source = %copy.registration, %failure,
                "a context source does not take the copy of a subscription"
            );
            Step::Is(Made::Refused(mark))
        }
        failure => again(copy, failure),
    }
}

/// The copy as an update: what it has no more is taken away.
fn patch(document: &Json) -> Json {
    let mut members = Vec::from(document.as_object().unwrap_or_default());
    members.retain(|(name, _)| !matches!(&**name, "id" | "type"));
    for name in OPTIONAL {
        if document.get(name).is_none() {
            members.push(((*name).into(), Json::Null));
        }
    }
    Json::Object(members.into())
}
