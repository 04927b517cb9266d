//! Logging in and out, going on with a session, and telling who calls.
//!
//! A login is a session in the System DB. Its access tokens say which session they belong to and are
//! good while it is there, so a logout holds at once, for all of them, and after a restart.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use morgana_access::{
    Caller, Claims, Origin, RefreshClaim, TokenError, TokenOptions, issue_token, refresh_token,
    verify_refresh_token, verify_token,
};
use morgana_model::{Credentials, ErrorCode, Failure, Role, Secret, Session, TenantId};
use morgana_store::{Expect, Transaction, Versioned};
use uuid::Uuid;

use crate::records::{AuditRecord, SessionRecord, UserRecord, session_key};
use crate::streams::OpenStream;
use crate::{Controller, Error, audit};

/// How often a login begins again when the user is changed at the same time.
const ATTEMPTS: usize = 8;

/// Which kind of session a login begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// A short access token, and a refresh token to go on with.
    Refreshed,
    /// One longer access token, for VirIoT's scripts, which know no refresh tokens.
    Compatible,
}

/// A caller whose right may end while it is being answered: its session ends, its user goes or changes
/// its role. An access token that ends on its own leaves the answer alone: the session goes on.
#[derive(Clone)]
pub struct Lease {
    controller: Controller,
    caller: Caller,
    claims: Claims,
}

impl Lease {
    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether its right is still what it was.
    pub async fn holds(&self) -> bool {
        self.controller.bearer_of(&self.claims).await.is_ok_and(|caller| caller.is(&self.caller))
    }

    /// Counts one more stream of the caller's.
    pub(super) fn open_stream(&self) -> Result<OpenStream, Failure> {
        self.controller.streams().open(&self.caller.user)
    }
}

impl Controller {
    /// Begins a session for who knows the password.
    ///
    /// # Errors
    /// When user and password do not match, when there were too many wrong ones before, or too many log
    /// in at once.
    pub async fn login(
        &self,
        credentials: Credentials,
        origin: &Origin,
        kind: SessionKind,
    ) -> Result<Session, Failure> {
        self.operation("login", async {
            let (name, address) = (credentials.user_id.as_str(), origin.address);
            self.throttled(name, address)?;
            for _ in 0..ATTEMPTS {
                let record = match name.parse::<TenantId>() {
                    Ok(id) => self.users().get(id.as_str()).await?,
                    Err(_) => None,
                };
                let hash = record.as_ref().map(|record| record.value.password_hash.clone());
                let matches = self.verify_password(credentials.password.clone(), hash).await?;
                let Some(record) = record.filter(|_| matches) else {
                    self.wrong_guess(name, address);
                    let text = "Bad username or password";
                    return Err(Failure::new(ErrorCode::Unauthenticated, text).into());
                };
                self.throttle().lock().succeeded(name, address);
                if let Some(session) = self.begin_session(record, origin, kind).await? {
                    return Ok(session);
                }
            }
            let text = format!("user '{name}' is being changed; try again");
            Err(Failure::new(ErrorCode::Unavailable, text).into())
        })
        .await
    }

    /// Refuses who guessed too often.
    pub(super) fn throttled(&self, user: &str, address: Option<IpAddr>) -> Result<(), Failure> {
        let waits = self.throttle().lock().check(user, address, Timestamp::now());
        waits.map_err(|seconds| {
            let text = format!("too many wrong passwords; try again in {seconds} seconds");
            Failure::new(ErrorCode::TooManyRequests, text).retry_after(seconds)
        })
    }

    fn wrong_guess(&self, user: &str, address: Option<IpAddr>) {
        self.throttle().lock().failed(user, address, Timestamp::now());
        let from = address.map(|address| address.to_string());
        let outcome = ErrorCode::Unauthenticated.as_str();
        // What was typed as a name may have been a password: only a name of the right form is written.
        let who = if user.parse::<TenantId>().is_ok() { user } else { "?" };
        self.audit().note(audit::entry(who, from, "login", who, outcome));
    }

    /// `None` when the user was changed meanwhile.
    async fn begin_session(
        &self,
        mut record: Versioned<UserRecord>,
        origin: &Origin,
        kind: SessionKind,
    ) -> Result<Option<Session>, Error> {
        let (user, role) = (record.value.user.id.clone(), record.value.user.spec.role);
        let now = Timestamp::now();
        let (access_seconds, life) = self.lives(kind);
        let session = SessionRecord {
            id: Uuid::now_v7(),
            user: user.clone(),
            created_at: now,
            refreshed_at: now,
            turn: 0,
            expires_at: now + life,
        };
        let mut transaction = Transaction::new();
        let before = self.sessions().all(&format!("{user} ")).await?;
        let most = self.options().sessions_per_user.max(1);
        for oldest in before.iter().take((before.len() + 1).saturating_sub(most)) {
            transaction.delete::<SessionRecord>(session_key(&user, oldest.value.id), Expect::Any);
        }
        record.value.user.status.last_login_at = Some(now);
        transaction.replace(&record)?;
        transaction.insert(&session)?;
        let caller = Caller { origin: origin.clone(), ..Caller::new(user.clone(), role) };
        audit::write(&mut transaction, &caller, "login", &user)?;
        match transaction.commit(self.store()).await {
            Ok(_) => Ok(Some(self.tokens(&session, role, access_seconds))),
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// How long an access token lives, in seconds, and how long the session without a refresh.
    fn lives(&self, kind: SessionKind) -> (u32, SignedDuration) {
        let short = self.options().access_token_minutes.max(1).saturating_mul(60);
        match kind {
            SessionKind::Refreshed => {
                (short, SignedDuration::from_hours(self.options().session_life_hours.max(1).into()))
            }
            SessionKind::Compatible => {
                let long = self.options().compatible_token_hours.saturating_mul(3600).max(short);
                (long, SignedDuration::from_secs(long.into()))
            }
        }
    }

    fn tokens(&self, session: &SessionRecord, role: Role, access_seconds: u32) -> Session {
        let options = TokenOptions { life_seconds: access_seconds };
        let (user, now) = (&session.user, Timestamp::now());
        let (access_token, claims) =
            issue_token(self.key(), &options, user, role, now, Uuid::new_v4(), session.id);
        let claim = RefreshClaim { user: user.clone(), session: session.id, turn: session.turn };
        Session {
            access_token,
            role,
            refresh_token: refresh_token(self.key(), &claim),
            session_expires_at: session.expires_at,
            expires_at: claims.expires_at,
        }
    }

    /// Goes on with a session: a new access token and the next refresh token.
    ///
    /// # Errors
    /// When the token is not ours, the session is over, or the token was used before: then the session
    /// ends, for one of two who have it is a thief.
    pub async fn refresh(&self, token: &Secret, origin: &Origin) -> Result<Session, Failure> {
        self.operation("refresh", async {
            let claim = verify_refresh_token(self.key(), token.expose())
                .ok_or_else(|| unauthenticated("the refresh token is not valid; log in again"))?;
            let (access_seconds, life) = self.lives(SessionKind::Refreshed);
            for _ in 0..ATTEMPTS {
                let now = Timestamp::now();
                let key = session_key(&claim.user, claim.session);
                let found = self.sessions().get(&key).await?.filter(|found| now < found.value.expires_at);
                let user = self.users().get(claim.user.as_str()).await?;
                let (Some(mut found), Some(user)) = (found, user) else {
                    return Err(unauthenticated("the session has ended; log in again"));
                };
                let role = user.value.user.spec.role;
                let leeway = SignedDuration::from_secs(self.options().refresh_leeway_seconds.into());
                if claim.turn + 1 == found.value.turn && now < found.value.refreshed_at + leeway {
                    return Ok(self.tokens(&found.value, role, access_seconds));
                }
                if claim.turn != found.value.turn {
                    self.end_for_reuse(&claim, origin).await?;
                    let text =
                        "the refresh token was used before, so its session has been ended; log in again";
                    return Err(unauthenticated(text));
                }
                found.value.turn += 1;
                found.value.refreshed_at = now;
                found.value.expires_at = now + life;
                match self.sessions().put(&found.value, Expect::Revision(found.revision)).await {
                    Ok(_) => return Ok(self.tokens(&found.value, role, access_seconds)),
                    Err(error) if error.is_conflict() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let text = "the session is refreshed by too many at once; try again";
            Err(Failure::new(ErrorCode::Unavailable, text).into())
        })
        .await
    }

    async fn end_for_reuse(&self, claim: &RefreshClaim, origin: &Origin) -> Result<(), Error> {
        tracing::warn!(user = %claim.user, "a refresh token was used twice; its session is ended");
        let from = origin.address.map(|address| address.to_string());
        let user = claim.user.as_str();
        let mut transaction = Transaction::new();
        transaction.delete::<SessionRecord>(session_key(&claim.user, claim.session), Expect::Any);
        transaction.insert(&AuditRecord(audit::entry(user, from, "refresh", user, "token-reused")))?;
        transaction.commit(self.store()).await?;
        Ok(())
    }

    /// Ends the session of an `Authorization` header, for good.
    ///
    /// # Errors
    /// When the token is not valid any more.
    pub async fn logout(&self, authorization: Option<&str>, origin: &Origin) -> Result<(), Failure> {
        self.operation("logout", async {
            let (caller, claims) = self.caller_of(authorization).await?;
            let caller = Caller { origin: origin.clone(), ..caller };
            let mut transaction = Transaction::new();
            transaction.delete::<SessionRecord>(session_key(&claims.user, claims.session), Expect::Any);
            audit::write(&mut transaction, &caller, "logout", &claims.user)?;
            transaction.commit(self.store()).await?;
            Ok(())
        })
        .await
    }

    /// Ends all sessions of a user, in the commit that is the reason for it.
    pub(super) async fn end_sessions(
        &self,
        user: &TenantId,
        transaction: &mut Transaction,
    ) -> Result<(), Error> {
        for session in self.sessions().all(&format!("{user} ")).await? {
            transaction.delete::<SessionRecord>(session_key(user, session.value.id), Expect::Any);
        }
        Ok(())
    }

    /// Tells who calls, from the `Authorization` header.
    ///
    /// # Errors
    /// When it is missing or malformed, or its token is not ours, expired or logged out, or the
    /// user is gone.
    pub async fn authenticate(&self, authorization: Option<&str>) -> Result<Caller, Failure> {
        self.caller_of(authorization).await.map(|(caller, _)| caller).map_err(Failure::from)
    }

    /// Tells who calls, for an answer that lasts longer than a request.
    ///
    /// # Errors
    /// As [`Controller::authenticate`].
    pub async fn lease(&self, authorization: Option<&str>) -> Result<Lease, Failure> {
        let (caller, claims) = self.caller_of(authorization).await?;
        Ok(Lease { controller: self.clone(), caller, claims })
    }

    /// What is wrong with the token of an `Authorization` header as a token, whatever became of its
    /// session.
    pub fn token_error(&self, authorization: Option<&str>) -> Option<TokenError> {
        verify_token(self.key(), authorization, Timestamp::now()).err()
    }

    async fn caller_of(&self, authorization: Option<&str>) -> Result<(Caller, Claims), Error> {
        let verified = verify_token(self.key(), authorization, Timestamp::now());
        let claims = verified.map_err(|error| unauthenticated(error.to_string()))?;
        let caller = self.bearer_of(&claims).await?;
        Ok((caller, claims))
    }

    /// The role is read anew each time: it is the System DB's word that counts, not the token's.
    async fn bearer_of(&self, claims: &Claims) -> Result<Caller, Error> {
        let session = self.sessions().get(&session_key(&claims.user, claims.session)).await?;
        if session.is_none_or(|session| session.value.expires_at <= Timestamp::now()) {
            return Err(unauthenticated("the token has been revoked; log in again"));
        }
        // A user's sessions go with it, in one commit: one that is registered again inherits none.
        match self.users().get(claims.user.as_str()).await?.map(|record| record.value.user) {
            Some(user) => Ok(Caller::new(user.id, user.spec.role)),
            None => Err(unauthenticated("the user of the token does not exist any more")),
        }
    }
}

fn unauthenticated(text: impl Into<String>) -> Error {
    Failure::new(ErrorCode::Unauthenticated, text).into()
}
