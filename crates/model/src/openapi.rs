//! How the types that travel as texts appear in the OpenAPI document.

use utoipa::PartialSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::{
    FlavourId, ImageName, NodeId, Secret, TenantId, ThingVisorId, VSiloId, VSiloName, VThingId, WorkloadName,
    ZoneId,
};

macro_rules! text_schema {
    ($($name:ty),*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                String::schema()
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

text_schema!(
    FlavourId,
    ImageName,
    NodeId,
    Secret,
    TenantId,
    ThingVisorId,
    VSiloId,
    VSiloName,
    VThingId,
    WorkloadName,
    ZoneId
);
