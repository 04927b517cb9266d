//! Users: administrators and tenants.

use morgana_model::{NewUser, Role, Secret, TenantId};
use serde_json::json;

use super::secret;
use super::session::ask_password;
use crate::answer::Answer;
use crate::call::{Context, Operation};
use crate::error::Error;
use crate::table::Table;
use crate::terminal::Terminal;

/// Register a user.
#[derive(Debug, clap::Args)]
pub struct Register {
    /// The user.
    #[arg(short = 'u', long = "user", value_name = "USER")]
    user: TenantId,
    /// The user's password; asked for when it is not given.
    #[arg(short = 'p', long = "password", value_name = "PASSWORD", value_parser = secret)]
    password: Option<Secret>,
    /// What the user may do: `user` (a tenant) or `admin`.
    #[arg(short = 'r', long = "role", value_name = "ROLE", default_value_t = Role::Tenant)]
    role: Role,
}

impl Operation for Register {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let password = match self.password {
            Some(password) => password,
            None => choose_password(context.terminal)?,
        };
        let user = NewUser { id: self.user, password, role: self.role };
        let user = context.client.create_user(&user).await?;
        Answer::sentence(&user, format!("user {} ({}) is registered", user.id, user.spec.role))
    }
}

/// Asks twice: nobody sees what was typed.
fn choose_password(terminal: &Terminal) -> Result<Secret, Error> {
    let password = ask_password(terminal, "Password of the new user: ", "")?;
    if ask_password(terminal, "The same again: ", "")? != password {
        return Err(Error::PasswordsDiffer);
    }
    Ok(password)
}

/// Unregister a user.
#[derive(Debug, clap::Args)]
pub struct Unregister {
    /// The user.
    #[arg(short = 'u', long = "user", value_name = "USER")]
    user: TenantId,
}

impl Operation for Unregister {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        context.client.delete_user(&self.user).await?;
        Answer::sentence(
            json!({"id": self.user, "deleted": true}),
            format!("user {} is unregistered", self.user),
        )
    }
}

/// List users.
#[derive(Debug, clap::Args)]
pub struct ListUsers {}

impl Operation for ListUsers {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let users = context.client.users().all().await?;
        let rows = users.iter().map(|user| {
            [user.id.to_string(), user.spec.role.to_string(), user.metadata.created_at.to_string()]
        });
        let table = Table::new(["USER", "ROLE", "CREATED"], rows);
        Answer::table(&users, table)
    }
}
