//! The sources that may be asked because of one request, and asking them.

use std::sync::Arc;

use futures_util::{StreamExt, future::BoxFuture, stream};
use http::{HeaderMap, HeaderValue};

use super::super::Door;
use crate::{
    Broker, Context, Error, ErrorKind,
    model::Timestamp,
    registrations::Registration,
    sources::{Answer, Call, Failure, passed, via},
};

/// What a request brings to the requests that it causes.
pub(super) struct Fan<'a> {
    pub(super) door: &'a Door,
    headers: &'a HeaderMap,
    via: HeaderValue,
    /// The request was here before.
    pub(super) is_loop: bool,
}

impl<'a> Fan<'a> {
    pub(super) fn new(door: &'a Door, headers: &'a HeaderMap) -> Self {
        let via = via(headers, door.broker.alias());
        let is_loop = passed(headers, door.broker.alias());
        Self { door, headers, via, is_loop }
    }

    pub(super) fn broker(&self) -> &Broker {
        &self.door.broker
    }

    /// The registrations of the present that the request has not come through (NGSI-LD 6.3.18).
    pub(super) fn registrations(&self) -> Vec<Arc<Registration>> {
        let known = |one: &Arc<Registration>| {
            one.access.alias.as_deref().is_none_or(|alias| !passed(self.headers, alias))
        };
        let mut all = self.broker().live_registrations(Timestamp::now());
        all.retain(|one| one.is_of_the_present() && known(one));
        all
    }

    /// Of registrations that matched, those to ask. A request that was here before is answered by this broker alone,
    /// which it cannot be when others have what it is about (NGSI-LD 6.3.17).
    pub(super) fn without_loop<T>(
        &self,
        matched: Vec<(Arc<Registration>, T)>,
    ) -> Result<Vec<(Arc<Registration>, T)>, Error> {
        match matched.iter().find(|(one, _)| one.access.mode.is_proxied()) {
            Some((one, _)) if self.is_loop => Err(looped(&one.id)),
            _ if self.is_loop => Ok(Vec::new()),
            _ => Ok(matched),
        }
    }

    /// Whether the source is spoken to in the very terms of the request, so that `q` can go as it is.
    pub(super) fn speaks(&self, registration: &Registration, terms: &Arc<Context>) -> bool {
        registration.access.speaks(terms)
    }

    /// Asks one source.
    pub(super) async fn ask(
        &self,
        registration: &Registration,
        call: &Call,
    ) -> Result<(Answer, Arc<Context>), Failure> {
        let wire = self.broker().wire(registration, &call.context).await?;
        let request = call.request(&registration.access, &wire, &self.via, self.headers);
        let request = request.map_err(|error| Failure::Invalid(error.to_string()))?;
        let answer = self.broker().sources().ask(registration, request).await?;
        Ok((answer, wire))
    }

    /// Waits for all, some at a time, and gives the results in order.
    pub(super) async fn all<R: Send>(&self, waiting: Vec<BoxFuture<'_, R>>) -> Vec<R> {
        let parallel = self.broker().sources().options.parallel.max(1);
        stream::iter(waiting).buffered(parallel).collect().await
    }
}

pub(super) fn looped(registration: &str) -> Error {
    let detail =
        format!("the request came back to this broker, and {registration} has what it is about elsewhere");
    Error::new(ErrorKind::LoopDetected, detail)
}
