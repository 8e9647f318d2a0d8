//! Everything that the HTTP and gRPC edges call.

use neonchat_common::{deployment::OwnDeployment, http::address::TrustedProxies, origin::AllowedOrigins};

use crate::{
    changes::service::Changes,
    chats::service::Chats,
    client_config::WebSocketUrl,
    db::Db,
    groups::service::Groups,
    health::Health,
    messages::service::Messages,
    pins::service::PinService,
    prefs::service::Prefs,
    reactions::service::ReactionService,
    request_limit::RequestLimit,
    scheduled::service::Scheduled,
    sessions::{cookie::PublicHttps, service::Sessions},
    timeline::service::Timeline,
    users::service::Users,
    web::Web,
};

/// Everything that the HTTP and gRPC edges call.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) db: Db,
    pub(crate) deployment: OwnDeployment,
    pub(crate) sessions: Sessions,
    pub(crate) users: Users,
    pub(crate) chats: Chats,
    pub(crate) prefs: Prefs,
    pub(crate) messages: Messages,
    pub(crate) scheduled: Scheduled,
    pub(crate) timeline: Timeline,
    pub(crate) changes: Changes,
    pub(crate) reactions: ReactionService,
    pub(crate) pins: PinService,
    pub(crate) groups: Groups,
    pub(crate) health: Health,
    pub(crate) request_limit: RequestLimit,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub(crate) trusted_proxies: TrustedProxies,
    /// The origins whose pages may call the API from a browser.
    pub(crate) allowed_origins: AllowedOrigins,
    pub(crate) public_https: PublicHttps,
    pub(crate) websocket_url: WebSocketUrl,
    /// The web client, if it is served.
    pub(crate) web: Option<Web>,
}
