//! Dynamic authorization (TS-0001 9.6.40, 11.5, TS-0004 7.5.1.2.10): an originator that no policy lets in may still be
//! let in by a Dynamic Authorization Server, which is asked before the request is refused.

use serde_json::{Value, json};

use super::{Cse, base_36};
use crate::{
    address::Target,
    primitive::{Outcome, Request},
    status::{Failure, Status},
    time::Time,
    tree::{Attributes, Resource, Slot, Tree},
    types::{self, ty},
};

/// m2m:securityInfoType.
const REQUEST: u64 = 1;
const RESPONSE: u64 = 2;

impl Cse {
    /// Asks about a request that was refused, and carries it out when the privileges that come back let it through.
    pub(super) async fn consult(&self, request: &Request, refused: Failure) -> Result<Outcome, Failure> {
        let (ri, points, question) = {
            let tree = self.inner.tree.read();
            let Ok(Target { slot, .. }) = self.inner.identity.resolve(&tree, &request.to) else {
                return Err(refused);
            };
            let points = self.inner.servers(&tree, slot);
            if points.is_empty() {
                return Err(refused);
            }
            let resource = tree.at(slot);
            (resource.ri.clone(), points, self.inner.question(resource, request))
        };
        for point in points {
            let answer = match self.call(&point, question.clone(), None).await {
                Ok(answer) => answer,
                Err(failure) => {
                    tracing::info!(%failure, server = point, "a dynamic authorization server did not answer");
                    continue;
                }
            };
            let Some(grant) = answer.content.as_ref().and_then(grant) else { continue };
            self.keep_grant(&ri, grant).await?;
            // What is refused again stays refused: the server does not get a second question.
            return Box::pin(self.execute_here(request)).await;
        }
        Err(refused)
    }

    /// Keeps granted privileges as a policy below the resource, until their time is over.
    async fn keep_grant(
        &self,
        ri: &str,
        (privileges, lifetime): (Value, Option<Value>),
    ) -> Result<(), Failure> {
        if let Some(definition) = types::definition(ty::ACP)
            && let Some(attribute) = definition.attribute(definition.root, "pv")
        {
            attribute.kind.check(&privileges).map_err(|fault| {
                let failure = fault.of("gp");
                Failure::new(Status::OriginatorHasNoPrivilege, failure.debug)
            })?;
        }
        self.write(|transaction| {
            let Some(parent) = transaction.tree.by_id(ri) else { return Ok(()) };
            let now = transaction.now;
            let until = match &lifetime {
                Some(Value::String(text)) => Time::parse_from(text, now),
                Some(number) => number.as_i64().map(|millis| now.plus_millis(millis)),
                None => None,
            };
            if until.is_some_and(|until| until <= now) {
                return Ok(());
            }
            let sequence = transaction.inner.next_sequence();
            let own = transaction.inner.identity.cse_id();
            let mut attributes = Attributes::default();
            attributes.set("pv", privileges.clone());
            // TS-0004 7.5.1.2.10: the CSE may retrieve, update and delete it.
            attributes.set("pvs", json!({ "acr": [{ "acor": [own], "acop": 14 }] }));
            attributes.set("dynamic", Value::Bool(true));
            let policy = Resource {
                ty: ty::ACP,
                root: "m2m:acp".into(),
                ri: format!("acp{}", base_36(sequence)).into(),
                rn: format!("acp_{}", base_36(sequence)).into(),
                parent: Some(parent),
                sequence,
                created: now,
                modified: now,
                expires: transaction.expiration(until).min(transaction.tree.at(parent).expires),
                state_tag: 0,
                size: 0,
                creator: transaction.inner.identity.cse_id().into(),
                attributes,
                family: None,
            };
            transaction.insert(policy).map(drop)
        })
        .await
    }
}

impl super::Inner {
    /// The servers to ask about a resource: those of its dynamicAuthorizationConsultationIDs, or of the nearest
    /// resource above that has some.
    fn servers(&self, tree: &Tree, slot: Slot) -> Vec<String> {
        let mut next = Some(slot);
        while let Some(slot) = next {
            let resource = tree.at(slot);
            let mut named = resource.attributes.texts("daci").peekable();
            if named.peek().is_some() {
                let now = Time::now();
                let usable = |consultation: &&Resource| {
                    let attributes = &consultation.attributes;
                    let over = attributes.text("dal").and_then(Time::parse).is_some_and(|end| end <= now);
                    consultation.ty == ty::DAC && attributes.flag("dae") == Some(true) && !over
                };
                let found = named.filter_map(|id| self.identity.find(tree, id)).map(|slot| tree.at(slot));
                let points = found.filter(usable).flat_map(|known| known.attributes.texts("dap"));
                return points.map(str::to_owned).collect();
            }
            next = resource.parent;
        }
        Vec::new()
    }

    /// m2m:securityInfo with a dasRequest (TS-0004 6.3.5.46, 6.3.5.48).
    fn question(&self, resource: &Resource, request: &Request) -> Value {
        let mut asked = json!({
            "or": request.originator(),
            "trt": resource.ty,
            "op": request.operation as u8,
            "rts": Time::now().to_string(),
            "trid": self.identity.sp_relative(&resource.ri),
        });
        if let (Some(remote), Some(members)) = (request.remote, asked.as_object_mut()) {
            let family = if remote.is_ipv4() { "ip4" } else { "ip6" };
            members.insert("oip".to_owned(), json!({ family: remote.to_string() }));
        }
        json!({ "m2m:seci": { "sit": REQUEST, "dreq": asked } })
    }
}

/// The granted privileges and their lifetime in the answer of a server.
fn grant(answer: &Value) -> Option<(Value, Option<Value>)> {
    let info = answer.get("m2m:seci")?;
    if info.get("sit").and_then(Value::as_u64) != Some(RESPONSE) {
        return None;
    }
    let given = info.get("dres")?.get("dai")?;
    Some((given.get("gp")?.clone(), given.get("pl").cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_dynamic_authorization_response_grants() {
        let privileges = json!({ "acr": [{ "acor": ["Cx"], "acop": 2 }] });
        let answer = |sit: u64| json!({ "m2m:seci": { "sit": sit, "dres": { "dai": { "gp": privileges, "pl": 5 } } } });
        assert_eq!(grant(&answer(2)), Some((privileges.clone(), Some(json!(5)))));
        assert_eq!(grant(&answer(1)), None);
        assert_eq!(grant(&json!({ "m2m:seci": { "sit": 2, "dres": {} } })), None);
    }
}
