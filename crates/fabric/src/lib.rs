//! The fabric: an embedded MQTT server with per-credential topic rules, and a client.
