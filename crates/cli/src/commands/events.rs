//! The stream of changes.

use morgana_model::Event;

use crate::answer::{Answer, write_item};
use crate::call::{Context, Operation};
use crate::error::Error;

/// Show each change of a resource when it happens.
#[derive(Debug, clap::Args)]
pub struct Events {
    /// Begin with every resource as it is now.
    #[arg(long)]
    snapshot: bool,
}

impl Operation for Events {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let mut events = context.client.events(self.snapshot).await?;
        loop {
            let mut event = events.next().await?;
            forget_token(&mut event);
            write_item(&event, &line(&event), context.format, &mut context.terminal.output)?;
        }
    }
}

/// A change in one line: revision, resource, and the phase it has now.
fn line(event: &Event) -> String {
    let Event { revision, kind, id, resource } = event;
    let phase = match resource {
        None => "gone",
        Some(resource) => resource["status"]["phase"].as_str().unwrap_or("changed"),
    };
    let reason = resource.as_ref().and_then(|resource| resource["status"]["reason"].as_str());
    match reason {
        Some(reason) => format!("{revision}\t{kind}/{id}\t{phase}: {}", reason.escape_debug()),
        None => format!("{revision}\t{kind}/{id}\t{phase}"),
    }
}

/// Nobody who watches changes asked for the token of a silo.
fn forget_token(event: &mut Event) {
    if let Some(resource) = event.resource.as_mut().and_then(serde_json::Value::as_object_mut) {
        resource.shift_remove("token");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(resource: Option<Value>) -> Event {
        Event { revision: 7, kind: "vsilo".into(), id: "t_s".into(), resource }
    }

    #[test]
    fn a_change_is_a_line_with_the_phase_it_led_to() {
        assert_eq!(line(&event(None)), "7\tvsilo/t_s\tgone");
        assert_eq!(line(&event(Some(json!({"spec": {}})))), "7\tvsilo/t_s\tchanged");
        let failed = json!({"status": {"phase": "failed", "reason": "no\nimage"}});
        assert_eq!(line(&event(Some(failed))), "7\tvsilo/t_s\tfailed: no\\nimage");
    }

    #[test]
    fn the_token_of_a_silo_is_not_among_its_changes() {
        let mut event = event(Some(json!({"id": "t_s", "token": "t0k"})));
        forget_token(&mut event);
        assert_eq!(event.resource, Some(json!({"id": "t_s"})));
    }
}
