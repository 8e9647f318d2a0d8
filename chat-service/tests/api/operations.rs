//! The operations endpoints.

use neonchat_testbed::{
    client::{Answer, Api},
    harness,
};
use serde_json::json;

use crate::support::TestApp;

async fn ask(app: &TestApp, path: &str) -> Answer {
    app.api.call("GET", path, None, None).await.expect("call API")
}

#[tokio::test(flavor = "multi_thread")]
async fn health_names_unavailable_dependencies() {
    let app = TestApp::start().await;
    app.until_redis().await;
    let health = ask(&app, "/health").await;
    let report = json!({
        "status": "unhealthy", "database": "healthy", "redis": "healthy", "notification_service": "unhealthy",
    });
    assert_eq!((health.status, health.body), (503, report));
    // None of these is a reason to stop sending requests to the instance, or to restart it.
    assert_eq!((ask(&app, "/ready").await.status, ask(&app, "/live").await.status), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_names_of_the_specification() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    app.send(&chat, &alice, "hello").await;
    let response = reqwest::get(format!("{}/metrics", app.base)).await.expect("get answer");
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4");
    let metrics = response.text().await.expect("read text");
    for name in [
        r#"chat_messages_sent_total{chat_type="direct",status="stored"}"#,
        "grpc_request_duration_seconds_bucket{",
        "http_request_duration_seconds_bucket{",
        r#"db_pool_connections{state="idle"}"#,
        "db_pool_waiting 0",
    ] {
        assert!(metrics.contains(name), "{name}");
    }
    assert!(!metrics.contains(&chat), "no label has an id");
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_port_serves_only_operations_endpoints() {
    let settings = [("CHAT_METRICS_HOST", "127.0.0.1"), ("CHAT_METRICS_PORT", "0")];
    let app = TestApp::launch(&harness::test_database().await, &settings).await;
    let operations = Api::new(app.operations.clone().expect("get address"));
    operations.until_ready().await.expect("become ready");
    for path in ["/health", "/live", "/ready", "/metrics"] {
        for method in ["GET", "HEAD"] {
            let public = app.api.call(method, path, None, None).await.expect("call API").status;
            let own = operations.call(method, path, None, None).await.expect("call API").status;
            // It is unhealthy, because there is no notification-service.
            assert_eq!((public, own), (404, if path == "/health" { 503 } else { 200 }), "{method} {path}");
        }
    }
    for path in ["/openapi.json", "/swagger-ui/", "/api/v1/users/me"] {
        assert_eq!(operations.call("GET", path, None, None).await.expect("call API").status, 404, "{path}");
    }
    let document = ask(&app, "/openapi.json").await.body;
    assert!(document["paths"].get("/live").is_none() && document["paths"].get("/api/v1/users/me").is_some());
    app.user().await;
    let requests = operations.metric(r#"http_request_duration_seconds_count{method="POST",route="/api/v1/auth/login""#);
    requests.await.expect("read metrics");
    app.stop().await.expect("join task").expect("stop app");
    assert!(operations.call("GET", "/live", None, None).await.is_err());
}
