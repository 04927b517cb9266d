//! Takes what has expired out of the state (NGSI-LD 4.22). Reads hide it at once; this makes room.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{Broker, Inner};
use crate::{
    Error,
    model::{Changes, Entity, Timestamp, live},
};

/// How long what has expired may stay in memory.
const PERIOD: Duration = Duration::from_secs(1);

/// Looks for expired entities and attributes until the broker is gone.
pub(super) async fn take_out_expired(broker: Weak<Inner>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = stop.cancelled() => return,
        }
        let Some(inner) = broker.upgrade() else { return };
        if let Err(error) = (Broker { inner }).expire().await {
            tracing::warn!(%error, "cannot take out what has expired");
        }
    }
}

impl Broker {
    async fn expire(&self) -> Result<(), Error> {
        let now = Timestamp::now();
        let due = self.inner.store.read().expired(now);
        let sources = self.inner.registrations.read().expired(now);
        if due.is_empty() && sources.is_empty() {
            return Ok(());
        }
        self.write(|write| {
            for id in sources {
                // One that was made again meanwhile under the same id has not expired.
                if write.inner.registrations.read().get(&id, write.now).is_none() {
                    write.remove_registration(&id)?;
                }
            }
            for id in due {
                let Some(stored) = write.inner.store.read().get(&id).cloned() else { continue };
                match live(&stored, write.now) {
                    None => write.remove(&id)?,
                    Some(left) if !Arc::ptr_eq(&left, &stored) => {
                        let deleted = stored.attributes.iter().map(|attribute| &attribute.name);
                        let gone = deleted.filter(|name| !left.has(name)).cloned().collect();
                        let changes = Changes { deleted: gone, ..Changes::default() };
                        write.put(Entity::clone(&left), &changes)?;
                    }
                    Some(_) => {}
                }
            }
            Ok(())
        })
        .await
    }
}
