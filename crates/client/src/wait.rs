//! Waiting until a workload is where it should be.
//!
//! An event is only a hint to look again: what counts is the resource itself. So a missed event
//! costs time, never the result, and a server without events is merely asked more often.

use std::fmt;
use std::time::Duration;

use morgana_model::{ErrorCode, Phase, WorkloadName};
use tokio::time::{sleep, timeout};

use crate::{Client, Error, EventStream};

/// How often to look while events tell of changes: for the event that did not come.
const LOOK_WITH_EVENTS: Duration = Duration::from_secs(5);
/// How often to look when there are no events.
const LOOK_WITHOUT_EVENTS: Duration = Duration::from_millis(250);
/// How long opening the event stream may keep the first look waiting.
const OPEN_EVENTS_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a workload should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// It runs.
    Running,
    /// It does not exist any more.
    Gone,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Gone => "gone",
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Reached,
    NotYet,
    Failed(String),
    Vanished,
}

/// Whether a workload in this phase (none: it does not exist) is where it should be.
fn judge(goal: Goal, phase: Option<&Phase>) -> Verdict {
    match (goal, phase) {
        (Goal::Running, Some(Phase::Running)) | (Goal::Gone, None) => Verdict::Reached,
        (Goal::Running, None) => Verdict::Vanished,
        (_, Some(Phase::Failed { reason })) => Verdict::Failed(reason.clone()),
        (_, Some(Phase::Pending | Phase::Running | Phase::Stopping)) => Verdict::NotYet,
    }
}

impl Client {
    /// Waits until a workload reaches a goal, `limit` at most. `observe` is told each phase that is
    /// seen (none: the workload does not exist), once. A controller that is away for a while is
    /// waited for too.
    ///
    /// # Errors
    /// When the workload becomes `failed`, is deleted while it should run, or is not there in time;
    /// when the controller refuses.
    pub async fn wait_until(
        &self,
        workload: &WorkloadName,
        goal: Goal,
        limit: Duration,
        mut observe: impl FnMut(Option<&Phase>),
    ) -> Result<(), Error> {
        let mut last = "nothing is known of it".to_owned();
        let follow = async {
            // Events are opened before the first look, so that no change falls between the two.
            let opened = timeout(OPEN_EVENTS_TIMEOUT, self.events(false)).await;
            let mut events = opened.ok().and_then(Result::ok);
            let mut seen = None;
            loop {
                match self.phase(workload).await {
                    Ok(phase) => {
                        if seen.as_ref() != Some(&phase) {
                            observe(phase.as_ref());
                            last =
                                phase.as_ref().map_or("it does not exist".into(), |p| format!("it is {p}"));
                        }
                        match judge(goal, phase.as_ref()) {
                            Verdict::Reached => return Ok(()),
                            Verdict::NotYet => seen = Some(phase),
                            Verdict::Failed(reason) => {
                                return Err(Error::WorkloadFailed { workload: workload.clone(), reason });
                            }
                            Verdict::Vanished => {
                                return Err(Error::WorkloadGone { workload: workload.clone() });
                            }
                        }
                    }
                    Err(error) if error.is_transient() => last = error.to_string(),
                    Err(error) => return Err(error),
                }
                hint(&mut events, workload).await;
            }
        };
        let outcome = timeout(limit, follow).await;
        outcome.unwrap_or_else(|_| {
            let seconds = limit.as_secs();
            Err(Error::WaitTimedOut { workload: workload.clone(), goal, seconds, last })
        })
    }

    /// The phase of a workload; none when it does not exist.
    async fn phase(&self, workload: &WorkloadName) -> Result<Option<Phase>, Error> {
        let phase = match workload {
            WorkloadName::ThingVisor(id) => self.thing_visor(id).await.map(|visor| visor.status.phase),
            WorkloadName::VSilo(id) => self.vsilo(id).await.map(|silo| silo.status.phase),
        };
        match phase {
            Ok(phase) => Ok(Some(phase)),
            Err(error) if error.code() == Some(ErrorCode::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns when it is worth looking again. A stream that is lost is given up.
async fn hint(events: &mut Option<EventStream>, workload: &WorkloadName) {
    let Some(stream) = events else { return sleep(LOOK_WITHOUT_EVENTS).await };
    let change = async {
        loop {
            match stream.next().await {
                Ok(event) if format!("{}/{}", event.kind, event.id) == workload.to_string() => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    };
    if let Ok(false) = timeout(LOOK_WITH_EVENTS, change).await {
        *events = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_reached_by_its_own_phase_alone() {
        let failed = Phase::Failed { reason: "no sensor".into() };
        for (goal, phase, verdict) in [
            (Goal::Running, Some(&Phase::Running), Verdict::Reached),
            (Goal::Running, Some(&Phase::Pending), Verdict::NotYet),
            (Goal::Running, Some(&Phase::Stopping), Verdict::NotYet),
            (Goal::Running, None, Verdict::Vanished),
            (Goal::Running, Some(&failed), Verdict::Failed("no sensor".into())),
            (Goal::Gone, None, Verdict::Reached),
            (Goal::Gone, Some(&Phase::Running), Verdict::NotYet),
            (Goal::Gone, Some(&Phase::Stopping), Verdict::NotYet),
            (Goal::Gone, Some(&failed), Verdict::Failed("no sensor".into())),
        ] {
            assert_eq!(judge(goal, phase), verdict, "{goal} {phase:?}");
        }
    }
}
