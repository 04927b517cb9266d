use crate::{primitive::Request, time::Time, tree::Slot};

/// What happened (m2m:notificationEventType, TS-0004 6.3.4.2.19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    Updated,
    Deleted,
    Created,
    Retrieved,
    /// Someone asked an empty container for an instance.
    FoundEmpty,
    /// A sample of a timeSeries did not come.
    Missed(Time),
}

/// Something that subscribers may want to know.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) kind: EventKind,
    /// The resource that it happened to; of a creation, the new resource.
    pub(crate) subject: Slot,
    /// Who caused it; nothing when the CSE did.
    pub(crate) originator: Option<&'a str>,
    /// The attributes that an update gave.
    pub(crate) names: &'a [String],
}

impl<'a> Event<'a> {
    fn of(kind: EventKind, subject: Slot, request: Option<&'a Request>) -> Self {
        Self { kind, subject, originator: request.map(Request::originator), names: &[] }
    }

    pub(crate) fn created(child: Slot, request: &'a Request) -> Self {
        Self::of(EventKind::Created, child, Some(request))
    }

    pub(crate) fn updated(subject: Slot, request: &'a Request, names: &'a [String]) -> Self {
        Self { names, ..Self::of(EventKind::Updated, subject, Some(request)) }
    }

    pub(crate) fn deleted(subject: Slot, request: Option<&'a Request>) -> Self {
        Self::of(EventKind::Deleted, subject, request)
    }

    pub(crate) fn retrieved(subject: Slot, request: &'a Request) -> Self {
        Self::of(EventKind::Retrieved, subject, Some(request))
    }

    pub(crate) fn found_empty(container: Slot, request: &'a Request) -> Self {
        Self::of(EventKind::FoundEmpty, container, Some(request))
    }

    pub(crate) fn missed(series: Slot, moment: Time) -> Self {
        Self::of(EventKind::Missed(moment), series, None)
    }
}
