//! What ThingVisors there are, for people and for the controller.

use serde::Serialize;

/// A ThingVisor of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Builtin {
    /// Its name: the `imageName` is `builtin:<kind>`.
    pub kind: &'static str,
    /// What it does, in a line.
    pub description: &'static str,
    /// The inner ports it listens on.
    pub doors: &'static [u16],
    /// Its parameters.
    pub params: &'static [Param],
}

/// A parameter of a ThingVisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Param {
    /// The name.
    pub name: &'static str,
    /// Whether it has to be given.
    pub required: bool,
    /// What holds where it is not given.
    pub default: Option<&'static str>,
    /// What it says, in a line.
    pub description: &'static str,
}

impl Param {
    pub(crate) const fn required(name: &'static str, description: &'static str) -> Self {
        Self { name, required: true, default: None, description }
    }

    pub(crate) const fn optional(
        name: &'static str,
        default: &'static str,
        description: &'static str,
    ) -> Self {
        Self { name, required: false, default: Some(default), description }
    }
}

/// Every ThingVisor of this crate.
pub fn builtins() -> &'static [Builtin] {
    const ALL: [Builtin; 5] = [
        crate::host::BUILTIN,
        crate::hue::BUILTIN,
        crate::lamp::BUILTIN,
        crate::relay::BUILTIN,
        crate::replay::BUILTIN,
    ];
    &ALL
}
