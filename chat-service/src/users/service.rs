//! Registers users, logs them in, and looks them up.

use neonchat_common::{correlation, http::address::ClientAddress, ids::UserId, tasks::Tasks, token::Claims};
use secrecy::SecretString;

use super::{
    error::UserError,
    last_seen,
    model::{FoundUsers, LastSeen, SearchLimit, Statuses, UserProfile, UserStatus},
    password::{Hasher, Password, Verification},
    store,
    username::{NamePrefix, Username},
};
use crate::{
    db::Db,
    limits::logins::LoginLimit,
    notifier::{self, Notifier},
    sessions::{
        model::{Device, Grant, SessionUser},
        service::Sessions,
    },
    validation::Offset,
};

/// Registers users, logs them in, and looks them up.
#[derive(Clone)]
pub(crate) struct Users {
    db: Db,
    hasher: Hasher,
    sessions: Sessions,
    login_limit: LoginLimit,
    notifier: Notifier,
    tasks: Tasks,
}

/// A login.
pub(crate) struct Login {
    /// `None` stands for an invalid name.
    pub(crate) username: Option<Username>,
    /// `None` stands for an invalid password.
    pub(crate) password: Option<Password>,
    pub(crate) device_name: Option<String>,
    pub(crate) device: Device,
    pub(crate) from: ClientAddress,
}

/// A user whose password was right.
struct Authenticated {
    user: UserProfile,
    /// The hash that the password was compared with.
    hash: String,
}

/// How often a password is checked again because its hash was replaced meanwhile, by an upgrade or by another password.
const MAX_CHECKS: usize = 3;

impl Users {
    pub(crate) fn new(
        db: Db,
        hasher: Hasher,
        sessions: Sessions,
        login_limit: LoginLimit,
        notifier: Notifier,
        tasks: Tasks,
    ) -> Self {
        Self { db, hasher, sessions, login_limit, notifier, tasks }
    }

    /// Stores a new user.
    pub(crate) async fn register(&self, username: Username, password: Password) -> Result<UserProfile, UserError> {
        // Checked before the expensive hashing. If two users want a name at the same time, `insert` refuses the second one.
        if store::is_taken(&self.db, &username).await? {
            return Err(UserError::UsernameTaken);
        }
        let hash = self.hasher.hash(password).await?;
        let user = store::insert(&self.db, &username, &hash).await?.ok_or(UserError::UsernameTaken)?;
        tracing::info!(user.id = %user.id, "user registered");
        Ok(user)
    }

    /// Starts a session if the password is right.
    pub(crate) async fn log_in(&self, login: Login) -> Result<Grant, UserError> {
        let Login { username, password, device_name, device, from } = login;
        for _ in 0..MAX_CHECKS {
            let Authenticated { user, hash } = self.authenticate(username.clone(), password.clone(), from).await?;
            let user = SessionUser { id: user.id, username: user.username };
            if let Some(grant) = self.sessions.begin(user, &hash, device_name.as_deref(), &device).await? {
                return Ok(grant);
            }
        }
        Err(UserError::Busy)
    }

    /// Replaces the password of the caller, and ends all other sessions. Wrong passwords count as failed logins.
    pub(crate) async fn change_password(
        &self,
        claims: &Claims,
        old: Option<Password>,
        new: SecretString,
        from: ClientAddress,
    ) -> Result<(), UserError> {
        let username = Username::parse_existing(&self.myself(claims.user_id).await?.username);
        let new = Password::choose(new, username.as_ref()).map_err(UserError::InvalidPassword)?;
        for _ in 0..MAX_CHECKS {
            let checked = self.authenticate(username.clone(), old.clone(), from).await;
            let checked = checked.map_err(|error| match error {
                UserError::InvalidCredentials => UserError::WrongPassword,
                error => error,
            })?;
            let hash = self.hasher.hash(new.clone()).await?;
            if self.sessions.replace_password(claims, checked.hash, hash).await? {
                return Ok(());
            }
        }
        Err(UserError::Busy)
    }

    /// Returns whether a password is that of a user who is logged in. Wrong ones count as failed logins.
    pub(crate) async fn is_password(
        &self,
        user: UserId,
        password: Option<Password>,
        from: ClientAddress,
    ) -> Result<bool, UserError> {
        let username = Username::parse_existing(&self.myself(user).await?.username);
        match self.authenticate(username, password, from).await {
            Ok(found) => Ok(found.user.id == user),
            Err(UserError::InvalidCredentials) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn authenticate(
        &self,
        username: Option<Username>,
        password: Option<Password>,
        from: ClientAddress,
    ) -> Result<Authenticated, UserError> {
        let attempt = self.login_limit.begin(username.as_ref().map(Username::key), from).await;
        let attempt =
            attempt.inspect_err(|_| metrics::counter!("rate_limited_total", "limit" => "login").increment(1))?;
        let user = self.check_password(username, password).await;
        match &user {
            Ok(_) => attempt.succeeded().await,
            Err(UserError::InvalidCredentials) => {}
            Err(_) => attempt.cancel().await,
        }
        user
    }

    async fn check_password(
        &self,
        username: Option<Username>,
        password: Option<Password>,
    ) -> Result<Authenticated, UserError> {
        let (found, highest) = store::find_login(&self.db, username.as_ref()).await?;
        let (user, hash) = found.unzip();
        let verification = self.hasher.verify(password.clone(), hash.clone(), highest).await?;
        let right = user.zip(hash).filter(|_| verification != Verification::Wrong);
        let (user, hash) = right.ok_or(UserError::InvalidCredentials)?;
        if let (Verification::Outdated, Some(password)) = (verification, password) {
            // In the background: the login does not wait for it.
            self.tasks.spawn(correlation::in_current_scope(self.clone().rehash(user.id, password, hash.clone())));
        }
        Ok(Authenticated { user, hash })
    }

    /// Replaces a hash whose cost or form differs from that of new ones. If it fails, the next login tries again.
    async fn rehash(self, user: UserId, password: Password, old: String) {
        let replaced = async {
            let new = self.hasher.hash(password).await?;
            Ok::<_, UserError>(store::replace_hash(&self.db, user, &old, &new).await?)
        };
        match replaced.await {
            Ok(true) => tracing::info!(user.id = %user, "password hash upgraded"),
            Ok(false) => tracing::debug!(user.id = %user, "password hash replaced by another login"),
            Err(error) => tracing::warn!(user.id = %user, error.cause = %error, "password hash upgrade failed"),
        }
    }

    /// Returns the profile of the caller.
    pub(crate) async fn myself(&self, id: UserId) -> Result<UserProfile, UserError> {
        store::find(&self.db, id).await?.ok_or(UserError::CallerNotFound)
    }

    /// Returns the profile of a user.
    pub(crate) async fn get(&self, id: UserId) -> Result<UserProfile, UserError> {
        store::find(&self.db, id).await?.ok_or(UserError::NotFound)
    }

    /// Returns the presence of those of the users who share a chat with `user`.
    ///
    /// # Errors
    /// notification-service did not answer within the timeout.
    pub(crate) async fn statuses(&self, user: UserId, others: &[UserId]) -> Result<Statuses, UserError> {
        let partners = store::partners_among(&self.db, user, others).await?;
        let statuses = self.notifier.statuses(partners.keys().copied()).await;
        let statuses = statuses.map_err(UserError::PresenceUnavailable)?.into_iter();
        let with_time = |status: notifier::UserStatus| {
            let last_seen_at = partners.get(&status.user_id).copied().flatten();
            UserStatus::new(status, last_seen_at)
        };
        Ok(Statuses { statuses: statuses.map(with_time).collect() })
    }

    /// Records when users were last seen. The times of unknown users are dropped.
    pub(crate) async fn record_last_seen(&self, users: &[LastSeen]) -> Result<(), UserError> {
        Ok(last_seen::record(&self.db, users).await?)
    }

    /// Returns a page of the users whose names start with `prefix`.
    pub(crate) async fn search(
        &self,
        prefix: &NamePrefix,
        limit: SearchLimit,
        offset: Offset,
    ) -> Result<FoundUsers, UserError> {
        let mut users = store::search(&self.db, prefix, limit, offset).await?;
        let has_more = limit.truncate(&mut users);
        Ok(FoundUsers { users, has_more })
    }
}
