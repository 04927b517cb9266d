//! Pure converters between the neutral format of the platform, NGSI-LD entities, and what the
//! brokers of silos speak; no I/O.
//!
//! * [`raw`]: an entity as an MQTT message, for silos of the `mqtt` flavour.
//! * [`ngsi_ld`]: an entity on its way into an NGSI-LD broker, and back out of it.
//!
//! NGSIv2 and oneM2M come with their flavours.

pub mod ngsi_ld;
pub mod raw;
