//! Who does what of a write (NGSI-LD 4.3.6, 5.6.1.4 and the like).

use std::sync::Arc;

use super::coverage::Cover;
use crate::{
    model::Name,
    registrations::{Mode, Operation, Registration},
};

/// What a write is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write<'a> {
    /// The operations that do it, best first.
    pub(crate) operations: &'a [Operation],
    pub(crate) id: &'a str,
    /// None when they are not known.
    pub(crate) types: &'a [Name],
    /// The attributes that are written; `None` for the entity as it is.
    pub(crate) names: Option<&'a [Name]>,
}

/// A source that takes part.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    pub(crate) registration: Arc<Registration>,
    /// How it is asked; `None` when the registration does not allow it, which is a conflict.
    pub(crate) operation: Option<Operation>,
    /// The attributes that it gets; `None` for all there are.
    pub(crate) names: Option<Vec<Name>>,
}

/// Who does what.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) shares: Vec<Share>,
    /// What is left for the broker itself: `None` for nothing, an inner `None` for all of it.
    pub(crate) local: Option<Option<Vec<Name>>>,
    /// Whether a source has what the broker then has not.
    pub(crate) proxied: bool,
}

impl Plan {
    pub(crate) fn new(registrations: &[Arc<Registration>], write: Write<'_>) -> Self {
        match write.names {
            None => Self::whole(registrations, write),
            Some(names) => Self::parts(registrations, write, names),
        }
    }

    fn whole(registrations: &[Arc<Registration>], write: Write<'_>) -> Self {
        let mut plan = Self { local: Some(None), ..Self::default() };
        for registration in registrations {
            if registration.covers(write.id, write.types) != Cover::Nothing {
                plan.add(registration, write, None);
            }
        }
        plan
    }

    fn parts(registrations: &[Arc<Registration>], write: Write<'_>, names: &[Name]) -> Self {
        let mut plan = Self::default();
        let mut left = names.to_vec();
        let mut whole_is_left = true;
        let of = |mode: Mode| registrations.iter().filter(move |one| one.access.mode == mode);
        for registration in of(Mode::Exclusive) {
            let taken = taken(registration, write, &left);
            if let Some(taken) = taken.filter(|taken| !taken.is_empty()) {
                left.retain(|name| !taken.contains(name));
                plan.add(registration, write, Some(taken));
            }
        }
        let mut redirected = Vec::new();
        for registration in of(Mode::Redirect) {
            let Some(taken) = taken(registration, write, &left) else { continue };
            // An entity without attributes is redirected as a whole, or not at all.
            if taken.is_empty() && !names.is_empty() {
                continue;
            }
            whole_is_left = false;
            redirected.extend(taken.clone());
            plan.add(registration, write, Some(taken));
        }
        left.retain(|name| !redirected.contains(name));
        for registration in of(Mode::Inclusive) {
            let taken = taken(registration, write, &left);
            if let Some(taken) = taken.filter(|taken| !taken.is_empty() || names.is_empty()) {
                plan.add(registration, write, Some(taken));
            }
        }
        plan.local = if names.is_empty() {
            whole_is_left.then_some(None)
        } else if left.len() == names.len() {
            Some(None)
        } else {
            (!left.is_empty()).then_some(Some(left))
        };
        plan
    }

    fn add(&mut self, registration: &Arc<Registration>, write: Write<'_>, names: Option<Vec<Name>>) {
        let access = &registration.access;
        let operation = write.operations.iter().copied().find(|one| access.allows(*one));
        let proxied = access.mode.is_proxied();
        self.proxied |= proxied;
        // Who only may take part and cannot does not; an auxiliary source never does (NGSI-LD 4.3.6.2).
        if proxied || (operation.is_some() && access.mode == Mode::Inclusive) {
            self.shares.push(Share { registration: Arc::clone(registration), operation, names });
        }
    }
}

/// What of the attributes that are left the source has; `None` when it has nothing of the entity.
fn taken(registration: &Registration, write: Write<'_>, left: &[Name]) -> Option<Vec<Name>> {
    match registration.covers(write.id, write.types) {
        Cover::Nothing => None,
        cover => Some(left.iter().filter(|name| cover.has(name)).cloned().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Json, Timestamp};

    fn registration(mode: &str, names: &str, operations: &str) -> Arc<Registration> {
        let text = format!(
            r#"{{"id":"urn:{mode}","type":"ContextSourceRegistration","endpoint":"http://x","mode":"{mode}",
            "operations":["{operations}"],"information":[{{"entities":[{{"id":"urn:e","type":"T"}}]{names}}}]}}"#
        );
        let (json, now) = (Json::parse(text.as_bytes()).unwrap(), Timestamp::now());
        Arc::new(Registration::new(json, now, now).unwrap())
    }

    fn names(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| Name::new(name)).collect()
    }

    fn plan(registrations: &[Arc<Registration>], written: Option<&[&str]>) -> Plan {
        let (written, types) = (written.map(names), names(&["T"]));
        let operations = &[Operation::CreateEntity];
        Plan::new(registrations, Write { operations, id: "urn:e", types: &types, names: written.as_deref() })
    }

    #[test]
    fn proxied_parts_leave_and_inclusive_ones_are_copied() {
        let exclusive = registration("exclusive", r#","propertyNames":["a"]"#, "redirectionOps");
        let inclusive = registration("inclusive", "", "redirectionOps");
        let all = [exclusive, inclusive.clone()];
        let both = plan(&all, Some(&["a", "b"]));
        assert_eq!(both.shares[0].names, Some(names(&["a"])));
        assert_eq!(both.shares[1].names, Some(names(&["b"])));
        assert_eq!(both.local, Some(Some(names(&["b"]))));
        let none = plan(&all, Some(&["a"]));
        assert_eq!((none.shares.len(), none.local), (1, None));
        let bare = plan(&[inclusive], Some(&[]));
        assert_eq!((bare.shares.len(), bare.local), (1, Some(None)));
    }

    #[test]
    fn a_redirected_entity_is_nowhere_else() {
        let redirect = registration("redirect", "", "redirectionOps");
        for written in [&["a", "b"][..], &[]] {
            let plan = plan(&[redirect.clone(), redirect.clone()], Some(written));
            assert_eq!((plan.shares.len(), plan.local), (2, None));
        }
    }

    #[test]
    fn who_must_and_may_not_is_in_conflict_and_who_may_but_may_not_is_left_out() {
        let redirect = registration("redirect", "", "retrieveOps");
        let inclusive = registration("inclusive", "", "retrieveOps");
        let auxiliary = registration("auxiliary", "", "retrieveOps");
        let plan = plan(&[redirect, inclusive, auxiliary], None);
        assert_eq!((plan.shares.len(), plan.shares[0].operation), (1, None));
        assert!(plan.proxied && plan.local == Some(None));
    }
}
