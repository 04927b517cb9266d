//! The NGSI-LD context broker, a library and a server of its own.
