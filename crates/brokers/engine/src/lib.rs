//! What the context brokers share: ordered notifier, HTTP server parts.
