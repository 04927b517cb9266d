//! Who may do what (TS-0003 7.1.3, TS-0001 9.6.2): policies, self-privileges, and the default policy of the creator.

use std::net::IpAddr;

use serde_json::Value;

use crate::{
    address::Identity,
    location::Geometry,
    primitive::Request,
    schedule::Schedule,
    time::Time,
    tree::{ROOT, Resource, Slot, Tree},
    types::{self, ty},
};

/// What someone wants to do.
#[derive(Debug, Clone)]
pub(crate) struct Wish<'a> {
    /// The bits of m2m:accessControlOperations.
    pub(crate) operation: u64,
    /// Who, by the short form of the ID.
    pub(crate) originator: &'a str,
    /// The type of the resource to create.
    pub(crate) creates: Option<u32>,
    /// The attributes that are read or written; none when it is all of them.
    pub(crate) attributes: Option<Vec<&'a str>>,
    pub(crate) authenticated: bool,
    pub(crate) remote: Option<IpAddr>,
    pub(crate) now: Time,
}

impl<'a> Wish<'a> {
    pub(crate) fn of(request: &'a Request, identity: &Identity, operation: u64, now: Time) -> Self {
        Self {
            operation,
            originator: identity.short_entity(request.originator()),
            creates: None,
            attributes: None,
            authenticated: request.authenticated,
            remote: request.remote,
            now,
        }
    }
}

/// Decides wishes over a tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) identity: &'a Identity,
    /// Originators that may do everything.
    pub(crate) administrators: &'a [String],
    /// Whether a resource without policies has those of the nearest resource above that has some.
    pub(crate) inherit: bool,
}

impl Judge<'_> {
    pub(crate) fn is_administrator(&self, originator: &str) -> bool {
        originator == self.identity.cse_id() || self.administrators.iter().any(|known| known == originator)
    }

    /// Whether the wish is granted on a resource.
    pub(crate) fn allows(&self, slot: Slot, wish: &Wish<'_>) -> bool {
        if self.is_administrator(wish.originator) {
            return true;
        }
        let resource = self.tree.at(slot);
        if types::original_type(resource.ty).is_some() && &*resource.creator == wish.originator {
            // The CSE of the original keeps what it announced up to date, whatever its policies say.
            return true;
        }
        if resource.ty == ty::ACP || resource.ty == ty::announced(ty::ACP) {
            return self.grants(resource, "pvs", resource, wish);
        }
        if resource.ty == ty::PCH {
            // Only the AE that polls (TS-0001 9.6.21).
            return resource.parent.map(|parent| self.tree.at(parent)).is_some_and(|owner| {
                owner.ae_id() == Some(wish.originator)
                    || (owner.ty == ty::CSR && owner.attributes.text("csi") == Some(wish.originator))
            });
        }
        if !types::definition(resource.ty).is_some_and(types::TypeDef::has_acpi) {
            return resource.parent.is_some_and(|parent| self.allows(parent, wish));
        }
        self.by_policies(resource, "pv", wish).unwrap_or_else(|| self.by_default(resource, wish))
            || self.by_grants(resource, wish)
    }

    /// Whether a Dynamic Authorization Server granted the wish: what it granted is below the resource.
    fn by_grants(&self, resource: &Resource, wish: &Wish<'_>) -> bool {
        let below = resource.family.iter().flat_map(|family| &family.children);
        let granted = below.map(|slot| self.tree.at(*slot)).filter(|child| {
            child.ty == ty::ACP && child.attributes.flag("dynamic") == Some(true) && child.expires > wish.now
        });
        granted.into_iter().any(|policy| self.grants(policy, "pv", resource, wish))
    }

    /// Whether the wish is granted on the policies of a resource themselves: what changing `acpi` asks for.
    pub(crate) fn allows_policies(&self, slot: Slot, wish: &Wish<'_>) -> bool {
        let resource = self.tree.at(slot);
        self.is_administrator(wish.originator)
            || self.by_policies(resource, "pvs", wish).unwrap_or_else(|| self.by_default(resource, wish))
    }

    /// The only attributes that the originator has to do with here, when it is rules for attributes alone that grant
    /// the operation; nothing when all are open to it.
    pub(crate) fn visible(&self, slot: Slot, wish: &Wish<'_>) -> Option<Vec<String>> {
        let resource = self.tree.at(slot);
        resource.attributes.get("acpi")?;
        if self.is_administrator(wish.originator) {
            return None;
        }
        let policies =
            resource.attributes.texts("acpi").filter_map(|address| self.identity.find(self.tree, address));
        let mut visible = Vec::new();
        for policy in policies {
            let rules = self
                .tree
                .at(policy)
                .attributes
                .get("pv")
                .and_then(|set| set.get("acr"))
                .and_then(Value::as_array);
            for rule in rules.into_iter().flatten() {
                let any = Wish { attributes: Some(Vec::new()), ..wish.clone() };
                if self.rule_grants(rule, resource, &any) {
                    rule.get("aca")?;
                    visible.extend(list(rule, "aca").filter_map(|name| name.as_str().map(str::to_owned)));
                }
            }
        }
        (!visible.is_empty()).then_some(visible)
    }

    /// Whether the policies of this resource grant the wish; without policies, nobody's wish.
    pub(crate) fn allows_by(&self, resource: &Resource, wish: &Wish<'_>) -> bool {
        self.is_administrator(wish.originator) || self.by_policies(resource, "pv", wish) == Some(true)
    }

    /// What the policies of a resource say; nothing when it has none.
    fn by_policies(&self, resource: &Resource, privileges: &str, wish: &Wish<'_>) -> Option<bool> {
        resource.attributes.get("acpi")?;
        Some(resource.attributes.texts("acpi").any(|address| {
            let policy = self.identity.find(self.tree, address).or_else(|| self.announced_policy(address));
            let policy = policy.map(|slot| self.tree.at(slot));
            policy.is_some_and(|policy| {
                matches!(types::original_type(policy.ty).unwrap_or(policy.ty), ty::ACP)
                    && self.grants(policy, privileges, resource, wish)
            })
        }))
    }

    /// The default policy: all for the custodian or else the creator, nothing for others (TS-0001 9.6.1.3.2). On the
    /// CSEBase every registered AE may look around and create.
    fn by_default(&self, resource: &Resource, wish: &Wish<'_>) -> bool {
        if resource.ty == ty::CB {
            // CREATE, RETRIEVE, NOTIFY and DISCOVERY.
            return wish.operation & !(1 | 2 | 16 | 32) == 0
                && (self.tree.ae(wish.originator).is_some() || self.is_registered_cse(wish.originator));
        }
        if let Some(custodian) = resource.attributes.text("cstn") {
            return self.identity.short_entity(custodian) == wish.originator;
        }
        if &*resource.creator == wish.originator || resource.ae_id() == Some(wish.originator) {
            return true;
        }
        self.inherit && self.inherited(resource, wish)
    }

    /// The announced policy that stands here for one of another CSE.
    fn announced_policy(&self, address: &str) -> Option<Slot> {
        let mut known = self.tree.of_type(ty::announced(ty::ACP));
        known.find(|slot| self.tree.at(*slot).attributes.text("lnk") == Some(address))
    }

    fn is_registered_cse(&self, originator: &str) -> bool {
        let id = originator.strip_prefix('/').and_then(|id| self.tree.by_id(id));
        id.is_some_and(|slot| self.tree.at(slot).ty == ty::CSR)
    }

    fn inherited(&self, resource: &Resource, wish: &Wish<'_>) -> bool {
        let Some(parent) = resource.parent.filter(|parent| *parent != ROOT) else { return false };
        let parent = self.tree.at(parent);
        self.by_policies(parent, "pv", wish).unwrap_or_else(|| self.inherited(parent, wish))
    }

    /// Whether one rule of a policy grants the wish.
    fn grants(&self, policy: &Resource, privileges: &str, target: &Resource, wish: &Wish<'_>) -> bool {
        let rules =
            policy.attributes.get(privileges).and_then(|set| set.get("acr")).and_then(Value::as_array);
        rules.into_iter().flatten().any(|rule| self.rule_grants(rule, target, wish))
    }

    fn rule_grants(&self, rule: &Value, target: &Resource, wish: &Wish<'_>) -> bool {
        let operations = rule.get("acop").map_or(0, operations);
        operations & wish.operation == wish.operation
            && list(rule, "acor")
                .any(|entry| entry.as_str().is_some_and(|entry| self.is_meant(entry, wish.originator)))
            && (rule.get("acaf").and_then(Value::as_bool) != Some(true) || wish.authenticated)
            && rule.get("acco").is_none_or(|_| list(rule, "acco").any(|context| fits(context, wish)))
            && rule
                .get("acod")
                .is_none_or(|_| list(rule, "acod").any(|object| is_about(object, target, wish)))
            && rule.get("aca").is_none_or(|_| covers_attributes(rule, target, self.tree, wish))
    }

    /// Whether an entry of accessControlOriginators means this originator: `all`, an ID with wildcards, or a group.
    fn is_meant(&self, entry: &str, originator: &str) -> bool {
        if entry == "all" {
            return true;
        }
        let short = self.identity.short_entity(entry);
        if short == originator || wildcard(short, originator) {
            return true;
        }
        let group = self.identity.find(self.tree, entry).map(|slot| self.tree.at(slot));
        group.filter(|group| group.ty == ty::GRP).is_some_and(|group| {
            group.attributes.texts("mid").any(|member| {
                self.identity.short_entity(member) == originator
                    || self
                        .identity
                        .find(self.tree, member)
                        .is_some_and(|slot| self.tree.at(slot).ae_id() == Some(originator))
            })
        })
    }
}

/// The number in `acop`; Mobius clients write it as a string.
fn operations(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or(0)
}

fn list<'a>(object: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    object.get(member).and_then(Value::as_array).into_iter().flatten()
}

/// accessControlContexts: time windows, addresses, regions. All that are given have to fit.
fn fits(context: &Value, wish: &Wish<'_>) -> bool {
    let in_time = context.get("actw").is_none_or(|_| {
        let mut windows = list(context, "actw").filter_map(Value::as_str).filter_map(Schedule::parse);
        windows.any(|window| window.contains(wish.now))
    });
    let from_there = context.get("acip").is_none_or(|addresses| {
        let known = |family| list(addresses, family).filter_map(Value::as_str);
        wish.remote
            .is_some_and(|remote| known("ipv4").chain(known("ipv6")).any(|text| is_address(text, remote)))
    });
    // Where the originator is, the CSE does not know: a rule for a region grants nothing.
    in_time && from_there && context.get("aclr").is_none()
}

/// Whether an address is this one or in this network (`10.0.0.0/8`).
fn is_address(text: &str, remote: IpAddr) -> bool {
    let (network, length) = match text.split_once('/') {
        Some((network, length)) => (network, length.parse::<u32>().ok()),
        None => (text, None),
    };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let Ok(network) = network.parse::<IpAddr>() else { return false };
    let ((network, width), (remote, remote_width)) = (bits(network), bits(remote.to_canonical()));
    let length = length.unwrap_or(width);
    width == remote_width && length <= width && (network ^ remote).checked_shr(128 - length).unwrap_or(0) == 0
}

/// accessControlObjectDetails: the type of the target, and the types that may be created below it.
fn is_about(object: &Value, target: &Resource, wish: &Wish<'_>) -> bool {
    let type_fits =
        object.get("ty").and_then(Value::as_u64).is_none_or(|wanted| wanted == u64::from(target.ty));
    let child_fits = wish
        .creates
        .is_none_or(|created| list(object, "chty").any(|wanted| wanted.as_u64() == Some(u64::from(created))));
    type_fits && child_fits
}

/// accessControlAttributes: only these may be read or written.
fn covers_attributes(rule: &Value, target: &Resource, tree: &Tree, wish: &Wish<'_>) -> bool {
    let has = |name: &str| list(rule, "aca").any(|known| known.as_str() == Some(name));
    match &wish.attributes {
        Some(names) => names.iter().all(|name| has(name)),
        None => target.to_map(tree).keys().all(|name| has(name)),
    }
}

/// Whether a text fits a pattern with `*` for any characters and `?` for one.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star_at, from)) = star {
            star = Some((star_at, from + 1));
            p = star_at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

/// The place of a resource, where it has one.
pub(crate) fn place(resource: &Resource) -> Option<Geometry> {
    resource.attributes.get("loc").and_then(|value| Geometry::of(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_any_characters_and_for_one() {
        assert!(wildcard("C*", "Cae"));
        assert!(wildcard("*a?e", "xxabe"));
        assert!(wildcard("*", ""));
        assert!(!wildcard("C*x", "Cae"));
        assert!(!wildcard("C?", "Cae"));
    }

    #[test]
    fn an_address_is_meant_by_itself_and_by_its_network() {
        let remote: IpAddr = "10.1.2.3".parse().unwrap();
        assert!(is_address("10.1.2.3", remote));
        assert!(is_address("10.0.0.0/8", remote));
        assert!(!is_address("10.1.2.4", remote));
        assert!(!is_address("11.0.0.0/8", remote));
        assert!(!is_address("::1", remote));
    }
}
