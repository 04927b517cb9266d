//! schedule (TS-0001 9.6.9, TS-0004 7.4.9): where it may be, and what it may say.

use serde_json::{Map, Value};

use super::Transaction;
use crate::{
    status::{Failure, Status},
    tree::Slot,
    types::ty,
};

/// The name of the schedule of a subscription (TS-0001 table 9.6.8-1).
pub(super) const NOTIFICATION_SCHEDULE: &str = "notificationSchedule";

impl Transaction<'_> {
    /// Whether a schedule below this resource is one for notifications.
    pub(super) fn schedules_notifications(&self, parent: Slot) -> bool {
        matches!(self.tree.at(parent).ty, ty::SUB | ty::CRS)
    }

    pub(super) fn check_schedule(&self, parent: Slot, content: &Map<String, Value>) -> Result<(), Failure> {
        if self.schedules_notifications(parent) {
            if let Some(name) = content.get("rn").and_then(Value::as_str)
                && name != NOTIFICATION_SCHEDULE
            {
                return Err(Failure::bad(format!(
                    "rn {name}: the schedule of a subscription is called {NOTIFICATION_SCHEDULE}"
                )));
            }
            if self.tree.child(parent, NOTIFICATION_SCHEDULE).is_some() {
                let debug = "rn: the subscription has a schedule already";
                return Err(Failure::new(Status::Conflict, debug));
            }
        } else {
            let siblings = self.tree.at(parent).family.iter().flat_map(|family| &family.children);
            if siblings.into_iter().any(|slot| self.tree.at(*slot).ty == ty::SCH) {
                return Err(Failure::bad(format!(
                    "ty {}: {} has a schedule already",
                    ty::SCH,
                    self.tree.structured(parent)
                )));
            }
        }
        self.check_coordination(parent, content)
    }

    pub(super) fn check_schedule_update(
        &self,
        slot: Slot,
        content: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let parent = self.tree.at(slot).parent.unwrap_or(crate::tree::ROOT);
        self.check_coordination(parent, content)
    }

    /// networkCoordinated is for the schedule of a node, and needs an underlying network that takes schedules.
    fn check_coordination(&self, parent: Slot, content: &Map<String, Value>) -> Result<(), Failure> {
        if content.get("nco").is_none_or(Value::is_null) {
            return Ok(());
        }
        if self.tree.at(parent).ty == ty::NOD {
            let debug = "nco: this CSE has no underlying network to coordinate a schedule with";
            return Err(Failure::new(Status::NotImplemented, debug));
        }
        let debug = "nco: only the schedule of a node is coordinated with a network";
        Err(Failure::new(Status::ContentsUnacceptable, debug))
    }
}
