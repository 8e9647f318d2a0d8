//! Where the services are.

/// Returns the URL of the WebSocket for that of chat-service: port 8082 of the same host if the URL has a port, else its path `/ws`.
pub(crate) fn websocket_url(base: &str) -> String {
    let base = base.strip_prefix("http").map_or_else(|| base.to_owned(), |rest| format!("ws{rest}"));
    let with_port = base.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    match with_port {
        Some((host, _)) => format!("{host}:8082/ws"),
        None => format!("{base}/ws"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_websocket_beside_the_api() {
        for (base, expected) in [
            ("http://localhost:8080", "ws://localhost:8082/ws"),
            ("https://chat.example.org", "wss://chat.example.org/ws"),
            ("https://example.org/chat", "wss://example.org/chat/ws"),
            ("http://[::1]:8080", "ws://[::1]:8082/ws"),
        ] {
            assert_eq!(websocket_url(base), expected);
        }
    }
}
