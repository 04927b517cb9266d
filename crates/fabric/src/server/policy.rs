//! Who may connect, publish and subscribe.

use std::fmt;
use std::net::SocketAddr;

use morgana_model::Secret;
use subtle::ConstantTimeEq;

/// The rules of a server. They are asked at every connection, every publication (a client's will and
/// a retained message included) and every subscription, so an answer may change at any time; call
/// [`Server::recheck`](super::Server::recheck) when one did, and running subscriptions follow.
///
/// The methods run inside the server's tasks: they must be quick and must not block.
pub trait Policy: Send + Sync {
    /// Says who a client is, or refuses it.
    ///
    /// # Errors
    /// [`Refused`] is told to the client as its reason code, and no more.
    fn authenticate(&self, login: &Login<'_>) -> Result<Identity, Refused>;

    /// Whether `who` may publish on a topic.
    fn may_publish(&self, who: &Identity, topic: &str) -> bool;

    /// Whether this policy looks into payloads at all: it costs every publication a little. Asked once.
    fn reads_payloads(&self) -> bool {
        false
    }

    /// Whether `who` may say this on a topic that it may publish on. Asked where
    /// [`Policy::reads_payloads`]; what it forbids is acknowledged, as MQTT 3.1.1 has no word for "no",
    /// and delivered to nobody.
    fn may_say(&self, _who: &Identity, _topic: &str, _payload: &[u8]) -> bool {
        true
    }

    /// Whether subscribers get the MQTT 5 properties of a message (user properties, content type and so on), with the
    /// name and the client id of who published it, which the server adds. Where nobody reads them they are a good part
    /// of what it costs to deliver a message. Asked once, where [`Policy::reads_payloads`].
    fn passes_properties(&self) -> bool {
        true
    }

    /// Whether `who` may subscribe to a filter. It comes without the `$share/<group>/` prefix, and
    /// may hold wildcards: grant it only when *all* it can match may be read, see
    /// [`filter_covers`](crate::topics::filter_covers).
    fn may_subscribe(&self, who: &Identity, filter: &str) -> bool;

    /// Is told what a client tried and was refused; for a log. A right that was taken back is no attempt.
    fn refused(&self, _attempt: &Attempt<'_>) {}
}

/// What a client tried and was refused.
#[derive(Debug, Clone, Copy)]
pub enum Attempt<'a> {
    /// To connect.
    Connect {
        /// The client identifier.
        client_id: &'a str,
        /// The user name.
        user_name: Option<&'a str>,
        /// Where it came from.
        address: SocketAddr,
    },
    /// To publish.
    Publish {
        /// The client's user.
        who: &'a Identity,
        /// On which topic.
        topic: &'a str,
    },
    /// To subscribe.
    Subscribe {
        /// The client's user.
        who: &'a Identity,
        /// To which filter.
        filter: &'a str,
    },
}

/// What a client says of itself when it connects.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The client identifier; the server chose one if the client sent none. Once accepted it belongs
    /// to that user for as long as its session lasts: the server refuses it to any other. Where users
    /// do not trust each other a policy should also bind ids to users, so that nobody takes another's
    /// id first.
    pub client_id: &'a str,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password.
    pub password: Option<&'a [u8]>,
}

impl fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client_id, user_name, password } = self;
        f.debug_struct("Login")
            .field("client_id", client_id)
            .field("user_name", user_name)
            .field("password", &password.map(|_| "…"))
            .finish()
    }
}

/// Who a connection acts as: the name its policy gave it. Clients of one user share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(Box<str>);

impl Identity {
    /// A user with a name of the policy's choice; the empty name is [`Identity::anonymous`].
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self(name.into())
    }

    /// Nobody in particular.
    pub fn anonymous() -> Self {
        Self::new("")
    }

    /// The name; empty for an anonymous client.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// Why a client may not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such user, or not its password.
    #[error("bad user name or password")]
    BadUserNameOrPassword,
    /// The credentials are good, but not for this.
    #[error("not authorized")]
    NotAuthorized,
}

/// Lets everybody do everything; user names and passwords are not looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

impl Policy for Open {
    fn authenticate(&self, _login: &Login<'_>) -> Result<Identity, Refused> {
        Ok(Identity::anonymous())
    }

    fn may_publish(&self, _who: &Identity, _topic: &str) -> bool {
        true
    }

    fn may_subscribe(&self, _who: &Identity, _filter: &str) -> bool {
        true
    }
}

/// One user with one password who may do everything; nobody else gets in.
#[derive(Debug, Clone)]
pub struct SingleUser {
    user: String,
    password: Secret,
}

impl SingleUser {
    /// The user name and the password to ask for.
    pub fn new(user: impl Into<String>, password: Secret) -> Self {
        Self { user: user.into(), password }
    }
}

impl Policy for SingleUser {
    fn authenticate(&self, login: &Login<'_>) -> Result<Identity, Refused> {
        // Both are always compared, in constant time, so that the answer's delay tells nothing.
        let user = login.user_name.unwrap_or_default().as_bytes().ct_eq(self.user.as_bytes());
        let password = login.password.unwrap_or_default().ct_eq(self.password.expose().as_bytes());
        if bool::from(user & password) {
            Ok(Identity::new(self.user.as_str()))
        } else {
            Err(Refused::BadUserNameOrPassword)
        }
    }

    fn may_publish(&self, _who: &Identity, _topic: &str) -> bool {
        true
    }

    fn may_subscribe(&self, _who: &Identity, _filter: &str) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login<'a>(user_name: Option<&'a str>, password: Option<&'a [u8]>) -> Login<'a> {
        Login { client_id: "c", user_name, password }
    }

    #[test]
    fn single_user_lets_only_its_own_password_in() {
        let policy = SingleUser::new("tenant1", Secret::new("s3cret"));
        let enter = |user, password| policy.authenticate(&login(user, password));
        assert_eq!(enter(Some("tenant1"), Some(b"s3cret")), Ok(Identity::new("tenant1")));
        for (user, password) in [
            (Some("tenant1"), Some(&b"s3cre"[..])),
            (Some("tenant1"), Some(b"s3cretX")),
            (Some("tenant1"), None),
            (Some("tenant2"), Some(b"s3cret")),
            (None, Some(b"s3cret")),
            (None, None),
        ] {
            assert_eq!(enter(user, password), Err(Refused::BadUserNameOrPassword));
        }
    }

    #[test]
    fn a_login_does_not_print_its_password() {
        let text = format!("{:?}", login(Some("u"), Some(b"hunter2")));
        assert!(!text.contains("hunter2") && !text.contains("104"), "{text}");
    }
}
