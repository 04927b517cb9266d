//! The name by which the bridge knows us: given, kept from before, or made while its button is
//! pressed.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use morgana_thingvisor::{RunError, ThingVisor};

use super::bridge::{Bridge, BridgeError};
use super::params::Params;

/// The file in the ThingVisor's folder. Who has it can switch the lamps.
const FILE: &str = "hue-username";
/// How often the bridge is asked whether its button was pressed. A press counts for 30 seconds.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// The bridge, once it knows us.
pub(super) async fn known_to(
    bridge: Bridge,
    params: &Params,
    visor: &ThingVisor,
) -> Result<Bridge, RunError> {
    if let Some(username) = params.username.as_deref().filter(|username| !username.is_empty()) {
        return Ok(bridge.knows(username));
    }
    let file = visor.environment().data.join(FILE);
    match fs::read_to_string(&file) {
        Ok(kept) => {
            let known = bridge.clone().knows(kept.trim());
            // A bridge that was set back to its beginnings has forgotten us.
            if known.lights().await != Err(BridgeError::Unknown) {
                return Ok(known);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(RunError::system(format!("read {}", file.display()), error)),
    }
    // Pressing a button is a matter of people; the platform need not wait for them.
    visor.ready().await?;
    let device = format!("morgana#{}", visor.id());
    // The bridge takes 19 characters of a device's name.
    let device: String = device.chars().take("morgana#".len() + 19).collect();
    let mut told = None;
    loop {
        match bridge.introduce(&device).await {
            Ok(username) => {
                keep(&file, &username)
                    .map_err(|error| RunError::system(format!("write {}", file.display()), error))?;
                visor.status("known to the bridge").await?;
                return Ok(bridge.knows(&username));
            }
            Err(error) => {
                if told.as_ref() != Some(&error) {
                    tracing::warn!(%error, "not known to the bridge yet");
                    visor.status(error.to_string()).await?;
                    told = Some(error);
                }
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Keeps the name where only the ThingVisor's own user reads it.
fn keep(file: &Path, username: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(username.as_bytes())?;
    file.sync_all()
}
