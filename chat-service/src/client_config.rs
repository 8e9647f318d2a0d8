//! `/client-config`: what a client has to know before a login, so that no build of a client is for one deployment.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, HOST},
    web::Data,
};
use neonchat_common::{error::ApiError, http::address::is_https, message::MAX_CHARS};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use crate::http::routes::{Routes, routes};

/// How long caches may keep the answer. It changes only with the settings of the deployment.
const CACHED: &str = "public, max-age=300";

pub(crate) fn routes() -> Routes {
    routes!(client_config)
}

/// The URL of the WebSocket endpoint, as the settings give it.
#[derive(Clone, Debug)]
pub(crate) struct WebSocketUrl {
    /// `WS_PUBLIC_URL`.
    pub(crate) public: Option<String>,
    /// `NOTIFICATION_WS_PORT`.
    pub(crate) port: u16,
}

impl WebSocketUrl {
    /// Returns the URL for a client that reached chat-service with this request.
    fn of(&self, request: &HttpRequest) -> Option<String> {
        self.public.clone().or_else(|| self.on_host_of(request).map(Into::into))
    }

    /// Returns the URL at the port of notification-service on the host of the request.
    pub(crate) fn on_host_of(&self, request: &HttpRequest) -> Option<Url> {
        let scheme = if is_https(request) { "wss" } else { "ws" };
        let host = request.headers().get(HOST)?.to_str().ok()?;
        // Parsed, so that nothing but a host gets from the header into the URL.
        let mut url = Url::parse(&format!("{scheme}://{host}")).ok().filter(|url| url.path() == "/")?;
        url.set_port(Some(self.port)).ok()?;
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        url.set_path("/ws");
        Some(url)
    }
}

/// What a client has to know of a deployment.
#[derive(Serialize, ToSchema)]
struct ClientConfig {
    /// Where to open a WebSocket.
    #[schema(examples("ws://localhost:8082/ws"))]
    ws_url: String,
    /// The most characters of a message.
    #[schema(examples(4096))]
    max_text: usize,
    /// The most bytes of a file; `null` if there are no files.
    #[schema(required)]
    max_upload: Option<u64>,
    features: Features,
    /// The public key of Web Push; `null` if there is none.
    #[schema(required)]
    vapid_public_key: Option<String>,
    /// The servers for calls; `null` if there are none.
    #[schema(value_type = Option<Object>, required)]
    ice: Option<()>,
}

/// What of the API the deployment offers.
#[derive(Default, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a feature of its own, in a JSON object")]
struct Features {
    calls: bool,
    watch: bool,
    push: bool,
    /// The identity providers with which users can log in.
    oidc: Vec<IdentityProvider>,
    passkeys: bool,
    email: bool,
}

/// An identity provider.
#[derive(Serialize, ToSchema)]
struct IdentityProvider {
    /// Its id in paths.
    #[schema(examples("example"))]
    id: String,
    /// Its name for people.
    #[schema(examples("Example"))]
    name: String,
}

/// Returns what a client has to know before a login.
///
/// Needs no token. The answer may be cached for five minutes.
#[utoipa::path(
    get, path = "/client-config", tag = "auth", operation_id = "get_client_config",
    responses((status = 200, description = "The configuration.", body = ClientConfig)),
)]
async fn client_config(websocket: Data<WebSocketUrl>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let no_host = || ApiError::invalid("Host", "format", "should be a host name or an address");
    let config = ClientConfig {
        ws_url: websocket.of(&request).ok_or_else(no_host)?,
        max_text: MAX_CHARS,
        max_upload: None,
        features: Features::default(),
        vapid_public_key: None,
        ice: None,
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, CACHED)).json(config))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn url(public: Option<&str>, host: &str) -> Option<String> {
        let request = TestRequest::default().insert_header((HOST, host)).to_http_request();
        WebSocketUrl { public: public.map(str::to_owned), port: 8082 }.of(&request)
    }

    #[test]
    fn websocket_is_at_its_port_of_the_same_host() {
        for (host, expected) in [
            ("localhost:8080", Some("ws://localhost:8082/ws")),
            ("CHAT.example.org", Some("ws://chat.example.org:8082/ws")),
            ("[::1]:8080", Some("ws://[::1]:8082/ws")),
            ("user:password@evil.example", Some("ws://evil.example:8082/ws")),
            ("evil.example/path", None),
            ("evil.example?query", Some("ws://evil.example:8082/ws")),
            ("", None),
        ] {
            assert_eq!(url(None, host).as_deref(), expected, "{host}");
        }
        assert_eq!(url(Some("wss://chat.example/ws"), "localhost").as_deref(), Some("wss://chat.example/ws"));
    }
}
