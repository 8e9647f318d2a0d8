//! Registers users, logs them in, and looks them up.

use anyhow::Context as _;
use neonchat_common::{correlation, http::address::ClientAddress, ids::UserId, tasks::Tasks, token::Tokens};

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
    validation::Offset,
};

/// Registers users, logs them in, and looks them up.
#[derive(Clone)]
pub(crate) struct Users {
    db: Db,
    hasher: Hasher,
    tokens: Tokens,
    login_limit: LoginLimit,
    notifier: Notifier,
    tasks: Tasks,
}

/// A successful login.
pub(crate) struct Login {
    pub(crate) user: UserProfile,
    pub(crate) token: String,
    /// Seconds until the token expires.
    pub(crate) expires_in: u64,
}

impl Users {
    pub(crate) fn new(
        db: Db,
        hasher: Hasher,
        tokens: Tokens,
        login_limit: LoginLimit,
        notifier: Notifier,
        tasks: Tasks,
    ) -> Self {
        Self { db, hasher, tokens, login_limit, notifier, tasks }
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

    /// Issues a token if the password is right. `None` stands for an invalid name or password.
    pub(crate) async fn log_in(
        &self,
        username: Option<Username>,
        password: Option<Password>,
        from: ClientAddress,
    ) -> Result<Login, UserError> {
        let user = self.authenticate(username, password, from).await?;
        let token = self.tokens.issue(user.id, &user.username).context("issuing a token")?;
        Ok(Login { user, token, expires_in: self.tokens.lifetime().as_secs() })
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
            Ok(found) => Ok(found.id == user),
            Err(UserError::InvalidCredentials) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn authenticate(
        &self,
        username: Option<Username>,
        password: Option<Password>,
        from: ClientAddress,
    ) -> Result<UserProfile, UserError> {
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
    ) -> Result<UserProfile, UserError> {
        let (found, highest) = store::find_login(&self.db, username.as_ref()).await?;
        let (user, hash) = found.unzip();
        let verification = self.hasher.verify(password.clone(), hash.clone(), highest).await?;
        let user = user.filter(|_| verification != Verification::Wrong).ok_or(UserError::InvalidCredentials)?;
        if let (Verification::Outdated, Some(password), Some(old)) = (verification, password, hash) {
            // In the background: the login does not wait for it.
            self.tasks.spawn(correlation::in_current_scope(self.clone().rehash(user.id, password, old)));
        }
        Ok(user)
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
