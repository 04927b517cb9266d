//! Announcement of resources to other CSEs (TS-0001 9.6.26, 10.2.13, TS-0004 7.3.3.10, 7.3.3.11).
//!
//! `announceTo` says where a resource is to be announced: an entry is a CSE-ID while it is not, and the address of the
//! announced resource once it is. Changes leave jobs behind; whoever made the change does them before it answers, one
//! after the other, by comparing what is to be shown with what is shown there.

mod content;

use std::collections::HashMap;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

pub(crate) use self::content::check_announced_attributes;
use self::content::{announced_content, difference};
use super::{Cse, Transaction, create::base_36};
use crate::{
    primitive::{Operation, Outcome, Request, ResultContent},
    status::{Failure, Status},
    tree::{ROOT, Resource, Slot, Tree},
    types::{self, ty},
};

/// Something to do for announced resources.
#[derive(Debug)]
enum Job {
    /// Bring what is shown of the resource with this ID up to date.
    Sync(Box<str>),
    /// Take an announced resource away.
    Remove(String),
}

/// What each announced resource shows, by the ID of the original and the CSE.
type Shown = HashMap<(String, String), Map<String, Value>>;

/// Jobs to do, and what was shown last.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    jobs: Mutex<Vec<Job>>,
    shown: tokio::sync::Mutex<Shown>,
}

impl Announcer {
    /// A resource changed.
    pub(crate) fn changed(&self, resource: &Resource) -> bool {
        let announced = resource.attributes.get("at").is_some();
        if announced {
            self.jobs.lock().push(Job::Sync(resource.ri.clone()));
        }
        announced
    }

    /// Resources are gone.
    pub(crate) fn gone(&self, resources: &[Resource]) -> bool {
        let mut announced_any = false;
        for resource in resources.iter().filter(|resource| resource.attributes.get("at").is_some()) {
            let announced = resource.attributes.texts("at").filter(|entry| is_address(entry));
            self.jobs.lock().extend(announced.map(|entry| Job::Remove(entry.to_owned())));
            announced_any = true;
        }
        announced_any
    }

    /// A CSE came: what is not announced to it yet can be.
    pub(super) fn retry(&self, tree: &Tree, csi: &str) {
        let waits = |slot: &Slot| tree.at(*slot).attributes.texts("at").any(|entry| entry == csi);
        let waiting = tree.regular().filter(waits).map(|slot| Job::Sync(tree.at(slot).ri.clone()));
        let waiting: Vec<Job> = waiting.collect();
        self.jobs.lock().extend(waiting);
    }

    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock();
        if jobs.is_empty() { None } else { Some(jobs.remove(0)) }
    }
}

/// Whether an entry of `announceTo` is the address of an announced resource, and no CSE-ID.
fn is_address(entry: &str) -> bool {
    let relative =
        entry.strip_prefix("//").and_then(|absolute| absolute.split_once('/')).map(|(_, rest)| rest);
    relative.unwrap_or(entry.trim_start_matches('/')).contains('/')
}

/// The CSE-ID in an entry of `announceTo`.
fn cse_of(entry: &str) -> String {
    let rest = entry.trim_start_matches('/');
    let parts = if entry.starts_with("//") { 2 } else { 1 };
    let id: Vec<&str> = rest.splitn(parts + 1, '/').take(parts).collect();
    format!("{}{}", if entry.starts_with("//") { "//" } else { "/" }, id.join("/"))
}

impl Transaction<'_> {
    /// Makes new values of `announceTo` one with what there is: a CSE to which the resource is announced keeps its
    /// address, and where it is not to be any more it is taken away.
    pub(super) fn change_announcements(&mut self, slot: Slot, wanted: &Value) -> Option<Value> {
        let before: Vec<String> = self.tree.at(slot).attributes.texts("at").map(str::to_owned).collect();
        let wanted: Vec<&str> = wanted.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut after: Vec<String> = Vec::new();
        for entry in wanted {
            let cse = cse_of(entry);
            let known = before.iter().find(|known| is_address(known) && cse_of(known) == cse);
            let entry =
                known.cloned().unwrap_or_else(|| if is_address(entry) { entry.to_owned() } else { cse });
            if !after.contains(&entry) {
                after.push(entry);
            }
        }
        let mut jobs = self.inner.announcer.jobs.lock();
        for entry in before.into_iter().filter(|entry| is_address(entry) && !after.contains(entry)) {
            jobs.push(Job::Remove(entry));
            self.announces = true;
        }
        drop(jobs);
        (!after.is_empty()).then(|| Value::from(after))
    }
}

impl Cse {
    /// Does what there is to do for announced resources; called by who left a job behind. What cannot be done now is done when the other CSE registers
    /// again, and else ends with the announced resource's own time.
    pub(crate) async fn announce(&self) {
        let mut shown = self.inner.announcer.shown.lock().await;
        while let Some(job) = self.inner.announcer.next() {
            match job {
                Job::Sync(ri) => self.sync(&ri, &mut shown).await,
                Job::Remove(address) => {
                    let cse = cse_of(&address);
                    shown.retain(|(_, target), content| {
                        *target != cse || content.get("").and_then(Value::as_str) != Some(&address)
                    });
                    if let Err(failure) = self.ask_for(Operation::Delete, &address, None, None).await {
                        tracing::debug!(%failure, address, "an announced resource could not be taken away");
                    }
                }
            }
        }
    }

    /// Brings everything that is shown of a resource up to date.
    async fn sync(&self, ri: &str, shown: &mut Shown) {
        let entries: Vec<String> = {
            let tree = self.inner.tree.read();
            let Some(slot) = tree.by_id(ri) else { return };
            tree.at(slot).attributes.texts("at").map(str::to_owned).collect()
        };
        for entry in entries {
            if let Err(failure) = self.sync_with(ri, &entry, shown).await {
                tracing::info!(%failure, ri, to = entry, "a resource could not be announced now");
            }
        }
    }

    async fn sync_with(&self, ri: &str, entry: &str, shown: &mut Shown) -> Result<(), Failure> {
        let cse = cse_of(entry);
        let (ty, root, wanted) = {
            let tree = self.inner.tree.read();
            let Some(slot) = tree.by_id(ri) else { return Ok(()) };
            let resource = tree.at(slot);
            let (root, wanted) = announced_content(&tree, &self.inner.identity, resource);
            (resource.ty, root, wanted)
        };
        let key = (ri.to_owned(), cse.clone());
        if is_address(entry) {
            let before = match shown.get(&key) {
                Some(before) => Some(before.clone()),
                None => self.shown_at(entry, &root).await?,
            };
            if let Some(before) = before {
                let change = difference(types::definition(ty), &root, &before, &wanted);
                if change.is_empty() {
                    remember(shown, key, wanted, entry);
                    return Ok(());
                }
                let content = json!({ &*root: change });
                match self.ask_for(Operation::Update, entry, None, Some(content)).await {
                    Ok(_) => {
                        remember(shown, key, wanted, entry);
                        return Ok(());
                    }
                    Err(failure) if failure.status != Status::NotFound => return Err(failure),
                    Err(_) => {}
                }
            }
            // It is not there any more: it is announced again.
            shown.remove(&key);
        }
        let Some(parent) = self.announced_parent(ri, &cse, shown).await? else { return Ok(()) };
        let content = json!({ &*root: wanted });
        let outcome =
            self.ask_for(Operation::Create, &parent, Some(ty::announced(ty)), Some(content)).await?;
        let address = address_of(&outcome, &cse)?;
        remember(shown, key, wanted, &address);
        self.write(|transaction| {
            let Some(slot) = transaction.tree.by_id(ri) else {
                return Ok(());
            };
            let entries = transaction.tree.at(slot).attributes.texts("at");
            let entries: Vec<Value> = entries
                .map(|known| Value::from(if known == entry { address.as_str() } else { known }))
                .collect();
            transaction.tree.at_mut(slot).attributes.set("at", Value::Array(entries));
            transaction.keep(slot)
        })
        .await
    }

    /// Where the announced resource goes: below that of its parent, or else below that of the CSEBase (TS-0001
    /// 10.2.13.2). Nothing for an instance whose container is not announced.
    async fn announced_parent(
        &self,
        ri: &str,
        cse: &str,
        shown: &mut Shown,
    ) -> Result<Option<String>, Failure> {
        {
            let tree = self.inner.tree.read();
            let Some(slot) = tree.by_id(ri) else { return Ok(None) };
            let parent = tree.at(slot).parent.unwrap_or(ROOT);
            let above = tree.at(parent).attributes.texts("at");
            let mut announced = above.filter(|entry| is_address(entry) && cse_of(entry) == cse);
            if let Some(address) = announced.next() {
                return Ok(Some(address.to_owned()));
            }
            if crate::tree::is_instance(tree.at(slot).ty) {
                return Ok(None);
            }
        }
        self.announced_base(cse, shown).await.map(Some)
    }

    /// The address of this CSE's announced CSEBase there; it is made when there is none.
    async fn announced_base(&self, cse: &str, shown: &mut Shown) -> Result<String, Failure> {
        let identity = &self.inner.identity;
        let key = (String::new(), cse.to_owned());
        if let Some(known) = shown.get(&key).and_then(|known| known.get("")).and_then(Value::as_str) {
            let known = known.to_owned();
            if self.ask_for(Operation::Retrieve, &known, None, None).await.is_ok() {
                return Ok(known);
            }
        }
        let base = format!("{cse}/-");
        let mut find = self.request_for(Operation::Retrieve, &base);
        find.result_content = Some(ResultContent::ChildReferences);
        let link = identity.sp_relative(&identity.cse);
        for (name, value) in
            [("ty", ty::announced(ty::CB).to_string()), ("lnk", link.clone()), ("drt", "2".to_owned())]
        {
            find.set_parameter(name, &value)?;
        }
        let found = self.exchange(&find).await.ok().and_then(|outcome| outcome.content);
        let first = found
            .as_ref()
            .and_then(|found| found.get("m2m:rrl"))
            .and_then(|list| list.get("rrf"))
            .and_then(|list| list.get(0))
            .and_then(|first| first.get("val"))
            .and_then(Value::as_str);
        let address = match first {
            Some(known) => within(known, cse),
            None => {
                let (root, mut content) = {
                    let tree = self.inner.tree.read();
                    announced_content(&tree, identity, tree.at(ROOT))
                };
                let name = format!("{}_{}", identity.cse, base_36(self.inner.next_sequence()));
                content.insert("rn".to_owned(), Value::from(name));
                let content = json!({ &*root: content });
                let made = self
                    .ask_for(Operation::Create, &base, Some(ty::announced(ty::CB)), Some(content))
                    .await?;
                address_of(&made, cse)?
            }
        };
        remember(shown, key, Map::new(), &address);
        Ok(address)
    }

    /// What an announced resource shows now; nothing when it is not there.
    async fn shown_at(&self, address: &str, root: &str) -> Result<Option<Map<String, Value>>, Failure> {
        match self.ask_for(Operation::Retrieve, address, None, None).await {
            Ok(outcome) => {
                let shown = outcome.content.as_ref().and_then(|content| content.get(root));
                Ok(Some(shown.and_then(Value::as_object).cloned().unwrap_or_default()))
            }
            Err(failure) if failure.status == Status::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    pub(super) fn request_for(&self, operation: Operation, to: &str) -> Request {
        let mut request = Request::new(operation, to, self.inner.identity.cse_id());
        request.id = Value::from(self.inner.next_request_id());
        request.release = Some("3".to_owned());
        request
    }

    async fn ask_for(
        &self,
        operation: Operation,
        to: &str,
        ty: Option<u32>,
        content: Option<Value>,
    ) -> Result<Outcome, Failure> {
        let mut request = self.request_for(operation, to);
        request.ty = ty;
        request.content = content;
        self.exchange(&request).await
    }

    /// Takes a change of a resource that is announced in both directions to its original (announcementSyncType 2,
    /// TS-0001 table 9.6.26.1-1). The original's CSE then brings the announced resource up to date.
    pub(super) async fn update_original(&self, request: &Request) -> Result<(), Failure> {
        let onward = {
            let tree = self.inner.tree.read();
            let Ok(target) = self.inner.identity.resolve(&tree, &request.to) else { return Ok(()) };
            let resource = tree.at(target.slot);
            let Some(original) = types::original_type(resource.ty) else { return Ok(()) };
            let both = resource.attributes.number("ast") == Some(2);
            if !both || &*resource.creator == request.originator() {
                return Ok(());
            }
            let content = request.content.as_ref().and_then(Value::as_object);
            let Some((root, changed)) = content.and_then(|content| content.iter().next()) else {
                return Ok(());
            };
            let root = types::original_root(ty::announced(original), root).into_owned();
            let mut onward = request.clone();
            onward.to = resource.attributes.text("lnk").unwrap_or_default().to_owned();
            onward.content = Some(json!({ root: changed }));
            onward.result_content = Some(ResultContent::Nothing);
            drop(tree);
            Transaction::begin(self).check_update(request)?;
            onward
        };
        self.exchange(&onward).await.map(drop)
    }
}

/// Keeps what an announced resource shows, and under no name where it is.
fn remember(shown: &mut Shown, key: (String, String), mut content: Map<String, Value>, address: &str) {
    content.insert(String::new(), Value::from(address));
    shown.insert(key, content);
}

/// The address of a resource that another CSE made.
fn address_of(outcome: &Outcome, cse: &str) -> Result<String, Failure> {
    let made =
        outcome.content.as_ref().and_then(Value::as_object).and_then(|content| content.values().next());
    let ri = made.and_then(|made| made.get("ri")).and_then(Value::as_str);
    ri.map(|ri| within(ri, cse)).ok_or_else(|| {
        Failure::new(Status::InternalServerError, format!("{cse} made a resource and does not say which"))
    })
}

fn within(id: &str, cse: &str) -> String {
    if id.starts_with('/') { id.to_owned() } else { format!("{cse}/{id}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_cse_or_an_announced_resource_of_it() {
        for (entry, cse, address) in [
            ("/id-mn", "/id-mn", false),
            ("/id-mn/a1", "/id-mn", true),
            ("//sp/id-mn", "//sp/id-mn", false),
            ("//sp/id-mn/a1", "//sp/id-mn", true),
        ] {
            assert_eq!((cse_of(entry).as_str(), is_address(entry)), (cse, address), "{entry}");
        }
    }
}
