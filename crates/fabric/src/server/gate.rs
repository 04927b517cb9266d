//! The policy as `mqtt5` asks it.

use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use mqtt5::broker::auth::{AuthProvider, AuthResult};
use mqtt5::broker::{BrokerEventHandler, ClientPublishEvent, DynamicStorage, PublishAction, StorageBackend};
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::packet::publish::PublishPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;

use super::metrics;
use super::policy::{Attempt, Identity, Login, Policy, Refused};
use super::published::Published;
use crate::topics::split_shared;

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Stands between the broker and the policy, and adds what holds under any policy: a client id
/// belongs to the user whose session it is, and the server's own topics are nobody's to write.
pub(super) struct Gate {
    policy: Arc<dyn Policy>,
    storage: Arc<DynamicStorage>,
    shared_subscriptions: bool,
    published: Arc<Published>,
}

impl Gate {
    pub(super) fn new(
        policy: Arc<dyn Policy>,
        storage: Arc<DynamicStorage>,
        shared_subscriptions: bool,
        published: Arc<Published>,
    ) -> Self {
        Self { policy, storage, shared_subscriptions, published }
    }

    async fn decide(&self, connect: &ConnectPacket) -> Result<Identity, Refused> {
        let identity = self.policy.authenticate(&Login {
            client_id: &connect.client_id,
            user_name: connect.username.as_deref(),
            password: connect.password.as_deref(),
        })?;
        // A will is published without being looked into again.
        if let Some(will) = &connect.will
            && !self.policy.may_say(&identity, &will.topic, &will.payload)
        {
            return Err(Refused::NotAuthorized);
        }
        // MQTT gives a session to whoever says its client id (3.1.4-3). Between users who do not trust
        // each other that would let one end another's connection.
        match self.storage.get_session(&connect.client_id).await {
            Ok(Some(session)) if session.user_id.as_deref().unwrap_or_default() != identity.name() => {
                tracing::warn!(
                    client = connect.client_id,
                    user = identity.name(),
                    "client id of another user"
                );
                Err(Refused::NotAuthorized)
            }
            _ => Ok(identity),
        }
    }

    fn allows_publish(&self, user: Option<&str>, topic: &str) -> bool {
        !topic.starts_with("$SYS/") && self.policy.may_publish(&identity(user), topic)
    }

    fn allows_subscribe(&self, user: Option<&str>, filter: &str) -> bool {
        let (group, filter) = split_shared(filter);
        (group.is_none() || self.shared_subscriptions) && self.policy.may_subscribe(&identity(user), filter)
    }
}

/// Looks into what is published.
pub(super) struct Contents {
    policy: Arc<dyn Policy>,
    passes_properties: bool,
}

impl Contents {
    pub(super) fn new(policy: Arc<dyn Policy>) -> Self {
        let passes_properties = policy.passes_properties();
        Self { policy, passes_properties }
    }
}

impl BrokerEventHandler for Contents {
    fn on_client_publish<'a>(&'a self, event: ClientPublishEvent) -> Answer<'a, PublishAction> {
        let who = identity(event.user_id.as_deref());
        let allowed = self.policy.may_say(&who, &event.topic, &event.payload);
        let action = if !allowed {
            metrics::refused_publication();
            self.policy.refused(&Attempt::Publish { who: &who, topic: &event.topic });
            tracing::warn!(user = who.name(), topic = &*event.topic, "mqtt message refused for what it says");
            PublishAction::Handled
        } else if self.passes_properties {
            PublishAction::Continue
        } else {
            let mut bare = PublishPacket::new(&*event.topic, event.payload, event.qos);
            (bare.retain, bare.packet_id) = (event.retain, event.packet_id);
            PublishAction::Transform(bare)
        };
        Box::pin(ready(action))
    }
}

/// The identity of a session by the user name that `mqtt5` keeps with it.
pub(super) fn identity(user: Option<&str>) -> Identity {
    Identity::new(user.unwrap_or_default())
}

impl AuthProvider for Gate {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client_addr: SocketAddr,
    ) -> Answer<'a, mqtt5::Result<AuthResult>> {
        Box::pin(async move {
            Ok(match self.decide(connect).await {
                Ok(identity) if identity.name().is_empty() => AuthResult::success(),
                Ok(identity) => AuthResult::success_with_user(identity.name()),
                Err(refused) => {
                    metrics::refused_connection();
                    let user = connect.username.as_deref();
                    let client_id = &connect.client_id;
                    self.policy.refused(&Attempt::Connect {
                        client_id,
                        user_name: user,
                        address: client_addr,
                    });
                    tracing::info!(client = connect.client_id, user, %client_addr, %refused, "mqtt login refused");
                    AuthResult::fail(match refused {
                        Refused::BadUserNameOrPassword => ReasonCode::BadUsernameOrPassword,
                        Refused::NotAuthorized => ReasonCode::NotAuthorized,
                    })
                }
            })
        })
    }

    fn authorize_publish<'a>(
        &'a self,
        _client_id: &str,
        user_id: Option<&'a str>,
        topic: &'a str,
    ) -> Answer<'a, bool> {
        let allowed = self.allows_publish(user_id, topic);
        if !allowed {
            metrics::refused_publication();
            self.policy.refused(&Attempt::Publish { who: &identity(user_id), topic });
        } else {
            self.published.count(user_id.unwrap_or_default());
        }
        Box::pin(ready(allowed))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> Answer<'a, bool> {
        let allowed = self.allows_subscribe(user_id, topic_filter);
        if !allowed {
            metrics::refused_subscription();
            self.policy.refused(&Attempt::Subscribe { who: &identity(user_id), filter: topic_filter });
        }
        Box::pin(ready(allowed))
    }
}
