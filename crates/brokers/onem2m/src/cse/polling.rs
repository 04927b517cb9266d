//! Polling channels (TS-0001 9.6.21, 10.2.5, TS-0004 7.4.21, 7.4.22): an AE that nobody can reach asks for what there
//! is for it, and answers by a notification.

use serde_json::Value;

use super::{Cse, Transaction};
use crate::{
    primitive::{Operation, Outcome, Request},
    status::{Failure, Status},
    time::{Time, millis},
    tree::Slot,
    types::ty,
};

impl Transaction<'_> {
    /// An AE has at most one channel, made by itself.
    pub(super) fn check_polling_channel(&self, request: &Request, parent: Slot) -> Result<(), Failure> {
        let originator = self.inner.identity.short_entity(request.originator());
        let owns = self.tree.at(parent).ae_id() == Some(originator) || self.is_cse(parent, request);
        if !owns {
            let debug = format!("{originator} can only have a polling channel below its own AE");
            return Err(Failure::new(Status::OriginatorHasNoPrivilege, debug));
        }
        let exists = self.tree.at(parent).family.iter().flat_map(|family| &family.children);
        if exists.into_iter().any(|child| self.tree.at(*child).ty == ty::PCH) {
            return Err(Failure::bad("the AE has a polling channel already"));
        }
        Ok(())
    }
}

impl Cse {
    /// A request to `pcu`.
    pub(super) async fn poll(&self, request: &Request, channel: Slot) -> Result<Outcome, Failure> {
        let (owner, aggregates) = {
            let tree = self.inner.tree.read();
            let parent =
                tree.get(channel).and_then(|channel| channel.parent).and_then(|parent| tree.get(parent));
            let aggregates =
                tree.get(channel).and_then(|channel| channel.attributes.flag("rqag")) == Some(true);
            let cse = || parent.filter(|csr| csr.ty == ty::CSR).and_then(|csr| csr.attributes.text("csi"));
            (parent.and_then(|ae| ae.ae_id()).or_else(cse).map(str::to_owned), aggregates)
        };
        let owner = owner.ok_or_else(|| Failure::not_found(&request.to))?;
        if owner != self.inner.identity.short_entity(request.originator()) {
            let debug = format!("only {owner} may use this polling channel");
            return Err(Failure::new(Status::OriginatorHasNoPrivilege, debug));
        }
        match request.operation {
            Operation::Retrieve => {
                let now = Time::now();
                let until = request.request_expires.as_deref().and_then(|text| Time::parse_from(text, now));
                let until =
                    until.unwrap_or_else(|| now.plus_millis(self.inner.limits().request_expiration_ms));
                let wait = millis((until.0 - now.0) / 1000);
                match tokio::time::timeout(wait, self.inner.courier.polled.next(&owner, aggregates)).await {
                    Ok(Some(primitive)) => Ok(Outcome::new(Status::Ok, Some(primitive))),
                    Ok(None) => Err(Failure::not_found(&request.to)),
                    Err(_) => Err(Failure::new(
                        Status::RequestTimeout,
                        "nothing came on the polling channel in time",
                    )),
                }
            }
            Operation::Notify => {
                let answer = request.content.clone().unwrap_or(Value::Null);
                if self.inner.courier.answered(&answer) {
                    Ok(Outcome::new(Status::Ok, None))
                } else {
                    Err(Failure::bad("pc: it is not the response to a request that came on this channel"))
                }
            }
            _ => Err(Failure::not_allowed("a polling channel URI can be retrieved and notified only")),
        }
    }
}
