use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

use super::State;
use crate::model::{Json, Time};

/// What became of a subscription's notifications, and whether it is still at work. It outlives updates of the
/// subscription and restarts of the broker.
#[derive(Debug)]
pub(crate) struct Status {
    counts: Mutex<Counts>,
    /// It stopped by itself, and that is not written down yet.
    stopped: AtomicBool,
}

/// The counters that `GET /v2/subscriptions` shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Counts {
    pub(crate) state: State,
    pub(crate) times_sent: u64,
    pub(crate) last_notification: Option<Time>,
    pub(crate) last_success: Option<(Time, u16)>,
    pub(crate) last_failure: Option<(Time, Box<str>)>,
    /// Failures since the last success.
    pub(crate) fails: u64,
}

impl Status {
    pub(crate) fn new(state: State) -> Self {
        Self::of(Counts {
            state,
            times_sent: 0,
            last_notification: None,
            last_success: None,
            last_failure: None,
            fails: 0,
        })
    }

    fn of(counts: Counts) -> Self {
        Self { counts: Mutex::new(counts), stopped: AtomicBool::new(false) }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().clone()
    }

    pub(crate) fn set_state(&self, state: State) {
        self.counts.lock().state = state;
    }

    /// Takes the right to notify now, unless the subscription is not at work or must wait. Returns whether this was
    /// the one notification of a oneshot subscription.
    pub(crate) fn claim(&self, now: Time, throttling: Option<Duration>) -> Option<bool> {
        let mut counts = self.counts.lock();
        if counts.state == State::Inactive {
            return None;
        }
        let wait = throttling.and_then(|period| i64::try_from(period.as_millis()).ok()).unwrap_or(0);
        let last = counts.last_notification.map_or(i64::MIN, Time::as_millis);
        if wait > 0 && now.as_millis().saturating_sub(last) < wait {
            return None;
        }
        counts.last_notification = Some(now);
        counts.times_sent += 1;
        let is_last = counts.state == State::Oneshot;
        if is_last {
            counts.state = State::Inactive;
        }
        Some(is_last)
    }

    /// Notes that the endpoint answered with this code; `0` for protocols without one.
    pub(crate) fn succeeded(&self, now: Time, code: u16) {
        let mut counts = self.counts.lock();
        counts.last_success = Some((now, code));
        counts.fails = 0;
    }

    /// Notes a failure. When there were more than `max` in a row the subscription stops; returns whether it did.
    pub(crate) fn failed(&self, now: Time, reason: &str, max: Option<u64>) -> bool {
        let mut counts = self.counts.lock();
        counts.last_failure = Some((now, reason.into()));
        counts.fails += 1;
        let stops = max.is_some_and(|max| counts.fails > max) && counts.state != State::Inactive;
        if stops {
            counts.state = State::Inactive;
            self.stopped.store(true, Ordering::Relaxed);
        }
        stops
    }

    /// Whether it stopped by itself since the last time this was asked.
    pub(crate) fn take_stopped(&self) -> bool {
        self.stopped.swap(false, Ordering::Relaxed)
    }

    /// For the journal.
    pub(crate) fn to_json(&self) -> Json {
        let counts = self.counts();
        let state = match counts.state {
            State::Active => "active",
            State::Inactive => "inactive",
            State::Oneshot => "oneshot",
        };
        let time = |time: Time| Json::Number(time.as_millis() as f64);
        let mut members: Vec<(Box<str>, Json)> = vec![
            ("state".into(), state.into()),
            ("timesSent".into(), Json::Number(counts.times_sent as f64)),
            ("fails".into(), Json::Number(counts.fails as f64)),
        ];
        members.extend(counts.last_notification.map(|at| ("lastNotification".into(), time(at))));
        if let Some((at, code)) = counts.last_success {
            members.push(("lastSuccess".into(), time(at)));
            members.push(("lastSuccessCode".into(), Json::Number(f64::from(code))));
        }
        if let Some((at, reason)) = counts.last_failure {
            members.push(("lastFailure".into(), time(at)));
            members.push(("lastFailureReason".into(), Json::String(reason)));
        }
        Json::object(members)
    }

    /// From the journal.
    pub(crate) fn from_json(json: &Json) -> Self {
        let number = |name: &str| json.get(name).and_then(Json::as_f64);
        let time = |name: &str| number(name).map(|millis| Time::from_millis(millis as i64));
        let state = match json.get("state").and_then(Json::as_str) {
            Some("inactive") => State::Inactive,
            Some("oneshot") => State::Oneshot,
            _ => State::Active,
        };
        let reason = json.get("lastFailureReason").and_then(Json::as_str).unwrap_or_default();
        Self::of(Counts {
            state,
            times_sent: number("timesSent").unwrap_or_default() as u64,
            last_notification: time("lastNotification"),
            last_success: time("lastSuccess")
                .map(|at| (at, number("lastSuccessCode").unwrap_or_default() as u16)),
            last_failure: time("lastFailure").map(|at| (at, reason.into())),
            fails: number("fails").unwrap_or_default() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_oneshot_subscription_notifies_once() {
        let status = Status::new(State::Oneshot);
        assert_eq!(status.claim(Time::from_millis(1), None), Some(true));
        assert_eq!(status.claim(Time::from_millis(2), None), None);
        status.set_state(State::Active);
        assert_eq!(status.claim(Time::from_millis(3), None), Some(false));
    }

    #[test]
    fn throttling_lets_pass_one_a_period() {
        let status = Status::new(State::Active);
        let second = Some(Duration::from_secs(1));
        assert!(status.claim(Time::from_millis(0), second).is_some());
        assert!(status.claim(Time::from_millis(999), second).is_none());
        assert!(status.claim(Time::from_millis(1000), second).is_some());
        assert_eq!(status.counts().times_sent, 2);
    }

    #[test]
    fn too_many_failures_in_a_row_stop_it() {
        let status = Status::new(State::Active);
        let now = Time::from_millis(0);
        assert!(!status.failed(now, "x", Some(1)));
        status.succeeded(now, 200);
        assert!(!status.failed(now, "x", Some(1)));
        assert!(status.failed(now, "x", Some(1)));
        assert_eq!(status.counts().state, State::Inactive);
        assert_eq!(Status::from_json(&status.to_json()).counts(), status.counts());
    }
}
