//! The web pages that may talk to us from a browser (`CORS_ALLOWED_ORIGINS`).

use thiserror::Error;
use url::{Origin, Url};

/// A text that is no origin.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("an origin is http or https, a host, and a port where it is not the usual one: https://chat.example.org")]
pub struct InvalidOrigin;

/// The origins that are allowed beside our own.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<Origin>);

impl AllowedOrigins {
    /// Reads a list.
    ///
    /// # Errors
    /// One of them is no origin. `*` is none: who wants to allow all of the web has to name it.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidOrigin> {
        list.into_iter().map(|text| parse(text).ok_or(InvalidOrigin)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an `Origin` header names one of the list.
    #[must_use]
    pub fn lists(&self, origin: &str) -> bool {
        parse(origin).is_some_and(|origin| self.0.contains(&origin))
    }

    /// Whether an `Origin` header names one of the list, or the page comes from where the request went, of which its
    /// `Host` header tells. Only host and port are compared: behind a proxy that ends TLS we do not see the scheme.
    #[must_use]
    pub fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        self.lists(origin) || parse(origin).zip(host).is_some_and(|(origin, host)| is_of(&origin, host))
    }
}

/// An origin as a browser writes it (RFC 6454, section 6.2): no path, not even `/`. `null` is none.
fn parse(text: &str) -> Option<Origin> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !text.ends_with('/');
    // `*` may stand in the name of a host, but would be no pattern.
    let is_plain = matches!(url.scheme(), "http" | "https") && !text.contains(['@', '*']);
    (is_bare && is_plain).then(|| url.origin())
}

fn is_of(origin: &Origin, authority: &str) -> bool {
    let Origin::Tuple(scheme, ..) = origin else { return false };
    // Read as a part of the same URL, so that its usual port may be left out, and letters may be of either case.
    parse(&format!("{scheme}://{authority}")).as_ref() == Some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_origins_and_nothing_else() {
        for good in ["http://a", "https://chat.example.org", "http://localhost:3000", "https://[::1]:8443"] {
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
