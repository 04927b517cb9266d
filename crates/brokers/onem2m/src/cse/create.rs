//! CREATE (TS-0001 10.1.2, TS-0004 7.3.3.5).

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Cse, Transaction, announce::check_announced_attributes, registration::cse_id};
use crate::{
    notify::Event,
    primitive::{Outcome, Request},
    privilege::Wish,
    status::{Failure, Status},
    time::Time,
    tree::{Attributes, Resource, Slot, is_instance},
    types::{self, Lookup, TypeDef, ty},
};

/// A resource to be, before it has a place.
pub(crate) struct Draft {
    pub(crate) definition: &'static TypeDef,
    pub(crate) root: Cow<'static, str>,
    pub(crate) content: Map<String, Value>,
    pub(crate) sequence: u64,
    /// Its resourceID, where the type decides it.
    pub(crate) ri: String,
    pub(crate) creator: String,
    /// Whether its creator gave it a name.
    pub(crate) named: bool,
}

impl Cse {
    pub(super) async fn create(&self, request: &Request) -> Result<Outcome, Failure> {
        let (outcome, ri) = self.create_quietly(request).await?;
        let Some(ri) = ri else { return Ok(outcome) };
        self.announce().await;
        // The answer says where it was announced.
        let transaction = Transaction::begin(self);
        match transaction.tree.by_id(&ri) {
            Some(slot) => Ok(transaction.created(request, slot, None)),
            None => Ok(outcome),
        }
    }

    /// Creates, and leaves announcing to the caller: of the resource with the ID that comes with the outcome.
    pub(super) async fn create_quietly(
        &self,
        request: &Request,
    ) -> Result<(Outcome, Option<Box<str>>), Failure> {
        let draft = self.draft(request)?;
        if draft.definition.ty == ty::SUB {
            // Everything is looked at first, so that nobody is asked about a subscription that cannot be; and once
            // more when it is made, because the tree may have changed meanwhile.
            self.verify_new_subscription(request, &draft).await?;
        }
        if draft.definition.ty == ty::CRS {
            return self.create_cross(request, draft).await.map(|outcome| (outcome, None));
        }
        let mut draft = Some(draft);
        self.write(|transaction| match draft.take() {
            Some(draft) => transaction.create(request, draft),
            None => Err(Failure::new(Status::InternalServerError, "the request was carried out twice")),
        })
        .await
    }

    /// Reads the content of a CREATE request.
    pub(super) fn draft(&self, request: &Request) -> Result<Draft, Failure> {
        let number = request.ty.unwrap_or_default();
        let definition = match types::lookup(number) {
            Lookup::Here(definition) => definition,
            Lookup::Elsewhere => {
                let debug = format!("ty {number}: this CSE does not have resources of this type");
                return Err(Failure::new(Status::NotImplemented, debug));
            }
            Lookup::Unknown => {
                return Err(Failure::bad(format!("ty {number}: there is no such resource type")));
            }
        };
        let (root, content) = representation(request.content.as_ref())?;
        let root = named_root(definition, root)?;
        let sequence = self.inner.next_sequence();
        let ri = format!("{}{}", definition.prefix, base_36(sequence));
        let creator = self.inner.identity.short_entity(request.originator()).to_owned();
        let named = content.contains_key("rn");
        Ok(Draft { definition, root, content: content.clone(), sequence, ri, creator, named })
    }
}

impl Transaction<'_> {
    pub(crate) fn create(
        &mut self,
        request: &Request,
        draft: Draft,
    ) -> Result<(Outcome, Option<Box<str>>), Failure> {
        let parent = self.check_create(request, &draft)?;
        let wish = Wish {
            attributes: None,
            ..Wish::of(request, &self.inner.identity, request.operation.privilege(), self.now)
        };
        let visible = self.inner.judge(&self.tree).visible(parent, &wish);
        let slot = self.place(request, draft, parent)?;
        let resource = self.tree.at(slot);
        let announced = resource.attributes.get("at").is_some() || resource.ty == ty::CSR;
        let announced = announced.then(|| resource.ri.clone());
        Ok((self.created(request, slot, visible.as_deref()), announced))
    }

    /// Whether the resource could be created. Gives the parent.
    pub(crate) fn check_create(&self, request: &Request, draft: &Draft) -> Result<Slot, Failure> {
        let target = self.inner.identity.resolve(&self.tree, &request.to)?;
        if target.part.is_some() {
            return Err(Failure::not_allowed(format!("nothing can be created below {}", request.to)));
        }
        let parent = target.slot;
        let definition = draft.definition;
        if definition.ty == ty::REQ || definition.ty == ty::FCI || definition.ty == ty::CB {
            return Err(Failure::not_allowed(format!(
                "ty {}: only the CSE creates such resources",
                definition.ty
            )));
        }
        let parent_type = self.tree.at(parent).ty;
        let fits =
            types::definition(parent_type).is_some_and(|known| known.children.contains(&definition.ty));
        if !fits {
            let debug =
                format!("ty {}: it cannot be created below a resource of type {parent_type}", definition.ty);
            return Err(Failure::new(Status::InvalidChildResourceType, debug));
        }
        if definition.ty == ty::AE {
            self.check_registration(request, draft)?;
        } else if definition.ty == ty::CSR {
            self.check_remote_cse(draft)?;
        } else if !(definition.ty == ty::PCH && self.is_cse(parent, request)) {
            let mut wish = Wish::of(request, &self.inner.identity, request.operation.privilege(), self.now);
            wish.creates = Some(definition.ty);
            wish.attributes = Some(draft.content.keys().map(String::as_str).collect());
            self.inner.demand(&self.tree, parent, &wish)?;
        }
        definition.check_create(&draft.root, &draft.content)?;
        if let Some(name) = draft.content.get("rn").and_then(Value::as_str) {
            let taken =
                self.tree.child(parent, name).is_some() || is_virtual_name(definition, parent_type, name);
            if taken {
                let debug = format!("rn {name}: {} has a child of this name", self.tree.structured(parent));
                return Err(Failure::new(Status::Conflict, debug));
            }
        }
        for address in draft.content.get("acpi").and_then(Value::as_array).into_iter().flatten() {
            let address = address.as_str().unwrap_or_default();
            // An announced resource has the policies of its original's CSE.
            let elsewhere = types::original_type(definition.ty).is_some()
                && self.inner.identity.elsewhere(address).is_some();
            if !elsewhere {
                self.check_policy(address)?;
            }
        }
        match definition.ty {
            ty::CSR => self.check_cse_id(draft)?,
            ty::SCH => self.check_schedule(parent, &draft.content)?,
            ty::TSB => Self::check_beacon(&draft.content)?,
            ty::CRS => Self::check_cross(&draft.content)?,
            ty::LCP => {
                Self::check_location(&draft.content)?;
                self.check_location_name(parent, &draft.content)?;
            }
            ty::CIN | ty::TSI => self.check_instance(parent, draft)?,
            ty::SUB => self.check_subscription(request, parent, &draft.content)?,
            ty::FCNT => Self::check_flex(draft)?,
            ty::MGMT_OBJ => Self::check_mgmt(draft)?,
            ty::PCH => self.check_polling_channel(request, parent)?,
            ty::NOD => self.check_node(&draft.content)?,
            ty::TS => Self::check_series(&draft.content)?,
            _ => {}
        }
        Ok(parent)
    }

    /// A policy that `acpi` names has to be there.
    pub(crate) fn check_policy(&self, address: &str) -> Result<(), Failure> {
        let policy = self.inner.identity.find(&self.tree, address);
        if policy.is_some_and(|slot| self.tree.at(slot).ty == ty::ACP) {
            return Ok(());
        }
        Err(Failure::bad(format!("acpi: {address} is not an accessControlPolicy of this CSE")))
    }

    /// Puts the checked resource into the tree and does what goes with its type.
    pub(super) fn place(
        &mut self,
        request: &Request,
        mut draft: Draft,
        parent: Slot,
    ) -> Result<Slot, Failure> {
        let definition = draft.definition;
        let cse = (definition.ty == ty::CSR).then(|| cse_id(&draft)).transpose()?;
        let mut content = std::mem::take(&mut draft.content);
        let name = match content.remove("rn") {
            Some(Value::String(name)) => name,
            _ if definition.ty == ty::SCH && self.schedules_notifications(parent) => {
                super::schedule::NOTIFICATION_SCHEDULE.to_owned()
            }
            _ => format!("{}_{}", definition.prefix, base_36(draft.sequence)),
        };
        let wanted = match content.remove("et") {
            Some(Value::String(text)) => Time::parse_from(&text, self.now),
            Some(number) => number.as_i64().map(|millis| self.now.plus_millis(millis)),
            None => None,
        };
        if wanted.is_some_and(|wanted| wanted <= self.now) {
            return Err(Failure::bad("et: it is over already"));
        }
        if let Some(names) = content.remove("aa") {
            let present = |name: &str| content.contains_key(name);
            if let Some(kept) = check_announced_attributes(definition, &draft.root, &names, present)? {
                content.insert("aa".to_owned(), kept);
            }
        }
        if content.get("cr").is_some_and(Value::is_null) {
            content.insert("cr".to_owned(), Value::from(draft.creator.as_str()));
        }
        if types::original_type(definition.ty).is_some() {
            content.retain(|_, value| !value.is_null());
        }
        let names = |name: String| definition.intern(&draft.root, name);
        let attributes: Attributes = content.into_iter().map(|(name, value)| (names(name), value)).collect();
        let mut resource = Resource {
            ty: definition.ty,
            root: draft.root.clone(),
            ri: draft.ri.as_str().into(),
            rn: name.into(),
            parent: Some(parent),
            sequence: draft.sequence,
            created: self.now,
            modified: self.now,
            expires: self.expiration(wanted).min(self.tree.at(parent).expires),
            state_tag: 0,
            size: 0,
            creator: draft.creator.as_str().into(),
            attributes,
            family: None,
        };
        if let Some(csi) = cse {
            Self::complete_remote_cse(&csi, draft.named, &mut resource);
        }
        self.complete(request, parent, &mut resource, wanted.is_some())?;
        let slot = self.insert(resource)?;
        self.after_create(request, parent, slot)?;
        self.tell(&Event::created(slot, request))?;
        Ok(slot)
    }

    /// When a resource expires: what was asked for, but not later than the CSE allows.
    pub(crate) fn expiration(&self, wanted: Option<Time>) -> Time {
        let most = i64::try_from(self.inner.limits().max_expiration_seconds).unwrap_or(i64::MAX);
        let most = self.now.plus_millis(most.saturating_mul(1000));
        wanted.map_or(most, |wanted| wanted.min(most))
    }

    /// What the CSE adds to a resource of a type before it is put in.
    fn complete(
        &mut self,
        request: &Request,
        parent: Slot,
        resource: &mut Resource,
        expires: bool,
    ) -> Result<(), Failure> {
        match resource.ty {
            ty::AE => self.complete_registration(request, resource)?,
            ty::CIN | ty::TSI => self.complete_instance(parent, resource, expires),
            ty::GRP => self.complete_group(request, resource)?,
            ty::SUB => Self::complete_subscription(resource),
            ty::TSB => Self::complete_beacon(resource),
            ty::LCP => Self::complete_location(resource),
            ty::CRS => Self::complete_cross(resource),
            ty::FCNT => Self::complete_flex(resource),
            ty::MGMT_OBJ => Self::complete_mgmt(resource),
            ty::ACP => normalise_operations(resource),
            ty::TS => Self::complete_series(resource),
            _ => {}
        }
        Ok(())
    }

    /// What changes elsewhere because a resource was created.
    fn after_create(&mut self, request: &Request, parent: Slot, slot: Slot) -> Result<(), Failure> {
        match self.tree.at(slot).ty {
            ty::CIN => {
                self.limit_instances(parent)?;
                self.position_came(parent)
            }
            ty::LCP => self.make_location_container(request, parent, slot),
            ty::TSB => {
                self.start_beacon(slot);
                Ok(())
            }
            ty::SUB => crate::notify::publish_prior(self, slot),
            ty::TSI => {
                self.limit_instances(parent)?;
                self.watch_series(parent, slot)
            }
            ty::AE => self.link_node(slot, None),
            ty::NOD => self.link_known_entities(slot),
            ty::CSR => {
                self.inner.cse_came(&self.tree, slot);
                Ok(())
            }
            ty::FCNT => {
                self.link_node(slot, None)?;
                self.record_flex_instance(slot, request)
            }
            _ => Ok(()),
        }
    }
}

/// Reads `{"m2m:cnt": {...}}`.
pub(crate) fn representation(content: Option<&Value>) -> Result<(&str, &Map<String, Value>), Failure> {
    let members = content.and_then(Value::as_object);
    let mut members = members.ok_or_else(|| Failure::bad("pc: the content must be a JSON object"))?.iter();
    match (members.next(), members.next()) {
        (Some((root, Value::Object(attributes))), None) => Ok((root, attributes)),
        _ => Err(Failure::bad("pc: the content must be one object with the name of the resource's type")),
    }
}

/// Whether the member name of a representation is one of the type's.
fn named_root(definition: &'static TypeDef, root: &str) -> Result<Cow<'static, str>, Failure> {
    // The announced variants of what has specialisations have a name for each of them.
    if let Some(original) = types::original_type(definition.ty)
        && definition.root.is_empty()
    {
        let wanted = types::original_root(definition.ty, root);
        let known = wanted != root && !types::specialization_name(original, &wanted).is_empty();
        return known.then(|| Cow::Owned(root.to_owned())).ok_or_else(|| wrong(root, definition.ty));
    }
    let known = match definition.ty {
        ty::FCNT => types::flex_specialization(root).map(|known| known.root),
        ty::MGMT_OBJ => types::mgmt_specialization(root).map(|known| known.root),
        ty::FCI => Some(""),
        _ => (definition.root == root).then_some(definition.root),
    };
    known.map(Cow::Borrowed).ok_or_else(|| wrong(root, definition.ty))
}

fn wrong(root: &str, ty: u32) -> Failure {
    Failure::bad(format!("pc: {root} is not the representation of a resource of type {ty}"))
}

/// Names that virtual resources have.
fn is_virtual_name(child: &TypeDef, parent_type: u32, name: &str) -> bool {
    match parent_type {
        ty::CNT | ty::TS | ty::FCNT => {
            matches!(name, "la" | "ol") && (is_instance(child.ty) || child.ty != 0)
        }
        ty::GRP => name == "fopt",
        _ => false,
    }
}

/// Policies of Mobius clients have their operations as strings; they are numbers from here on.
pub(crate) fn normalise_operations(resource: &mut Resource) {
    for privileges in ["pv", "pvs"] {
        let Some(mut set) = resource.attributes.get(privileges).cloned() else { continue };
        let rules = set.get_mut("acr").and_then(Value::as_array_mut);
        for operations in rules.into_iter().flatten().filter_map(|rule| rule.get_mut("acop")) {
            if let Some(number) = operations.as_str().and_then(|text| text.parse::<u64>().ok()) {
                *operations = Value::from(number);
            }
        }
        resource.attributes.set(privileges, set);
    }
}

/// A number in the digits of names.
pub(crate) fn base_36(mut number: u64) -> String {
    let mut digits = Vec::with_capacity(13);
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits.reverse();
    digits.into_iter().map(char::from).collect()
}
