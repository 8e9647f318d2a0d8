//! Where the services are.

use url::Url;

/// Returns the URL of the WebSocket for that of chat-service: port 8082 of the same host if the URL has a port, else its path `/ws`.
pub(crate) fn websocket_url(base: &str) -> String {
    // A scheme may be in capitals.
    let base = match base.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => format!("ws:{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => format!("wss:{rest}"),
        _ => base.to_owned(),
    };
    let with_port = base.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    match with_port {
        Some((host, _)) => format!("{host}:8082/ws"),
        None => format!("{base}/ws"),
    }
}

/// Returns the URL of a WebSocket that was passed: `http` becomes `ws`, and without a path it is at `/ws`. `None` if it is not one.
pub(crate) fn checked_websocket_url(url: &str) -> Option<Url> {
    let mut url = Url::parse(url.trim()).ok().filter(Url::has_host)?;
    let scheme = match url.scheme() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        _ => return None,
    };
    url.set_scheme(scheme).ok()?;
    url.set_fragment(None);
    if url.path() == "/" {
        url.set_path("/ws");
    }
    Some(url)
}

/// Returns the URL of chat-service, also for that of its API.
pub(crate) fn without_api(url: &str) -> &str {
    url.trim_end_matches('/').trim_end_matches("/api/v1").trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_url_of_the_api_too() {
        for url in ["http://h:8080", "http://h:8080/", "http://h:8080/api/v1", "http://h:8080//api/v1/"] {
            assert_eq!(without_api(url), "http://h:8080");
        }
    }

    #[test]
    fn takes_only_urls_of_a_websocket() {
        for (url, expected) in [
            ("ws://localhost:8082/ws", "ws://localhost:8082/ws"),
            ("WSS://example.org", "wss://example.org/ws"),
            ("http://localhost:8082", "ws://localhost:8082/ws"),
            ("https://example.org/chat/ws", "wss://example.org/chat/ws"),
        ] {
            assert_eq!(checked_websocket_url(url).map(String::from).as_deref(), Some(expected));
        }
        for url in ["", "localhost:8082", "/ws", "ftp://localhost/ws", "ws://", "ws:/"] {
            assert_eq!(checked_websocket_url(url), None, "{url}");
        }
    }

    #[test]
    fn finds_the_websocket_beside_the_api() {
        for (base, expected) in [
            ("http://localhost:8080", "ws://localhost:8082/ws"),
            ("https://chat.example.org", "wss://chat.example.org/ws"),
            ("HTTP://chat.example.org", "ws://chat.example.org/ws"),
            ("HTTPS://chat.example.org", "wss://chat.example.org/ws"),
            ("https://example.org/chat", "wss://example.org/chat/ws"),
            ("http://[::1]:8080", "ws://[::1]:8082/ws"),
        ] {
            assert_eq!(websocket_url(base), expected);
        }
    }
}
