//! The topics of the fabric (viriot-wire.md section 3).

use std::fmt;
use std::str::FromStr;

use crate::{ThingVisorId, VSiloId, VThingId};

/// A topic of the fabric. Its text form is what VirIoT components publish on and subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `TV/<id>/c_out`: a ThingVisor tells the controller.
    ThingVisorOut(ThingVisorId),
    /// `TV/<id>/c_in`: the controller tells a ThingVisor.
    ThingVisorIn(ThingVisorId),
    /// `vThing/<id>/c_out`: a vThing tells every silo connected to it.
    VThingOut(VThingId),
    /// `vThing/<id>/c_in`: a silo asks a vThing.
    VThingIn(VThingId),
    /// `vThing/<id>/data_out`: context data for every silo connected to it.
    VThingDataOut(VThingId),
    /// `vThing/<id>/data_in`: commands of silos.
    VThingDataIn(VThingId),
    /// `vSilo/<id>/c_in`: the controller, or a vThing answering, tells one silo.
    VSiloIn(VSiloId),
    /// `vSilo/<id>/c_out`: a silo tells the controller.
    VSiloOut(VSiloId),
    /// `vSilo/<id>/data_in`: feedback of a command for one silo.
    VSiloDataIn(VSiloId),
}

/// A text that is no topic of the fabric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a topic of the fabric")]
pub struct TopicError(String);

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThingVisorOut(id) => write!(f, "TV/{id}/c_out"),
            Self::ThingVisorIn(id) => write!(f, "TV/{id}/c_in"),
            Self::VThingOut(id) => write!(f, "vThing/{id}/c_out"),
            Self::VThingIn(id) => write!(f, "vThing/{id}/c_in"),
            Self::VThingDataOut(id) => write!(f, "vThing/{id}/data_out"),
            Self::VThingDataIn(id) => write!(f, "vThing/{id}/data_in"),
            Self::VSiloIn(id) => write!(f, "vSilo/{id}/c_in"),
            Self::VSiloOut(id) => write!(f, "vSilo/{id}/c_out"),
            Self::VSiloDataIn(id) => write!(f, "vSilo/{id}/data_in"),
        }
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        parse(text).ok_or_else(|| TopicError(text.chars().take(128).collect()))
    }
}

/// The middle of a topic may itself hold slashes (vThing ids do), so the first and the last level
/// say what it is.
fn parse(text: &str) -> Option<Topic> {
    let (kind, rest) = text.split_once('/')?;
    let (id, channel) = rest.rsplit_once('/')?;
    Some(match (kind, channel) {
        ("TV", "c_out") => Topic::ThingVisorOut(id.parse().ok()?),
        ("TV", "c_in") => Topic::ThingVisorIn(id.parse().ok()?),
        ("vThing", "c_out") => Topic::VThingOut(id.parse().ok()?),
        ("vThing", "c_in") => Topic::VThingIn(id.parse().ok()?),
        ("vThing", "data_out") => Topic::VThingDataOut(id.parse().ok()?),
        ("vThing", "data_in") => Topic::VThingDataIn(id.parse().ok()?),
        ("vSilo", "c_in") => Topic::VSiloIn(id.parse().ok()?),
        ("vSilo", "c_out") => Topic::VSiloOut(id.parse().ok()?),
        ("vSilo", "data_in") => Topic::VSiloDataIn(id.parse().ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_comes_back_from_its_text() {
        for text in [
            "TV/hello/c_out",
            "TV/hello/c_in",
            "vThing/hello/hello/c_out",
            "vThing/lora/app/dev/c_in",
            "vThing/hello/hello/data_out",
            "vThing/hello/data_in/data_in",
            "vSilo/t1_s/c_in",
            "vSilo/t1_s/c_out",
            "vSilo/t1_s/data_in",
        ] {
            assert_eq!(text.parse::<Topic>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn wildcards_and_strangers_are_no_topics() {
        for text in
            ["", "TV/+/c_in", "vThing/#", "vThing/hello/c_in", "vSilo/x/c_in", "master/c_in", "TV/a/data_out"]
        {
            assert!(text.parse::<Topic>().is_err(), "{text}");
        }
    }
}
