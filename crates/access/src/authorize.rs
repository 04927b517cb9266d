//! Who may call which operation of the controller (viriot-wire.md section 2.2, column "who").

use std::net::IpAddr;

use morgana_model::{Role, TenantId};

/// Who asks, as the System DB knows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user; for a tenant this is the tenant's id.
    pub user: TenantId,
    /// Its role.
    pub role: Role,
    /// How the call came.
    pub origin: Origin,
}

/// How a call came: nothing of it decides who may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address it came from, where there is one.
    pub address: Option<IpAddr>,
    /// What tells a repetition of a creation from another one.
    pub idempotency: Option<Idempotency>,
}

/// A key that a client chose for one creation, and a print of what it asked for with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// A print of method, path and body: the same key with another one is a mistake of the client.
    pub print: String,
}

impl Caller {
    /// A user that called from nowhere in particular.
    pub fn new(user: TenantId, role: Role) -> Self {
        Self { user, role, origin: Origin::default() }
    }

    /// Whether it is the same user with the same role, however it called.
    pub fn is(&self, other: &Self) -> bool {
        self.user == other.user && self.role == other.role
    }

    /// Whether what belongs to `owner` is the caller's to see and to change: it is the caller's own,
    /// or the caller is an administrator. Ids are compared whole.
    pub fn controls(&self, owner: &TenantId) -> bool {
        self.role == Role::Administrator || self.user == *owner
    }
}

/// Who may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Any user that is logged in; what it is shown is only what it [controls](Caller::controls), or
    /// what is for all.
    Anyone,
    /// The tenant that owns what is touched, and any administrator.
    Owner,
    /// Administrators only.
    Administrator,
}

/// The caller may not do it. What else there is to know stays untold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("operation not allowed")]
pub struct Denied;

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident: $rule:ident,)+) => {
        /// Every operation of the controller. An operation that is not here cannot be called.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $action,)+
        }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$action),+];

            /// Who may do it.
            pub const fn rule(self) -> Rule {
                match self {
                    $(Self::$action => Rule::$rule,)+
                }
            }
        }
    };
}

actions! {
    /// Add a user.
    RegisterUser: Administrator,
    /// Remove a user.
    UnregisterUser: Administrator,
    /// List all users.
    ListUsers: Administrator,
    /// Show one user.
    InspectUser: Owner,
    /// Set a new password.
    ChangePassword: Owner,
    /// Give a user another role.
    ChangeRole: Administrator,
    /// End the caller's own session.
    LogOut: Anyone,
    /// Read the audit log.
    ReadAudit: Administrator,
    /// Add a flavour.
    AddFlavour: Administrator,
    /// Change a flavour.
    UpdateFlavour: Administrator,
    /// Remove a flavour.
    DeleteFlavour: Administrator,
    /// List the flavours.
    ListFlavours: Anyone,
    /// Show a flavour; its parameters are shown to administrators alone.
    InspectFlavour: Anyone,
    /// Start a ThingVisor.
    AddThingVisor: Administrator,
    /// Change a ThingVisor's parameters.
    UpdateThingVisor: Administrator,
    /// Start a ThingVisor anew.
    RestartThingVisor: Administrator,
    /// Stop and remove a ThingVisor.
    DeleteThingVisor: Administrator,
    /// List the ThingVisors.
    ListThingVisors: Administrator,
    /// Show one ThingVisor.
    InspectThingVisor: Administrator,
    /// Read what a ThingVisor logs.
    ReadThingVisorLog: Administrator,
    /// List the vThings that can be rented.
    ListVThings: Anyone,
    /// Set where a vThing's generic content is.
    SetVThingEndpoint: Administrator,
    /// Take away where a vThing's generic content is.
    DeleteVThingEndpoint: Administrator,
    /// Create a vSilo for a tenant.
    CreateVSilo: Owner,
    /// Start a vSilo anew.
    RestartVSilo: Owner,
    /// Stop and remove a vSilo.
    DestroyVSilo: Owner,
    /// List the vSilos that the caller controls.
    ListVSilos: Anyone,
    /// Show one vSilo, with its token.
    InspectVSilo: Owner,
    /// Read what a vSilo logs.
    ReadVSiloLog: Owner,
    /// Show all that a tenant has.
    InspectTenant: Owner,
    /// Plug a vThing into a vSilo.
    ConnectVThing: Owner,
    /// Unplug a vThing from a vSilo.
    DisconnectVThing: Owner,
    /// List the connections of a vSilo.
    ListConnections: Owner,
    /// Follow the changes of what the caller may see.
    WatchEvents: Anyone,
    /// See what the caller's workloads use.
    ListWorkloads: Anyone,
    /// List the zones, which a silo may ask for.
    ListZones: Anyone,
    /// List the nodes.
    ListNodes: Administrator,
    /// Show one node.
    InspectNode: Administrator,
    /// Copy the System DB.
    BackUp: Administrator,
}

/// Decides whether the caller may do `action` to what belongs to `owner`. `None` means that it
/// belongs to no tenant, and then an action that asks for an owner is for administrators.
///
/// # Errors
/// [`Denied`].
pub fn authorize(caller: &Caller, action: Action, owner: Option<&TenantId>) -> Result<(), Denied> {
    let administrator = caller.role == Role::Administrator;
    let allowed = match action.rule() {
        Rule::Anyone => true,
        Rule::Owner => owner.map_or(administrator, |owner| caller.controls(owner)),
        Rule::Administrator => administrator,
    };
    if allowed { Ok(()) } else { Err(Denied) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> TenantId {
        id.parse().unwrap()
    }

    fn caller(id: &str, role: Role) -> Caller {
        Caller::new(tenant(id), role)
    }

    #[test]
    fn an_administrator_may_do_everything() {
        let admin = caller("root", Role::Administrator);
        for action in Action::ALL {
            for owner in [None, Some(&tenant("root")), Some(&tenant("tenant1"))] {
                assert_eq!(authorize(&admin, *action, owner), Ok(()), "{action:?}");
            }
        }
    }

    #[test]
    fn a_tenant_may_do_what_its_rule_says_and_no_more() {
        let caller = caller("tenant1", Role::Tenant);
        for action in Action::ALL {
            let own = authorize(&caller, *action, Some(&tenant("tenant1")));
            let other = authorize(&caller, *action, Some(&tenant("tenant2")));
            let nobody = authorize(&caller, *action, None);
            let expected = match action.rule() {
                Rule::Anyone => [Ok(()), Ok(()), Ok(())],
                Rule::Owner => [Ok(()), Err(Denied), Err(Denied)],
                Rule::Administrator => [Err(Denied), Err(Denied), Err(Denied)],
            };
            assert_eq!([own, other, nobody], expected, "{action:?}");
        }
    }

    #[test]
    fn a_tenant_id_that_begins_like_another_opens_nothing() {
        for (user, owner) in
            [("tenant1", "tenant10"), ("tenant10", "tenant1"), ("Tenant1", "tenant1"), ("t", "tenant1")]
        {
            let caller = caller(user, Role::Tenant);
            assert!(!caller.controls(&tenant(owner)), "{user} {owner}");
            assert_eq!(authorize(&caller, Action::DestroyVSilo, Some(&tenant(owner))), Err(Denied));
        }
    }

    #[test]
    fn a_tenant_named_like_an_administrator_is_a_tenant() {
        let caller = caller("admin", Role::Tenant);
        assert_eq!(authorize(&caller, Action::RegisterUser, None), Err(Denied));
        assert!(!caller.controls(&tenant("tenant1")));
    }

    #[test]
    fn tenants_touch_users_flavours_thing_visors_and_nodes_of_nobody() {
        let for_tenants: Vec<_> =
            Action::ALL.iter().filter(|action| action.rule() != Rule::Administrator).collect();
        use Action::*;
        assert_eq!(
            for_tenants,
            [
                &InspectUser,
                &ChangePassword,
                &LogOut,
                &ListFlavours,
                &InspectFlavour,
                &ListVThings,
                &CreateVSilo,
                &RestartVSilo,
                &DestroyVSilo,
                &ListVSilos,
                &InspectVSilo,
                &ReadVSiloLog,
                &InspectTenant,
                &ConnectVThing,
                &DisconnectVThing,
                &ListConnections,
                &WatchEvents,
                &ListWorkloads,
                &ListZones,
            ]
        );
    }
}
