//! timeSeries: their samples, and the detection of samples that are missing (TS-0001 9.6.36, 9.6.37).

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Cse, Transaction, create::Draft};
use crate::{
    notify::Event,
    status::{Failure, Status},
    time::Time,
    tree::{Resource, Slot},
    types::ty,
};

/// How many missing samples a series lists when it does not say (`mdn`).
const DEFAULT_LIST: u64 = 10;

impl Transaction<'_> {
    pub(super) fn check_series(content: &Map<String, Value>) -> Result<(), Failure> {
        let number = |name: &str| content.get(name).and_then(Value::as_u64);
        if content.get("mdd").and_then(Value::as_bool) == Some(true) && number("mdt").is_none() {
            return Err(Failure::bad(
                "mdd: missing data can be detected only with a time to wait for it (mdt)",
            ));
        }
        check_detection(number("pei"), number("mdt"), number("peid"))
    }

    pub(super) fn check_series_update(
        &self,
        slot: Slot,
        content: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let attributes = &self.tree.at(slot).attributes;
        let running = attributes.flag("mdd") == Some(true);
        for name in ["mdt", "mdn", "pei", "peid"] {
            if (running || content.contains_key("mdd")) && content.contains_key(name) {
                let debug =
                    format!("{name}: it cannot change while missing data is detected, nor together with mdd");
                return Err(Failure::bad(debug));
            }
        }
        let number = |name: &str| match content.get(name) {
            Some(value) => value.as_u64(),
            None => attributes.number(name),
        };
        if content.get("mdd").and_then(Value::as_bool) == Some(true) && number("mdt").is_none() {
            return Err(Failure::bad(
                "mdd: missing data can be detected only with a time to wait for it (mdt)",
            ));
        }
        check_detection(number("pei"), number("mdt"), number("peid"))
    }

    pub(super) fn complete_series(resource: &mut Resource) {
        let attributes = &mut resource.attributes;
        if let Some(interval) = attributes.number("pei")
            && attributes.get("peid").is_none()
        {
            attributes.set("peid", Value::from(interval / 2));
        }
        if attributes.get("mdd").is_none() {
            attributes.set("mdd", Value::Bool(false));
        }
        if attributes.get("mdc").is_none() {
            attributes.set("mdc", Value::from(0));
        }
    }

    /// Two samples of one moment cannot be told apart.
    pub(super) fn check_sample(&self, parent: Slot, draft: &Draft) -> Result<(), Failure> {
        let moment = draft.content.get("dgt");
        let family = self.tree.at(parent).family.as_deref();
        let known = family.into_iter().flat_map(|family| family.instances.iter().rev());
        for sample in known {
            if self.tree.at(*sample).attributes.get("dgt") == moment {
                return Err(Failure::new(Status::Conflict, "dgt: the series has a sample of this moment"));
            }
        }
        Ok(())
    }

    /// Starts the clock of a series with its first sample; every later one says that it came.
    pub(super) fn watch_series(&mut self, parent: Slot, sample: Slot) -> Result<(), Failure> {
        let series = self.tree.at(parent);
        if series.attributes.flag("mdd") != Some(true) {
            return Ok(());
        }
        let Some(interval) = series.attributes.number("pei") else { return Ok(()) };
        let moment = self.tree.at(sample).attributes.text("dgt").and_then(Time::parse).unwrap_or(self.now);
        let ri = series.ri.to_string();
        let window = series.attributes.number("peid").unwrap_or(interval / 2);
        // A sample of a moment that is still to come says nothing about that moment.
        let latest = self.now.plus_millis(i64::try_from(window).unwrap_or(i64::MAX));
        if self.inner.subscribers.series_came(&ri, (moment <= latest).then_some(moment)) {
            return Ok(());
        }
        let timeout = series.attributes.number("mdt").unwrap_or(0);
        let generation = self.inner.subscribers.start_series(&ri, moment);
        let clock = Clock { ri, first: moment, interval, window, timeout, generation };
        tokio::spawn(watch(std::sync::Arc::downgrade(&self.cse.inner), clock));
        Ok(())
    }

    /// A change of what is detected stops the clock; the next sample starts it.
    pub(super) fn restart_series(&mut self, slot: Slot, names: &[String]) {
        if self.tree.at(slot).ty != ty::TS {
            return;
        }
        Self::complete_series(self.tree.at_mut(slot));
        if !names.iter().any(|name| name == "mdd") {
            return;
        }
        let ri = self.tree.at(slot).ri.to_string();
        self.inner.subscribers.stop_series(&ri);
        let attributes = &mut self.tree.at_mut(slot).attributes;
        if attributes.flag("mdd") == Some(true) {
            attributes.set("mdc", Value::from(0));
            attributes.remove("mdlt");
        }
    }

    pub(super) fn forget_series(&mut self, ri: &str) {
        self.inner.subscribers.stop_series(ri);
    }

    /// Writes down that a sample is missing.
    fn missed(&mut self, slot: Slot, moment: Time) -> Result<(), Failure> {
        let attributes = &mut self.tree.at_mut(slot).attributes;
        let most = attributes.number("mdn").unwrap_or(DEFAULT_LIST);
        let mut list = match attributes.remove("mdlt") {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        list.push(Value::from(moment.to_string()));
        while list.len() as u64 > most {
            list.remove(0);
        }
        attributes.set("mdc", Value::from(list.len()));
        attributes.set("mdlt", Value::Array(list));
        self.keep(slot)?;
        self.tell(&Event::missed(slot, moment))
    }
}

impl Cse {
    /// A series whose clock ran before a restart starts again with its next sample.
    pub(super) fn revive_series(&self) {
        let tree = self.inner.tree.read();
        let detecting =
            tree.of_type(ty::TS).filter(|slot| tree.at(*slot).attributes.flag("mdd") == Some(true)).count();
        if detecting > 0 {
            tracing::info!(series = detecting, "missing data is detected again from the next sample on");
        }
    }
}

fn check_detection(interval: Option<u64>, timeout: Option<u64>, window: Option<u64>) -> Result<(), Failure> {
    if let (Some(interval), Some(window)) = (interval, window)
        && window > interval / 2
    {
        return Err(Failure::bad("peid: it cannot be more than half of the periodic interval (pei)"));
    }
    if let (Some(interval), Some(timeout)) = (interval, timeout)
        && timeout >= interval
    {
        return Err(Failure::bad("mdt: it must be less than the periodic interval (pei)"));
    }
    Ok(())
}

/// When the samples of a series are due.
struct Clock {
    ri: String,
    first: Time,
    /// Milliseconds between two samples.
    interval: u64,
    /// Milliseconds that one may be early or late.
    window: u64,
    /// Milliseconds more that it may take to come here.
    timeout: u64,
    generation: u64,
}

/// Looks at each moment whether its sample came.
async fn watch(cse: std::sync::Weak<super::Inner>, clock: Clock) {
    let step = i64::try_from(clock.interval).unwrap_or(i64::MAX);
    let mut expected = clock.first.plus_millis(step);
    loop {
        let deadline =
            expected.plus_millis(i64::try_from(clock.window.max(clock.timeout)).unwrap_or(i64::MAX));
        let wait = (deadline.0 - Time::now().0).max(0).unsigned_abs();
        tokio::time::sleep(Duration::from_micros(wait)).await;
        let Some(inner) = cse.upgrade() else { return };
        let window = i64::try_from(clock.window).unwrap_or(i64::MAX);
        let early = expected.plus_millis(-window);
        let late = expected.plus_millis(window);
        match inner.subscribers.series_has(&clock.ri, clock.generation, early, late) {
            None => return,
            Some(true) => {}
            Some(false) => {
                let cse = Cse { inner };
                let told = cse
                    .write(|transaction| match transaction.tree.by_id(&clock.ri) {
                        Some(slot) => transaction.missed(slot, expected),
                        None => Ok(()),
                    })
                    .await;
                if let Err(failure) = told {
                    tracing::warn!(%failure, series = clock.ri, "cannot write down a missing sample");
                }
            }
        }
        expected = expected.plus_millis(step);
    }
}
