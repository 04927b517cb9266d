//! Users.

use jiff::Timestamp;
use morgana_access::{Action, Caller};
use morgana_model::{
    ErrorCode, Failure, Metadata, NewUser, Page, Role, Secret, TenantId, User, UserPatch, UserSpec,
    UserStatus,
};
use morgana_store::{Expect, ListQuery, Transaction, Versioned};

use super::{ListOptions, existing, page};
use crate::change::written;
use crate::records::UserRecord;
use crate::{Controller, Error, Precondition, audit};

impl Controller {
    /// Registers a user.
    ///
    /// # Errors
    /// When the caller is no administrator, the id is taken, or the password is too weak to store.
    pub async fn register(&self, caller: &Caller, new: NewUser) -> Result<User, Failure> {
        self.operation("register", async {
            self.authorize(caller, Action::RegisterUser, None)?;
            self.once(caller, self.register_checked(caller, new)).await
        })
        .await
    }

    async fn register_checked(&self, caller: &Caller, new: NewUser) -> Result<User, Error> {
        self.check_new_password(&new.id, &new.password)?;
        // Hashing takes a while; whom it is not worth for is told before.
        if self.users().get(new.id.as_str()).await?.is_some() {
            return Err(already_exists(&new.id).into());
        }
        let password_hash = self.hash_password(new.password).await?;
        let metadata = Metadata::new(Timestamp::now());
        let spec = UserSpec { role: new.role };
        let user = User { id: new.id, metadata, spec, status: UserStatus::default() };
        let record = UserRecord { user, password_hash };
        let mut transaction = Transaction::new();
        transaction.insert(&record)?;
        written(&mut transaction, caller, "register", &record.user.id, &record.user)?;
        match transaction.commit(self.store()).await {
            Ok(_) => Ok(record.user),
            Err(error) if error.is_conflict() => Err(already_exists(&record.user.id).into()),
            Err(error) => Err(Error::from(error)),
        }
    }

    /// Changes the password or the role of a user. A new password ends all sessions of the user.
    ///
    /// # Errors
    /// When the caller may not, the user does not exist or was changed since, its current password is
    /// wrong, the new one is too weak, or it is the last administrator.
    pub async fn update_user(
        &self,
        caller: &Caller,
        id: &TenantId,
        patch: UserPatch,
        precondition: &Precondition,
    ) -> Result<Versioned<User>, Failure> {
        self.operation("updateUser", async {
            self.authorize(caller, Action::ChangePassword, Some(id))?;
            if patch.role.is_some() {
                self.authorize(caller, Action::ChangeRole, None)?;
            }
            let _nothing_is_made = self.while_removing().await;
            let mut found = existing(self.users(), "user", id.as_str()).await?;
            if precondition.as_ref().is_some_and(|revisions| !revisions.contains(&found.revision)) {
                let text = format!("user '{id}' was changed since you looked at it; look again");
                return Err(Failure::new(ErrorCode::PreconditionFailed, text).into());
            }
            let mut transaction = Transaction::new();
            if let Some(password) = patch.password {
                if caller.user == *id {
                    self.check_current_password(caller, &found.value, patch.current_password).await?;
                }
                self.check_new_password(id, &password)?;
                found.value.password_hash = self.hash_password(password).await?;
                self.end_sessions(id, &mut transaction).await?;
                audit::write(&mut transaction, caller, "changePassword", id)?;
            }
            if let Some(role) = patch.role.filter(|role| *role != found.value.user.spec.role) {
                if found.value.user.spec.role == Role::Administrator {
                    self.check_not_last_administrator(id).await?;
                }
                found.value.user.spec.role = role;
                audit::write(&mut transaction, caller, "changeRole", format_args!("{id} {role}"))?;
            }
            if transaction.is_empty() {
                return Ok(Versioned { revision: found.revision, value: found.value.user });
            }
            found.value.user.metadata.generation += 1;
            transaction.replace(&found)?;
            let commit = transaction.commit(self.store()).await.map_err(Error::from)?;
            Ok(Versioned { revision: commit.revision, value: found.value.user })
        })
        .await
    }

    /// Guessing the current password in a session that was left open is throttled like logging in.
    async fn check_current_password(
        &self,
        caller: &Caller,
        record: &UserRecord,
        given: Option<Secret>,
    ) -> Result<(), Error> {
        let Some(given) = given else {
            let text = "currentPassword is missing: whoever changes the own password has to know it";
            return Err(Failure::invalid(text).into());
        };
        let (user, address) = (caller.user.as_str(), caller.origin.address);
        self.throttled(user, address)?;
        if self.verify_password(given, Some(record.password_hash.clone())).await? {
            return Ok(());
        }
        self.throttle().lock().failed(user, address, Timestamp::now());
        let code = ErrorCode::PermissionDenied;
        self.audit().note(audit::line(caller, "changePassword", user, code.as_str()));
        Err(Failure::new(code, "currentPassword is wrong").into())
    }

    async fn check_not_last_administrator(&self, id: &TenantId) -> Result<(), Error> {
        let users = self.users().all("").await?;
        let administrators = users.iter().filter(|user| user.value.user.spec.role == Role::Administrator);
        if administrators.count() == 1 {
            let text = format!("user '{id}' is the last administrator; register another one first");
            return Err(Failure::new(ErrorCode::Conflict, text).into());
        }
        Ok(())
    }

    /// Removes a user that has no silo. Its tokens end with it.
    ///
    /// # Errors
    /// When the caller is no administrator, the user does not exist, has silos, or is the last
    /// administrator.
    pub async fn unregister(&self, caller: &Caller, id: &TenantId) -> Result<(), Failure> {
        self.operation("unregister", async {
            self.authorize(caller, Action::UnregisterUser, None)?;
            let _nothing_is_made = self.while_removing().await;
            let found = existing(self.users(), "user", id.as_str()).await?;
            let silos = self.v_silos().list(ListQuery::prefix(format!("{id}_")).limit(1)).await?;
            if let Some(silo) = silos.first() {
                let text = format!("user '{id}' has vSilo '{}': destroy its silos first", silo.value.id);
                return Err(Failure::new(ErrorCode::Conflict, text).into());
            }
            if found.value.user.spec.role == Role::Administrator {
                self.check_not_last_administrator(id).await?;
            }
            let mut transaction = Transaction::new();
            transaction.delete::<UserRecord>(id.as_str(), Expect::Revision(found.revision));
            self.end_sessions(id, &mut transaction).await?;
            audit::write(&mut transaction, caller, "unregister", id)?;
            transaction.commit(self.store()).await.map_err(Error::from)?;
            Ok(())
        })
        .await
    }

    /// Part of the list of users.
    ///
    /// # Errors
    /// When the caller is no administrator or the limit is out of bounds.
    pub async fn list_users(&self, caller: &Caller, options: &ListOptions) -> Result<Page<User>, Failure> {
        self.operation("listUsers", async {
            self.authorize(caller, Action::ListUsers, None)?;
            let field = |record: &UserRecord, name: &str| match name {
                "role" => Some(record.user.spec.role.to_string()),
                _ => None,
            };
            let found = page(self.users(), "", options, field).await?;
            Ok(Page { items: found.items.into_iter().map(|record| record.user).collect(), next: found.next })
        })
        .await
    }

    /// One user: any for an administrator, oneself for a tenant.
    ///
    /// # Errors
    /// When the caller may not look, or it does not exist.
    pub async fn inspect_user(&self, caller: &Caller, id: &TenantId) -> Result<User, Failure> {
        Ok(self.find_user(caller, id).await?.value)
    }

    /// [`Controller::inspect_user`] with its revision.
    ///
    /// # Errors
    /// When the caller may not look, or it does not exist.
    pub async fn find_user(&self, caller: &Caller, id: &TenantId) -> Result<Versioned<User>, Failure> {
        self.operation("inspectUser", async {
            self.authorize(caller, Action::InspectUser, Some(id))?;
            let found = existing(self.users(), "user", id.as_str()).await?;
            Ok(Versioned { revision: found.revision, value: found.value.user })
        })
        .await
    }
}

fn already_exists(id: &TenantId) -> Failure {
    Failure::new(ErrorCode::AlreadyExists, format!("user '{id}' already exists"))
}
