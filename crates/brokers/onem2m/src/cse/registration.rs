//! Registration of another CSE (TS-0001 10.2.2.7, TS-0004 7.4.4.2.1).

use serde_json::Value;

use super::{Transaction, create::Draft};
use crate::{
    primitive::Request,
    privilege::wildcard,
    status::{Failure, Status},
    tree::Resource,
    types::ty,
};

impl Transaction<'_> {
    /// Whether the originator may register as a CSE.
    pub(super) fn check_remote_cse(&self, draft: &Draft) -> Result<(), Failure> {
        let options = &self.inner.options;
        let originator = draft.creator.as_str();
        let administrator = self.inner.judge(&self.tree).is_administrator(originator);
        if !originator.starts_with('/') && !administrator {
            return Err(Failure::not_allowed(format!("fr {originator}: only a CSE registers as one")));
        }
        let registrar = self.inner.identity.registrar.as_deref() == Some(originator);
        let invited = options.cse_originators.iter().any(|pattern| wildcard(pattern, originator));
        // Without an invitation, what is written like an AE-ID is one (TS-0001 table 7.2-1).
        let entity = originator.trim_start_matches('/').starts_with(['C', 'S']);
        if entity && !administrator && !registrar && !invited {
            return Err(Failure::not_allowed(format!("fr {originator}: only a CSE registers as one")));
        }
        if !administrator && !registrar && !invited {
            let debug = format!("fr {originator}: it is not among those that may register (cse_originators)");
            return Err(Failure::new(Status::OriginatorHasNoPrivilege, debug));
        }
        Ok(())
    }

    /// Whether there is room for the CSE: its ID must be nobody else's.
    pub(super) fn check_cse_id(&self, draft: &Draft) -> Result<(), Failure> {
        let csi = cse_id(draft)?;
        if csi == self.inner.identity.cse_id() {
            return Err(Failure::bad(format!("csi {csi}: it is this CSE itself")));
        }
        let known = self.tree.of_type(ty::CSR);
        if known.into_iter().any(|slot| self.tree.at(slot).attributes.text("csi") == Some(&csi)) {
            let debug = format!("csi {csi}: this CSE is registered already");
            return Err(Failure::new(Status::OriginatorHasAlreadyRegistered, debug));
        }
        if self.tree.by_id(csi.trim_matches('/')).is_some() {
            return Err(Failure::new(Status::Conflict, format!("csi {csi}: a resource has this ID")));
        }
        Ok(())
    }

    /// Gives a remoteCSE its CSE-ID; without the slash it is also the resourceID, and the name when none is given.
    pub(super) fn complete_remote_cse(csi: &str, named: bool, resource: &mut Resource) {
        let id = csi.trim_matches('/');
        if !named {
            resource.rn = id.into();
        }
        resource.ri = id.into();
        resource.creator = csi.into();
        resource.attributes.set("csi", Value::from(csi));
    }

    /// A remoteCSE may be updated by its CSE and by administrators; the polling channel below it is its CSE's alone.
    pub(super) fn is_cse(&self, slot: crate::tree::Slot, request: &Request) -> bool {
        self.tree.at(slot).ty == ty::CSR
            && self.tree.at(slot).attributes.text("csi") == Some(request.originator())
    }
}

/// The CSE-ID to register: the originator's. An administrator registers others, and says whom.
pub(super) fn cse_id(draft: &Draft) -> Result<String, Failure> {
    if draft.creator.starts_with('/') {
        return Ok(format!("/{}", draft.creator.trim_matches('/')));
    }
    let text = |name: &str| draft.content.get(name).and_then(Value::as_str);
    let base = text("cb").and_then(|base| base.trim_start_matches('/').split('/').next());
    let name = text("csi").map(|csi| csi.trim_matches('/')).or(base).unwrap_or_default();
    if !crate::types::is_name(name) {
        return Err(Failure::bad(format!("csi {name:?}: it is not a CSE-ID")));
    }
    Ok(format!("/{name}"))
}
