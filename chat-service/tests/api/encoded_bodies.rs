//! Bodies with a content coding, and other requests that would be disproportionately expensive.

use std::time::Duration;

use neonchat_testbed::client::Answer;
use reqwest::{Client, Method, header::HeaderMap};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{TestApp, assert_problem};

#[tokio::test(flavor = "multi_thread")]
async fn rejects_body_with_content_coding_on_every_path() {
    let app = TestApp::start_with(&[("CORS_ALLOWED_ORIGINS", "https://chat.example.org")]).await;
    let body = json!({ "username": "alice", "password": "securepass123" }).to_string();
    let ask = async |method: Method, path: &str, codings: &[&str]| {
        let mut request = Client::new().request(method, format!("{}{path}", app.base)).body(body.clone());
        request = request.header("content-type", "application/json").header("origin", "https://chat.example.org");
        for coding in codings {
            request = request.header("content-encoding", *coding);
        }
        let response = request.send().await.expect("send request");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (Answer { status, body: response.json().await.unwrap_or_default() }, headers)
    };
    let assert_refused = |(answer, headers): (Answer, HeaderMap)| {
        assert_problem(&answer, 415, "unsupported_media_type", &[]);
        assert_eq!(headers["accept-encoding"], "identity");
        assert_eq!(headers["access-control-allow-origin"], "https://chat.example.org");
    };
    for codings in [
        &["gzip"][..],
        &["GZIP"],
        &["x-gzip"],
        &["deflate"],
        &["br"],
        &["zstd"],
        &["made-up"],
        &["identity, gzip"],
        &["gzip, gzip"],
        &["identity", "gzip"],
        &["gzip", "identity"],
    ] {
        assert_refused(ask(Method::POST, "/api/v1/auth/register", codings).await);
    }
    for path in ["/api/v1/auth/login", "/api/v1/chats", "/api/v1/nothing", "/nothing", "/live", "/metrics"] {
        for method in [Method::POST, Method::PUT, Method::GET, Method::DELETE] {
            assert_refused(ask(method, path, &["gzip"]).await);
        }
    }
    for (codings, status) in [(&["identity"][..], 201), (&["Identity", ""], 409)] {
        assert_eq!(ask(Method::POST, "/api/v1/auth/register", codings).await.0.status, status);
    }
    // The body is empty, so there is nothing to decode.
    let bare = Client::new().get(format!("{}/live", app.base)).header("content-encoding", "gzip").send().await;
    assert_eq!(bare.expect("get answer").status(), 200);
}

/// Sends bytes, and returns the answer. The connection is closed before it, or after the head of the answer.
async fn raw(app: &TestApp, request: &str) -> String {
    let mut stream = TcpStream::connect(app.base.trim_start_matches("http://")).await.expect("connect");
    stream.write_all(request.as_bytes()).await.expect("send bytes");
    let mut received = Vec::new();
    let reading = async {
        while !received.windows(4).any(|four| four == b"\r\n\r\n") && stream.read_buf(&mut received).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    timeout(Duration::from_secs(10), reading).await.expect("end within the timeout").expect("get answer");
    String::from_utf8_lossy(&received).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_content_coding_before_reading_the_body() {
    let app = TestApp::start().await;
    let head =
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n";
    for length in ["Content-Length: 65536", "Transfer-Encoding: chunked"] {
        let answer = raw(&app, &format!("{head}{length}\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_transfer_coding_other_than_chunked() {
    let app = TestApp::start().await;
    for coding in ["gzip, chunked", "gzip", "chunked, gzip", "deflate, chunked"] {
        let request =
            format!("POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
        let answer = raw(&app, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{coding}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_deep_json_and_long_queries() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let post = async |body: String| {
        let request = Client::new().post(format!("{}/api/v1/chats", app.base)).bearer_auth(&user.token);
        let response =
            request.header("content-type", "application/json").body(body).send().await.expect("send request");
        let status = response.status().as_u16();
        Answer { status, body: response.json().await.expect("parse JSON") }
    };
    let (open, deep) = ("[".repeat(30_000), format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)));
    assert_problem(&post(open.clone()).await, 400, "bad_json", &[]);
    assert_problem(&post(deep.clone()).await, 422, "validation_failed", &[("body", "format")]);
    for field in ["partner_id", "unknown"] {
        assert_problem(&post(format!(r#"{{"{field}":{open}"#)).await, 400, "bad_json", &[]);
        assert_eq!(post(format!(r#"{{"{field}":{deep}}}"#)).await.status, 422, "{field}");
    }
    let query = "a".repeat(30_000);
    let answer = app.get(&format!("/api/v1/users?q={query}"), &user).await;
    assert_problem(&answer, 422, "validation_failed", &[("q", "length")]);
    let many = "&q=a".repeat(10_000);
    let answer = app.get(&format!("/api/v1/users?q=a{many}"), &user).await;
    assert_problem(&answer, 422, "validation_failed", &[("q", "duplicate")]);
}
