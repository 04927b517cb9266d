//! One kind of request, as a load of them is made.

use std::sync::Arc;

/// Appends a request to the bytes that are sent. It gets how many requests were made before, by all clients and
/// loads, so that no two have one number.
pub(crate) type Make = Arc<dyn Fn(u64, &mut Vec<u8>) + Send + Sync>;

/// A load: closed-loop clients that each send their next request when they have the answer to the last.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) clients: usize,
    /// What one request counts for: a batch of 1,000 is 1,000 entities.
    pub(crate) weight: u64,
    pub(crate) unit: &'static str,
    /// At least so many units a second.
    pub(crate) aim: Option<f64>,
    /// What the peer did, in units a second.
    pub(crate) peer: Option<f64>,
    /// What the middle answer may take, in milliseconds.
    pub(crate) middle_aim: Option<&'static str>,
    pub(crate) make: Make,
}

impl Case {
    /// Requests of 16 clients.
    pub(crate) fn new(name: &'static str, make: impl Fn(u64, &mut Vec<u8>) + Send + Sync + 'static) -> Self {
        Self {
            name,
            clients: 16,
            weight: 1,
            unit: "requests/s",
            aim: None,
            peer: None,
            middle_aim: None,
            make: Arc::new(make),
        }
    }

    pub(crate) fn clients(mut self, clients: usize) -> Self {
        self.clients = clients;
        self
    }

    /// One request counts for `weight` of something else than requests.
    pub(crate) fn weight(mut self, weight: u64, unit: &'static str) -> Self {
        (self.weight, self.unit) = (weight, unit);
        self
    }

    /// What the project set itself, in units a second.
    pub(crate) fn aim(mut self, aim: f64) -> Self {
        self.aim = Some(aim);
        self
    }

    /// What the peer was seen to do where it was measured, in units a second.
    pub(crate) fn peer(mut self, peer: f64) -> Self {
        self.peer = Some(peer);
        self
    }

    /// What the project set itself for the middle answer, such as `<= 30`, in milliseconds.
    pub(crate) fn middle_aim(mut self, aim: &'static str) -> Self {
        self.middle_aim = Some(aim);
        self
    }
}
