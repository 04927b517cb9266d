//! Group-oriented access: all of a group have the same right (the paper's lamp in a rented room).

use std::collections::BTreeSet;
use std::time::Instant;

use morgana_model::TenantId;

use super::{Asked, Policy, Verdict, nobody};

/// Tenants who command with equal right; the last command holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    tenants: BTreeSet<TenantId>,
}

impl Group {
    /// The group of these tenants.
    pub fn of(tenants: impl IntoIterator<Item = TenantId>) -> Self {
        Self { tenants: tenants.into_iter().collect() }
    }
}

impl Policy for Group {
    fn decide(&mut self, asked: &Asked<'_>, _now: Instant) -> Verdict {
        match asked.tenant {
            None => nobody(),
            Some(tenant) if self.tenants.contains(tenant) => Verdict::ACT,
            Some(tenant) => Verdict::Refuse(format!(
                "tenant '{tenant}' is not in the group that may command this thing: ask its administrator"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn of_three_tenants_those_of_the_group_command_and_the_third_does_not() {
        let [a, b, c]: [TenantId; 3] = ["a", "b", "c"].map(|tenant| tenant.parse().unwrap());
        let mut group = Group::of([a.clone(), b.clone()]);
        let mut ask = |tenant| {
            let asked = Asked { tenant, command: "set-on", value: &Value::Null, token: None };
            group.decide(&asked, Instant::now())
        };
        assert_eq!(ask(Some(&a)), Verdict::ACT);
        assert_eq!(ask(Some(&b)), Verdict::ACT);
        assert!(matches!(ask(Some(&c)), Verdict::Refuse(why) if why.contains("'c'")));
        assert!(matches!(ask(None), Verdict::Refuse(_)));
    }
}
