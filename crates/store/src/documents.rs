//! The resources of the platform as documents: which kind each is, and its key.

use morgana_model::{Connection, ConnectionSpec, Flavour, ThingVisor, VSilo, VSiloId, VThing};

use crate::{Document, Kind};

/// The key of a connection: the ids have no space, so a silo's connections share a prefix that no
/// other silo's have.
pub fn connection_key(spec: &ConnectionSpec) -> String {
    format!("{} {}", spec.v_silo, spec.v_thing)
}

/// What the keys of all connections of a silo start with.
pub fn connection_prefix(v_silo: &VSiloId) -> String {
    format!("{v_silo} ")
}

macro_rules! document {
    ($($type:ident),*) => {$(
        impl Document for $type {
            const KIND: Kind = Kind::$type;

            fn key(&self) -> String {
                self.id.to_string()
            }
        }
    )*};
}

document!(Flavour, ThingVisor, VSilo, VThing);

impl Document for Connection {
    const KIND: Kind = Kind::Connection;

    fn key(&self) -> String {
        connection_key(&self.spec)
    }
}
