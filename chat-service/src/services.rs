//! All that the edges call, in one place.

use neonchat_common::{deployment::OwnDeployment, http::address::TrustedProxies, origin::AllowedOrigins};

use crate::{
    chats::service::Chats, db::Db, health::Health, http::rate_limit::RequestLimit, messages::service::Messages,
    sessions::service::Sessions, users::service::Users,
};

/// What the edges call.
#[derive(Clone)]
pub struct Services {
    /// The database.
    pub db: Db,
    /// The deployment that the database belongs to.
    pub deployment: OwnDeployment,
    /// Sessions.
    pub sessions: Sessions,
    /// Users.
    pub users: Users,
    /// Chats.
    pub chats: Chats,
    /// Messages.
    pub messages: Messages,
    /// The process itself.
    pub health: Health,
    /// How often a client may ask.
    pub request_limit: RequestLimit,
    /// Who says where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// Whose pages may ask from a browser.
    pub allowed_origins: AllowedOrigins,
}
