//! Invalid requests get the documented errors.

use neonchat_testbed::{client::Answer, plain::internals_in};
use reqwest::{Client, Method};
use serde_json::json;

use crate::support::{Fields, TestApp, assert_problem};

struct Raw<'a> {
    method: Method,
    path: &'a str,
    content_type: &'a str,
    body: Vec<u8>,
}

impl<'a> Raw<'a> {
    fn post(path: &'a str, content_type: &'a str, body: impl Into<Vec<u8>>) -> Self {
        Self { method: Method::POST, path, content_type, body: body.into() }
    }

    async fn send(self, app: &TestApp, token: Option<&str>) -> (Answer, reqwest::header::HeaderMap) {
        let mut request = Client::new().request(self.method, format!("{}{}", app.base, self.path)).body(self.body);
        if !self.content_type.is_empty() {
            request = request.header("Content-Type", self.content_type);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("send request");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.expect("read body")).expect("parse JSON");
        (Answer { status, body }, headers)
    }
}

const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn rejects_body_that_is_not_the_expected_json() {
    let app = TestApp::start().await;
    let huge = json!({ "username": "alice", "password": "x".repeat(64 * 1024) }).to_string();
    let cases: Vec<(&str, Vec<u8>, u16, &str, Fields<'_>)> = vec![
        (JSON, b"{".to_vec(), 400, "bad_json", &[]),
        (JSON, b"".to_vec(), 400, "bad_json", &[]),
        (JSON, b"{\"username\":\"\xff\"}".to_vec(), 400, "bad_json", &[]),
        (JSON, br#"{"username":"\ud800","password":"securepass123"}"#.to_vec(), 400, "bad_json", &[]),
        (JSON, b"[]".to_vec(), 422, "validation_failed", &[("body", "format")]),
        (JSON, br#"{"username":"alice"}"#.to_vec(), 422, "validation_failed", &[("password", "required")]),
        (JSON, br#"["alice","securepass123"]"#.to_vec(), 422, "validation_failed", &[("body", "format")]),
        (JSON, br#"{"username":1,"password":"x"}"#.to_vec(), 422, "validation_failed", &[("username", "format")]),
        (JSON, br#"{"username":"a","username":"b"}"#.to_vec(), 422, "validation_failed", &[("username", "duplicate")]),
        ("text/plain", b"{}".to_vec(), 415, "unsupported_media_type", &[]),
        ("", b"{}".to_vec(), 415, "unsupported_media_type", &[]),
        (JSON, huge.into_bytes(), 413, "payload_too_large", &[]),
    ];
    for (content_type, body, status, code, fields) in cases {
        for path in ["/api/v1/auth/register", "/api/v1/auth/login"] {
            let (answer, headers) = Raw::post(path, content_type, body.clone()).send(&app, None).await;
            assert_problem(&answer, status, code, fields);
            assert_plain(&answer);
            assert_eq!(headers["content-type"], "application/problem+json");
            assert_eq!(headers["x-request-id"], answer.body["request_id"].as_str().expect("id as string"));
        }
    }
    let sql = app.sql().await;
    let users: i64 = sql.query_one("SELECT count(*) FROM users", &[]).await.expect("count rows").get(0);
    assert_eq!(users, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ignores_unknown_fields() {
    let app = TestApp::start().await;
    let body = json!({ "username": "alice", "password": "securepass123", "color": "green" });
    let (answer, _) = Raw::post("/api/v1/auth/register", JSON, body.to_string()).send(&app, None).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_unknown_path_and_wrong_method_with_problems() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let cases = [
        (Method::GET, "/api/v1/nothing", 404, "not_found", None),
        (Method::GET, "/nothing", 404, "not_found", None),
        (Method::GET, "/api/v1/auth/login", 405, "method_not_allowed", Some("POST, OPTIONS")),
        (Method::DELETE, "/api/v1/users/me", 405, "method_not_allowed", Some("GET, HEAD, OPTIONS")),
        (Method::PATCH, "/api/v1/chats", 405, "method_not_allowed", Some("GET, HEAD, POST, OPTIONS")),
    ];
    for (method, path, status, code, allow) in cases {
        let raw = Raw { method, path, content_type: "", body: Vec::new() };
        let (answer, headers) = raw.send(&app, Some(&user.token)).await;
        assert_problem(&answer, status, code, &[]);
        assert_eq!(headers.get("allow").map(|allow| allow.to_str().expect("header as text")), allow, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_id_in_path() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for path in ["/api/v1/users/1", "/api/v1/chats/1", "/api/v1/chats/1/messages"] {
        assert_problem(&app.get(path, &user).await, 422, "validation_failed", &[("id", "format")]);
    }
    let answer = app.post("/api/v1/chats", &user, &json!({ "partner_id": "bob" })).await;
    assert_problem(&answer, 422, "validation_failed", &[("partner_id", "format")]);
    let answer = app.post("/api/v1/chats", &user, &json!({})).await;
    assert_problem(&answer, 422, "validation_failed", &[("partner_id", "required")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_request_id_of_the_caller() {
    let app = TestApp::start().await;
    let client = Client::new();
    let echo = async |id: &str| {
        let response = client.get(format!("{}/live", app.base)).header("X-Request-Id", id).send().await;
        response.expect("get answer").headers()["x-request-id"].to_str().expect("header as text").to_owned()
    };
    assert_eq!(echo("my-request-1").await, "my-request-1");
    assert_ne!(echo("not sane").await, "not sane");
}

/// Problems are written for client developers, so they contain no name from the server's code or configuration.
fn assert_plain(answer: &Answer) {
    let errors = answer.body["errors"].as_array().into_iter().flatten().map(|error| &error["message"]);
    for text in errors.chain([&answer.body["title"], &answer.body["detail"]]) {
        assert_eq!(internals_in(text.as_str().expect("text as string")), None, "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explains_every_invalid_parameter_without_internals() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.pair().await;
    let chats = format!("/api/v1/chats/{chat}");
    let queries: [(String, &str, &str); 19] = [
        ("/api/v1/users/x".to_owned(), "id", "format"),
        ("/api/v1/chats/x/events".to_owned(), "id", "format"),
        ("/api/v1/users".to_owned(), "q", "required"),
        ("/api/v1/users?q=".to_owned(), "q", "length"),
        ("/api/v1/users?q=a%00".to_owned(), "q", "format"),
        ("/api/v1/users?q=a&q=b".to_owned(), "q", "duplicate"),
        ("/api/v1/users?q=a&limit=x".to_owned(), "limit", "range"),
        ("/api/v1/users?q=a&offset=-1".to_owned(), "offset", "range"),
        ("/api/v1/users/status".to_owned(), "ids", "required"),
        ("/api/v1/users/status?ids=x".to_owned(), "ids", "format"),
        ("/api/v1/chats?limit=101".to_owned(), "limit", "range"),
        ("/api/v1/chats?limit=1&limit=2".to_owned(), "limit", "duplicate"),
        ("/api/v1/chats?unread_only=maybe".to_owned(), "unread_only", "format"),
        (format!("{chats}/messages?limit=0"), "limit", "range"),
        (format!("{chats}/messages?before_id=x"), "before_id", "format"),
        (format!("{chats}/messages?after_id={}", bob.id), "after_id", "unknown"),
        (format!("{chats}/messages?before_id={chat}&after_id={chat}"), "after_id", "exclusive"),
        (format!("{chats}/events?after=-1"), "after", "range"),
        (format!("{chats}/events?limit=1001"), "limit", "range"),
    ];
    for (path, field, code) in queries {
        let answer = app.get(&path, &alice).await;
        assert_problem(&answer, 422, "validation_failed", &[(field, code)]);
        assert_plain(&answer);
    }
    let bodies = [
        ("POST", "/api/v1/chats".to_owned(), json!({ "partner_id": 5 }), "partner_id", "format"),
        ("POST", "/api/v1/chats".to_owned(), json!({ "partner_id": "x" }), "partner_id", "format"),
        ("POST", "/api/v1/chats".to_owned(), json!({ "partner_id": alice.id }), "partner_id", "oneself"),
        ("POST", format!("{chats}/messages"), json!({}), "text", "required"),
        ("POST", format!("{chats}/messages"), json!({ "text": [] }), "text", "format"),
        ("POST", format!("{chats}/messages"), json!({ "text": "" }), "text", "length"),
        ("POST", format!("{chats}/messages"), json!({ "text": "x".repeat(4097) }), "text", "length"),
        ("POST", format!("{chats}/messages"), json!({ "text": "x", "request_id": 5 }), "request_id", "format"),
        ("POST", format!("{chats}/messages"), json!({ "text": "x", "request_id": "5" }), "request_id", "format"),
        ("PUT", format!("{chats}/receipt"), json!({ "read": "1" }), "read", "format"),
        ("PUT", format!("{chats}/receipt"), json!({ "read": 1.5 }), "read", "format"),
        ("PUT", format!("{chats}/receipt"), json!({ "read": 0 }), "read", "range"),
        ("PUT", format!("{chats}/receipt"), json!({ "delivered": -1 }), "delivered", "range"),
        ("PUT", format!("{chats}/receipt"), json!({ "read": 1e30 }), "read", "format"),
        ("PUT", format!("{chats}/receipt"), json!(null), "body", "format"),
    ];
    for (method, path, body, field, code) in bodies {
        let answer = app.api.call(method, &path, Some(&alice.token), Some(&body)).await.expect("call API");
        assert_problem(&answer, 422, "validation_failed", &[(field, code)]);
        assert_plain(&answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explains_every_other_refusal_without_internals() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let nobody = uuid::Uuid::new_v4();
    let credentials = json!({ "username": alice.name, "password": "wrong-password" });
    let refusals = [
        ("GET", "/nothing".to_owned(), None, None, "not_found"),
        ("PATCH", "/api/v1/chats".to_owned(), None, None, "method_not_allowed"),
        ("GET", "/api/v1/chats".to_owned(), None, None, "unauthorized"),
        ("GET", "/api/v1/chats".to_owned(), Some("x.y.z"), None, "unauthorized"),
        ("GET", format!("/api/v1/users/{nobody}"), Some(&*alice.token), None, "not_found"),
        ("GET", format!("/api/v1/chats/{nobody}"), Some(&*alice.token), None, "not_found"),
        ("POST", "/api/v1/auth/login".to_owned(), None, Some(credentials.clone()), "invalid_credentials"),
        ("POST", "/api/v1/auth/register".to_owned(), None, Some(credentials), "username_taken"),
        ("GET", format!("/api/v1/chats/{chat}/nothing"), Some(&*alice.token), None, "not_found"),
    ];
    for (method, path, token, body, code) in refusals {
        let answer = app.api.call(method, &path, token, body.as_ref()).await.expect("call API");
        assert_eq!(answer.body["code"], code, "{method} {path}: {}", answer.body);
        assert_plain(&answer);
    }
}
