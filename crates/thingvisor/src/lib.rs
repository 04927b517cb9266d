//! The kit a ThingVisor author writes against.
