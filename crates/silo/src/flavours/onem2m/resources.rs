//! The resources that the silo makes (viriot-wire.md section 4.2, "mobius / mobius2").

use std::collections::HashMap;

use async_trait::async_trait;
use morgana_onem2m::{Cse, Operation, Request, ResultContent, Status};
use serde_json::{Value, json};

/// The subscription on a pipe.
pub(in crate::flavours) const COMMAND_SUBSCRIPTION: &str = "vSiloCommandSub";
/// Content instances that a pipe keeps.
pub(in crate::flavours) const PIPE_INSTANCES: usize = 3;

/// The access policy of all AEs of vThings.
const POLICY: &str = "policy1";
/// What VirIoT's controller calls itself; an AE that it registers gets an id of its own.
const REGISTRAR: &str = "S";

/// The App-ID of all AEs: one that is not registered (TS-0001 7.1.3).
const APP_ID: &str = "Nmorgana";

const ACP: u32 = 1;
const AE: u32 = 2;
const CONTAINER: u32 = 3;
const INSTANCE: u32 = 4;
const SUBSCRIPTION: u32 = 23;

/// A way to a CSE: in this process, or over one of its bindings.
#[async_trait]
pub(in crate::flavours) trait Carrier: Send + Sync {
    /// Carries a request out. Nothing means that the CSE cannot be reached.
    async fn carry(&self, request: Request) -> Option<(Status, Option<Value>)>;
}

#[async_trait]
impl Carrier for Cse {
    async fn carry(&self, request: Request) -> Option<(Status, Option<Value>)> {
        let response = self.request(request).await;
        Some((response.status, response.content))
    }
}

/// What became of a request: a status, and what the CSE said.
type Outcome = Option<(Status, Option<Value>)>;

/// Makes resources, and remembers which there are.
#[derive(Debug)]
pub(in crate::flavours) struct Resources {
    cse: String,
    /// Who the silo is to the CSE.
    originator: String,
    /// Addresses of containers and AEs that were made or found in this run, with their labels.
    known: HashMap<String, Vec<String>>,
    /// Whether containers name the policy too. Ours has them do what their AE does; other CSEs give them to their
    /// creator alone.
    name_policies: bool,
}

impl Resources {
    pub(in crate::flavours) fn new(cse: &str, originator: &str) -> Self {
        Self {
            cse: cse.to_owned(),
            originator: originator.to_owned(),
            known: HashMap::new(),
            name_policies: false,
        }
    }

    /// Has every container name the access policy.
    pub(in crate::flavours) fn name_policies(mut self) -> Self {
        self.name_policies = true;
        self
    }

    /// Forgets what there is: somebody else deleted some of it.
    pub(in crate::flavours) fn forget(&mut self) {
        self.known.clear();
    }

    /// The policy: the tenant may create and retrieve, and find what there is; VirIoT's controller may do all.
    pub(in crate::flavours) async fn make_policy(&self, cse: &dyn Carrier, tenant: &str) {
        let policy = json!({ "m2m:acp": { "rn": POLICY,
            "pv": { "acr": [{ "acor": [tenant], "acop": 35 }, { "acor": [REGISTRAR], "acop": 63 }] },
            "pvs": { "acr": [{ "acor": ["admin"], "acop": 63 }] } } });
        self.create(cse, &self.cse, &self.originator, ACP, policy).await;
    }

    /// The address of an AE, which is made when it is not there.
    pub(in crate::flavours) async fn ae(&mut self, cse: &dyn Carrier, name: &str) -> String {
        let address = format!("{}/{name}", self.cse);
        if !self.known.contains_key(&address) {
            let policy = format!("{}/{POLICY}", self.cse);
            let ae = json!({ "m2m:ae": { "rn": name, "api": APP_ID, "rr": false, "srv": ["3"], "acpi": [policy] } });
            if self.create(cse, &self.cse, REGISTRAR, AE, ae).await {
                self.known.insert(address.clone(), Vec::new());
            }
        }
        address
    }

    /// Deletes an AE with everything below it.
    pub(in crate::flavours) async fn delete_ae(&mut self, cse: &dyn Carrier, name: &str) -> String {
        let address = format!("{}/{name}", self.cse);
        let outcome = cse.carry(Request::new(Operation::Delete, &address, &self.originator)).await;
        if !is_done(&outcome, Status::NotFound) {
            complain("delete an AE", &address, &outcome);
        }
        let below = format!("{address}/");
        self.known.retain(|known, _| *known != address && !known.starts_with(&below));
        address
    }

    /// The address of a container, which is made when it is not there; its labels are these from now on.
    pub(in crate::flavours) async fn container(
        &mut self,
        cse: &dyn Carrier,
        parent: &str,
        name: &str,
        labels: &[String],
        instances: usize,
    ) -> String {
        let address = format!("{parent}/{name}");
        match self.known.get(&address) {
            Some(known) if known == labels => return address,
            Some(_) => self.label(cse, &address, labels).await,
            None => {
                let mut container = json!({ "m2m:cnt": { "rn": name, "mni": instances } });
                if !labels.is_empty() {
                    // An empty list is not one, and stricter CSEs refuse it.
                    container["m2m:cnt"]["lbl"] = json!(labels);
                }
                if self.name_policies {
                    container["m2m:cnt"]["acpi"] = json!([format!("{}/{POLICY}", self.cse)]);
                }
                let request = self.request(parent, &self.originator, CONTAINER, container);
                match cse.carry(request).await {
                    Some((status, _)) if status.is_success() => {}
                    Some((Status::Conflict, _)) => self.label(cse, &address, labels).await,
                    outcome => {
                        complain("make a container", &address, &outcome);
                        return address;
                    }
                }
            }
        }
        self.known.insert(address.clone(), labels.to_vec());
        address
    }

    async fn label(&self, cse: &dyn Carrier, address: &str, labels: &[String]) {
        let labels = if labels.is_empty() { Value::Null } else { json!(labels) };
        let content = Some(json!({ "m2m:cnt": { "lbl": labels } }));
        let request = Request { content, ..Request::new(Operation::Update, address, &self.originator) };
        let outcome = cse.carry(request).await;
        if !is_done(&outcome, Status::Updated) {
            complain("label a container", address, &outcome);
        }
    }

    /// Writes a content instance; nothing when the CSE cannot be reached.
    pub(in crate::flavours) async fn instance(
        &self,
        cse: &dyn Carrier,
        container: &str,
        content: &str,
    ) -> Option<Status> {
        let content = json!({ "m2m:cin": { "con": content } });
        let outcome = cse.carry(self.request(container, &self.originator, INSTANCE, content)).await;
        outcome.map(|(status, _)| status)
    }

    /// Subscribes somebody to a pipe.
    pub(in crate::flavours) async fn subscribe(&self, cse: &dyn Carrier, pipe: &str, to: &str) {
        let subscription = json!({ "m2m:sub": { "rn": COMMAND_SUBSCRIPTION,
            "nu": [to], "nct": 1, "pn": 2, "enc": { "net": [3] } } });
        self.create(cse, pipe, &self.originator, SUBSCRIPTION, subscription).await;
    }

    /// Has the subscription on a pipe that an earlier run made lead to `to`; where there is none, one is made. It is
    /// not taken away for that, as what is written meanwhile would be missed.
    pub(in crate::flavours) async fn resubscribe(&self, cse: &dyn Carrier, pipe: &str, to: &str) {
        let address = format!("{pipe}/{COMMAND_SUBSCRIPTION}");
        let content = Some(json!({ "m2m:sub": { "nu": [to] } }));
        let update = Request { content, ..Request::new(Operation::Update, &address, &self.originator) };
        match cse.carry(update).await {
            Some((status, _)) if status.is_success() => return,
            None | Some((Status::NotFound, _)) => {}
            // A CSE that does not update subscriptions.
            Some(_) => {
                cse.carry(Request::new(Operation::Delete, address, &self.originator)).await;
            }
        }
        self.subscribe(cse, pipe, to).await;
    }

    /// Creates a resource; says whether it is there now.
    async fn create(&self, cse: &dyn Carrier, parent: &str, from: &str, ty: u32, content: Value) -> bool {
        let outcome = cse.carry(self.request(parent, from, ty, content)).await;
        let there = is_done(&outcome, Status::Conflict);
        if !there {
            complain("make a resource", parent, &outcome);
        }
        there
    }

    fn request(&self, parent: &str, from: &str, ty: u32, content: Value) -> Request {
        let result_content = Some(ResultContent::Nothing);
        Request { result_content, ..Request::create(parent, from, ty, content) }
    }
}

/// Whether a request did what it was for, or has this status, which means that there was nothing to do.
fn is_done(outcome: &Outcome, or: Status) -> bool {
    outcome.as_ref().is_some_and(|(status, _)| status.is_success() || *status == or)
}

fn complain(action: &str, address: &str, outcome: &Outcome) {
    match outcome {
        Some((status, content)) => {
            let reason = content.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(address, code = status.code(), reason, "the silo could not {action}");
        }
        None => tracing::warn!(address, "the silo could not {action}: the CSE cannot be reached"),
    }
}
