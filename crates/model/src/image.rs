//! What a workload runs: the `imageName` of a ThingVisor or a flavour.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What to run (platform.md section 3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ImageName {
    /// `builtin:<kind>`: this binary.
    Builtin(String),
    /// `exec:<path>`: a program on the node.
    Exec(String),
    /// `oci:<image>` or a bare image name: a container.
    Oci(String),
    /// `wasm:<path>`: a WebAssembly component.
    Wasm(String),
    /// `vm:<path>`: a virtual machine image.
    Vm(String),
}

/// An image name that says nothing runnable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageNameError {
    /// Nothing was given.
    #[error("imageName is empty: give builtin:<kind>, exec:<path>, oci:<image>, wasm:<path> or vm:<path>")]
    Empty,
    /// The part after the scheme is missing.
    #[error("imageName '{0}' names nothing after ':'")]
    NothingNamed(String),
    /// Longer than any image name or path is.
    #[error("imageName is longer than 4096 bytes")]
    TooLong,
    /// Container images are in lower case.
    #[error("image name must be lowercase")]
    NotLowerCase,
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        if text.is_empty() {
            return Err(ImageNameError::Empty);
        }
        if text.len() > 4096 {
            return Err(ImageNameError::TooLong);
        }
        let scheme: Option<fn(String) -> Self> = match text.split_once(':').map(|(scheme, _)| scheme) {
            Some("builtin") => Some(Self::Builtin),
            Some("exec") => Some(Self::Exec),
            Some("wasm") => Some(Self::Wasm),
            Some("vm") => Some(Self::Vm),
            Some("oci") => Some(Self::Oci),
            _ => None,
        };
        let image = match (scheme, text.split_once(':')) {
            (Some(make), Some((_, named))) if !named.is_empty() => make(named.to_owned()),
            (Some(_), _) => return Err(ImageNameError::NothingNamed(text.to_owned())),
            (None, _) => Self::Oci(text.to_owned()),
        };
        match &image {
            Self::Oci(name) if name.contains(|c: char| c.is_ascii_uppercase()) => {
                Err(ImageNameError::NotLowerCase)
            }
            _ => Ok(image),
        }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(named) => write!(f, "builtin:{named}"),
            Self::Exec(named) => write!(f, "exec:{named}"),
            Self::Oci(named) => write!(f, "oci:{named}"),
            Self::Wasm(named) => write!(f, "wasm:{named}"),
            Self::Vm(named) => write!(f, "vm:{named}"),
        }
    }
}

impl TryFrom<String> for ImageName {
    type Error = ImageNameError;

    fn try_from(text: String) -> Result<Self, ImageNameError> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(image: ImageName) -> Self {
        image.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_a_container_image() {
        assert_eq!(
            "fed4iot/helloworld-tv:2.2".parse(),
            Ok(ImageName::Oci("fed4iot/helloworld-tv:2.2".to_owned()))
        );
        assert_eq!("Fed4IoT/x".parse::<ImageName>(), Err(ImageNameError::NotLowerCase));
    }

    #[test]
    fn schemes_are_told_apart() {
        assert_eq!("builtin:host".parse(), Ok(ImageName::Builtin("host".to_owned())));
        assert_eq!("exec:/opt/My TV".parse(), Ok(ImageName::Exec("/opt/My TV".to_owned())));
        assert!(matches!("exec:".parse::<ImageName>(), Err(ImageNameError::NothingNamed(_))));
        assert_eq!("".parse::<ImageName>(), Err(ImageNameError::Empty));
    }
}
