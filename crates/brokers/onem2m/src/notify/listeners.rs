use std::collections::HashMap;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;

/// Who takes notifications in this process, by the entity they are for.
#[derive(Debug, Default)]
pub(super) struct Listeners(Mutex<HashMap<String, mpsc::Sender<Value>>>);

impl Listeners {
    pub(super) fn add(&self, entity: &str, capacity: usize) -> mpsc::Receiver<Value> {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        self.0.lock().insert(entity.to_owned(), sender);
        receiver
    }

    pub(super) fn has(&self, entity: &str) -> bool {
        let mut listeners = self.0.lock();
        match listeners.get(entity) {
            Some(sender) if sender.is_closed() => {
                listeners.remove(entity);
                false
            }
            Some(_) => true,
            None => false,
        }
    }

    pub(super) async fn hand_over(&self, entity: &str, primitive: Value) -> Result<(), String> {
        let sender = self.0.lock().get(entity).cloned();
        let sender = sender.ok_or("nobody listens")?;
        sender.send(primitive).await.map_err(|_| "nobody listens any more".to_owned())
    }
}
