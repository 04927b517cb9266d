//! Who a client of the fabric is, and how it shows it: an MQTT user name and a password.

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::Algorithm;
use morgana_model::{Secret, ThingVisorId, VSiloId};

use crate::{SigningKey, same_secret};

/// Whose credential a client of the fabric holds. Its text form is the MQTT user name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FabricRole {
    /// A controller of the platform: `controller`.
    Controller,
    /// A ThingVisor: `tv:<thingVisorID>`.
    ThingVisor(ThingVisorId),
    /// A vSilo: `silo:<vSiloID>`.
    VSilo(VSiloId),
}

/// A user name that no workload of the fabric has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the fabric has no such user; its users are controller, tv:<id> and silo:<id>")]
pub struct UnknownFabricUser;

impl FabricRole {
    /// The password that goes with the user name: HMAC-SHA256 (RFC 2104) of the name under the
    /// platform's key, in base64url. So nothing is stored, and a workload that outlives the platform's
    /// restart still gets in.
    pub fn password(&self, key: &SigningKey) -> Secret {
        // No message that is signed for a token holds a bar, so neither can pass for the other.
        let message = format!("fabric|{self}");
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding(), Algorithm::HS256)
            .expect("a key of bytes signs with HS256");
        Secret::new(signature)
    }

    /// The client that has this user name and this password, `None` if there is none.
    pub fn authenticate(key: &SigningKey, user_name: &str, password: &str) -> Option<Self> {
        let role: Self = user_name.parse().ok()?;
        same_secret(password, &role.password(key)).then_some(role)
    }
}

impl fmt::Display for FabricRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Controller => formatter.write_str("controller"),
            Self::ThingVisor(id) => write!(formatter, "tv:{id}"),
            Self::VSilo(id) => write!(formatter, "silo:{id}"),
        }
    }
}

impl FromStr for FabricRole {
    type Err = UnknownFabricUser;

    fn from_str(user_name: &str) -> Result<Self, UnknownFabricUser> {
        match user_name.split_once(':') {
            None if user_name == "controller" => Ok(Self::Controller),
            Some(("tv", id)) => id.parse().map(Self::ThingVisor).map_err(|_| UnknownFabricUser),
            Some(("silo", id)) => id.parse().map(Self::VSilo).map_err(|_| UnknownFabricUser),
            _ => Err(UnknownFabricUser),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::generate(&mut rand::rng())
    }

    fn roles() -> [FabricRole; 3] {
        ["controller", "tv:hello", "silo:tenant1_silo1"].map(|name| name.parse().unwrap())
    }

    #[test]
    fn a_user_name_comes_back_from_its_role() {
        assert_eq!(roles().map(|role| role.to_string()), ["controller", "tv:hello", "silo:tenant1_silo1"]);
        for wrong in [
            "",
            "admin",
            "controller:",
            "controller:x",
            "tv",
            "tv:",
            "tv:A/b",
            "silo:x",
            "TV:a",
            "tv:+",
            "tv:a ",
        ] {
            assert_eq!(wrong.parse::<FabricRole>(), Err(UnknownFabricUser), "{wrong}");
        }
    }

    #[test]
    fn a_password_opens_its_own_name_only() {
        let key = key();
        for role in roles() {
            let password = role.password(&key);
            for name in roles() {
                let found = FabricRole::authenticate(&key, &name.to_string(), password.expose());
                assert_eq!(found, (name == role).then(|| role.clone()));
            }
        }
    }

    #[test]
    fn a_wrong_password_opens_nothing() {
        let key = key();
        let role = &roles()[1];
        let password = role.password(&key);
        let foreign = role.password(&self::key());
        let cut = &password.expose()[1..];
        for wrong in ["", cut, foreign.expose(), &format!("{}=", password.expose())] {
            assert_eq!(FabricRole::authenticate(&key, "tv:hello", wrong), None, "{wrong}");
        }
        assert_eq!(FabricRole::authenticate(&key, "", ""), None);
    }

    #[test]
    fn a_password_survives_a_restart_with_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signing.key");
        let load = || SigningKey::load_or_generate(&file, &mut rand::rng()).unwrap();
        let role = &roles()[2];
        assert_eq!(role.password(&load()), role.password(&load()));
        assert_eq!(role.password(&load()).expose().len(), 43);
    }
}
