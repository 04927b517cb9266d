//! What is asked of every request, whatever its target is.

use super::Inner;
use crate::{
    primitive::{Operation, Request, ResultContent},
    status::{Failure, Status},
    time::Time,
    types::ty,
};

impl Inner {
    /// What is wrong with a request before its target is looked at (TS-0004 7.3.2.1).
    pub(super) fn check(&self, request: &Request) -> Result<(), Failure> {
        if let Some(release) = &request.release
            && !self.options.releases().contains(&release.as_str())
        {
            let spoken = self.options.releases().join(", ");
            let debug = format!("rvi {release}: this CSE speaks {spoken}");
            return Err(Failure::new(Status::ReleaseVersionNotSupported, debug));
        }
        let registers = request.operation == Operation::Create && request.ty == Some(ty::AE);
        if request.originator().is_empty() && !registers {
            return Err(Failure::bad("fr: the request has no originator"));
        }
        if request.to.is_empty() {
            return Err(Failure::bad("to: the request has no target"));
        }
        if request.ty.is_some() && request.operation != Operation::Create {
            return Err(Failure::bad("ty: only a CREATE request has a resource type"));
        }
        if request.operation == Operation::Create && request.ty.is_none() {
            return Err(Failure::bad("ty: a CREATE request must have a resource type"));
        }
        let now = Time::now();
        for (name, value) in [
            ("rqet", &request.request_expires),
            ("rset", &request.result_expires),
            ("oet", &request.operation_time),
        ] {
            let Some(text) = value else { continue };
            let time = Time::parse_from(text, now).ok_or_else(|| {
                Failure::bad(format!("{name}: {text} is not a timestamp or a number of milliseconds"))
            })?;
            if name != "oet" && time <= now {
                return Err(Failure::new(Status::RequestTimeout, format!("{name}: {text} is over")));
            }
        }
        let time = |text: &Option<String>| text.as_deref().and_then(|text| Time::parse_from(text, now));
        let (request_end, result_end) = (time(&request.request_expires), time(&request.result_expires));
        let start = time(&request.operation_time);
        if request_end.zip(result_end).is_some_and(|(request_end, result_end)| result_end < request_end) {
            return Err(Failure::bad("rset: the result expires before the request"));
        }
        if start.is_some_and(|start| [request_end, result_end].into_iter().flatten().any(|end| end < start)) {
            return Err(Failure::bad("oet: the operation begins after the request or its result expired"));
        }
        if let Some(text) = &request.result_persistence
            && Time::parse_from(text, now).is_none()
        {
            return Err(Failure::bad(format!("rp: {text} is neither a duration nor a timestamp")));
        }
        let wanted = request.wants();
        if !wanted.fits(request.operation, request.filter.is_discovery()) {
            return Err(Failure::bad(format!("rcn {}: it does not go with this operation", wanted as u8)));
        }
        if !request.attributes.is_empty()
            && (request.operation != Operation::Retrieve || wanted != ResultContent::Attributes)
        {
            return Err(Failure::bad("atrl: a list of attributes goes with RETRIEVE and rcn 1 only"));
        }
        if wanted == ResultContent::SemanticContent {
            return Err(Failure::new(Status::NotImplemented, "rcn 10: this CSE has no semantic content"));
        }
        Ok(())
    }
}
