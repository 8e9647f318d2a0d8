//! The Content Security Policy of the web client (CSP Level 3, Trusted Types).

use actix_web::HttpRequest;
use url::{Host, Url};

use crate::client_config::WebSocketUrl;

/// Returns the policy for a browser that made this request.
pub(super) fn policy(websocket: &WebSocketUrl, request: &HttpRequest) -> String {
    let websocket = websocket_source(websocket, request).map(|source| format!(" {source}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
         connect-src 'self'{websocket}; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types neonchat"
    )
}

/// Returns where the client may open a WebSocket.
fn websocket_source(websocket: &WebSocketUrl, request: &HttpRequest) -> Option<String> {
    let (url, path) = match &websocket.public {
        Some(public) => {
            let url = Url::parse(public).ok()?;
            // A source has no query, and these two characters would end it.
            let path = url.path().replace(';', "%3B").replace(',', "%2C");
            (url, path)
        }
        None => (websocket.on_host_of(request)?, String::new()),
    };
    let scheme = url.scheme();
    if matches!(url.host()?, Host::Ipv6(_)) {
        // A source has no form for such an address: browsers would ignore it, and block the WebSocket.
        return Some(format!("{scheme}:"));
    }
    let host = url.host_str().filter(|host| is_plain(host))?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port}{path}"))
}

/// Returns whether a host can be part of a policy. It may come from the header of a request, and a URL allows `;`, `*` and others
/// in a host.
fn is_plain(host: &str) -> bool {
    host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header::HOST, test::TestRequest};

    use super::*;

    fn source(public: Option<&str>, host: &str) -> Option<String> {
        let websocket = WebSocketUrl { public: public.map(str::to_owned), port: 8082 };
        websocket_source(&websocket, &TestRequest::default().insert_header((HOST, host)).to_http_request())
    }

    #[test]
    fn names_the_websocket_port_of_the_host() {
        for (host, expected) in [
            ("localhost:8080", Some("ws://localhost:8082")),
            ("CHAT.example.org", Some("ws://chat.example.org:8082")),
            ("xn--80a6af.example", Some("ws://xn--80a6af.example:8082")),
            ("127.0.0.1:1", Some("ws://127.0.0.1:8082")),
            ("[::1]:8080", Some("ws:")),
        ] {
            assert_eq!(source(None, host).as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn hostile_host_adds_nothing_to_the_policy() {
        for host in
            ["a;script-src", "*", "*.example", "a,b", "'unsafe-inline'", "a b", "a%3Bb", "a\"b", "", ":8080", "a/b"]
        {
            assert_eq!(source(None, host), None, "{host}");
        }
    }

    #[test]
    fn names_the_public_url() {
        for (public, expected) in [
            ("wss://chat.example/ws", "wss://chat.example/ws"),
            ("wss://[2001:db8::1]/ws", "wss:"),
            ("wss://chat.example:444/a/ws?b=c;d#e", "wss://chat.example:444/a/ws"),
            ("ws://user:password@chat.example/a;b,c d", "ws://chat.example/a%3Bb%2Cc%20d"),
        ] {
            assert_eq!(source(Some(public), "other.example").as_deref(), Some(expected));
        }
    }
}
