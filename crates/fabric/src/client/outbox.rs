//! Events on their way to the receiver.

use std::collections::VecDeque;

use mqtt5::Packet;
use tokio::sync::mpsc;

use super::Event;

/// An event, and the packet that acknowledges it once the receiver's queue has it.
pub(super) struct Delivery {
    pub(super) event: Event,
    pub(super) acknowledgement: Option<Packet>,
}

impl From<Event> for Delivery {
    fn from(event: Event) -> Self {
        Self { event, acknowledgement: None }
    }
}

/// What was read and does not fit the receiver's queue yet. Mostly empty: reading pauses while it is
/// not, except to reach an awaited answer.
pub(super) struct Outbox {
    events: mpsc::Sender<Event>,
    waiting: VecDeque<Delivery>,
    bytes: usize,
}

impl Outbox {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, waiting: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, delivery: Delivery) {
        self.bytes += size(&delivery.event);
        self.waiting.push_back(delivery);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Payload bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Waits for room and delivers the oldest event; answers its acknowledgement. Waits for ever while
    /// there is none. Nothing is lost when the future is dropped.
    pub(super) async fn deliver(&mut self) -> Option<Packet> {
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        let room = self.events.reserve().await;
        let delivery = self.waiting.pop_front()?;
        self.bytes -= size(&delivery.event);
        // A receiver that was dropped wants no events; its messages count as delivered.
        if let Ok(room) = room {
            room.send(delivery.event);
        }
        delivery.acknowledgement
    }

    /// Delivers what there is room for now.
    pub(super) fn deliver_more(&mut self, mut acknowledge: impl FnMut(Packet)) {
        while !self.waiting.is_empty() {
            let Ok(room) = self.events.try_reserve() else { return };
            let Some(delivery) = self.waiting.pop_front() else { return };
            self.bytes -= size(&delivery.event);
            room.send(delivery.event);
            delivery.acknowledgement.into_iter().for_each(&mut acknowledge);
        }
    }

    /// Forgets acknowledgements of a connection that is gone; the server sends those messages again.
    pub(super) fn forget_acknowledgements(&mut self) {
        for delivery in &mut self.waiting {
            delivery.acknowledgement = None;
        }
    }

    /// Runs `work` while events go on being delivered.
    pub(super) async fn deliver_during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = self.deliver() => {}
            }
        }
    }
}

fn size(event: &Event) -> usize {
    match event {
        Event::Message { topic, payload } => topic.len() + payload.len(),
        _ => 0,
    }
}
