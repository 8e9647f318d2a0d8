//! Registering, logging in, and looking people up.

use anyhow::Context as _;
use neonchat_common::{
    correlation, error::ApiError, http::address::ClientAddress, ids::UserId, lifecycle::Tasks, token::Tokens,
};

use super::{
    error::UserError,
    model::{FoundUsers, SearchLimit, Statuses, UserProfile},
    password::{Hasher, Password, Verification},
    store,
    username::{NamePrefix, Username},
};
use crate::{db::Db, limits::logins::LoginLimit, notifier::Notifier, validation::Offset};

/// The users.
#[derive(Clone)]
pub(crate) struct Users {
    db: Db,
    hasher: Hasher,
    tokens: Tokens,
    login_limit: LoginLimit,
    notifier: Notifier,
    tasks: Tasks,
}

/// A login that did well.
pub(crate) struct Login {
    /// Who.
    pub(crate) user: UserProfile,
    /// The token to come back with.
    pub(crate) token: String,
    /// For how many seconds it is good.
    pub(crate) expires_in: u64,
}

impl Users {
    /// With what they stand on.
    #[must_use]
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

    /// Makes a new user.
    ///
    /// # Errors
    /// [`UserError::UsernameTaken`], [`UserError::Busy`]
    pub(crate) async fn register(&self, username: Username, password: Password) -> Result<UserProfile, UserError> {
        // Before the password is hashed, which is what costs. Of two who want a name at once, the second fails below.
        if store::is_taken(&self.db, &username).await? {
            return Err(UserError::UsernameTaken);
        }
        let hash = self.hasher.hash(password).await?;
        let user = store::insert(&self.db, &username, &hash).await?.ok_or(UserError::UsernameTaken)?;
        tracing::info!(user.id = %user.id, "user registered");
        Ok(user)
    }

    /// Issues a token to a user who knows the password. `None` for what cannot be a name or a password.
    ///
    /// # Errors
    /// [`UserError::InvalidCredentials`], [`UserError::TooManyFailures`], [`UserError::Busy`]
    pub(crate) async fn log_in(
        &self,
        username: Option<Username>,
        password: Option<Password>,
        from: ClientAddress,
    ) -> Result<Login, UserError> {
        let attempt = self.login_limit.begin(username.as_ref().map(Username::key), from).await;
        let attempt =
            attempt.inspect_err(|_| metrics::counter!("rate_limited_total", "limit" => "login").increment(1))?;
        let login = self.check_login(username, password).await;
        match &login {
            Ok(_) => attempt.succeeded().await,
            Err(UserError::InvalidCredentials) => {}
            Err(_) => attempt.cancel().await,
        }
        login
    }

    async fn check_login(&self, username: Option<Username>, password: Option<Password>) -> Result<Login, UserError> {
        let (found, highest) = store::find_login(&self.db, username.as_ref()).await?;
        let (user, hash) = found.unzip();
        let verdict = self.hasher.verify(password.clone(), hash.clone(), highest).await?;
        let user = user.filter(|_| verdict != Verification::Wrong).ok_or(UserError::InvalidCredentials)?;
        if let (Verification::Outdated, Some(password), Some(old)) = (verdict, password, hash) {
            // The answer does not wait for it.
            self.tasks.spawn(correlation::in_current_scope(self.clone().rehash(user.id, password, old)));
        }
        let token = self.tokens.issue(user.id, &user.username).context("issuing a token")?;
        Ok(Login { user, token, expires_in: self.tokens.lifetime().as_secs() })
    }

    /// Replaces a hash of another cost or form than new ones have. What fails is tried again at the next login.
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

    /// The user who asks.
    ///
    /// # Errors
    /// [`UserError::CallerNotFound`]
    pub(crate) async fn myself(&self, id: UserId) -> Result<UserProfile, UserError> {
        store::find(&self.db, id).await?.ok_or(UserError::CallerNotFound)
    }

    /// A user.
    ///
    /// # Errors
    /// [`UserError::NotFound`]
    pub(crate) async fn get(&self, id: UserId) -> Result<UserProfile, UserError> {
        store::find(&self.db, id).await?.ok_or(UserError::NotFound)
    }

    /// The presence of those of the users with whom `user` shares a chat.
    ///
    /// # Errors
    /// It cannot be known in time.
    pub(crate) async fn statuses(&self, user: UserId, others: &[UserId]) -> Result<Statuses, ApiError> {
        let partners = store::partners_among(&self.db, user, others).await?;
        Ok(Statuses { statuses: self.notifier.statuses(partners).await? })
    }

    /// Users whose names start so.
    ///
    /// # Errors
    /// Those of the database.
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
