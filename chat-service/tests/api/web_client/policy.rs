//! The Content Security Policy of pages and scripts.

use super::{ACCEPT_PAGE, ask, get};
use crate::support::TestApp;

/// Returns what the policy of `/` allows for connections.
async fn connections(app: &TestApp, headers: &[(&str, &str)]) -> String {
    let page = get(app, "/", &[&[ACCEPT_PAGE], headers].concat()).await;
    assert_eq!(page.status, 200, "{headers:?}");
    let policy = page.header("content-security-policy");
    let parts: Vec<_> = policy.split("; ").collect();
    let [.., connect, _, _, _, _, _, _, _] = parts.as_slice() else { panic!("{policy}") };
    let (before, after) = policy.split_once(connect).expect("find directive");
    assert_eq!(
        before,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    );
    assert_eq!(
        after,
        "; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types neonchat"
    );
    (*connect).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn allows_the_websocket_of_the_host() {
    let app = TestApp::start().await;
    for (host, expected) in [
        ("localhost:8080", "connect-src 'self' ws://localhost:8082"),
        ("chat.example.org", "connect-src 'self' ws://chat.example.org:8082"),
        ("[::1]:8080", "connect-src 'self' ws:"),
    ] {
        assert_eq!(connections(&app, &[("Host", host)]).await, expected);
        // Nobody is trusted to report https.
        assert_eq!(connections(&app, &[("Host", host), ("X-Forwarded-Proto", "https")]).await, expected);
    }
    let settings = [("TRUSTED_PROXIES", "127.0.0.1"), ("NOTIFICATION_WS_PORT", "9999")];
    let app = TestApp::start_with(&settings).await;
    let https = [("Host", "chat.example.org"), ("X-Forwarded-Proto", "https")];
    assert_eq!(connections(&app, &https).await, "connect-src 'self' wss://chat.example.org:9999");
    assert_eq!(connections(&app, &https[..1]).await, "connect-src 'self' ws://chat.example.org:9999");
}

#[tokio::test(flavor = "multi_thread")]
async fn allows_the_public_websocket() {
    let app = TestApp::start_with(&[("WS_PUBLIC_URL", "wss://chat.example.org/ws")]).await;
    let expected = "connect-src 'self' wss://chat.example.org/ws";
    assert_eq!(connections(&app, &[]).await, expected);
    assert_eq!(connections(&app, &[("Host", "other.example")]).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_host_adds_nothing() {
    let app = TestApp::start().await;
    for host in [
        "a;script-src:80",
        "*",
        "*.example",
        "a, b",
        "'unsafe-inline'",
        "a b",
        "a%3Bscript-src",
        "a/;script-src *",
        "a\"b",
    ] {
        assert_eq!(connections(&app, &[("Host", host)]).await, "connect-src 'self'", "{host}");
    }
    // Of a host with a user or a query only the host is left.
    assert_eq!(connections(&app, &[("Host", "u:p@a.example?;")]).await, "connect-src 'self' ws://a.example:8082");
    for host in ["a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\0b"] {
        let answer = get(&app, "/", &[ACCEPT_PAGE, ("Host", host)]).await;
        assert_eq!(answer.header("x-injected"), "", "{host:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_have_the_policy_for_workers() {
    let app = TestApp::start().await;
    let page = get(&app, "/", &[ACCEPT_PAGE]).await.header("content-security-policy");
    for method in ["GET", "HEAD"] {
        let script = ask(&app, method, "/src/main.js", &[]).await;
        assert_eq!(script.header("content-security-policy"), page);
        assert_eq!(script.header("cross-origin-opener-policy"), "");
    }
    let nothing = get(&app, "/nothing.js", &[]).await;
    assert_eq!(nothing.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
}
