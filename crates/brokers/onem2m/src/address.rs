//! Addresses of resources (TS-0001 9.3.1): structured, unstructured and hybrid, CSE-relative, SP-relative and absolute.

use crate::{
    status::{Failure, Status},
    tree::{ROOT, Slot, Tree},
    types::ty,
};

/// Who this CSE is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// CSE-ID without the slash, also the resourceID of the CSEBase.
    pub(crate) cse: String,
    /// The name of the CSEBase.
    pub(crate) name: String,
    /// The service provider.
    pub(crate) provider: String,
    /// The CSE-ID of the CSE that this one registers with.
    pub(crate) registrar: Option<String>,
}

/// A virtual resource (TS-0001 9.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Virtual {
    /// `la`: the newest instance.
    Latest,
    /// `ol`: the oldest instance.
    Oldest,
    /// `fopt`: all members of a group, with what follows.
    FanOut(String),
    /// `pcu`: where the owner of a polling channel asks for requests.
    PollingChannel,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) slot: Slot,
    pub(crate) part: Option<Virtual>,
}

impl Identity {
    /// The part of an address below this CSE.
    pub(crate) fn local<'a>(&self, to: &'a str) -> Result<&'a str, Failure> {
        let elsewhere = || Failure::new(Status::NotFound, format!("{to} is not an address of this CSE"));
        let incomplete = || Failure::bad(format!("{to} names a CSE but no resource of it"));
        if let Some(absolute) = to.strip_prefix("//") {
            let (provider, rest) = absolute.split_once('/').ok_or_else(incomplete)?;
            if provider != self.provider {
                return Err(elsewhere());
            }
            return self.below_cse(rest).ok_or_else(elsewhere)?.ok_or_else(incomplete);
        }
        match to.strip_prefix('/') {
            Some(relative) => self.below_cse(relative).ok_or_else(elsewhere)?.ok_or_else(incomplete),
            None => Ok(to),
        }
    }

    /// The CSE that an address leads to, when it is another: its CSE-ID, or `//provider` of another service provider.
    pub(crate) fn elsewhere(&self, to: &str) -> Option<String> {
        let relative = match to.strip_prefix("//") {
            Some(absolute) => {
                let (provider, rest) = absolute.split_once('/')?;
                if provider != self.provider {
                    return Some(format!("//{provider}"));
                }
                rest
            }
            None => to.strip_prefix('/')?,
        };
        let cse = relative.split('/').next().unwrap_or_default();
        (!cse.is_empty() && cse != self.cse).then(|| format!("/{cse}"))
    }

    /// An originator as other CSEs know it (TS-0004 7.3.2.6): `/id-in/Cae`, and `/Sae` for an ID that is the service
    /// provider's.
    pub(crate) fn known_elsewhere(&self, originator: &str) -> String {
        match originator.bytes().next() {
            None | Some(b'/') => originator.to_owned(),
            Some(b'S') => format!("/{originator}"),
            Some(_) => self.sp_relative(originator),
        }
    }

    /// What follows the CSE-ID: nothing when it is another CSE's, nothing inside when nothing follows.
    fn below_cse<'a>(&self, text: &'a str) -> Option<Option<&'a str>> {
        let rest = text.strip_prefix(&*self.cse)?;
        match rest.strip_prefix('/') {
            Some(rest) => Some((!rest.is_empty()).then_some(rest)),
            None if rest.is_empty() => Some(None),
            None => None,
        }
    }

    /// The resource at an address.
    ///
    /// # Errors
    /// NOT_FOUND, or BAD_REQUEST for what is no address.
    pub(crate) fn resolve(&self, tree: &Tree, to: &str) -> Result<Target, Failure> {
        let local = self.local(to)?;
        if local.is_empty() || local.ends_with('/') || local.contains("//") {
            return Err(Failure::bad(format!("{to:?} is not an address")));
        }
        let (first, rest) = local.split_once('/').map_or((local, None), |(first, rest)| (first, Some(rest)));
        let mut slot = if first == self.name || first == "-" {
            ROOT
        } else {
            tree.by_id(first).ok_or_else(|| Failure::not_found(to))?
        };
        let mut rest = rest;
        while let Some(path) = rest {
            let (name, next) = path.split_once('/').map_or((path, None), |(name, next)| (name, Some(next)));
            match tree.child(slot, name) {
                Some(child) => slot = child,
                None => {
                    let part = self.part(tree, slot, name, next).ok_or_else(|| Failure::not_found(to))?;
                    return Ok(Target { slot, part: Some(part) });
                }
            }
            rest = next;
        }
        Ok(Target { slot, part: None })
    }

    fn part(&self, tree: &Tree, slot: Slot, name: &str, rest: Option<&str>) -> Option<Virtual> {
        match (tree.at(slot).ty, name) {
            (ty::GRP, "fopt") => Some(Virtual::FanOut(rest.unwrap_or_default().to_owned())),
            _ if rest.is_some() => None,
            (ty::CNT | ty::TS, "la") => Some(Virtual::Latest),
            (ty::CNT | ty::TS, "ol") => Some(Virtual::Oldest),
            (ty::FCNT, "la") if tree.at(slot).counts_instances() => Some(Virtual::Latest),
            (ty::FCNT, "ol") if tree.at(slot).counts_instances() => Some(Virtual::Oldest),
            (ty::PCH, "pcu") => Some(Virtual::PollingChannel),
            _ => None,
        }
    }

    /// The resource itself at an address; virtual resources are not found.
    pub(crate) fn find(&self, tree: &Tree, to: &str) -> Option<Slot> {
        self.resolve(tree, to).ok().filter(|target| target.part.is_none()).map(|target| target.slot)
    }

    /// An entity's ID without what says that it is of this CSE: `/id-in/Cae` and `//sp/id-in/Cae` are `Cae`.
    pub(crate) fn short_entity<'a>(&self, entity: &'a str) -> &'a str {
        let relative = match entity.strip_prefix("//") {
            Some(absolute) => absolute.strip_prefix(&*self.provider).unwrap_or(entity),
            None => entity,
        };
        let inside = relative.strip_prefix('/').and_then(|text| text.strip_prefix(&*self.cse));
        inside.and_then(|text| text.strip_prefix('/')).unwrap_or(entity)
    }

    /// The CSE-ID.
    pub(crate) fn cse_id(&self) -> String {
        format!("/{}", self.cse)
    }

    /// The SP-relative address of something of this CSE.
    pub(crate) fn sp_relative(&self, local: &str) -> String {
        format!("/{}/{local}", self.cse)
    }
}
