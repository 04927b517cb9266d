//! The names of what the brokers count, for a Prometheus scrape.

/// Messages that reached their endpoint.
pub(crate) const DELIVERED: &str = "morgana_broker_notifications_delivered_total";
/// Messages that were given up.
pub(crate) const FAILED: &str = "morgana_broker_notifications_failed_total";
/// Messages that were dropped because their queue was full.
pub(crate) const DROPPED: &str = "morgana_broker_notifications_dropped_total";
