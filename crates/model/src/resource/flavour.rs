//! Flavours: kinds of vSilos.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Metadata;
use crate::{FlavourId, ImageName};

/// A kind of vSilo: which image, which parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Flavour {
    /// The id.
    pub id: FlavourId,
    /// When it came.
    pub metadata: Metadata,
    /// What the administrator asked for.
    pub spec: FlavourSpec,
    /// What the platform found.
    pub status: FlavourStatus,
}

/// What the administrator asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlavourSpec {
    /// What a silo of this flavour runs.
    pub image_name: ImageName,
    /// Parameters for the silo: an object, or VirIoT's text.
    #[serde(default)]
    pub params: Value,
    /// A sentence for people.
    #[serde(default)]
    pub description: String,
    /// VirIoT's Kubernetes manifests, kept and given back as they came; an array of documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yaml_files: Option<Vec<Value>>,
}

/// What the platform found of a flavour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlavourStatus {
    /// Whether silos of it can be made.
    #[serde(flatten)]
    pub phase: FlavourPhase,
}

/// Whether silos of a flavour can be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum FlavourPhase {
    /// They can.
    Ready,
    /// They cannot.
    Failed {
        /// Why, in words for people.
        reason: String,
    },
}

impl FlavourSpec {
    /// What its silos ask of applications, from the parameter `access`.
    ///
    /// # Errors
    /// A sentence naming the value and the allowed ones.
    pub fn access(&self) -> Result<Access, String> {
        match self.params.get("access") {
            None => Ok(Access::Token),
            Some(Value::String(text)) if text == "token" => Ok(Access::Token),
            Some(Value::String(text)) if text == "open" => Ok(Access::Open),
            Some(other) => {
                Err(format!("flavour parameter 'access' is {other}: it must be \"token\" or \"open\""))
            }
        }
    }
}

/// What a silo's endpoints ask of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Access {
    /// The silo's own token.
    Token,
    /// Nothing; for clients that cannot send a token.
    Open,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn access(params: Value) -> Result<Access, String> {
        FlavourSpec {
            image_name: "builtin:mqtt".parse().unwrap(),
            params,
            description: String::new(),
            yaml_files: None,
        }
        .access()
    }

    #[test]
    fn a_silo_asks_for_its_token_unless_the_flavour_says_open() {
        assert_eq!(access(Value::Null), Ok(Access::Token));
        assert_eq!(access(json!("Mobius")), Ok(Access::Token));
        assert_eq!(access(json!({"access": "open"})), Ok(Access::Open));
        assert!(access(json!({"access": "Open"})).unwrap_err().contains("\"token\" or \"open\""));
    }
}
