//! What a translation cannot carry. What goes out and comes back is the same entity, or its losses are here.

use std::fmt;

/// Something that a target model does not carry, or carries so that it comes back as something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The attribute, and its sub-attribute after a dot; nothing for the entity itself.
    pub place: String,
    /// What is lost.
    pub kind: LossKind,
}

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossKind {
    /// The id comes back as another: it is no URI, or the target has no room for one of its characters.
    Id,
    /// Only the first of several types is carried, or a type comes back spelled differently.
    Types,
    /// The `@context` is not carried.
    Context,
    /// A member that is no attribute is not carried, or comes back as an attribute.
    Member,
    /// Only one of an attribute's instances (`datasetId`) is carried.
    Instances,
    /// What lies deeper than the target's model is not carried.
    Nested,
    /// It comes back as another kind of attribute.
    Kind,
    /// A number has more digits than the target's numbers (IEEE 754 double precision).
    Precision,
    /// The list of commands says more than the names of commands.
    Commands,
    /// A name is longer than the target allows: the attribute is not carried.
    Name,
    /// It was not in normalized form and comes back in it; nothing else changes.
    Form,
}

impl LossKind {
    /// A sentence for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Id => "the id comes back as another one",
            Self::Types => "only the first type is carried as it is",
            Self::Context => "the @context is not carried",
            Self::Member => "a member that is no attribute is not carried as one",
            Self::Instances => "only one instance is carried",
            Self::Nested => "what lies deeper is not carried",
            Self::Kind => "it comes back as another kind of attribute",
            Self::Precision => "a number has more digits than a double",
            Self::Commands => "of the commands only the names are carried",
            Self::Name => "the name is too long, so the attribute is not carried",
            Self::Form => "it comes back in normalized form",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(self.kind.words())
        } else {
            write!(f, "attribute '{}': {}", self.place, self.kind.words())
        }
    }
}

/// An entity that the target model cannot express at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{model} cannot express the entity: its {what} would have {bytes} bytes, and {limit} is the most")]
pub struct Inexpressible {
    /// The target.
    pub model: &'static str,
    /// What does not fit.
    pub what: &'static str,
    /// Bytes it would have.
    pub bytes: usize,
    /// The most.
    pub limit: usize,
}

/// Collects losses on the way.
#[derive(Debug, Default)]
pub(crate) struct Losses(Vec<Loss>);

impl Losses {
    pub(crate) fn add(&mut self, place: impl Into<String>, kind: LossKind) {
        self.0.push(Loss { place: place.into(), kind });
    }

    pub(crate) fn into_vec(self) -> Vec<Loss> {
        self.0
    }
}
