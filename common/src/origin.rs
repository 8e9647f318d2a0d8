//! The origins of web pages and apps that may use the API from a browser or a web view (`CORS_ALLOWED_ORIGINS`).

use thiserror::Error;
use url::Url;

/// The text is not an origin.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("an origin is a scheme, a host, and a port where it is not the usual one: https://chat.example.org")]
pub struct InvalidOrigin;

/// The allowed origins, besides the origin of the service itself.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<Origin>);

impl AllowedOrigins {
    /// Parses a list.
    ///
    /// # Errors
    /// An item is not an origin. `*` is not an origin either: each allowed origin has to be listed.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidOrigin> {
        list.into_iter().map(|text| Origin::parse(text).ok_or(InvalidOrigin)).collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether the value of an `Origin` header is in the list.
    #[must_use]
    pub fn lists(&self, origin: &str) -> bool {
        Origin::parse(origin).is_some_and(|origin| self.0.contains(&origin))
    }

    /// Returns whether the value of an `Origin` header is in the list or matches the `Host` header of the request. The match
    /// compares only host and port, because the scheme is unknown behind a proxy that terminates TLS.
    #[must_use]
    pub fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        self.lists(origin) || Origin::parse(origin).zip(host).is_some_and(|(origin, host)| origin.is_at(host))
    }
}

/// The origins of pages that may open a WebSocket: the allowed ones, that of the client that chat-service serves, and that of the
/// public URL.
#[derive(Clone, Debug)]
pub struct ClientOrigins {
    allowed: AllowedOrigins,
    /// The origin of `PUBLIC_URL`.
    public: Option<Origin>,
    /// `CHAT_SERVICE_PORT`.
    port: u16,
}

impl ClientOrigins {
    /// Allows the listed origins, the origin of `public_url`, and pages from `port` of the host of a request.
    #[must_use]
    pub fn new(allowed: AllowedOrigins, public_url: &str, port: u16) -> Self {
        let public = Url::parse(public_url).ok().and_then(|url| Origin::parse(&url.origin().ascii_serialization()));
        Self { allowed, public, port }
    }

    /// Returns whether a page of the origin may connect to `host`, the `Host` header of the request.
    #[must_use]
    pub fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        self.allowed.allows(origin, host)
            || Origin::parse(origin).is_some_and(|origin| {
                self.public.as_ref() == Some(&origin) || host.is_some_and(|host| origin.is_at_port(host, self.port))
            })
    }
}

/// An origin (RFC 6454, section 4). Two origins are equal if all three parts are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    /// `None` if the origin has no port and its scheme has no default port.
    port: Option<u16>,
}

/// Schemes that are not origins of pages. A page from a file has the origin `null`.
const EXCLUDED_SCHEMES: [&str; 4] = ["file", "ftp", "ws", "wss"];

impl Origin {
    /// Parses an origin in the form of a browser (RFC 6454, section 6.2): without a path, not even `/`. Rejects `null`.
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        // The parser adds a path to https:// and drops an empty query.
        let is_bare = matches!(url.path(), "" | "/") && !text.ends_with(['/', '?', '#']);
        let is_bare = is_bare && url.query().is_none() && url.fragment().is_none();
        // A host name may contain `*`, but it would not be a pattern.
        let is_plain = !EXCLUDED_SCHEMES.contains(&url.scheme()) && !text.contains(['@', '*']);
        let host = url.host_str().filter(|host| is_bare && is_plain && !host.is_empty())?;
        let (scheme, host, port) = (url.scheme().to_owned(), host.to_ascii_lowercase(), url.port_or_known_default());
        Some(Self { scheme, host, port })
    }

    /// Returns whether this is the origin of a page from `authority`. Only http and https origins are: the page of an app comes
    /// from the device, whatever its host name.
    fn is_at(&self, authority: &str) -> bool {
        matches!(&*self.scheme, "http" | "https")
            // Parsed with the same scheme, so that the default port may be omitted and the case does not matter.
            && Self::parse(&format!("{}://{authority}", self.scheme)).as_ref() == Some(self)
    }

    /// Returns whether this is the origin of a page from a port of the host of `authority`.
    fn is_at_port(&self, authority: &str, port: u16) -> bool {
        matches!(&*self.scheme, "http" | "https")
            && self.port == Some(port)
            && Self::parse(&format!("{}://{authority}", self.scheme)).is_some_and(|at| at.host == self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_only_origins() {
        for good in [
            "http://a",
            "https://chat.example.org",
            "http://localhost:3000",
            "https://[::1]:8443",
            "capacitor://localhost",
            "tauri://localhost",
            "app://-",
            "app://obsidian.md",
            "chrome-extension://cjpalhdlnbpafiamejdnhcphjbkeiagm",
            "moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc",
            "custom+scheme.1://host:9000",
        ] {
            assert!(AllowedOrigins::parse([good]).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "chat.example.org",
            "https://",
            "https://a/",
            "https://a/path",
            "https://a?x",
            "https://a#x",
            "https://u:p@a",
            "https://@a",
            "ftp://a",
            "ws://a",
            "wss://a",
            "file://",
            "file://a",
            "about:blank",
            "data:text/html,a",
            "javascript://",
            "blob:https://a",
            "capacitor:localhost",
            "capacitor:/localhost",
            "capacitor://",
            "capacitor://localhost/",
            "capacitor://localhost/path",
            "capacitor://localhost?x",
            "capacitor://localhost?",
            "capacitor://localhost#",
            "capacitor://u@localhost",
            "capacitor://*",
            "capacitor://:80",
            "capacitor://a b",
            "https://a?",
            "https://a#",
            "https://*.example.org",
            "https://a:99999",
            "https://a b",
        ] {
            assert_eq!(AllowedOrigins::parse(["https://good.example", bad]).err(), Some(InvalidOrigin), "{bad}");
        }
    }

    #[test]
    fn allows_listed_origins() {
        let allowed = AllowedOrigins::parse(["https://Chat.Example.org", "http://localhost:3000"]).expect("origins");
        for origin in ["https://chat.example.org", "https://chat.example.org:443", "http://localhost:3000"] {
            assert!(allowed.lists(origin) && allowed.allows(origin, None), "{origin}");
        }
        for origin in [
            "http://chat.example.org",
            "https://chat.example.org:8443",
            "https://evil.chat.example.org",
            "https://chat.example.org.evil.com",
            "http://localhost",
            "null",
            "",
        ] {
            assert!(!allowed.lists(origin) && !allowed.allows(origin, Some("api.example.org")), "{origin}");
        }
    }

    #[test]
    fn compares_scheme_host_and_port_of_apps() {
        let allowed = AllowedOrigins::parse(["Capacitor://LocalHost", "app://a:9000"]).expect("origins");
        for origin in ["capacitor://localhost", "CAPACITOR://localhost", "app://A:9000"] {
            assert!(allowed.lists(origin), "{origin}");
        }
        for origin in [
            "http://localhost",
            "tauri://localhost",
            "capacitor://localhost:80",
            "capacitor://localhost.evil",
            "app://a",
            "app://a:9001",
            "null",
        ] {
            assert!(!allowed.lists(origin) && !allowed.allows(origin, Some("api.example.org")), "{origin}");
        }
    }

    #[test]
    fn an_app_is_not_a_page_from_where_the_request_went() {
        let none = AllowedOrigins::default();
        for origin in ["capacitor://localhost", "chrome-extension://localhost", "tauri://localhost"] {
            assert!(!none.allows(origin, Some("localhost")), "{origin}");
        }
    }

    #[test]
    fn allows_a_page_from_where_the_request_went() {
        let none = AllowedOrigins::default();
        for (origin, host) in [
            ("https://chat.example.org", "chat.example.org"),
            ("https://chat.example.org", "CHAT.example.org:443"),
            ("http://localhost:8080", "localhost:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert!(none.allows(origin, Some(host)) && !none.lists(origin), "{origin} {host}");
        }
        for (origin, host) in [
            ("https://chat.example.org", Some("example.org")),
            ("https://chat.example.org", Some("chat.example.org:8443")),
            ("http://localhost:3000", Some("localhost:8080")),
            ("http://localhost", Some("localhost/")),
            ("http://localhost", Some("u@localhost")),
            ("http://localhost", None),
            ("null", Some("null")),
        ] {
            assert!(!none.allows(origin, host), "{origin} {host:?}");
        }
    }

    #[test]
    fn client_may_be_served_from_the_public_url_and_the_port_of_chat_service() {
        let allowed = AllowedOrigins::parse(["https://other.example"]).expect("origins");
        let origins = ClientOrigins::new(allowed, "https://Chat.Example.org/app/", 8080);
        for (origin, host) in [
            ("https://other.example", None),
            ("https://chat.example.org", None),
            ("https://chat.example.org:443", Some("10.0.0.7:8082")),
            ("http://10.0.0.7:8080", Some("10.0.0.7:8082")),
            ("http://10.0.0.7:8082", Some("10.0.0.7:8082")),
            ("http://[::1]:8080", Some("[::1]:8082")),
            ("http://LOCALHOST:8080", Some("localhost:8082")),
        ] {
            assert!(origins.allows(origin, host), "{origin} {host:?}");
        }
        for (origin, host) in [
            ("http://chat.example.org", None),
            ("https://chat.example.org:8443", Some("10.0.0.7:8082")),
            ("http://10.0.0.7:8081", Some("10.0.0.7:8082")),
            ("http://10.0.0.8:8080", Some("10.0.0.7:8082")),
            ("http://10.0.0.7:8080", None),
            ("capacitor://localhost:8080", Some("localhost:8082")),
            ("null", Some("localhost:8082")),
        ] {
            assert!(!origins.allows(origin, host), "{origin} {host:?}");
        }
    }
}
