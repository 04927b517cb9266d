//! One file a flavour.

mod mqtt;

use crate::broker::SiloBroker;
use crate::error::RunError;
use crate::settings::Settings;

/// Opens the doors of a flavour's broker.
pub(crate) async fn open(kind: &str, settings: &Settings) -> Result<Box<dyn SiloBroker>, RunError> {
    Ok(match kind {
        _ => Box::new(mqtt::Mqtt::open(settings).await?),
    })
}
