//! Users.

use jiff::Timestamp;
use morgana_access::{Action, Caller};
use morgana_model::{ErrorCode, Failure, Metadata, NewUser, Page, Role, TenantId, User, UserSpec};
use morgana_store::{Expect, ListQuery, Transaction};

use super::{ListOptions, existing, page};
use crate::records::UserRecord;
use crate::{Controller, Error};

impl Controller {
    /// Registers a user.
    ///
    /// # Errors
    /// When the caller is no administrator, the id is taken, or the password is too weak to store.
    pub async fn register(&self, caller: &Caller, new: NewUser) -> Result<User, Failure> {
        self.operation("register", async {
            self.authorize(caller, Action::RegisterUser, None)?;
            let password_hash = self.hash_password(new.password).await?;
            let metadata = Metadata::new(Timestamp::now());
            let record = UserRecord {
                user: User { id: new.id, metadata, spec: UserSpec { role: new.role } },
                password_hash,
            };
            match self.users().insert(&record).await {
                Ok(_) => Ok(record.user),
                Err(error) if error.is_conflict() => {
                    let text = format!("user '{}' already exists", record.user.id);
                    Err(Failure::new(ErrorCode::AlreadyExists, text).into())
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
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
                let users = self.users().all("").await?;
                let administrators =
                    users.iter().filter(|user| user.value.user.spec.role == Role::Administrator);
                if administrators.count() == 1 {
                    let text = format!("user '{id}' is the last administrator; register another one first");
                    return Err(Failure::new(ErrorCode::Conflict, text).into());
                }
            }
            let mut transaction = Transaction::new();
            transaction.delete::<UserRecord>(id.as_str(), Expect::Revision(found.revision));
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
            let found = page(self.users(), "", options).await?;
            Ok(Page { items: found.items.into_iter().map(|record| record.user).collect(), next: found.next })
        })
        .await
    }

    /// One user: any for an administrator, oneself for a tenant.
    ///
    /// # Errors
    /// When the caller may not look, or it does not exist.
    pub async fn inspect_user(&self, caller: &Caller, id: &TenantId) -> Result<User, Failure> {
        self.operation("inspectUser", async {
            self.authorize(caller, Action::InspectUser, Some(id))?;
            Ok(existing(self.users(), "user", id.as_str()).await?.value.user)
        })
        .await
    }
}
