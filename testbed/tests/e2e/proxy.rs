//! nginx in front of two instances of each service.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use neonchat_common::error::ErrorCode;
use neonchat_testbed::client::{Refused, Socket};
use reqwest::{Response, header::HeaderMap, redirect::Policy};
use serde_json::{Value, json};

use crate::{
    helpers::folder,
    nginx::Nginx,
    site::{Site, assert_no_token, kept_ports},
};

async fn get(port: u16, path: &str) -> Response {
    let client = reqwest::Client::builder().redirect(Policy::none()).build().expect("create client");
    client
        .get(format!("http://127.0.0.1:{port}{path}"))
        .header("x-request-id", "mine")
        .send()
        .await
        .expect("receive answer")
}

/// Asserts the headers that every response has.
fn assert_security_headers(headers: &HeaderMap) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        // Without the version.
        ("server", "nginx"),
        ("x-request-id", "mine"),
    ] {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
}

/// Asserts that nginx itself refused the request, with a body in the format of the services.
async fn assert_is_problem(response: Response, code: ErrorCode, detail: &str) {
    assert_security_headers(response.headers());
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers().contains_key("retry-after"), code.is_retryable());
    let status = code.http_status().as_u16();
    assert_eq!(response.status(), status);
    let body: Value = serde_json::from_slice(&response.bytes().await.expect("read body")).expect("parse JSON");
    let expected = json!({
        "type": format!("urn:neonchat:error:{code}"), "title": code.title(), "status": status, "detail": detail,
        "code": code.as_str(), "request_id": "mine",
    });
    assert_eq!(body, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_serves_all_instances_of_both_services() {
    let mut site = Site::start().await;
    let (alice, bob, chat) = site.pair().await;
    let api = site.api();

    // Requests go to the instances in turn.
    for _ in 0..10 {
        assert_eq!(api.get("/api/v1/users/me", &alice).await.expect("receive answer").body["id"], *alice.id);
    }
    let requests = site.nginx.requests("/api/v1/users/me", 10).await;
    let upstreams: Vec<_> = requests.iter().map(|request| &request["upstream"]).collect();
    assert!(upstreams.windows(2).all(|pair| pair[0] != pair[1]), "{upstreams:?}");

    // A socket goes to the instance with the fewest sockets. Messages cross instances.
    let (mut alices, mut bobs) = (site.open(&alice).await, site.open(&bob).await);
    assert_eq!(site.sockets().await, ["1", "1"]);
    for n in 1..=5 {
        let ack = alices.send_message(&chat, "over nginx").await.expect("receive ack");
        assert_eq!((&ack["seq"], &ack["status"]), (&json!(n), &json!("delivered")));
        assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message")["seq"], n);
    }
    let path = format!("/api/v1/chats/{chat}/messages");
    assert_eq!(api.post(&path, &bob, &json!({ "text": "by REST" })).await.expect("receive answer").status, 201);
    for socket in [&mut alices, &mut bobs] {
        assert_eq!(socket.expect_beside_presence("new_message").await.expect("receive message")["seq"], 6);
    }
    // Bob reconnects to the same instance, which has fewer sockets. nginx logs a request after it has ended.
    bobs.close().await.expect("close socket");
    site.nginx.requests("/ws", 1).await;
    let bobs = site.open(&bob).await;
    for (closed, socket) in [(2, alices), (3, bobs)] {
        socket.close().await.expect("close socket");
        site.nginx.requests("/ws", closed).await;
    }

    // Only a page of this site may open a socket: nginx passes the browser's Host to the services.
    let url = format!("ws://127.0.0.1:{}/ws?token={}", site.port, alice.token);
    let own = format!("https://127.0.0.1:{}", site.port);
    let opened = Socket::request(&url, &[("origin", &own)]).await.expect("receive answer");
    opened.expect("open socket").close().await.expect("close socket");
    let Err(Refused(answer)) =
        Socket::request(&url, &[("origin", "https://elsewhere.example")]).await.expect("receive answer")
    else {
        panic!("a page from elsewhere opened a socket")
    };
    assert_eq!(answer.status, 403);

    let sockets = site.nginx.requests("/ws", 5).await;
    let statuses: Vec<_> = sockets.iter().map(|request| request["status"].as_u64()).collect();
    assert_eq!(statuses, [101, 101, 101, 101, 403].map(Some));
    let [bobs_first, alices, bobs_second] = [0, 1, 2].map(|place: usize| &sockets[place]["upstream"]);
    assert!(bobs_first == bobs_second && bobs_first != alices, "{sockets:?}");
    assert_no_token(&site.nginx, &[&alice, &bob]);
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_refuses_internal_paths_and_invalid_requests() {
    let site = Site::start().await;
    let from_service = get(site.port, "/api/v1/users/me").await;
    assert_eq!(from_service.status(), 401);
    assert_security_headers(from_service.headers());
    assert_eq!(from_service.headers()["strict-transport-security"], "max-age=31536000");
    let plain = get(site.nginx.http(), "/api/v1/users/me?q=1").await;
    assert_eq!(
        (plain.status().as_u16(), &plain.headers()["location"]),
        (308, &format!("https://127.0.0.1:{}/api/v1/users/me?q=1", site.nginx.https()).parse().expect("parse header"))
    );

    assert_eq!(get(site.port, "/swagger-ui/").await.status(), 200);

    for path in ["/health", "/metrics", "/live", "/ready", "/metrics?x=1"] {
        assert_is_problem(get(site.port, path).await, ErrorCode::NotFound, "There is no such path.").await;
    }
    let post = async |bytes: usize| {
        let url = format!("http://127.0.0.1:{}/api/v1/auth/login", site.port);
        let request = reqwest::Client::new().post(url).header("x-request-id", "mine");
        request.header("content-type", "application/json").body(vec![b' '; bytes]).send().await.expect("receive answer")
    };
    // The limit of the service is below that of nginx.
    let refused = post(100 * 1024).await;
    let body: Value = serde_json::from_slice(&refused.bytes().await.expect("read body")).expect("parse JSON");
    assert_eq!(body["code"], ErrorCode::PayloadTooLarge.as_str());
    assert_ne!(body["detail"], "The body is too large.");
    assert_is_problem(post(129 * 1024).await, ErrorCode::PayloadTooLarge, "The body is too large.").await;
}

/// One origin serves all parts, over HTTP/2.
#[tokio::test(flavor = "multi_thread")]
async fn proxy_serves_the_web_client_as_chat_service_sends_it() {
    let site = Site::start().await;
    assert_eq!(site.nginx.protocol().await.as_deref(), Some(&b"h2"[..]));
    // Otherwise the client decompresses the answer, and hides that it was compressed.
    let client = reqwest::Client::builder().no_gzip().build().expect("build client");
    let get = async |path: &str, tag: &str| {
        let request = client.get(format!("http://127.0.0.1:{}{path}", site.port)).header("accept", "text/html");
        request.header("accept-encoding", "gzip").header("if-none-match", tag).send().await.expect("receive answer")
    };
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/c/1", "text/html; charset=utf-8"),
        ("/src/main.js", "text/javascript; charset=utf-8"),
        ("/sdk/index.js", "text/javascript; charset=utf-8"),
    ] {
        let answer = get(path, "").await;
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("header as text"));
        assert_eq!((answer.status().as_u16(), header("content-type")), (200, Some(media_type)), "{path}");
        assert_eq!(header("cache-control"), Some("no-cache"));
        // Others may be too small.
        if path == "/sdk/index.js" {
            assert_eq!(header("content-encoding"), Some("gzip"));
        }
        assert_eq!(answer.headers().get_all("content-security-policy").iter().count(), 1);
        let policy = header("content-security-policy").expect("header is present");
        assert!(policy.contains("trusted-types neonchat"), "{policy}");
        assert_eq!(get(path, header("etag").expect("header is present")).await.status(), 304, "{path}");
    }
}

/// The health check of the container asks the operations ports of the services.
#[tokio::test(flavor = "multi_thread")]
async fn health_check_fails_while_no_instance_of_a_service_is_ready() {
    let mut site = Site::start().await;
    let health = site.nginx.health();
    let status =
        async |service: &str| health.call("GET", &format!("/{service}"), None, None).await.expect("call nginx").status;
    site.instances.remove(0).stop().await.expect("stop first instances");
    for service in ["chat-service", "notification-service"] {
        assert_eq!(status(service).await, 200, "{service}");
    }
    site.instances.remove(0).stop().await.expect("stop second instances");
    for service in ["chat-service", "notification-service"] {
        assert!(status(service).await >= 500, "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_only_for_hosts_of_the_site() {
    let site = Site::start().await;
    let client = reqwest::Client::builder().redirect(Policy::none()).build().expect("build client");
    let get = async |port: u16, host: &str| {
        let request = client.get(format!("http://127.0.0.1:{port}/openapi.json")).header("x-request-id", "mine");
        request.header("host", host).send().await.expect("receive answer")
    };
    for host in ["elsewhere.example", "localhost.elsewhere.example", "elsewhere.example:8443"] {
        let refused = get(site.nginx.http(), host).await;
        assert_eq!((refused.status().as_u16(), refused.headers().get("location")), (404, None), "{host}");
        let refused = get(site.port, host).await;
        assert_is_problem(refused, ErrorCode::NotFound, "This host is not served here.").await;
    }
    for host in ["localhost", "LOCALHOST", "[::1]"] {
        let redirected = get(site.nginx.http(), host).await;
        let location = format!("https://{}:{}/openapi.json", host.to_lowercase(), site.nginx.https());
        assert_eq!(redirected.headers()["location"].as_bytes(), location.as_bytes());
        assert_eq!(get(site.port, host).await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_answers_for_missing_upstreams_and_excess_requests() {
    let folder = folder();
    let nginx = Nginx::start(folder.path(), &[kept_ports()]).await;
    let port = nginx.tunnel().await;
    for path in ["/api/v1/users/me", "/ws"] {
        assert_is_problem(get(port, path).await, ErrorCode::Unavailable, "No instance answered.").await;
    }
    // The limit is 100 requests per second with a burst of 200.
    let client = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{port}/api/v1/users/me");
    let answers = stream::repeat_with(|| client.get(&url).header("x-request-id", "mine").send()).buffer_unordered(50);
    let mut refused = answers.filter_map(async |answer| answer.ok().filter(|answer| answer.status() == 429)).boxed();
    let refused = tokio::time::timeout(Duration::from_mins(1), refused.next())
        .await
        .expect("reach limit in time")
        .expect("receive answer");
    assert_is_problem(refused, ErrorCode::RateLimited, "Too many requests from this address.").await;
}
