//! One file a flavour.

mod mqtt;
mod ngsi_ld;

use crate::broker::SiloBroker;
use crate::error::RunError;
use crate::settings::Settings;

/// Opens the doors of the broker of a flavour that can be run.
pub(crate) async fn open(settings: &Settings) -> Result<Box<dyn SiloBroker>, RunError> {
    Ok(match settings.flavour {
        Flavour::Mqtt => Box::new(mqtt::Mqtt::open(settings).await?),
        Flavour::NgsiLd => Box::new(ngsi_ld::NgsiLd::open(settings).await?),
    })
}

/// The flavours that can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Mqtt,
    NgsiLd,
}
