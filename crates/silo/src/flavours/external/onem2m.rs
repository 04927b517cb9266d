//! Somebody else's oneM2M CSE, over HTTP (TS-0009): Mobius, ACME, or one of ours.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use http::Method;
use morgana_model::{Entity, VThingId};
use morgana_onem2m::{Operation, Request, Status};
use serde_json::Value;

use super::peer::Peer;
use super::{Away, Gone, Remote};
use crate::actuation::{Pipes, Written};
use crate::error::RunError;
use crate::flavours::onem2m::resources::{Carrier, Resources};
use crate::flavours::onem2m::things::Things;
use crate::settings::Settings;

/// A way to a CSE over HTTP.
#[derive(Debug)]
struct OverHttp {
    peer: Peer,
    release: String,
    numbers: AtomicU64,
}

#[async_trait]
impl Carrier for OverHttp {
    async fn carry(&self, request: Request) -> Option<(Status, Option<Value>)> {
        let method = match request.operation {
            Operation::Create | Operation::Notify => Method::POST,
            Operation::Retrieve => Method::GET,
            Operation::Update => Method::PUT,
            Operation::Delete => Method::DELETE,
        };
        let mut path = format!("/{}", request.to);
        if let Some(content) = request.result_content {
            path.push_str(&format!("?rcn={}", content as u8));
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed).to_string();
        let kind = request.ty.map_or("application/json".to_owned(), |ty| format!("application/json;ty={ty}"));
        let headers = [
            ("x-m2m-origin", request.from.as_deref().unwrap_or_default()),
            ("x-m2m-ri", number.as_str()),
            ("x-m2m-rvi", self.release.as_str()),
            ("accept", "application/json"),
        ];
        let body = request.content.as_ref().map(|content| (kind.as_str(), content));
        let answer = self.peer.send(method, &path, &headers, body).await.ok()?;
        let code = answer.headers.get("x-m2m-rsc").and_then(|code| code.to_str().ok()?.parse().ok());
        let status = code.and_then(Status::from_code).unwrap_or(match answer.status.as_u16() {
            200..=299 => Status::Ok,
            404 => Status::NotFound,
            409 => Status::Conflict,
            _ => Status::BadRequest,
        });
        Some((status, Some(answer.body)))
    }
}

pub(in crate::flavours) struct OneM2m {
    cse: OverHttp,
    base: String,
    tenant: String,
    originator: String,
    things: Things,
    /// Whether the access policy was made since the CSE was last away.
    prepared: bool,
}

impl OneM2m {
    async fn prepare(&mut self) -> Result<(), Away> {
        if !self.prepared {
            self.ask().await?;
            self.things.make_policy(&self.cse, &self.tenant).await;
            self.prepared = true;
        }
        Ok(())
    }
}

#[async_trait]
impl Remote for OneM2m {
    const SHARED_NAME: Option<fn(&str) -> String> = None;

    fn new(settings: &Settings) -> Result<Self, RunError> {
        let peer = Peer::new(settings)?;
        let (base, originator) =
            (settings.parameter("cseName").to_owned(), settings.parameter("originator").to_owned());
        let resources = Resources::new(&base, &originator);
        let strict = settings.parameter("names") == "unreserved";
        let release = settings.parameter("release").to_owned();
        Ok(Self {
            cse: OverHttp { peer, release, numbers: AtomicU64::new(1) },
            base,
            tenant: settings.tenant.to_string(),
            originator,
            things: Things::over_http(resources, settings.number("history"), settings.silo.clone(), strict),
            prepared: false,
        })
    }

    async fn ask(&mut self) -> Result<(), Away> {
        let request = Request::new(Operation::Retrieve, &self.base, &self.originator);
        match self.cse.carry(request).await {
            Some(_) => Ok(()),
            None => {
                self.prepared = false;
                Err(Away("the CSE does not answer".to_owned()))
            }
        }
    }

    async fn show(&mut self, entities: &[(&VThingId, &Entity)]) -> Result<(), Away> {
        self.prepare().await?;
        let shown = self.things.show(&self.cse, entities).await;
        shown.map_err(|_| {
            self.prepared = false;
            Away("the CSE does not answer".to_owned())
        })
    }

    async fn take_away(&mut self, v_thing: &VThingId, _gone: &[Gone]) -> Result<(), Away> {
        self.prepare().await?;
        self.things.disconnect(&self.cse, v_thing).await;
        // Whether it was reached for that; the AE goes again when it was not.
        self.ask().await
    }

    async fn open_pipes(&mut self, pipes: &Pipes, listener: &str) -> Result<(), Away> {
        self.prepare().await?;
        self.things.open_pipe(&self.cse, pipes, listener).await;
        self.ask().await
    }

    fn written(&self, notification: &Value, _pipes: &[Pipes]) -> Vec<Written> {
        self.things.written(notification).into_iter().collect()
    }
}
