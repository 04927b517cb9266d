use crate::{
    address::Identity,
    status::{Failure, Status},
    tree::{Slot, Tree},
    types::ty,
};

/// The remoteCSE that a request for the CSE `cse` (its CSE-ID, or `//provider` for another service provider) goes to:
/// that CSE itself, one that has it as a descendant, or else the registrar.
///
/// # Errors
/// NOT_FOUND when there is none, or when the request came from where it would go.
pub(crate) fn next_hop(
    tree: &Tree,
    identity: &Identity,
    cse: &str,
    originator: &str,
) -> Result<Slot, Failure> {
    let known = |wanted: &str| {
        tree.of_type(ty::CSR).find(|slot| tree.at(*slot).attributes.text("csi") == Some(wanted))
    };
    if let Some(direct) = known(cse) {
        return Ok(direct);
    }
    let registrar = identity.registrar.as_deref();
    let above = registrar.and_then(known);
    let descends = |slot: &Slot| {
        Some(*slot) != above && tree.at(*slot).attributes.texts("dcse").any(|below| below == cse)
    };
    if let Some(through) = tree.of_type(ty::CSR).find(descends) {
        return Ok(through);
    }
    let nowhere = || {
        Failure::new(Status::NotFound, format!("to: {} knows no CSE {cse} to forward to", identity.cse_id()))
    };
    let above = above.ok_or_else(nowhere)?;
    // What comes from above is for here or below.
    match registrar {
        Some(registrar) if is_of(originator, registrar) => Err(nowhere()),
        _ => Ok(above),
    }
}

/// Whether an originator is a CSE or one of its entities.
fn is_of(originator: &str, cse: &str) -> bool {
    originator.strip_prefix(cse).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The addresses of a remote CSE. One with a polling channel asks for its requests: then it is `poll://`.
pub(crate) fn points_of_access(tree: &Tree, slot: Slot) -> Vec<String> {
    let Some(csr) = tree.get(slot) else { return Vec::new() };
    let mut below = csr.family.iter().flat_map(|family| &family.children);
    let polls = below.any(|child| tree.at(*child).ty == ty::PCH);
    let channel = polls.then(|| csr.attributes.text("csi").unwrap_or_default().trim_matches('/'));
    let channel = channel.map(|entity| format!("poll://{entity}"));
    channel.into_iter().chain(csr.attributes.texts("poa").map(str::to_owned)).collect()
}
