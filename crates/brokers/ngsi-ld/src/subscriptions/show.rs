use morgana_engine::DeliveryCounts;

use super::definition::Subscription;
use crate::{
    Context,
    model::{Json, Timestamp},
};

/// A subscription as someone asks for it (NGSI-LD 5.8.3): what was written, in the terms of `context`, with the state
/// and the counts that the broker adds (5.2.12, 5.2.14.2).
pub(crate) struct Shown<'a> {
    pub(crate) subscription: &'a Subscription,
    pub(crate) counts: DeliveryCounts,
    pub(crate) context: &'a Context,
    pub(crate) now: Timestamp,
    pub(crate) sys_attrs: bool,
    pub(crate) with_context: bool,
    /// Whether what it watches are changes of entities, which have triggers; those of context sources have none.
    pub(crate) has_triggers: bool,
}

impl Shown<'_> {
    pub(crate) fn json(&self) -> Json {
        let subscription = self.subscription;
        let mut members = Vec::new();
        for (name, value) in subscription.document.as_object().unwrap_or_default() {
            let value = match &**name {
                "entities" => self.each(value, |selector| self.member(selector, "type")),
                "watchedAttributes" => self.each(value, |term| self.term(term)),
                "notification" => self.notification(value),
                _ => value.clone(),
            };
            members.push((name.clone(), value));
        }
        let status = if subscription.expires_at.is_some_and(|end| end <= self.now) {
            "expired"
        } else if subscription.active {
            "active"
        } else {
            "paused"
        };
        if self.has_triggers && subscription.document.get("notificationTrigger").is_none() {
            let default = vec![Json::from("attributeCreated"), Json::from("attributeUpdated")];
            set(&mut members, "notificationTrigger", default.into());
        }
        set(&mut members, "status", status.into());
        if self.sys_attrs {
            set(&mut members, "createdAt", (&*subscription.created_at.to_string()).into());
            set(&mut members, "modifiedAt", (&*subscription.modified_at.to_string()).into());
        }
        if self.with_context {
            set(&mut members, "@context", self.context.shown());
        }
        Json::Object(members.into())
    }

    fn notification(&self, value: &Json) -> Json {
        let mut members = Vec::from(value.as_object().unwrap_or_default());
        for name in ["attributes", "pick", "omit"] {
            if let Some((_, value)) = members.iter_mut().find(|(member, _)| &**member == name) {
                *value = self.each(value, |term| self.term(term));
            }
        }
        let counts = &self.counts;
        if counts.sent + counts.dropped > 0 || counts.last_attempt.is_some() {
            set(&mut members, "status", if counts.failing { "failed" } else { "ok" }.into());
            // Dropped ones were due as well, and failed to arrive.
            let sent = counts.sent + counts.dropped + u64::from(counts.attempting);
            set(&mut members, "timesSent", Json::Number(sent.into()));
            // Where nothing failed there is nothing to say of it.
            let failed = counts.failed + counts.dropped;
            if failed > 0 {
                set(&mut members, "timesFailed", Json::Number(failed.into()));
            }
        }
        for (name, time) in [
            ("lastNotification", counts.last_attempt),
            ("lastSuccess", counts.last_success),
            ("lastFailure", counts.last_failure),
        ] {
            if let Some(time) = time {
                set(&mut members, name, (&*Timestamp::from(time).to_string()).into());
            }
        }
        Json::Object(members.into())
    }

    fn each(&self, value: &Json, show: impl Fn(&Json) -> Json) -> Json {
        Json::Array(value.as_array().unwrap_or_default().iter().map(show).collect())
    }

    fn member(&self, object: &Json, name: &str) -> Json {
        let shown = |(member, value): &(Box<str>, Json)| {
            (member.clone(), if &**member == name { self.term(value) } else { value.clone() })
        };
        Json::Object(object.as_object().unwrap_or_default().iter().map(shown).collect())
    }

    /// A name of the subscription's context in the asker's.
    fn term(&self, term: &Json) -> Json {
        let text = term.as_str().unwrap_or_default();
        // Type selections and entity members stay as they were written.
        let is_plain =
            !text.contains(['(', ')', ';', '|', ',', '*']) && !matches!(text, "id" | "type" | "scope");
        if !is_plain || std::ptr::eq(self.context, &*self.subscription.context) {
            return term.clone();
        }
        (&*self.context.compact(&self.subscription.context.expand(text))).into()
    }
}

fn set(members: &mut Vec<(Box<str>, Json)>, name: &str, value: Json) {
    match members.iter_mut().find(|(member, _)| &**member == name) {
        Some((_, old)) => *old = value,
        None => members.push((name.into(), value)),
    }
}
