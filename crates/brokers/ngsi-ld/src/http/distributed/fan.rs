//! The sources that may be asked because of one request, and asking them.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use http::{HeaderMap, HeaderValue, Method, header};

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

    /// Asks sources what they call themselves, when that tells whether the request has come through them: two brokers
    /// may be sources of each other, and their registrations need not say so (NGSI-LD 5.15.1, 6.3.18).
    pub(super) async fn learn_aliases(&self) {
        if self.is_loop || !self.headers.contains_key(header::VIA) {
            return;
        }
        let mut nameless = self.broker().live_registrations(Timestamp::now());
        nameless.retain(|one| self.broker().sources().is_nameless(one));
        let ask = |one: &Arc<Registration>| {
            let (one, core) = (Arc::clone(one), Context::core());
            async move {
                let call = Call::new(Method::GET, "/info/sourceIdentity", &core);
                if let Ok(request) = call.request(&one.access, &core, &self.via, self.headers) {
                    self.broker().sources().identify(&one, request).await;
                }
            }
            .boxed()
        };
        self.all(nameless.iter().map(ask).collect()).await;
    }

    /// The registrations of the present that the request has not come through (NGSI-LD 6.3.18).
    pub(super) fn registrations(&self) -> Vec<Arc<Registration>> {
        let mut all = self.registrations_of_all_times();
        all.retain(|one| one.is_of_the_present());
        all
    }

    /// As [`Self::registrations`], with those that are of the past.
    pub(super) fn registrations_of_all_times(&self) -> Vec<Arc<Registration>> {
        let known = |one: &Arc<Registration>| {
            self.broker().sources().alias(one).is_none_or(|alias| !passed(self.headers, &alias))
        };
        let mut all = self.broker().live_registrations(Timestamp::now());
        all.retain(known);
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
