//! The subscriptions of a crossResourceSubscription: those it makes at resources (regularResourcesAsTarget), and those
//! that are there and that it joins (subscriptionResourcesAsTarget), here and at other CSEs.

use serde_json::{Map, Value, json};

use crate::{
    cse::{Cse, Transaction},
    primitive::{Operation, Request},
    privilege::Wish,
    status::{Failure, Status},
    time::Time,
    tree::Slot,
    types::ty,
};

/// UPDATE and RETRIEVE.
const JOINING: u64 = 4 | 2;

impl Transaction<'_> {
    /// Whether the targets at this CSE are what they are to be.
    pub(super) fn check_near_targets(&self, content: &Map<String, Value>) -> Result<(), Failure> {
        for target in list(content.get("srat")).filter(|target| self.is_near(target)) {
            let slot = self.inner.identity.find(&self.tree, target).ok_or_else(|| missing("srat", target))?;
            if self.tree.at(slot).ty != ty::SUB {
                return Err(Failure::bad(format!("srat: {target} is not a subscription")));
            }
        }
        for target in list(content.get("rrat")).filter(|target| self.is_near(target)) {
            self.inner.identity.find(&self.tree, target).ok_or_else(|| missing("rrat", target))?;
        }
        Ok(())
    }

    fn is_near(&self, target: &str) -> bool {
        self.inner.identity.elsewhere(target).is_none()
    }

    /// Makes and joins the subscriptions at this CSE.
    pub(super) fn subscribe_near(&mut self, request: &Request, slot: Slot) -> Result<(), Failure> {
        let id = self.inner.identity.sp_relative(&self.tree.at(slot).ri);
        let targets: Vec<String> = self.tree.at(slot).attributes.texts("rrat").map(str::to_owned).collect();
        let (mut made, mut sources) = (Vec::new(), Vec::new());
        for (index, target) in targets.iter().enumerate() {
            if !self.is_near(target) {
                // Its place in the list is kept for what is made there.
                made.push(Value::from(""));
                continue;
            }
            let subscribe = self.subscription_at(request, slot, index, target);
            let draft = self.cse.draft(&subscribe)?;
            let address = self.inner.identity.sp_relative(&draft.ri);
            let placed = self
                .check_create(&subscribe, &draft)
                .and_then(|parent| self.place(&subscribe, draft, parent));
            placed.map_err(|failure| failed("rrat", target, &failure))?;
            made.push(Value::from(address.as_str()));
            sources.push(Value::from(address));
        }
        let joined: Vec<String> = self.tree.at(slot).attributes.texts("srat").map(str::to_owned).collect();
        for target in joined.iter().filter(|target| self.inner.identity.elsewhere(target).is_none()) {
            let subscription =
                self.inner.identity.find(&self.tree, target).ok_or_else(|| missing("srat", target))?;
            let wish = Wish::of(request, &self.inner.identity, JOINING, self.now);
            let wish = Wish { attributes: Some(Vec::new()), ..wish };
            self.inner
                .demand(&self.tree, subscription, &wish)
                .map_err(|failure| failed("srat", target, &failure))?;
            for name in ["nu", "acrs"] {
                self.change_list(subscription, name, |entries| entries.push(Value::from(id.as_str())))?;
            }
            sources.push(Value::from(self.inner.identity.sp_relative(&self.tree.at(subscription).ri)));
        }
        let attributes = &mut self.tree.at_mut(slot).attributes;
        if !made.is_empty() {
            attributes.set("rrats", Value::Array(made));
        }
        attributes.set("sources", Value::Array(sources));
        self.keep(slot)
    }

    /// The request for a subscription at a target, in the name of who wants the crossResourceSubscription.
    fn subscription_at(&self, request: &Request, slot: Slot, index: usize, target: &str) -> Request {
        let cross = self.tree.at(slot);
        let id = self.inner.identity.sp_relative(&cross.ri);
        let set = cross.attributes.get("encs").and_then(|set| set.get("enc")).and_then(Value::as_array);
        let criteria = set.and_then(|set| set.get(index).or_else(|| set.first()));
        let mut content = json!({ "nu": [id], "acrs": [id] });
        if let Some(members) = content.as_object_mut() {
            members.extend(criteria.map(|criteria| ("enc".to_owned(), criteria.clone())));
            if cross.expires != Time::NEVER {
                members.insert("et".to_owned(), Value::from(cross.expires.to_string()));
            }
        }
        let mut subscribe =
            Request::create(target, request.originator(), ty::SUB, json!({ "m2m:sub": content }));
        subscribe.release.clone_from(&request.release);
        subscribe.authenticated = request.authenticated;
        subscribe.remote = request.remote;
        subscribe
    }

    /// Takes a crossResourceSubscription out of a subscription that it joined.
    pub(super) fn leave(&mut self, subscription: Slot, id: &str) -> Result<(), Failure> {
        for name in ["acrs", "nu"] {
            if !self.tree.at(subscription).attributes.texts(name).any(|known| known == id) {
                continue;
            }
            self.change_list(subscription, name, |entries| {
                entries.retain(|known| known.as_str() != Some(id));
            })?;
        }
        Ok(())
    }
}

impl Cse {
    /// Makes and joins the subscriptions at other CSEs. It is there by then, so that they can ask it.
    pub(super) async fn subscribe_far(&self, request: &Request, ri: &str) -> Result<(), Failure> {
        let (id, regular, joined) = {
            let transaction = Transaction::begin(self);
            let Some(slot) = transaction.tree.by_id(ri) else { return Ok(()) };
            let targets = |name: &str| -> Vec<String> {
                transaction.tree.at(slot).attributes.texts(name).map(str::to_owned).collect()
            };
            let far = |target: &String| self.inner.identity.elsewhere(target).is_some();
            let regular: Vec<(usize, String, Request)> = targets("rrat")
                .into_iter()
                .enumerate()
                .filter(|(_, target)| far(target))
                .map(|(index, target)| {
                    let subscribe = transaction.subscription_at(request, slot, index, &target);
                    (index, target, subscribe)
                })
                .collect();
            let joined: Vec<String> = targets("srat").into_iter().filter(far).collect();
            (self.inner.identity.sp_relative(ri), regular, joined)
        };
        for (index, target, mut subscribe) in regular {
            if let Some(content) = subscribe.content.as_mut().and_then(|content| content.get_mut("m2m:sub")) {
                // The other CSE says here when it ends.
                content["su"] = Value::from(id.as_str());
            }
            subscribe.id = Value::from(self.inner.next_request_id());
            let made =
                self.exchange(&subscribe).await.map_err(|failure| failed("rrat", &target, &failure))?;
            let address = self.address_of(&made.content, "m2m:sub", &target)?;
            self.heard(ri, Some(index), &address).await?;
        }
        for target in joined {
            let failed = |failure: Failure| failed("srat", &target, &failure);
            let retrieve = self.in_the_name_of(request, Operation::Retrieve, &target);
            let shown = self.exchange(&retrieve).await.map_err(failed)?;
            let subscription = shown.content.as_ref().and_then(|content| content.get("m2m:sub"));
            let subscription =
                subscription.ok_or_else(|| Failure::bad(format!("srat: {target} is not a subscription")))?;
            let with = |name: &str| {
                let mut entries =
                    subscription.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
                entries.push(Value::from(id.as_str()));
                entries
            };
            let mut update = self.in_the_name_of(request, Operation::Update, &target);
            update.content = Some(json!({ "m2m:sub": { "nu": with("nu"), "acrs": with("acrs") } }));
            let address = self.address_of(&shown.content, "m2m:sub", &target)?;
            self.heard(ri, None, &address).await?;
            self.exchange(&update).await.map_err(failed)?;
        }
        Ok(())
    }

    fn in_the_name_of(&self, request: &Request, operation: Operation, to: &str) -> Request {
        let mut onward = Request::new(operation, to, request.originator());
        onward.release.clone_from(&request.release);
        onward.id = Value::from(self.inner.next_request_id());
        onward
    }

    /// The SP-relative address of a subscription that another CSE shows.
    fn address_of(&self, content: &Option<Value>, root: &str, target: &str) -> Result<String, Failure> {
        let ri = content.as_ref().and_then(|content| content.get(root)?.get("ri")?.as_str());
        let ri = ri.ok_or_else(|| missing("rrat", target))?;
        let cse = self.inner.identity.elsewhere(target).unwrap_or_default();
        Ok(if ri.starts_with('/') { ri.to_owned() } else { format!("{cse}/{ri}") })
    }

    /// Writes down that a subscription belongs to it.
    async fn heard(&self, ri: &str, index: Option<usize>, address: &str) -> Result<(), Failure> {
        self.write(|transaction| {
            let Some(slot) = transaction.tree.by_id(ri) else { return Ok(()) };
            let attributes = &mut transaction.tree.at_mut(slot).attributes;
            let mut add = |name: &'static str, index: Option<usize>| {
                let mut entries = match attributes.remove(name) {
                    Some(Value::Array(entries)) => entries,
                    _ => Vec::new(),
                };
                match index.and_then(|index| entries.get_mut(index)) {
                    Some(entry) => *entry = Value::from(address),
                    None => entries.push(Value::from(address)),
                }
                attributes.set(name, Value::Array(entries));
            };
            if index.is_some() {
                add("rrats", index);
            }
            add("sources", None);
            transaction.keep(slot)
        })
        .await
    }

    /// Ends a subscription at another CSE, or takes the crossResourceSubscription out of it. What does not reach it ends
    /// with the time of the subscription.
    pub(super) fn leave_far(&self, creator: &str, address: &str, id: &str, made: bool) {
        if self.inner.identity.elsewhere(address).is_none() {
            return;
        }
        let (cse, address, id) = (self.clone(), address.to_owned(), id.to_owned());
        let request = Request::new(Operation::Retrieve, address.as_str(), creator);
        tokio::spawn(async move {
            if made {
                let delete = cse.in_the_name_of(&request, Operation::Delete, &address);
                return drop(cse.exchange(&delete).await);
            }
            let retrieve = cse.in_the_name_of(&request, Operation::Retrieve, &address);
            let Ok(shown) = cse.exchange(&retrieve).await else { return };
            let Some(subscription) = shown.content.as_ref().and_then(|content| content.get("m2m:sub")) else {
                return;
            };
            let without = |name: &str| {
                let entries = subscription.get(name).and_then(Value::as_array).into_iter().flatten();
                let entries: Vec<Value> =
                    entries.filter(|known| known.as_str() != Some(&id)).cloned().collect();
                if entries.is_empty() { Value::Null } else { Value::Array(entries) }
            };
            let mut update = cse.in_the_name_of(&request, Operation::Update, &address);
            update.content = Some(json!({ "m2m:sub": { "nu": without("nu"), "acrs": without("acrs") } }));
            drop(cse.exchange(&update).await);
        });
    }
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn missing(name: &str, target: &str) -> Failure {
    Failure::new(Status::CrossResourceOperationFailure, format!("{name}: there is no resource {target}"))
}

fn failed(name: &str, target: &str, why: &Failure) -> Failure {
    Failure::new(Status::CrossResourceOperationFailure, format!("{name}: {target}: {}", why.debug))
}
