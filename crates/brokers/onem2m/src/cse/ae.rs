//! Registration of an AE (TS-0001 10.2.2.2, TS-0004 7.4.5.2.1).

use serde_json::Value;

use super::{
    Transaction,
    create::{Draft, base_36},
};
use crate::{
    primitive::Request,
    status::{Failure, Status},
    tree::Resource,
};

impl Transaction<'_> {
    /// Whether the originator may register.
    pub(super) fn check_registration(&self, request: &Request, draft: &Draft) -> Result<(), Failure> {
        let originator = draft.creator.as_str();
        // An entity that another CSE speaks for has that CSE's ID before its own.
        let stem = originator.rsplit('/').next().unwrap_or_default();
        if !originator.is_empty() && !stem.starts_with(['C', 'S']) {
            let debug = format!("fr {originator}: an AE-ID begins with C or S");
            return Err(Failure::new(Status::SecurityAssociationRequired, debug));
        }
        if self.tree.ae(originator).is_some() {
            let debug = format!("fr {originator}: it is registered already");
            return Err(Failure::new(Status::OriginatorHasAlreadyRegistered, debug));
        }
        if !originator.is_empty() && !crate::types::is_name(stem) {
            return Err(Failure::bad(format!("fr {originator}: it is not an AE-ID")));
        }
        if let Some(api) = draft.content.get("api").and_then(Value::as_str) {
            check_app_id(api, request.release.as_deref().unwrap_or(super::DEFAULT_RELEASE))?;
        }
        Ok(())
    }

    /// Gives the AE its AE-ID; it is also the resourceID (TS-0001 table 7.2-1).
    pub(super) fn complete_registration(
        &mut self,
        request: &Request,
        resource: &mut Resource,
    ) -> Result<(), Failure> {
        let originator = self.inner.identity.short_entity(request.originator());
        let aei = match originator {
            "" | "C" => format!("C{}", base_36(resource.sequence)),
            "S" => format!("S{}", base_36(resource.sequence)),
            given => given.to_owned(),
        };
        if self.tree.by_id(&aei).is_some() {
            return Err(Failure::new(Status::Conflict, format!("fr {aei}: a resource has this ID")));
        }
        if !aei.starts_with('/') {
            resource.ri = aei.as_str().into();
        }
        resource.creator = aei.as_str().into();
        resource.attributes.set("aei", Value::from(aei));
        Ok(())
    }
}

/// App-IDs begin with R or N (TS-0001 7.1.3); release 3 writes a small r, and releases before do not look.
fn check_app_id(api: &str, release: &str) -> Result<(), Failure> {
    let good = match release {
        "2" | "2a" => true,
        "3" => api.starts_with(['R', 'N', 'r']),
        _ => api.starts_with(['R', 'N']),
    };
    if good { Ok(()) } else { Err(Failure::bad(format!("api {api}: an App-ID begins with R or N"))) }
}
