//! One file a flavour.

mod external;
mod listen;
mod mqtt;
mod ngsi_ld;
mod ngsi_v2;
mod onem2m;
mod watching;

use crate::broker::SiloBroker;
use crate::error::RunError;
use crate::settings::Settings;
use external::External;

/// Opens the broker of a flavour.
pub(crate) async fn open(settings: &Settings) -> Result<Box<dyn SiloBroker>, RunError> {
    Ok(match settings.flavour {
        Flavour::Mqtt => Box::new(mqtt::Mqtt::open(settings).await?),
        Flavour::NgsiLd => Box::new(ngsi_ld::NgsiLd::open(settings).await?),
        Flavour::NgsiV2 => Box::new(ngsi_v2::NgsiV2::open(settings).await?),
        Flavour::OneM2m => Box::new(onem2m::OneM2m::open(settings).await?),
        Flavour::ExternalMqtt => Box::new(mqtt::Mqtt::external(settings)?),
        Flavour::ExternalNgsiLd => Box::new(External::<external::NgsiLd>::open(settings).await?),
        Flavour::ExternalNgsiV2 => Box::new(External::<external::NgsiV2>::open(settings).await?),
        Flavour::ExternalOneM2m => Box::new(External::<external::OneM2m>::open(settings).await?),
    })
}

/// The flavours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Mqtt,
    NgsiLd,
    NgsiV2,
    OneM2m,
    ExternalMqtt,
    ExternalNgsiLd,
    ExternalNgsiV2,
    ExternalOneM2m,
}
