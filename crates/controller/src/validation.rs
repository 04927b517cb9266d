//! Checks of what users give that more than one operation makes.

use morgana_model::{ErrorCode, Failure, WorkloadKind, ZoneId};
use serde_json::Value;

use crate::Controller;

/// Longest parameters of a ThingVisor or a flavour, in bytes of JSON: they travel in the
/// environment of a process, where Linux allows 128 KiB a variable.
const MAX_PARAMS_BYTES: usize = 100 * 1024;

impl Controller {
    pub(crate) fn check_zone(&self, zone: Option<&ZoneId>) -> Result<(), Failure> {
        let ours = &self.place().zone;
        match zone {
            Some(zone) if zone != ours => {
                Err(Failure::new(ErrorCode::InvalidInput, format!("zone {zone} is not available ['{ours}']")))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn check_params(&self, params: &Value) -> Result<(), Failure> {
        let text = params.to_string();
        if text.len() > MAX_PARAMS_BYTES {
            let length = text.len();
            return Err(Failure::invalid(format!(
                "params are {length} bytes long: {MAX_PARAMS_BYTES} are allowed"
            )));
        }
        if text.contains("\\u0000") {
            return Err(Failure::invalid(
                "params hold a NUL character, which cannot be handed to a workload",
            ));
        }
        Ok(())
    }

    pub(crate) fn unknown_builtin(&self, workload: WorkloadKind, kind: &str) -> Failure {
        let names = self.place().builtin_names(workload);
        Failure::invalid(format!("imageName builtin:{kind} is not known: there are {names}, and exec:<path>"))
    }
}
