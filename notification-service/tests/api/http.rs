//! The HTTP endpoints besides the WebSocket.

use neonchat_testbed::client::{Api, Socket};
use reqwest::{Client, Method};

use crate::helpers::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn head_answers_like_get_and_opens_no_socket() {
    let app = TestApp::start().await;
    let user = app.api.any_user().await.expect("register user");
    let base = app.notification.websocket.replace("ws://", "http://");
    let client = Client::new();
    for path in ["/live", "/ready", "/health", "/metrics", "/ws", "/nothing"] {
        let ask =
            async |method: Method| client.request(method, format!("{base}{path}")).send().await.expect("call API");
        let (get, head) = (ask(Method::GET).await, ask(Method::HEAD).await);
        assert_eq!(head.status(), get.status(), "{path}");
        assert_eq!(head.headers()["content-type"], get.headers()["content-type"], "{path}");
        if path != "/metrics" {
            let length = get.bytes().await.expect("read body").len();
            // Problem documents differ only in their request ID, whose length is fixed.
            assert_eq!(head.headers()["content-length"], length.to_string(), "{path}");
        }
        assert_eq!(head.bytes().await.expect("have no body").len(), 0, "{path}");
        let allow = |method: Method| {
            let answer = client.request(method, format!("{base}{path}")).send();
            async { answer.await.expect("call API").headers().get("allow").cloned() }
        };
        let expected = (path != "/nothing").then(|| "GET, HEAD, OPTIONS".parse().expect("read value"));
        assert_eq!((allow(Method::POST).await, allow(Method::OPTIONS).await), (expected.clone(), expected), "{path}");
    }
    let upgrade = client
        .head(format!("{base}/ws?token={}", user.token))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(upgrade.send().await.expect("call API").status(), 426);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_body_with_content_coding() {
    let app = TestApp::start().await;
    let base = app.notification.websocket.replace("ws://", "http://");
    for path in ["/live", "/metrics", "/ws", "/nothing"] {
        let request = Client::new().post(format!("{base}{path}")).header("content-encoding", "gzip").body("bomb");
        let answer = request.send().await.expect("call API");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["accept-encoding"]),
            (415, &"identity".parse().expect("read value"))
        );
        let problem: serde_json::Value = answer.json().await.expect("convert JSON");
        assert_eq!(problem["code"], "unsupported_media_type");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_port_serves_only_operations_endpoints() {
    let app = TestApp::start().await;
    let settings = [("NOTIFICATION_METRICS_HOST", "127.0.0.1"), ("NOTIFICATION_METRICS_PORT", "0")];
    let other = app.another_with(&settings).await;
    let operations = other.operations.expect("read address");
    operations.until_ready().await.expect("become ready");
    let ask = async |api: &Api, path| api.call("GET", path, None, None).await.expect("call API").status;
    for path in ["/live", "/ready", "/metrics", "/health"] {
        assert_eq!(ask(&other.http, path).await, 404, "{path}");
        assert_ne!(ask(&operations, path).await, 404, "{path}");
    }
    assert_eq!((ask(&other.http, "/ws").await, ask(&operations, "/ws").await), (426, 404));
    let user = app.api.any_user().await.expect("register user");
    let _socket = Socket::open(&other.websocket, &user, None).await.expect("open socket");
    other.running.stop().await;
    assert!(operations.call("GET", "/live", None, None).await.is_err());
}
