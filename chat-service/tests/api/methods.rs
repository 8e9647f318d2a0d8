//! HEAD and OPTIONS.

use reqwest::{Client, Method, header::HeaderMap};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::TestApp;

/// Headers that differ between answers.
const VARYING: [&str; 3] = ["date", "x-request-id", "content-length"];

#[tokio::test(flavor = "multi_thread")]
async fn head_answers_like_get_without_a_body() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    // Without decompression, which would hide the length of an answer.
    let client = Client::builder().no_gzip().build().expect("build client");
    let chat = format!("/api/v1/chats/{chat}");
    let (messages, events) = (format!("{chat}/messages"), format!("{chat}/events?after=0"));
    let user = format!("/api/v1/users/{}", alice.id);
    for path in [
        "/health",
        "/live",
        "/ready",
        "/metrics",
        "/openapi.json",
        "/swagger-ui/",
        "/swagger-ui/swagger-ui.css",
        "/api/v1/users/me",
        "/api/v1/users?q=u",
        "/api/v1/chats",
        "/api/v1/unread",
        "/api/v1/chats/nonsense",
        "/api/v1/auth/login",
        "/api/v1/nothing",
        &user,
        &chat,
        &messages,
        &events,
    ] {
        let ask = async |method: Method| {
            let request = client.request(method, format!("{}{path}", app.base)).bearer_auth(&alice.token);
            let response = request.send().await.expect("send request");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            (status, headers, response.bytes().await.expect("read body").len())
        };
        let (status, headers, length) = ask(Method::GET).await;
        let (head_status, head_headers, head_length) = ask(Method::HEAD).await;
        assert_eq!((head_status, head_length), (status, 0), "{path}");
        let constant = |headers: &HeaderMap| {
            let mut headers = headers.clone();
            for name in VARYING {
                headers.remove(name);
            }
            headers
        };
        assert_eq!(constant(&head_headers), constant(&headers), "{path}");
        // Metrics change between requests.
        if path != "/metrics" {
            assert_eq!(head_headers["content-length"], length.to_string(), "{path}");
        }
    }
    let metrics =
        client.get(format!("{}/metrics", app.base)).send().await.expect("get metrics").text().await.expect("read text");
    assert!(metrics.contains(r#"method="HEAD",route="/live",status="200""#), "metrics distinguish HEAD from GET");
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_stays_usable_after_head() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.base.trim_start_matches("http://")).await.expect("connect");
    for method in ["GET", "HEAD", "HEAD", "GET"] {
        let request = format!("{method} /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("send bytes");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("read byte"));
        }
        let head = String::from_utf8(head).expect("body as UTF-8");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{method}: {head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("read content length");
        if method == "GET" {
            let mut body = vec![0; length.parse().expect("parse number")];
            stream.read_exact(&mut body).await.expect("read body");
            assert!(body.starts_with(b"{") && body.ends_with(b"}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_lists_the_methods_of_a_path() {
    let app = TestApp::start().await;
    for (path, status, allow) in [
        ("/live", 204, Some("GET, HEAD, OPTIONS")),
        ("/openapi.json", 204, Some("GET, HEAD, OPTIONS")),
        ("/api/v1/auth/login", 204, Some("POST, OPTIONS")),
        ("/api/v1/chats", 204, Some("GET, HEAD, POST, OPTIONS")),
        ("/nothing", 404, None),
    ] {
        let answer = Client::new().request(Method::OPTIONS, format!("{}{path}", app.base)).send().await;
        let answer = answer.expect("get answer");
        let allowed = answer.headers().get("allow").map(|allow| allow.to_str().expect("header as text").to_owned());
        assert_eq!((answer.status().as_u16(), allowed.as_deref()), (status, allow), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compresses_the_document_for_clients_that_accept_gzip() {
    let app = TestApp::start().await;
    let get = async |accept: &'static str| {
        let request =
            Client::builder().no_gzip().build().expect("build client").get(format!("{}/openapi.json", app.base));
        request.header("accept-encoding", accept).send().await.expect("send request")
    };
    for accept in ["identity", "br", "gzip;q=0"] {
        let answer = get(accept).await;
        assert_eq!(
            (answer.headers().get("content-encoding"), &answer.headers()["vary"]),
            (None, &"Accept-Encoding".parse().expect("parse header value"))
        );
        assert!(answer.text().await.expect("read text").starts_with('{'));
    }
    let answer = get("gzip, br;q=0.5").await;
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let mut document = String::new();
    let bytes = answer.bytes().await.expect("read body");
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*bytes), &mut document).expect("decompress body");
    assert!(document.starts_with('{'));
}
