//! What a client has to know before a login.

use serde_json::{Value, json};

use crate::support::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn is_public_and_cacheable() {
    let app = TestApp::start().await;
    let answer = reqwest::get(format!("{}/api/v1/client-config", app.base)).await.expect("send request");
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    let body: Value = answer.json().await.expect("read JSON");
    let expected = json!({
        "ws_url": "ws://127.0.0.1:8082/ws", "max_text": 4096, "max_upload": null,
        "features": { "calls": false, "watch": false, "push": false, "oidc": [], "passkeys": false, "email": false },
        "vapid_public_key": null, "ice": null,
    });
    assert_eq!(body, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_the_websocket_of_the_deployment() {
    let app = TestApp::start_with(&[("WS_PUBLIC_URL", "wss://chat.example/ws")]).await;
    let body = app.api.call("GET", "/api/v1/client-config", None, None).await.expect("call API").body;
    assert_eq!(body["ws_url"], "wss://chat.example/ws");
    let app = TestApp::start_with(&[("NOTIFICATION_WS_PORT", "9999"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let request = reqwest::Client::new().get(format!("{}/api/v1/client-config", app.base));
    let request = request.header("host", "chat.example").header("x-forwarded-proto", "https");
    let body: Value = request.send().await.expect("send request").json().await.expect("read JSON");
    assert_eq!(body["ws_url"], "wss://chat.example:9999/ws");
}
