//! What management objects do with some of their attributes (TS-0004 annex D).

use serde_json::{Map, Value, json};

use super::{Transaction, create::Draft};
use crate::{status::Failure, tree::Resource, types};

impl Transaction<'_> {
    /// Whether mgmtDefinition and representation go together.
    pub(super) fn check_mgmt(draft: &Draft) -> Result<(), Failure> {
        let wanted = types::mgmt_specialization(&draft.root).map_or(0, |known| known.definition);
        let given = draft.content.get("mgd").and_then(Value::as_u64).unwrap_or_default();
        if wanted != given {
            return Err(Failure::bad(format!("mgd {given}: a {} has the definition {wanted}", draft.root)));
        }
        Self::check_mgmt_update(&draft.content)
    }

    /// What must not be asked for at the same time, and credentials that do not fit their encryption.
    pub(super) fn check_mgmt_update(content: &Map<String, Value>) -> Result<(), Failure> {
        let set = |name: &str| content.get(name).and_then(Value::as_bool) == Some(true);
        for (one, other) in [("ena", "dis"), ("rbo", "far"), ("in", "un"), ("act", "dea")] {
            if set(one) && set(other) {
                return Err(Failure::bad(format!("{one} and {other} cannot both be true")));
            }
        }
        for (interval, schedule) in [("rpil", "rpsc"), ("meil", "mesc")] {
            let given = |name: &str| content.get(name).is_some_and(|value| !value.is_null());
            if given(interval) && given(schedule) {
                return Err(Failure::bad(format!("{interval} and {schedule} cannot both be given")));
            }
        }
        let Some(credentials) = content.get("wcrds") else { return Ok(()) };
        let has = |name: &str| credentials.get(name).is_some();
        // wificlient credentials (TS-0022 7.2.9): WEP wants a key, WPA personal a passphrase, WPA enterprise a user.
        let fits = match credentials.get("enct").and_then(Value::as_u64).unwrap_or_default() {
            1 => !has("wepk") && !has("wpap") && !has("unm") && !has("pwd"),
            2 => has("wepk") && !has("wpap") && !has("unm") && !has("pwd"),
            3..=5 => has("wpap") && !has("wepk") && !has("unm") && !has("pwd"),
            _ => has("unm") && has("pwd") && !has("wepk") && !has("wpap"),
        };
        if fits {
            Ok(())
        } else {
            Err(Failure::bad("wcrds: its members do not fit its encryption type (enct)"))
        }
    }

    /// Triggers go back to false or show what was done.
    pub(super) fn complete_mgmt(resource: &mut Resource) {
        let attributes = &mut resource.attributes;
        match &*resource.root {
            "m2m:fwr" => {
                let done = json!({ "acn": "update", "sus": 0 });
                attributes.set("uds", done);
                attributes.set("ud", Value::Bool(false));
            }
            "m2m:swr" => {
                for name in ["in", "un", "act", "dea"] {
                    attributes.set(name, Value::Bool(false));
                }
                attributes.set("ins", json!({ "acn": "", "sus": 0 }));
                attributes.set("acts", json!({ "acn": "", "sus": 0 }));
            }
            "m2m:evl" => {
                attributes.set("lga", Value::Bool(true));
                attributes.set("lgo", Value::Bool(true));
            }
            "m2m:rbo" => {
                attributes.set("rbo", Value::Bool(false));
                attributes.set("far", Value::Bool(false));
            }
            "m2m:dvc" => {
                attributes.set("ena", Value::Bool(true));
                attributes.set("dis", Value::Bool(true));
            }
            "dcfg:wific" => {
                for name in ["scan", "ud", "trdst", "rdst"] {
                    attributes.set(name, Value::Bool(false));
                }
                if attributes.get("scanr").is_none() {
                    attributes.set("scanr", Value::Array(Vec::new()));
                }
            }
            _ => {}
        }
    }
}
