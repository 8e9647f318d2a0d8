//! All that the edges call, in one place.

use neonchat_common::{deployment::OwnDeployment, http::address::TrustedProxies, origin::AllowedOrigins};

use crate::{
    chats::service::Chats, db::Db, health::Health, http::rate_limit::RequestLimit, messages::service::Messages,
    sessions::service::Sessions, users::service::Users,
};

/// What the edges call.
#[derive(Clone)]
pub(crate) struct Services {
    /// The database.
    pub(crate) db: Db,
    /// The deployment that the database belongs to.
    pub(crate) deployment: OwnDeployment,
    /// Sessions.
    pub(crate) sessions: Sessions,
    /// Users.
    pub(crate) users: Users,
    /// Chats.
    pub(crate) chats: Chats,
    /// Messages.
    pub(crate) messages: Messages,
    /// The process itself.
    pub(crate) health: Health,
    /// How often a client may ask.
    pub(crate) request_limit: RequestLimit,
    /// Who says where a request comes from.
    pub(crate) trusted_proxies: TrustedProxies,
    /// Whose pages may ask from a browser.
    pub(crate) allowed_origins: AllowedOrigins,
}
