//! Requests of the CSE that are waited for: verification of subscriptions, questions before updates, and notifications
//! that one entity sends another (TS-0001 10.2.10.2, 9.6.8, TS-0004 7.5.1.2).

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Cse, Transaction, create::Draft};
use crate::{
    notify::{Destination, destinations},
    primitive::{Outcome, Request},
    privilege::Wish,
    status::{Failure, Status},
    time::Time,
    tree::Tree,
    types::ty,
};

/// How long a verification or a question before an update may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Cse {
    /// Asks the targets of a new subscription whether they want to hear from it (TS-0001 10.2.10.2).
    pub(super) async fn verify_new_subscription(
        &self,
        request: &Request,
        draft: &Draft,
    ) -> Result<(), Failure> {
        let (questions, sur) = {
            // The checks of a transaction, which is then not made.
            let transaction = Transaction::begin(self);
            let parent = transaction.check_create(request, draft)?;
            let structured = self.inner.options.structured_references;
            let sur = if structured {
                let name = draft.content.get("rn").and_then(Value::as_str).unwrap_or(&draft.ri);
                format!("{}/{name}", transaction.tree.structured(parent))
            } else {
                self.inner.identity.sp_relative(&draft.ri)
            };
            (self.targets_to_ask(&transaction.tree, request, &draft.content)?, sur)
        };
        self.ask_targets(questions, sur, draft.creator.clone()).await
    }

    /// Asks the targets that an update adds.
    pub(super) async fn verify_changed_subscription(&self, request: &Request) -> Result<(), Failure> {
        let Some(content) = request.content.as_ref().and_then(|content| content.get("m2m:sub")) else {
            return Ok(());
        };
        let Some(content) = content.as_object().filter(|content| content.contains_key("nu")) else {
            return Ok(());
        };
        let (questions, sur) = {
            let transaction = Transaction::begin(self);
            let (slot, _) = transaction.check_update(request)?;
            let subscription = transaction.tree.at(slot);
            let structured = self.inner.options.structured_references;
            let sur =
                crate::notify::reference(&transaction.tree, &self.inner.identity, subscription, structured);
            let known: Vec<&str> = subscription.attributes.texts("nu").collect();
            let mut questions = self.targets_to_ask(&transaction.tree, request, content)?;
            questions.retain(|(target, _)| !known.contains(&target.as_str()));
            (questions, sur)
        };
        self.ask_targets(questions, sur, request.originator().to_owned()).await
    }

    /// The targets to ask. Who subscribes for itself knows already; an AE that cannot be reached is not asked.
    fn targets_to_ask(
        &self,
        tree: &Tree,
        request: &Request,
        content: &Map<String, Value>,
    ) -> Result<Vec<(String, Destination)>, Failure> {
        let identity = &self.inner.identity;
        let originator = identity.short_entity(request.originator());
        let mut questions = Vec::new();
        for target in
            content.get("nu").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            let found = destinations(tree, identity, &self.inner.courier, target).map_err(unverified)?;
            let itself = identity.short_entity(target) == originator
                || identity.find(tree, target).is_some_and(|slot| tree.at(slot).ae_id() == Some(originator));
            // A Mobius client on MQTT does not know verification.
            let mobius = request.release.is_none() && target.starts_with("mqtt");
            if itself || mobius || !self.inner.options.verify_subscriptions {
                continue;
            }
            let Some(destination) = found.into_iter().next() else {
                return Err(unverified(format!("{target} cannot be reached")));
            };
            if destination.uri.scheme_str() != Some("local") {
                questions.push((target.to_owned(), destination));
            }
        }
        Ok(questions)
    }

    async fn ask_targets(
        &self,
        questions: Vec<(String, Destination)>,
        sur: String,
        creator: String,
    ) -> Result<(), Failure> {
        for (target, destination) in questions {
            let content = json!({ "m2m:sgn": { "vrq": true, "sur": sur, "cr": creator } });
            let parcel = self.inner.parcel(&target, destination.release, destination.cbor, content);
            let answer = self.inner.courier.call(&destination.uri, parcel, PATIENCE).await;
            let answer = answer.map_err(|why| unverified(format!("{target}: {why}")))?;
            match answer.status {
                status if status.is_success() => {}
                Status::SubscriptionCreatorHasNoPrivilege | Status::OriginatorHasNoPrivilege => {
                    let debug = format!("{target} does not want notifications for {creator}");
                    return Err(Failure::new(Status::SubscriptionCreatorHasNoPrivilege, debug));
                }
                Status::SubscriptionHostHasNoPrivilege | Status::ReceiverHasNoPrivilege => {
                    let debug = format!("{target} does not want notifications from this CSE");
                    return Err(Failure::new(Status::SubscriptionHostHasNoPrivilege, debug));
                }
                status => return Err(unverified(format!("{target} answered {}", status.code()))),
            }
        }
        Ok(())
    }

    /// Asks who wants to be asked before an update (notificationEventType 7, TS-0004 7.5.1.2.19).
    pub(super) async fn ask_before_update(&self, request: &Request) -> Result<(), Failure> {
        let questions = {
            let tree = self.inner.tree.read();
            let Ok(target) = self.inner.identity.resolve(&tree, &request.to) else { return Ok(()) };
            let subscriptions = tree.subscriptions(target.slot);
            if subscriptions.is_empty() {
                return Ok(());
            }
            let content = request
                .content
                .as_ref()
                .and_then(Value::as_object)
                .and_then(|content| content.values().next());
            let names: Vec<&str> = content
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(Map::keys)
                .map(String::as_str)
                .collect();
            let mut questions = Vec::new();
            for slot in subscriptions {
                let subscription = tree.at(*slot);
                let criteria = subscription.attributes.get("enc");
                let list =
                    |name: &str| criteria.and_then(|criteria| criteria.get(name)).and_then(Value::as_array);
                let blocks = list("net").is_some_and(|net| net.iter().any(|event| event.as_u64() == Some(7)));
                let concerns = list("atr").is_none_or(|watched| {
                    watched
                        .iter()
                        .any(|watched| watched.as_str().is_some_and(|watched| names.contains(&watched)))
                });
                if !blocks || !concerns {
                    continue;
                }
                let structured = self.inner.options.structured_references;
                let sur = crate::notify::reference(&tree, &self.inner.identity, subscription, structured);
                let question =
                    json!({ "m2m:sgn": { "sur": sur, "nev": { "net": 7, "rep": request.content } } });
                for target in subscription.attributes.texts("nu") {
                    questions.push((target.to_owned(), question.clone()));
                }
            }
            if !questions.is_empty() {
                drop(tree);
                // Nobody is asked about an update that is refused anyway.
                Transaction::begin(self).check_update(request)?;
            }
            questions
        };
        for (target, question) in questions {
            let outcome = self.call(&target, question, None).await?;
            if !outcome.status.is_success() {
                let debug = format!("{target} does not let the update happen");
                return Err(Failure::new(Status::OperationDeniedByRemoteEntity, debug));
            }
        }
        Ok(())
    }

    /// NOTIFY: takes the content to the entity that is the target (TS-0004 7.5.1.2).
    pub(super) async fn notify(&self, request: &Request) -> Result<Outcome, Failure> {
        let target = {
            let tree = self.inner.tree.read();
            let slot = self.inner.target(&tree, request)?;
            let resource = tree.at(slot);
            if resource.ty == ty::CRS {
                Err(resource.ri.clone())
            } else if resource.ty == ty::AE {
                let wish =
                    Wish::of(request, &self.inner.identity, request.operation.privilege(), Time::now());
                self.inner.demand(&tree, slot, &wish)?;
                Ok(resource.ae_id().unwrap_or_default().to_owned())
            } else {
                return Err(Failure::bad(format!("{} is not an entity that can be notified", request.to)));
            }
        };
        let content =
            request.content.clone().ok_or_else(|| Failure::bad("pc: a notification must have a content"))?;
        match target {
            Ok(entity) => self.call(&entity, content, Some(request)).await,
            Err(cross) => Box::pin(self.notify_cross(&cross, &content)).await,
        }
    }

    /// Sends a notification to a target and gives its answer.
    pub(super) async fn call(
        &self,
        target: &str,
        content: Value,
        behalf: Option<&Request>,
    ) -> Result<Outcome, Failure> {
        let found = destinations(&self.inner.tree.read(), &self.inner.identity, &self.inner.courier, target);
        let unreachable = |why: String| Failure::new(Status::TargetNotReachable, format!("{target}: {why}"));
        let found = found.map_err(unreachable)?;
        let mut last = "it cannot be reached".to_owned();
        for destination in found {
            let mut parcel =
                self.inner.parcel(target, destination.release, destination.cbor, content.clone());
            if let Some(request) = behalf {
                parcel.from = request.originator().to_owned();
            }
            match self.inner.courier.call(&destination.uri, parcel, PATIENCE).await {
                Ok(answer) => return Ok(Outcome::new(answer.status, answer.content)),
                Err(why) => last = why,
            }
        }
        Err(unreachable(last))
    }
}

fn unverified(why: String) -> Failure {
    Failure::new(Status::SubscriptionVerificationInitiationFailed, format!("nu: {why}"))
}
