use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Kind, definition, original_root, original_type, specialization};
use crate::status::Failure;

/// Whether an attribute is in the content of a request (the M, O and NP columns of TS-0004 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It must be there.
    Mandatory,
    /// It may be there.
    Optional,
    /// It must not be there.
    NotPresent,
}

/// One attribute of a resource type.
#[derive(Debug)]
pub(crate) struct Attribute {
    /// The short name (TS-0004 8.2.3).
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) create: Presence,
    pub(crate) update: Presence,
}

impl Attribute {
    const fn of(name: &'static str, kind: Kind, create: Presence, update: Presence) -> Self {
        Self { name, kind, create, update }
    }

    /// May be given at creation and in updates.
    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self::of(name, kind, Presence::Optional, Presence::Optional)
    }

    /// Must be given at creation, may be updated.
    pub(crate) const fn mandatory(name: &'static str, kind: Kind) -> Self {
        Self::of(name, kind, Presence::Mandatory, Presence::Optional)
    }

    /// May be given at creation only.
    pub(crate) const fn once(name: &'static str, kind: Kind) -> Self {
        Self::of(name, kind, Presence::Optional, Presence::NotPresent)
    }

    /// Must be given at creation, and never changes.
    pub(crate) const fn fixed(name: &'static str, kind: Kind) -> Self {
        Self::of(name, kind, Presence::Mandatory, Presence::NotPresent)
    }

    /// Set by the CSE alone.
    pub(crate) const fn read_only(name: &'static str, kind: Kind) -> Self {
        Self::of(name, kind, Presence::NotPresent, Presence::NotPresent)
    }
}

/// A resource type.
#[derive(Debug)]
pub(crate) struct TypeDef {
    pub(crate) ty: u32,
    /// The member name of its representation, such as `m2m:cnt`; empty where the specialisation has it.
    pub(crate) root: &'static str,
    /// What generated names and ids begin with.
    pub(crate) prefix: &'static str,
    pub(crate) attributes: &'static [&'static [Attribute]],
    /// The types that may be created below.
    pub(crate) children: &'static [u32],
}

impl TypeDef {
    /// The attribute of this name, among those of the type and of the specialisation.
    pub(crate) fn attribute(&self, root: &str, name: &str) -> Option<&'static Attribute> {
        let own = self.attributes.iter().copied().flatten();
        let found = own.chain(specialization(self.ty, root)).find(|attribute| attribute.name == name);
        // What an announced resource shows are attributes of its original.
        found.or_else(|| definition(original_type(self.ty)?)?.attribute(&original_root(self.ty, root), name))
    }

    /// When an attribute may be given. What an announced resource shows of its original is all optional.
    fn presence(&self, attribute: &Attribute, creates: bool) -> Presence {
        let own = self.attributes.iter().copied().flatten().any(|known| known.name == attribute.name);
        match original_type(self.ty) {
            Some(_) if !own => Presence::Optional,
            _ if creates => attribute.create,
            _ => attribute.update,
        }
    }

    /// Whether the type has `accessControlPolicyIDs`; where not, the parent's count (TS-0001 9.6.1.3.2).
    pub(crate) fn has_acpi(&self) -> bool {
        self.attributes.iter().copied().flatten().any(|attribute| attribute.name == "acpi")
    }

    /// Whether the type has `stateTag`.
    pub(crate) fn has_state_tag(&self) -> bool {
        self.attributes.iter().copied().flatten().any(|attribute| attribute.name == "st")
    }

    /// Checks the content of a CREATE request.
    pub(crate) fn check_create(&self, root: &str, content: &Map<String, Value>) -> Result<(), Failure> {
        for (name, value) in content {
            let attribute = self.known(root, name)?;
            if self.presence(attribute, true) == Presence::NotPresent {
                return Err(Failure::bad(format!("{name} cannot be given when a {root} is created")));
            }
            // TS-0001 10.1.2: an empty creator asks the CSE to fill it in.
            if name == "cr" && value.is_null() {
                continue;
            }
            // Other CSEs announce what has no value as null.
            if value.is_null() && original_type(self.ty).is_some() {
                continue;
            }
            if value.is_null() {
                return Err(Failure::bad(format!("{name} is null; leave it out instead")));
            }
            attribute.kind.check(value).map_err(|fault| fault.of(name))?;
        }
        let all = self.attributes.iter().copied().flatten().chain(specialization(self.ty, root));
        for attribute in all {
            if attribute.create == Presence::Mandatory && !content.contains_key(attribute.name) {
                return Err(Failure::bad(format!("{} is missing; a {root} must have it", attribute.name)));
            }
        }
        Ok(())
    }

    /// Checks the content of an UPDATE request; null removes an optional attribute (TS-0004 7.2.2.1).
    pub(crate) fn check_update(&self, root: &str, content: &Map<String, Value>) -> Result<(), Failure> {
        for (name, value) in content {
            let attribute = self.known(root, name)?;
            if self.presence(attribute, false) == Presence::NotPresent {
                return Err(Failure::bad(format!("{name} of a {root} cannot be updated")));
            }
            if value.is_null() {
                if self.presence(attribute, true) == Presence::Mandatory {
                    return Err(Failure::bad(format!("{name} cannot be removed; a {root} must have it")));
                }
                continue;
            }
            attribute.kind.check(value).map_err(|fault| fault.of(name))?;
        }
        Ok(())
    }

    fn known(&self, root: &str, name: &str) -> Result<&'static Attribute, Failure> {
        let unknown = || Failure::bad(format!("{name} is not an attribute of {root}"));
        self.attribute(root, name).ok_or_else(unknown)
    }

    /// The attribute's name as one that lives for ever, where the tables have it.
    pub(crate) fn intern(&self, root: &str, name: String) -> Cow<'static, str> {
        match self.attribute(root, &name) {
            Some(attribute) => Cow::Borrowed(attribute.name),
            None => Cow::Owned(name),
        }
    }
}
