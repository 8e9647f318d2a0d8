//! The session cookie of browsers: it keeps the refresh token where no script can read it.
//!
//! A browser adds a cookie to requests that other sites cause. `SameSite=Strict` prevents that in current browsers, and
//! [`check_origin`] in all.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    http::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SET_COOKIE},
    web::Data,
};
use neonchat_common::{
    http::address::{ClientAddress, is_https},
    origin::AllowedOrigins,
    security::SecurityEvent,
    security_event,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::SessionError;

/// The name of the cookie over https. With the prefix, browsers take it only from this host, and only over https (RFC 6265bis).
const SECURE_NAME: &str = "__Host-neonchat";

/// The name over plain http, for development.
const PLAIN_NAME: &str = "neonchat";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether browsers reach this deployment by https (`PUBLIC_URL`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicHttps(pub(crate) bool);

/// Returns the refresh token in the session cookie.
pub(super) fn read(request: &HttpRequest) -> Option<SecretString> {
    let name = if is_secure(request) { SECURE_NAME } else { PLAIN_NAME };
    let headers = request.headers().get_all(COOKIE).filter_map(|header| header.to_str().ok());
    let mut pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(other, _)| *other == name).map(|(_, value)| SecretString::from(value))
}

/// Sets the session cookie.
pub(crate) fn set(request: &HttpRequest, headers: &mut HeaderMap, token: &SecretString, lifetime: Duration) {
    add(request, headers, token.expose_secret(), lifetime.as_secs());
}

/// Deletes the session cookie.
pub(super) fn clear(request: &HttpRequest, headers: &mut HeaderMap) {
    add(request, headers, "", 0);
}

fn add(request: &HttpRequest, headers: &mut HeaderMap, value: &str, max_age: u64) {
    let (name, secure) = if is_secure(request) { (SECURE_NAME, "; Secure") } else { (PLAIN_NAME, "") };
    let cookie = format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
        cookie.set_sensitive(true);
        headers.append(SET_COOKIE, cookie);
    }
}

fn is_secure(request: &HttpRequest) -> bool {
    request.app_data::<Data<PublicHttps>>().is_some_and(|public| public.0) || is_https(request)
}

/// Refuses requests that pages of other sites may have caused. `Sec-Fetch-Site` decides if the browser sends it, because no page can
/// forge it. Otherwise `Origin` has to be that of the request, or a listed one.
pub(crate) fn check_origin(request: &HttpRequest, from: ClientAddress) -> Result<(), SessionError> {
    let text = |name: HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let is_allowed = match (text(SEC_FETCH_SITE), text(ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let allowed = request.app_data::<Data<AllowedOrigins>>();
            allowed.is_some_and(|allowed| allowed.allows(origin, text(HOST)))
        }
        (None, None) => false,
    };
    if is_allowed {
        return Ok(());
    }
    security_event!(SecurityEvent::CrossSiteRejected, client.address = %from);
    Err(SessionError::CrossSite)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use neonchat_common::http::address::TrustedProxies;

    use super::*;

    fn request(headers: &[(&str, &str)], is_public_https: bool) -> HttpRequest {
        let allowed = AllowedOrigins::parse(["https://listed.example"]).expect("parse origins");
        let proxies = TrustedProxies::parse(["10.0.0.7"]).expect("parse proxies");
        let request = TestRequest::default()
            .peer_addr("10.0.0.7:1".parse().expect("parse address"))
            .app_data(Data::new(allowed))
            .app_data(Data::new(proxies))
            .app_data(Data::new(PublicHttps(is_public_https)));
        headers.iter().fold(request, |request, header| request.insert_header(*header)).to_http_request()
    }

    #[test]
    fn name_depends_on_https() {
        let cookie = ("cookie", "a=b; neonchat=plain;__Host-neonchat=secure=1 ; c=d");
        let forwarded = |proto| ("x-forwarded-proto", proto);
        for (headers, is_public_https, expected) in [
            (&[cookie][..], false, "plain"),
            (&[cookie], true, "secure=1"),
            (&[cookie, forwarded("https")], false, "secure=1"),
            (&[cookie, forwarded("https, http")], false, "secure=1"),
            (&[cookie, forwarded("http")], false, "plain"),
        ] {
            let request = request(headers, is_public_https);
            assert_eq!(read(&request).expect("cookie").expose_secret(), expected, "{headers:?}");
            let mut answer = HeaderMap::new();
            set(&request, &mut answer, &"v1.x".into(), Duration::from_mins(1));
            let text = answer.get(SET_COOKIE).expect("cookie").to_str().expect("text").to_owned();
            let expected = match expected {
                "plain" => "neonchat=v1.x; Path=/; Max-Age=60; HttpOnly; SameSite=Strict",
                _ => "__Host-neonchat=v1.x; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure",
            };
            assert_eq!(text, expected, "{headers:?}");
            assert!(!format!("{answer:?}").contains("v1.x"));
        }
        assert!(read(&request(&[("cookie", "xneonchat=a")], false)).is_none());
        assert!(read(&request(&[("cookie", "neonchat=a")], true)).is_none());
    }

    #[test]
    fn only_pages_of_this_site_may_use_the_cookie() {
        let (site, origin, host) =
            (|site| ("sec-fetch-site", site), |origin| ("origin", origin), ("host", "chat.example"));
        let from = ClientAddress::of([203, 0, 113, 7].into());
        for (headers, is_allowed) in [
            (&[host, site("same-origin")][..], true),
            (&[host, site("same-origin"), origin("https://evil.example")], true),
            (&[host, site("same-site")], false),
            (&[host, site("cross-site"), origin("https://listed.example")], false),
            (&[host, site("none")], false),
            (&[host, site("none"), origin("https://chat.example")], false),
            (&[host, site("")], false),
            (&[host, origin("https://chat.example")], true),
            (&[host, origin("https://listed.example")], true),
            (&[host, origin("https://evil.example")], false),
            (&[host, origin("null")], false),
            (&[host], false),
            (&[], false),
        ] {
            assert_eq!(check_origin(&request(headers, false), from).is_ok(), is_allowed, "{headers:?}");
        }
    }
}
