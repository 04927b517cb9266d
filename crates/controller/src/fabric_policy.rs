//! The rules of the fabric: who may connect, and which topics each may use.

use std::sync::Arc;

use morgana_access::{Connections, FabricRole, SigningKey, may_publish, may_say, may_subscribe};
use morgana_fabric::{Attempt, Identity, Login, Policy, Refused};
use morgana_model::{ErrorCode, ThingVisorId, VSiloId, VThingId};

use crate::{AuditTrail, ConnectionIndex, audit};

/// Lets each workload do what its role needs, and no more. Rights follow the connections: they
/// come and go while a silo is connected to the fabric.
pub struct FabricPolicy {
    key: SigningKey,
    index: Arc<ConnectionIndex>,
    audit: AuditTrail,
    legacy: bool,
}

/// Whoever comes without a credential of ours, where the operator lets it in. No workload has this name.
const LEGACY: &str = "legacy";

impl FabricPolicy {
    /// The rules for credentials that `key` signed, over these connections.
    /// What they refuse is noted on `audit`.
    pub fn new(key: SigningKey, index: Arc<ConnectionIndex>, audit: AuditTrail) -> Self {
        Self { key, index, audit, legacy: false }
    }

    /// The same rules, but a client without a credential of ours is let in and may do everything, as VirIoT's
    /// fabric lets all: for VirIoT's own components, on loopback.
    #[must_use]
    pub fn with_legacy(self) -> Self {
        Self { legacy: true, ..self }
    }

    fn is_legacy(&self, who: &Identity) -> bool {
        self.legacy && who.name() == LEGACY
    }
}

impl Connections for ConnectionIndex {
    fn is_connected(&self, silo: &VSiloId, v_thing: &VThingId) -> bool {
        self.has(silo, v_thing)
    }

    fn silo_has_any_of(&self, silo: &VSiloId, thing_visor: &ThingVisorId) -> bool {
        self.has_any_of(silo, thing_visor)
    }
}

/// The policy named every client after its role, so the name is the role.
fn role(who: &Identity) -> Option<FabricRole> {
    who.name().parse().ok()
}

impl Policy for FabricPolicy {
    fn authenticate(&self, login: &Login<'_>) -> Result<Identity, Refused> {
        // VirIoT's broker lets everybody in, and some of its components send a name and a password all the same.
        let claims_a_role = login.user_name.is_some_and(|name| name.parse::<FabricRole>().is_ok());
        if self.legacy && !claims_a_role {
            // Without credentials nobody takes the session of somebody who has them.
            return match login.client_id.parse::<FabricRole>() {
                Ok(_) => Err(Refused::NotAuthorized),
                Err(_) => Ok(Identity::new(LEGACY)),
            };
        }
        let password =
            login.password.and_then(|password| std::str::from_utf8(password).ok()).unwrap_or_default();
        let role = FabricRole::authenticate(&self.key, login.user_name.unwrap_or_default(), password);
        let role = role.ok_or(Refused::BadUserNameOrPassword)?;
        // A session belongs to who says its client id: nobody may say another's.
        match login.client_id.parse::<FabricRole>() {
            Ok(other) if other != role => Err(Refused::NotAuthorized),
            _ => Ok(Identity::new(role.to_string())),
        }
    }

    fn may_publish(&self, who: &Identity, topic: &str) -> bool {
        self.is_legacy(who) || role(who).is_some_and(|role| may_publish(&role, topic, self.index.as_ref()))
    }

    fn reads_payloads(&self) -> bool {
        true
    }

    /// VirIoT's messages are JSON and say themselves what they mean; who is on the fabric under which name is nobody's
    /// business.
    fn passes_properties(&self) -> bool {
        false
    }

    fn may_say(&self, who: &Identity, topic: &str, payload: &[u8]) -> bool {
        role(who).is_none_or(|role| may_say(&role, topic, payload))
    }

    fn may_subscribe(&self, who: &Identity, filter: &str) -> bool {
        self.is_legacy(who) || role(who).is_some_and(|role| may_subscribe(&role, filter, self.index.as_ref()))
    }

    fn refused(&self, attempt: &Attempt<'_>) {
        let denied = ErrorCode::PermissionDenied.as_str();
        self.audit.note(match *attempt {
            Attempt::Connect { user_name, address, .. } => {
                let (who, from) = (user_name.unwrap_or_default(), Some(address.ip().to_string()));
                audit::entry(who, from, "connect", who, ErrorCode::Unauthenticated.as_str())
            }
            Attempt::Publish { who, topic } => audit::entry(who.name(), None, "publish", topic, denied),
            Attempt::Subscribe { who, filter } => audit::entry(who.name(), None, "subscribe", filter, denied),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login<'a>(user: &'a str, password: &'a str) -> Login<'a> {
        Login { client_id: "c", user_name: Some(user), password: Some(password.as_bytes()) }
    }

    #[test]
    fn a_silo_reads_the_vthings_it_has_and_no_longer_those_it_had() {
        let key = SigningKey::generate(&mut rand::rng());
        let index = Arc::new(ConnectionIndex::default());
        let policy = FabricPolicy::new(key.clone(), Arc::clone(&index), AuditTrail::default());
        let silo = FabricRole::VSilo("t_s".parse().unwrap());
        let password = silo.password(&key);
        let who = policy.authenticate(&login("silo:t_s", password.expose())).unwrap();
        assert!(!policy.may_subscribe(&who, "vThing/tv/a/data_out"));
        index.set(&"t_s".parse().unwrap(), ["tv/a".parse().unwrap()].into());
        assert!(policy.may_subscribe(&who, "vThing/tv/a/data_out"));
        assert!(!policy.may_subscribe(&who, "vThing/tv/b/data_out"));
        index.set(&"t_s".parse().unwrap(), Default::default());
        assert!(!policy.may_subscribe(&who, "vThing/tv/a/data_out"));
    }

    #[test]
    fn nobody_takes_the_session_of_another() {
        let key = SigningKey::generate(&mut rand::rng());
        let policy = FabricPolicy::new(key.clone(), Arc::default(), AuditTrail::default());
        let password = FabricRole::VSilo("t_s".parse().unwrap()).password(&key);
        for (client_id, expected) in
            [("silo:t_s", true), ("anything", true), ("silo:t_x", false), ("controller", false)]
        {
            let login = Login { client_id, ..login("silo:t_s", password.expose()) };
            assert_eq!(policy.authenticate(&login).is_ok(), expected, "{client_id}");
        }
    }

    #[test]
    fn in_legacy_mode_everybody_is_let_in_but_who_says_to_be_somebody_has_to_prove_it() {
        let key = SigningKey::generate(&mut rand::rng());
        let policy = FabricPolicy::new(key.clone(), Arc::default(), AuditTrail::default());
        let viriots = login("IoTPlatformMQTTUser", "1234MQTT");
        assert!(policy.authenticate(&viriots).is_err(), "without the setting nobody is");
        let policy = policy.with_legacy();
        let nobody = Login { user_name: None, password: None, ..viriots };
        for login in [nobody, viriots, login("", "")] {
            let who = policy.authenticate(&login).unwrap();
            assert!(policy.may_publish(&who, "TV/any/c_out") && policy.may_subscribe(&who, "TV/+/c_out"));
        }
        for user in ["controller", "silo:t_s", "tv:hello"] {
            assert!(policy.authenticate(&login(user, "1234MQTT")).is_err(), "{user}");
            let taking = Login { client_id: user, ..nobody };
            assert!(policy.authenticate(&taking).is_err(), "{user} by its client id");
        }
    }

    #[test]
    fn one_silos_password_does_not_open_anothers_name() {
        let key = SigningKey::generate(&mut rand::rng());
        let policy = FabricPolicy::new(key.clone(), Arc::default(), AuditTrail::default());
        let password = FabricRole::VSilo("t_s".parse().unwrap()).password(&key);
        for user in ["silo:t_other", "controller", "tv:t"] {
            assert_eq!(
                policy.authenticate(&login(user, password.expose())),
                Err(Refused::BadUserNameOrPassword)
            );
        }
    }
}
