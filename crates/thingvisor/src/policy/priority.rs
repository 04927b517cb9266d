//! Priority-oriented access: one tenant has control; a higher priority takes it over, a lower or an
//! equal one is refused (the paper's drone).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use morgana_model::TenantId;
use serde_json::Value;

use super::{Asked, Policy, Verdict, nobody};

/// The command that gives control back before its time is over.
const RELEASE: &str = "control-release";

/// One tenant at a time, by priority. Control begins with a command, is renewed by each, and ends
/// when it is given back, taken over, or not used for the lease's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priority {
    priorities: BTreeMap<TenantId, u32>,
    others: Option<u32>,
    lease: Duration,
    holder: Option<Holder>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    tenant: TenantId,
    priority: u32,
    until: Instant,
}

impl Priority {
    /// Tenants with their priorities (more is higher), the priority of all others (nothing: they may
    /// not command at all), and how long control lasts without a command.
    pub fn new(priorities: BTreeMap<TenantId, u32>, others: Option<u32>, lease: Duration) -> Self {
        Self { priorities, others, lease, holder: None }
    }

    fn release(&mut self, tenant: &TenantId) -> Verdict {
        match self.holder.take_if(|holder| holder.tenant == *tenant) {
            Some(_) => Verdict::Answer(Value::from("OK")),
            None => Verdict::Refuse("you do not have control".to_owned()),
        }
    }
}

impl Policy for Priority {
    fn commands(&self) -> Vec<String> {
        vec![RELEASE.to_owned()]
    }

    fn decide(&mut self, asked: &Asked<'_>, now: Instant) -> Verdict {
        let Some(tenant) = asked.tenant else { return nobody() };
        self.holder.take_if(|holder| holder.until <= now);
        if asked.command == RELEASE {
            return self.release(tenant);
        }
        let Some(priority) = self.priorities.get(tenant).copied().or(self.others) else {
            return Verdict::Refuse(format!(
                "tenant '{tenant}' has no priority for this thing: ask its administrator"
            ));
        };
        let overridden = match &self.holder {
            Some(holder) if holder.tenant != *tenant && holder.priority >= priority => {
                let seconds = holder.until.duration_since(now).as_secs() + 1;
                return Verdict::Refuse(format!(
                    "somebody with at least your priority has control: try again in {seconds} s"
                ));
            }
            Some(holder) if holder.tenant != *tenant => Some(holder.tenant.clone()),
            _ => None,
        };
        self.holder = Some(Holder { tenant: tenant.clone(), priority, until: now + self.lease });
        Verdict::Act { overridden }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);

    fn tenants() -> [TenantId; 3] {
        ["low", "middle", "high"].map(|tenant| tenant.parse().unwrap())
    }

    fn policy() -> Priority {
        let [low, middle, high] = tenants();
        Priority::new(BTreeMap::from([(low, 1), (middle, 2), (high, 3)]), None, LEASE)
    }

    fn ask(policy: &mut Priority, tenant: &TenantId, command: &str, now: Instant) -> Verdict {
        policy.decide(&Asked { tenant: Some(tenant), command, value: &Value::Null, token: None }, now)
    }

    #[test]
    fn of_three_tenants_the_higher_takes_over_and_the_lower_waits() {
        let ([low, middle, high], mut policy, now) = (tenants(), policy(), Instant::now());
        assert_eq!(ask(&mut policy, &middle, "fly", now), Verdict::ACT);
        let refused = ask(&mut policy, &low, "fly", now);
        assert!(matches!(&refused, Verdict::Refuse(why) if !why.contains("middle") && why.contains("61 s")));
        let taken = ask(&mut policy, &high, "fly", now);
        assert_eq!(taken, Verdict::Act { overridden: Some(middle.clone()) });
        assert!(matches!(ask(&mut policy, &middle, "fly", now), Verdict::Refuse(_)));
        // Somebody who has control keeps it.
        assert_eq!(ask(&mut policy, &high, "fly", now), Verdict::ACT);
    }

    #[test]
    fn control_ends_by_release_or_by_its_lease() {
        let ([low, middle, _], mut policy, now) = (tenants(), policy(), Instant::now());
        assert_eq!(ask(&mut policy, &middle, "fly", now), Verdict::ACT);
        assert!(matches!(ask(&mut policy, &low, RELEASE, now), Verdict::Refuse(_)), "it is not hers to give");
        assert_eq!(ask(&mut policy, &middle, RELEASE, now), Verdict::Answer(Value::from("OK")));
        assert_eq!(ask(&mut policy, &low, "fly", now), Verdict::ACT);
        assert!(matches!(ask(&mut policy, &low, "fly", now + LEASE / 2), Verdict::Act { .. }));
        let renewed = now + LEASE / 2 + LEASE;
        let taken = ask(&mut policy, &middle, "fly", renewed);
        assert_eq!(taken, Verdict::ACT, "nobody loses what has run out");
    }

    #[test]
    fn who_has_no_priority_may_not_command_unless_there_is_one_for_all() {
        let (stranger, now) = ("stranger".parse().unwrap(), Instant::now());
        assert!(
            matches!(ask(&mut policy(), &stranger, "fly", now), Verdict::Refuse(why) if why.contains("priority"))
        );
        let mut open = Priority::new(BTreeMap::new(), Some(0), LEASE);
        assert_eq!(ask(&mut open, &stranger, "fly", now), Verdict::ACT);
    }
}
