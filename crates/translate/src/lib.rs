//! Pure converters between NGSI-LD and what silos speak.
