//! What a client of the fabric may say where topics alone do not tell who speaks.
//!
//! On `vSilo/<id>/c_in` both the controller and the ThingVisors of connected vThings speak
//! (viriot-wire.md section 3). A silo that is written against VirIoT's contract believes whoever does, so
//! the fabric lets a ThingVisor only answer there: what it forges reaches no silo, whatever
//! language that is written in.

use std::borrow::Cow;

use morgana_model::{ThingVisorId, Topic, VThingId};
use serde::Deserialize;

use crate::FabricRole;

/// The parts of a message that say who speaks to whom; the rest is passed over unread. A part that is
/// there twice makes it unreadable, as receivers differ in which of them they take.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    command: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "vThingID")]
    v_thing: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "vSiloID")]
    v_silo: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize, Default)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "vThingID")]
    v_thing: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "vSiloID")]
    v_silo: Option<Cow<'a, str>>,
}

/// Whether a client may say this on a topic on which it [may publish](crate::may_publish).
///
/// To a silo a ThingVisor says the context and the feedback of its own vThings, and no command; of a
/// vThing it says only what is that vThing's. A silo asks and commands in its own name.
pub fn may_say(role: &FabricRole, topic: &str, payload: &[u8]) -> bool {
    let Ok(topic) = topic.parse::<Topic>() else { return *role == FabricRole::Controller };
    let read = || serde_json::from_slice::<Envelope<'_>>(payload).ok();
    match (role, &topic) {
        (FabricRole::ThingVisor(own), Topic::VSiloIn(silo)) => read().is_some_and(|said| {
            said.command.as_deref() == Some("getContextResponse") && is_from(&said.meta, own, silo.as_str())
        }),
        (FabricRole::ThingVisor(own), Topic::VSiloDataIn(silo)) => {
            read().is_some_and(|said| said.command.is_none() && is_from(&said.meta, own, silo.as_str()))
        }
        (FabricRole::ThingVisor(_), Topic::VThingOut(v_thing)) => {
            read().is_some_and(|said| is_or_unsaid(&said.v_thing, v_thing.as_str()))
        }
        (FabricRole::VSilo(own), Topic::VThingIn(v_thing)) => read().is_some_and(|said| {
            said.command.as_deref() == Some("getContextRequest")
                && said.v_silo.as_deref() == Some(own.as_str())
                && is_or_unsaid(&said.v_thing, v_thing.as_str())
        }),
        (FabricRole::VSilo(own), Topic::VThingDataIn(v_thing)) => read().is_some_and(|said| {
            let meta = said.meta.unwrap_or_default();
            is_or_unsaid(&meta.v_silo, own.as_str()) && is_or_unsaid(&meta.v_thing, v_thing.as_str())
        }),
        // What entities are in it is not looked at, because there is so much of it; but a silo of VirIoT
        // believes what the message says of itself, and not its topic.
        (FabricRole::ThingVisor(_), Topic::VThingDataOut(v_thing)) => read().is_some_and(|said| {
            let meta = said.meta.unwrap_or_default();
            said.command.is_none() && is_or_unsaid(&meta.v_thing, v_thing.as_str())
        }),
        _ => true,
    }
}

/// Whether a message comes from a vThing of that ThingVisor, to that silo if it says to which.
fn is_from(meta: &Option<Meta<'_>>, own: &ThingVisorId, silo: &str) -> bool {
    let Some(meta) = meta else { return false };
    let v_thing = meta.v_thing.as_deref().and_then(|id| id.parse::<VThingId>().ok());
    v_thing.is_some_and(|id| id.thing_visor() == *own) && is_or_unsaid(&meta.v_silo, silo)
}

fn is_or_unsaid(said: &Option<Cow<'_, str>>, is: &str) -> bool {
    said.as_deref().is_none_or(|said| said == is)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(role: &str, topic: &str, payload: &str) -> bool {
        may_say(&role.parse().unwrap(), topic, payload.as_bytes())
    }

    #[test]
    fn a_thing_visor_answers_a_silo_and_does_not_command_it() {
        let to_silo = |payload: &str| says("tv:hello", "vSilo/t_s/c_in", payload);
        assert!(to_silo(r#"{"command":"getContextResponse","data":[],"meta":{"vThingID":"hello/a"}}"#));
        let both =
            r#"{"command":"getContextResponse","data":[],"meta":{"vThingID":"hello/a","vSiloID":"t_s"}}"#;
        assert!(to_silo(both));
        for forged in [
            r#"{"command":"destroyVSilo","vSiloID":"t_s"}"#,
            r#"{"command":"addVThing","vSiloID":"t_s","vThingID":"hello/a","vThingType":""}"#,
            r#"{"command":"deleteVThing","vSiloID":"t_s","vThingID":"other/a"}"#,
            r#"{"command":"setVThings","vSiloID":"t_s","vThings":[]}"#,
            r#"{"command":"destroyVSilo","vSiloID":"t_s","meta":{"vThingID":"hello/a"}}"#,
            // What another reader may take for something else.
            r#"{"command":"getContextResponse","command":"destroyVSilo","vSiloID":"t_s","meta":{"vThingID":"hello/a"}}"#,
            r#"{"command":"getContextResponse","comm\u0061nd":"destroyVSilo","vSiloID":"t_s","meta":{"vThingID":"hello/a"}}"#,
            r#"{"command":"\u0064estroyVSilo","vSiloID":"t_s"}"#,
            r#"[{"command":"destroyVSilo"}]"#,
            "destroyVSilo",
            "",
        ] {
            assert!(!to_silo(forged), "{forged}");
            assert!(says("controller", "vSilo/t_s/c_in", forged), "the controller says what it likes");
        }
    }

    #[test]
    fn a_thing_visor_speaks_for_its_own_vthings_only() {
        let context = |id: &str| {
            format!(r#"{{"command":"getContextResponse","data":[],"meta":{{"vThingID":"{id}"}}}}"#)
        };
        let feedback = |id: &str| format!(r#"{{"data":[],"meta":{{"vThingID":"{id}"}}}}"#);
        for (id, allowed) in [("hello/a", true), ("hello2/a", false), ("hell/a", false), ("hello", false)] {
            assert_eq!(says("tv:hello", "vSilo/t_s/c_in", &context(id)), allowed, "{id}");
            assert_eq!(says("tv:hello", "vSilo/t_s/data_in", &feedback(id)), allowed, "{id}");
        }
        assert!(!says("tv:hello", "vSilo/t_s/data_in", r#"{"data":[],"meta":{}}"#));
        let foreign = r#"{"data":[],"meta":{"vThingID":"hello/a","vSiloID":"t_other"}}"#;
        assert!(!says("tv:hello", "vSilo/t_s/data_in", foreign));
        let end = |id: &str| format!(r#"{{"command":"deleteVThing","vThingID":"{id}","vSiloID":"ALL"}}"#);
        assert!(says("tv:hello", "vThing/hello/a/c_out", &end("hello/a")));
        assert!(!says("tv:hello", "vThing/hello/a/c_out", &end("other/a")));
    }

    #[test]
    fn data_for_all_is_of_the_vthing_of_its_topic_and_no_command() {
        let data = |payload: &str| says("tv:hello", "vThing/hello/a/data_out", payload);
        assert!(data(r#"{"data":[{"id":"urn:x","type":"T"}],"meta":{"vThingID":"hello/a"}}"#));
        assert!(data(r#"{"data":[]}"#), "the topic says it");
        for forged in [
            r#"{"data":[],"meta":{"vThingID":"other/a"}}"#,
            r#"{"data":[],"meta":{"vThingID":"hello/b"}}"#,
            r#"{"data":[],"meta":{"vThingID":"hello/a","vThingID":"other/a"}}"#,
            r#"{"command":"deleteVThing","vThingID":"hello/a","vSiloID":"ALL","meta":{"vThingID":"hello/a"}}"#,
            "21.5",
            "",
        ] {
            assert!(!data(forged), "{forged}");
        }
    }

    #[test]
    fn a_silo_asks_and_commands_in_its_own_name() {
        let ask = |silo: &str| {
            format!(r#"{{"command":"getContextRequest","vSiloID":"{silo}","vThingID":"hello/a"}}"#)
        };
        assert!(says("silo:t_s", "vThing/hello/a/c_in", &ask("t_s")));
        assert!(!says("silo:t_s", "vThing/hello/a/c_in", &ask("t_other")));
        assert!(!says("silo:t_s", "vThing/hello/a/c_in", r#"{"command":"destroyTV","vSiloID":"t_s"}"#));
        let command = |meta: &str| format!(r#"{{"data":[],"meta":{{{meta}}}}}"#);
        assert!(says("silo:t_s", "vThing/hello/a/data_in", &command(r#""vSiloID":"t_s""#)));
        assert!(says("silo:t_s", "vThing/hello/a/data_in", &command("")), "VirIoT's may leave it out");
        assert!(!says("silo:t_s", "vThing/hello/a/data_in", &command(r#""vSiloID":"t_other""#)));
        assert!(!says("silo:t_s", "vThing/hello/a/data_in", &command(r#""vThingID":"hello/b""#)));
    }
}
