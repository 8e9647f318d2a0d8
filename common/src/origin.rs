//! The web pages and apps that may talk to us from a browser or a web view (`CORS_ALLOWED_ORIGINS`).

use thiserror::Error;
use url::Url;

/// A text that is not an origin.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("an origin is a scheme, a host, and a port where it is not the usual one: https://chat.example.org")]
pub struct InvalidOrigin;

/// The origins that are allowed beside our own.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<Origin>);

impl AllowedOrigins {
    /// Reads a list.
    ///
    /// # Errors
    /// One of them is not an origin. Neither is `*`: to allow all of the web, name it.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidOrigin> {
        list.into_iter().map(|text| Origin::parse(text).ok_or(InvalidOrigin)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an `Origin` header names one of the list.
    #[must_use]
    pub fn lists(&self, origin: &str) -> bool {
        Origin::parse(origin).is_some_and(|origin| self.0.contains(&origin))
    }

    /// Whether an `Origin` header names one of the list, or the page comes from where the request went, which its `Host`
    /// header says. Only host and port are compared: behind a proxy that ends TLS we do not see the scheme.
    #[must_use]
    pub fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        self.lists(origin) || Origin::parse(origin).zip(host).is_some_and(|(origin, host)| origin.is_of(host))
    }
}

/// An origin (RFC 6454, section 4): equal where all three parts are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    /// `None` for a scheme without a usual port where none is given.
    port: Option<u16>,
}

/// Schemes of which no page comes. A page of a file has the origin `null`.
const OF_NO_PAGE: [&str; 4] = ["file", "ftp", "ws", "wss"];

impl Origin {
    /// Reads an origin as a browser writes it (RFC 6454, section 6.2): no path, not even `/`. `null` is not one.
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        // The parser adds a path to https:// and drops an empty query.
        let is_bare = matches!(url.path(), "" | "/") && !text.ends_with(['/', '?', '#']);
        let is_bare = is_bare && url.query().is_none() && url.fragment().is_none();
        // `*` may stand in the name of a host, but would not be a pattern.
        let is_plain = !OF_NO_PAGE.contains(&url.scheme()) && !text.contains(['@', '*']);
        let host = url.host_str().filter(|host| is_bare && is_plain && !host.is_empty())?;
        let (scheme, host, port) = (url.scheme().to_owned(), host.to_ascii_lowercase(), url.port_or_known_default());
        Some(Self { scheme, host, port })
    }

    /// Whether it is a page from `authority`. One of an app is from the device, whatever its host is called.
    fn is_of(&self, authority: &str) -> bool {
        matches!(&*self.scheme, "http" | "https")
            // Read as a part of the same URL, so that its usual port may be left out, and letters may be of either case.
            && Self::parse(&format!("{}://{authority}", self.scheme)).as_ref() == Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_origins_and_nothing_else() {
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
    fn allows_what_is_listed() {
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
}
