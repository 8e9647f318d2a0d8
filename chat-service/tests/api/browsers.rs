//! Headers for browsers: CORS and security headers.

use neonchat_testbed::harness;
use reqwest::{
    Client, Method, Response,
    header::{HeaderMap, HeaderValue},
};

use crate::support::TestApp;

const PAGE: &str = "https://chat.example.org";

async fn ask(app: &TestApp, method: Method, path: &str, headers: &[(&'static str, &'static str)]) -> Response {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().expect("parse header name"), HeaderValue::from_static(value)))
        .collect();
    let request = Client::new().request(method, format!("{}{path}", app.base)).headers(headers);
    request.send().await.expect("send request")
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().expect("header as text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_origin_may_read_every_answer() {
    let app = TestApp::start_with(&[("CORS_ALLOWED_ORIGINS", "http://localhost:3000, https://chat.example.org")]).await;
    for (path, status) in [("/api/v1/users/me", 401), ("/api/v1/nothing", 404), ("/live", 200)] {
        let answer = ask(&app, Method::GET, path, &[("origin", PAGE)]).await;
        assert_eq!(answer.status(), status);
        assert_eq!(header(&answer, "access-control-allow-origin"), Some(PAGE));
        assert_eq!(header(&answer, "vary"), Some("Origin"));
        let exposed = header(&answer, "access-control-expose-headers").expect("header is present");
        // The headers of our answers that are hidden from pages by default.
        for name in [
            "x-request-id",
            "ratelimit-limit",
            "ratelimit-remaining",
            "ratelimit-reset",
            "retry-after",
            "allow",
            "www-authenticate",
            "accept-encoding",
        ] {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}");
        }
        assert_eq!(header(&answer, "access-control-allow-credentials"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_preflight_without_token() {
    let app = TestApp::start_with(&[("CORS_ALLOWED_ORIGINS", PAGE)]).await;
    let asked = [
        ("origin", PAGE),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    let answer = ask(&app, Method::OPTIONS, "/api/v1/chats", &asked).await;
    assert_eq!(answer.status(), 204);
    assert_eq!(header(&answer, "access-control-allow-origin"), Some(PAGE));
    assert_eq!(header(&answer, "access-control-allow-methods"), Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    let headers = header(&answer, "access-control-allow-headers").expect("header is present");
    // The headers in the documented examples, and those of traces.
    for name in ["authorization", "content-type", "x-request-id", "traceparent", "tracestate"] {
        assert!(headers.split(", ").any(|allowed| allowed == name), "{name}");
    }
    assert_eq!(header(&answer, "access-control-max-age"), Some("7200"));
    assert_eq!(header(&answer, "vary"), Some("Origin"));
    assert!(header(&answer, "x-request-id").is_some());

    // Without the headers of a preflight, OPTIONS returns the methods of the path.
    let answer = ask(&app, Method::OPTIONS, "/api/v1/chats", &[("origin", PAGE)]).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (204, Some("GET, HEAD, POST, OPTIONS")));
    assert_eq!(header(&answer, "access-control-allow-origin"), Some(PAGE));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_an_app_whose_origin_is_listed() {
    let app = TestApp::start_with(&[("CORS_ALLOWED_ORIGINS", "capacitor://localhost,chrome-extension://abc")]).await;
    for (origin, is_listed) in [
        ("capacitor://localhost", true),
        ("chrome-extension://abc", true),
        ("tauri://localhost", false),
        ("http://localhost", false),
    ] {
        let answer = ask(&app, Method::GET, "/live", &[("origin", origin)]).await;
        assert_eq!(header(&answer, "access-control-allow-origin"), is_listed.then_some(origin), "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_no_cors_headers_to_other_origins() {
    let listed = TestApp::start_with(&[("CORS_ALLOWED_ORIGINS", PAGE)]).await;
    let unlisted = TestApp::launch(&harness::test_database().await, &[]).await;
    for (app, origin) in [(&listed, "https://evil.example"), (&listed, "null"), (&unlisted, PAGE)] {
        for method in [Method::GET, Method::OPTIONS] {
            let asked = [("origin", origin), ("access-control-request-method", "GET")];
            let answer = ask(app, method, "/live", &asked).await;
            assert_eq!(header(&answer, "vary"), Some("Origin"));
            let cors_header = answer.headers().keys().find(|name| name.as_str().starts_with("access-control"));
            assert_eq!(cors_header, None, "{origin}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_security_headers_with_every_answer() {
    let app = TestApp::start().await;
    for path in ["/live", "/metrics", "/nothing", "/api/v1/users/me", "/api/v1/nothing"] {
        let answer = ask(&app, Method::GET, path, &[]).await;
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header(&answer, "x-frame-options"), Some("DENY"));
        assert_eq!(header(&answer, "referrer-policy"), Some("no-referrer"));
        let policy = "default-src 'none'; frame-ancestors 'none'";
        assert_eq!(header(&answer, "content-security-policy"), Some(policy));
        assert_eq!(header(&answer, "strict-transport-security"), None);
        assert_eq!(header(&answer, "cache-control"), path.starts_with("/api/").then_some("no-store"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_hsts_in_production() {
    let production = [
        ("APP_ENV", "production"),
        ("JWT_SECRET", "8f3f0c1a5e7b92d64c80a1b3d5e7f901"),
        ("INTERNAL_TOKEN", "f0e1d2c3b4a5968778695a4b3c2d1e0f"),
        ("REFRESH_SECRET", "a9c1e3b5d7f90123456789abcdef0246"),
        ("RATE_LIMIT_PER_MINUTE", "1000"),
    ];
    let app = TestApp::launch(&harness::test_database().await, &production).await;
    let answer = ask(&app, Method::GET, "/live", &[]).await;
    assert_eq!(header(&answer, "strict-transport-security"), Some("max-age=31536000"));
}
