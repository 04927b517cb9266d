//! Taking rights back from clients that are already in.
//!
//! `mqtt5` asks for a right when it is first used and keeps what it granted. So a subscription whose
//! right is gone is removed here, from the routes and from the stored session alike.

use std::sync::Arc;

use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::session_slot::SessionSlotGuard;
use mqtt5::broker::storage::ClientSession;
use mqtt5::broker::{DynamicStorage, StorageBackend};

use super::gate::identity;
use super::policy::Policy;
use crate::topics::{filter_matches, split_shared};

pub(super) struct Sessions {
    router: Arc<MessageRouter>,
    storage: Arc<DynamicStorage>,
    policy: Arc<dyn Policy>,
}

impl Sessions {
    pub(super) fn new(
        router: Arc<MessageRouter>,
        storage: Arc<DynamicStorage>,
        policy: Arc<dyn Policy>,
    ) -> Self {
        Self { router, storage, policy }
    }

    /// Drops the subscriptions that the policy no longer allows, of one user or of all.
    pub(super) async fn recheck(&self, user: Option<&str>) -> usize {
        let mut dropped = 0;
        for client_id in self.client_ids().await {
            // The slot keeps the client from subscribing, coming and going meanwhile.
            let slot = self.router.lock_session(&client_id).await;
            let Some(session) = self.session_of(&client_id, user).await else { continue };
            let lost = self.lost_filters(&session);
            if !lost.is_empty() {
                dropped += lost.len();
                self.drop_filters(&slot, session, &lost).await;
            }
        }
        dropped
    }

    /// Ends the connections of a user, and its sessions too if they are to be forgotten.
    pub(super) async fn disconnect(&self, user: &str, forget: bool) -> usize {
        let mut ended = 0;
        for client_id in self.client_ids().await {
            let slot = self.router.lock_session(&client_id).await;
            let Some(session) = self.session_of(&client_id, Some(user)).await else { continue };
            let connected = self.router.is_connected(&client_id).await;
            if connected || forget {
                ended += 1;
                self.end(&slot, &session, forget).await;
            }
        }
        ended
    }

    async fn client_ids(&self) -> Vec<String> {
        self.storage.session_client_ids().await.unwrap_or_else(|cause| {
            tracing::error!(%cause, "cannot list the mqtt sessions");
            Vec::new()
        })
    }

    async fn session_of(&self, client_id: &str, user: Option<&str>) -> Option<ClientSession> {
        let session = match self.storage.get_session(client_id).await {
            Ok(session) => session?,
            Err(cause) => {
                tracing::error!(client = client_id, %cause, "cannot read an mqtt session");
                return None;
            }
        };
        let owner = session.user_id.as_deref().unwrap_or_default();
        user.is_none_or(|user| user == owner).then_some(session)
    }

    fn lost_filters(&self, session: &ClientSession) -> Vec<String> {
        let who = identity(session.user_id.as_deref());
        let allowed = |filter: &str| self.policy.may_subscribe(&who, split_shared(filter).1);
        session.subscriptions.keys().filter(|filter| !allowed(filter)).cloned().collect()
    }

    async fn drop_filters(&self, slot: &SessionSlotGuard, mut session: ClientSession, lost: &[String]) {
        let client_id = slot.client_id();
        tracing::info!(client = client_id, ?lost, "mqtt subscriptions taken back");
        for filter in lost {
            self.router.unsubscribe(client_id, filter, None).await;
            session.subscriptions.remove(filter);
        }
        let stored = self.storage.update_session(client_id, session.connection_token, |stored| {
            stored.subscriptions.retain(|filter, _| !lost.contains(filter));
        });
        if let Err(cause) = stored.await {
            tracing::error!(client = client_id, %cause, "cannot store an mqtt session");
        }
        if !self.router.is_connected(client_id).await {
            self.drop_queued(client_id, &session).await;
        }
    }

    /// Throws away what waits for a disconnected client and matches none of its subscriptions now.
    async fn drop_queued(&self, client_id: &str, session: &ClientSession) {
        let queue = self.router.queue_handle(client_id);
        let mut kept = queue.take(usize::MAX).await;
        let filters: Vec<&str> = session.subscriptions.keys().map(|filter| split_shared(filter).1).collect();
        kept.retain(|message| filters.iter().any(|filter| filter_matches(filter, &message.topic)));
        queue.requeue_front(kept);
        queue.finish_drain();
    }

    /// A connection whose route is gone closes itself. `mqtt5` then takes the session for another
    /// connection's and leaves it alone, so its end is written here.
    async fn end(&self, slot: &SessionSlotGuard, session: &ClientSession, forget: bool) {
        let client_id = slot.client_id();
        let outlives = !forget && session.expiry_interval != Some(0);
        let stored = if outlives {
            self.router.disconnect_client(client_id).await;
            let now = mqtt5::broker::storage::unix_millis_now();
            self.storage
                .update_session(client_id, session.connection_token, |stored| stored.mark_disconnected(now))
                .await
                .map(drop)
        } else {
            self.router.unregister_client(client_id).await;
            self.router.queue_handle(client_id).clear(None);
            match self.storage.remove_session(client_id).await {
                Ok(()) => self.storage.remove_all_inflight_messages(client_id).await,
                failed => failed,
            }
        };
        if let Err(cause) = stored {
            tracing::error!(client = client_id, %cause, "cannot store the end of an mqtt session");
        }
    }
}
