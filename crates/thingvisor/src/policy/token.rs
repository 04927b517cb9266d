//! Token-based access: `token-req` asks for a token, and commands carry it in `cmd-token` (the
//! paper's Figure 8).

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use morgana_model::TenantId;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::{Asked, Policy, Verdict, nobody};

/// The command that asks for a token.
const REQUEST: &str = "token-req";
/// The command that gives it back.
const RELEASE: &str = "token-release";
/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 24;

/// Tokens for so many tenants at once, each for a time. A token is its tenant's alone: in the command
/// of another one it opens nothing.
pub struct Token {
    tenants: Option<BTreeSet<TenantId>>,
    holders: usize,
    lifetime: Duration,
    granted: Vec<Grant>,
    random: Box<dyn FnMut() -> String + Send>,
}

struct Grant {
    tenant: TenantId,
    token: String,
    until: Instant,
}

// Neither tokens nor the source of them is for a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holders: Vec<&TenantId> = self.granted.iter().map(|grant| &grant.tenant).collect();
        f.debug_struct("Token").field("holders", &holders).finish_non_exhaustive()
    }
}

impl Token {
    /// Who may ask for a token (nothing: everybody whose silo has the vThing), how many may have one
    /// at a time, and how long it lasts.
    pub fn new(tenants: Option<BTreeSet<TenantId>>, holders: usize, lifetime: Duration) -> Self {
        let random = || hex(&rand::random::<[u8; TOKEN_BYTES]>());
        Self { tenants, holders, lifetime, granted: Vec::new(), random: Box::new(random) }
    }

    fn request(&mut self, tenant: &TenantId, now: Instant) -> Verdict {
        if self.tenants.as_ref().is_some_and(|allowed| !allowed.contains(tenant)) {
            return Verdict::Refuse(format!(
                "tenant '{tenant}' gets no token for this thing: ask its administrator"
            ));
        }
        // Who asks again has lost the token, or wants it longer.
        self.granted.retain(|grant| grant.tenant != *tenant);
        if self.granted.len() >= self.holders {
            let next = self.granted.iter().map(|grant| grant.until).min().unwrap_or(now);
            let seconds = next.duration_since(now).as_secs() + 1;
            return Verdict::Refuse(format!("every token is taken: try again in {seconds} s"));
        }
        let token = (self.random)();
        self.granted.push(Grant { tenant: tenant.clone(), token: token.clone(), until: now + self.lifetime });
        Verdict::Answer(json!({ "code": "OK", "cmd-token": token, "seconds": self.lifetime.as_secs() }))
    }

    fn holds(&self, tenant: &TenantId, token: Option<&Value>) -> bool {
        let Some(Value::String(given)) = token else { return false };
        self.granted.iter().any(|grant| {
            grant.tenant == *tenant && bool::from(grant.token.as_bytes().ct_eq(given.as_bytes()))
        })
    }
}

impl Policy for Token {
    fn commands(&self) -> Vec<String> {
        vec![REQUEST.to_owned(), RELEASE.to_owned()]
    }

    fn decide(&mut self, asked: &Asked<'_>, now: Instant) -> Verdict {
        let Some(tenant) = asked.tenant else { return nobody() };
        self.granted.retain(|grant| grant.until > now);
        if asked.command == REQUEST {
            return self.request(tenant, now);
        }
        if !self.holds(tenant, asked.token) {
            let why =
                if asked.token.is_some() { "the cmd-token is not valid" } else { "a cmd-token is needed" };
            return Verdict::Refuse(format!("{why}: ask for one with {REQUEST} (cmd-qos 1)"));
        }
        if asked.command == RELEASE {
            self.granted.retain(|grant| grant.tenant != *tenant);
            return Verdict::Answer(Value::from("OK"));
        }
        Verdict::ACT
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(10);

    fn tenants() -> [TenantId; 3] {
        ["a", "b", "c"].map(|tenant| tenant.parse().unwrap())
    }

    fn policy(holders: usize) -> Token {
        let [a, b, _] = tenants();
        Token::new(Some([a, b].into()), holders, LIFETIME)
    }

    fn ask(
        policy: &mut Token,
        tenant: &TenantId,
        command: &str,
        token: Option<&Value>,
        now: Instant,
    ) -> Verdict {
        policy.decide(&Asked { tenant: Some(tenant), command, value: &Value::Null, token }, now)
    }

    fn token(verdict: Verdict) -> Value {
        match verdict {
            Verdict::Answer(result) => result["cmd-token"].clone(),
            other => panic!("no token: {other:?}"),
        }
    }

    #[test]
    fn of_three_tenants_one_gets_a_token_one_waits_for_it_and_one_never_gets_one() {
        let ([a, b, c], mut policy, now) = (tenants(), policy(1), Instant::now());
        assert!(
            matches!(ask(&mut policy, &a, "set-on", None, now), Verdict::Refuse(why) if why.contains(REQUEST))
        );
        let of_a = token(ask(&mut policy, &a, REQUEST, None, now));
        assert_eq!(ask(&mut policy, &a, "set-on", Some(&of_a), now), Verdict::ACT);
        assert!(
            matches!(ask(&mut policy, &b, REQUEST, None, now), Verdict::Refuse(why) if why.contains("11 s"))
        );
        assert!(
            matches!(ask(&mut policy, &c, REQUEST, None, now), Verdict::Refuse(why) if why.contains("'c'"))
        );
        assert_eq!(ask(&mut policy, &a, RELEASE, Some(&of_a), now), Verdict::Answer(Value::from("OK")));
        let of_b = token(ask(&mut policy, &b, REQUEST, None, now));
        assert_eq!(ask(&mut policy, &b, "set-on", Some(&of_b), now), Verdict::ACT);
        assert!(matches!(ask(&mut policy, &a, "set-on", Some(&of_a), now), Verdict::Refuse(_)));
    }

    #[test]
    fn a_stolen_a_wrong_and_an_old_token_open_nothing() {
        let ([a, b, _], mut policy, now) = (tenants(), policy(2), Instant::now());
        let of_a = token(ask(&mut policy, &a, REQUEST, None, now));
        let of_b = token(ask(&mut policy, &b, REQUEST, None, now));
        assert_ne!(of_a, of_b);
        for (tenant, wrong) in
            [(&b, &of_a), (&a, &json!("x")), (&a, &json!(1)), (&a, &json!("")), (&a, &Value::Null)]
        {
            assert!(
                matches!(ask(&mut policy, tenant, "set-on", Some(wrong), now), Verdict::Refuse(_)),
                "{wrong}"
            );
        }
        assert!(matches!(ask(&mut policy, &a, "set-on", Some(&of_a), now + LIFETIME), Verdict::Refuse(_)));
    }

    #[test]
    fn who_asks_again_has_one_token_and_the_first_is_void() {
        let ([a, ..], mut policy, now) = (tenants(), policy(1), Instant::now());
        let first = token(ask(&mut policy, &a, REQUEST, None, now));
        let second = token(ask(&mut policy, &a, REQUEST, None, now));
        assert!(matches!(ask(&mut policy, &a, "set-on", Some(&first), now), Verdict::Refuse(_)));
        assert_eq!(ask(&mut policy, &a, "set-on", Some(&second), now), Verdict::ACT);
        assert!(!format!("{policy:?}").contains(second.as_str().unwrap()));
    }
}
