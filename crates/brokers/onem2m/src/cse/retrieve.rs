//! RETRIEVE (TS-0001 10.1.3, TS-0004 7.3.3.6).

use serde_json::{Map, Value, json};

use super::{Cse, discovery::is_hidden};
use crate::{
    address::Virtual,
    notify::Event,
    primitive::{DISCOVER, Outcome, Request, ResultContent},
    privilege::Wish,
    status::{Failure, Status},
    time::Time,
    tree::{Resource, Slot, Tree, is_instance},
    types::{self, ty},
};

/// What became of reading.
enum Read {
    /// Nothing else happens.
    Quietly(Outcome),
    /// Someone is told of it, or the instance counts it.
    Noticed { ri: Box<str>, counts_down: bool, outcome: Outcome },
    /// It failed; `watched` when it asked an empty container that has subscribers.
    Failed { failure: Failure, watched: bool },
}

impl Cse {
    pub(super) async fn retrieve(&self, request: &Request) -> Result<Outcome, Failure> {
        if request.wants() == ResultContent::OriginalResource
            && let Some(onward) = self.original_of(request)?
        {
            return self.exchange(&onward).await;
        }
        let (ri, counts_down, outcome) = match self.read(request) {
            Read::Quietly(outcome) => return Ok(outcome),
            Read::Noticed { ri, counts_down, outcome } => (ri, counts_down, outcome),
            Read::Failed { failure, watched } => {
                if watched {
                    self.tell_of_empty(request).await?;
                }
                return Err(failure);
            }
        };
        self.write(|transaction| {
            if let Some(slot) = transaction.tree.by_id(&ri) {
                transaction.tell(&Event::retrieved(slot, request))?;
                if counts_down {
                    transaction.count_down(slot)?;
                }
            }
            Ok(())
        })
        .await?;
        Ok(outcome)
    }

    /// The request for the original of an announced resource (rcn 7).
    fn original_of(&self, request: &Request) -> Result<Option<Request>, Failure> {
        let tree = self.inner.tree.read();
        let slot = self.inner.target(&tree, request)?;
        let resource = tree.at(slot);
        if types::original_type(resource.ty).is_none() {
            return Ok(None);
        }
        let wish = Wish::of(request, &self.inner.identity, request.operation.privilege(), Time::now());
        self.inner.demand(&tree, slot, &wish)?;
        let to = resource.attributes.text("lnk").unwrap_or_default().to_owned();
        Ok(Some(Request { to, result_content: Some(ResultContent::Attributes), ..request.clone() }))
    }

    /// Reads, and says what has to happen because of it.
    fn read(&self, request: &Request) -> Read {
        let tree = self.inner.tree.read();
        let (slot, outcome) = match self.look_up(&tree, request) {
            Ok(found) => found,
            Err(failure) => {
                let watched = failure.status == Status::NotFound && self.watches_empty(&tree, request);
                return Read::Failed { failure, watched };
            }
        };
        let resource = tree.at(slot);
        let counts_down = resource.ty == ty::CIN && resource.attributes.get("dcnt").is_some();
        let monitored = tree.subscriptions(slot).iter().any(|subscription| {
            tree.at(*subscription).attributes.get("enc").is_some_and(|enc| enc.get("om").is_some())
        });
        if counts_down || monitored {
            Read::Noticed { ri: resource.ri.clone(), counts_down, outcome }
        } else {
            Read::Quietly(outcome)
        }
    }

    /// Finds, checks and shows.
    fn look_up(&self, tree: &Tree, request: &Request) -> Result<(Slot, Outcome), Failure> {
        let inner = &*self.inner;
        let slot = inner.target(tree, request)?;
        let resource = tree.at(slot);
        let discovery = request.filter.is_discovery();
        let operation = if discovery { DISCOVER } else { request.operation.privilege() };
        let mut wish = Wish::of(request, &inner.identity, operation, Time::now());
        if !request.attributes.is_empty() {
            wish.attributes = Some(request.attributes.iter().map(String::as_str).collect());
        }
        // Where a discovery begins, its originator need not have a right: what it may not see is left out (TS-0001
        // 10.2.6.1).
        if !discovery {
            inner.demand(tree, slot, &wish)?;
        }
        if is_instance(resource.ty) && is_hidden(tree, resource) {
            return Err(Failure::not_allowed("disr: the container does not let its instances be retrieved"));
        }
        if request.wants() == ResultContent::OriginalResource {
            return Err(Failure::bad("rcn 7: the resource is not an announced one"));
        }
        if !request.attributes.is_empty() {
            return partial(tree, resource, request, &inner.attributes(tree, resource))
                .map(|outcome| (slot, outcome));
        }
        wish.attributes = None;
        if request.shown
            && request.wants() == ResultContent::Attributes
            && let Some(shown) = inner.shown(tree, resource)
        {
            return Ok((slot, Outcome::shown(Status::Ok, shown)));
        }
        let content = inner.show_with_children(tree, slot, request, &wish);
        Ok((slot, Outcome::new(Status::Ok, content)))
    }

    /// Whether the request asked an empty container for its instance while someone wants to know (net 5).
    fn watches_empty(&self, tree: &Tree, request: &Request) -> bool {
        let target = self.inner.identity.resolve(tree, &request.to);
        target.is_ok_and(|target| {
            matches!(target.part, Some(Virtual::Latest | Virtual::Oldest))
                && !tree.subscriptions(target.slot).is_empty()
        })
    }

    async fn tell_of_empty(&self, request: &Request) -> Result<(), Failure> {
        self.write(|transaction| {
            let target = transaction.inner.identity.resolve(&transaction.tree, &request.to)?;
            transaction.tell(&Event::found_empty(target.slot, request))
        })
        .await
    }
}

impl super::Inner {
    /// The resource that a request is about: `la` and `ol` lead to an instance.
    pub(super) fn target(&self, tree: &Tree, request: &Request) -> Result<Slot, Failure> {
        let target = self.identity.resolve(tree, &request.to)?;
        let instances = || tree.at(target.slot).family.as_deref().map(|family| &family.instances);
        let none =
            || Failure::new(Status::NotFound, format!("{} has no instance", tree.structured(target.slot)));
        match target.part {
            None => Ok(target.slot),
            Some(Virtual::Latest) => instances().and_then(|all| all.back().copied()).ok_or_else(none),
            Some(Virtual::Oldest) => instances().and_then(|all| all.front().copied()).ok_or_else(none),
            Some(Virtual::FanOut(_) | Virtual::PollingChannel) => {
                Err(Failure::not_allowed(format!("{} does not have this operation", request.to)))
            }
        }
    }
}

/// The attributes of a partial retrieval (TS-0004 7.3.3.6). One that the type does not have is an error.
fn partial(
    tree: &Tree,
    resource: &Resource,
    request: &Request,
    shown: &Map<String, Value>,
) -> Result<Outcome, Failure> {
    let mut map = Map::new();
    for name in &request.attributes {
        let definition = types::definition(resource.ty);
        let known = definition.and_then(|definition| definition.attribute(&resource.root, name));
        if known.is_none() {
            return Err(Failure::bad(format!("atrl: {name} is not an attribute of {}", resource.root)));
        }
        if let Some(value) = shown.get(name).cloned().or_else(|| resource.attribute(tree, name)) {
            map.insert(name.clone(), value);
        }
    }
    Ok(Outcome::new(Status::Ok, Some(json!({ &*resource.root: map }))))
}
