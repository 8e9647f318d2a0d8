//! The web client.

mod folder;
mod policy;

use std::io::Read as _;

use flate2::read::GzDecoder;
use neonchat_testbed::{client::Answer, harness};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{TestApp, assert_problem};

/// What a browser sends when it opens a page.
const ACCEPT_PAGE: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

const GZIP: (&str, &str) = ("Accept-Encoding", "gzip, deflate, br, zstd");

/// An answer as it came.
struct Raw {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Raw {
    /// Returns all values of a header, joined.
    fn header(&self, name: &str) -> String {
        let values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(", ")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("body as text")
    }
}

/// Sends a request with exactly this target, without what a client library would correct.
async fn ask(app: &TestApp, method: &str, target: &str, headers: &[(&str, &str)]) -> Raw {
    let mut stream = TcpStream::connect(app.base.trim_start_matches("http://")).await.expect("connect");
    let host = headers.iter().all(|(name, _)| *name != "Host").then_some(("Host", "localhost:8080"));
    let headers: String =
        headers.iter().copied().chain(host).map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect();
    let request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("send request");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("read answer");
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("find end of headers");
    let head = std::str::from_utf8(&bytes[..end]).expect("headers as text");
    let mut lines = head.lines();
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).expect("find status").parse().expect("parse status");
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    Raw { status, headers: lines.filter_map(header).collect(), body: bytes[end + 4..].to_owned() }
}

async fn get(app: &TestApp, target: &str, headers: &[(&str, &str)]) -> Raw {
    ask(app, "GET", target, headers).await
}

fn assert_nothing_there(answer: &Raw, what: &str) {
    assert_eq!((answer.status, answer.header("content-type").as_str()), (404, "application/problem+json"), "{what}");
    let answer = Answer { status: answer.status, body: serde_json::from_slice(&answer.body).expect("parse JSON") };
    assert_problem(&answer, 404, "not_found", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_files_of_client_and_sdk() {
    let app = TestApp::start().await;
    for (path, media_type) in [
        ("/index.html", "text/html; charset=utf-8"),
        ("/src/main.js", "text/javascript; charset=utf-8"),
        ("/sdk/index.js", "text/javascript; charset=utf-8"),
        ("/src/main%2Ejs?query", "text/javascript; charset=utf-8"),
    ] {
        let answer = get(&app, path, &[]).await;
        assert_eq!((answer.status, answer.header("content-type").as_str()), (200, media_type), "{path}");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert!(answer.header("vary").starts_with("Accept-Encoding"), "{}", answer.header("vary"));
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_names_the_modules_that_it_needs_at_start() {
    let app = TestApp::start().await;
    let page = get(&app, "/", &[ACCEPT_PAGE]).await;
    assert!(!page.text().contains("<!-- modulepreload -->"));
    let modules: Vec<_> = page.text().split("<link rel=\"modulepreload\" href=\"").skip(1).collect();
    assert!(!modules.is_empty(), "{}", page.text());
    for module in modules.iter().filter_map(|rest| rest.split('"').next()) {
        let answer = get(&app, module, &[]).await;
        assert_eq!(
            (answer.status, answer.header("content-type").as_str()),
            (200, "text/javascript; charset=utf-8"),
            "{module}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_is_at_the_paths_of_views() {
    let app = TestApp::start().await;
    let page = get(&app, "/index.html", &[]).await;
    for path in
        ["/", "/c/7f0c1a5e", "/c/7f0c1a5e/12", "/settings?a=b.c", "/join/x", "/apis", "/healthy", "/c/", "//evil"]
    {
        let answer = get(&app, path, &[ACCEPT_PAGE]).await;
        assert_eq!((answer.status, answer.text()), (200, page.text()), "{path}");
        assert_eq!(answer.header("vary"), "Accept-Encoding, Accept, Origin");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        let permissions = "camera=(self), microphone=(self), display-capture=(self), geolocation=()";
        assert_eq!(answer.header("permissions-policy"), permissions);
        assert_eq!(ask(&app, "HEAD", path, &[ACCEPT_PAGE]).await.status, 200);
    }
    for accept in ["text/html", "application/json, TEXT/HTML;q=0.5", "text/html;level=1"] {
        assert_eq!(get(&app, "/c/1", &[("Accept", accept)]).await.status, 200, "{accept}");
    }
    for accept in ["*/*", "application/json", "text/plain, text/*", "application/xhtml+xml", "text/htmlx"] {
        assert_nothing_there(&get(&app, "/c/1", &[("Accept", accept)]).await, accept);
    }
    assert_nothing_there(&get(&app, "/", &[]).await, "without Accept");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_are_not_found_as_before() {
    let operations = [("CHAT_METRICS_HOST", "127.0.0.1"), ("CHAT_METRICS_PORT", "0")];
    let app = TestApp::launch(&harness::test_database().await, &operations).await;
    for path in [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/nothing",
        "/api/v2/chats",
        "/%61pi/v1/nothing",
        "/swagger-ui/nothing",
        "/metrics",
        "/metrics/x",
        "/health",
        "/live",
        "/ready",
        "/nothing.js",
        "/src/nothing.js",
        "/src/main.js/",
        "/c/a.b",
        "/c/a%2Eb",
        "/favicon.gif",
        "/check/package.json",
        "/sdk/openapi.d.ts",
        "/.git/config",
        "/Cargo.toml",
    ] {
        assert_nothing_there(&get(&app, path, &[ACCEPT_PAGE]).await, path);
        let head = ask(&app, "HEAD", path, &[ACCEPT_PAGE]).await;
        assert_eq!((head.status, head.body.len()), (404, 0), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"] {
        for path in ["/", "/c/1", "/src/main.js"] {
            assert_nothing_there(&ask(&app, method, path, &[ACCEPT_PAGE, ("Content-Length", "0")]).await, method);
        }
    }
    assert_eq!(get(&app, "/api/v1/users/me", &[ACCEPT_PAGE]).await.status, 401);
    assert_eq!(get(&app, "/openapi.json", &[ACCEPT_PAGE]).await.header("content-type"), "application/json");
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_file_is_not_sent_again() {
    let app = TestApp::start().await;
    for target in ["/", "/src/main.js", "/sdk/index.js"] {
        for encoding in [GZIP, ("Accept-Encoding", "identity")] {
            let ask = async |method: &str, tag: &str| {
                ask(&app, method, target, &[ACCEPT_PAGE, encoding, ("If-None-Match", tag)]).await
            };
            let first = ask("GET", "\"other\"").await;
            let tag = first.header("etag");
            assert!(first.status == 200 && tag.starts_with('"'), "{target} {tag}");
            for known in [&tag, &format!("W/{tag}"), &format!("\"other\", {tag}"), "*"] {
                for method in ["GET", "HEAD"] {
                    let again = ask(method, known).await;
                    assert_eq!((again.status, again.body.len()), (304, 0), "{target} {known}");
                    // A cache replaces these headers of the answer that it has.
                    for name in ["etag", "cache-control", "vary", "content-security-policy", "permissions-policy"] {
                        assert_eq!(again.header(name), first.header(name), "{name}");
                    }
                    assert_eq!(again.header("content-type") + &again.header("content-encoding"), "");
                }
            }
            assert_eq!(ask("GET", "malformed").await.status, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compresses_for_clients_that_accept_gzip() {
    let app = TestApp::start().await;
    let plain = get(&app, "/sdk/index.js", &[]).await;
    assert_eq!(plain.header("content-encoding"), "");
    let packed = get(&app, "/sdk/index.js", &[GZIP]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(packed.header("content-length"), packed.body.len().to_string());
    let mut text = String::new();
    GzDecoder::new(packed.body.as_slice()).read_to_string(&mut text).expect("decompress body");
    assert_eq!(text, plain.text());
    assert!(packed.body.len() * 2 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
    // A strong tag stands for bytes.
    assert_ne!(packed.header("etag"), plain.header("etag"));
    for refused in ["gzip;q=0", "br", "identity", "*;q=0"] {
        let answer = get(&app, "/sdk/index.js", &[("Accept-Encoding", refused)]).await;
        assert_eq!(
            (answer.header("content-encoding").as_str(), answer.header("etag")),
            ("", plain.header("etag")),
            "{refused}"
        );
    }

    let head = ask(&app, "HEAD", "/sdk/index.js", &[GZIP]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let without = |answer: &Raw| {
        let varying = ["date", "x-request-id"];
        answer.headers.iter().filter(|(name, _)| !varying.contains(&name.as_str())).cloned().collect::<Vec<_>>()
    };
    let sorted = |mut headers: Vec<_>| {
        headers.sort();
        headers
    };
    assert_eq!(sorted(without(&head)), sorted(without(&packed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn is_off_if_the_operator_wants_so() {
    let app = TestApp::start_with(&[("WEB_CLIENT", "off")]).await;
    for path in ["/", "/index.html", "/src/main.js", "/sdk/index.js", "/c/1"] {
        assert_nothing_there(&get(&app, path, &[ACCEPT_PAGE]).await, path);
    }
    assert_eq!(get(&app, "/swagger-ui/", &[ACCEPT_PAGE]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_not_limited_and_are_one_route_of_metrics() {
    let app = TestApp::start_with(&[("RATE_LIMIT_PER_MINUTE", "5")]).await;
    for n in 0..20 {
        let answer = get(&app, &format!("/c/{n}"), &[ACCEPT_PAGE]).await;
        assert_eq!((answer.status, answer.header("ratelimit-limit").as_str()), (200, ""));
        assert_eq!(get(&app, "/src/main.js", &[]).await.status, 200);
        assert_eq!(get(&app, &format!("/nothing-{n}.php"), &[]).await.status, 404);
    }
    // The metrics are those of all tests in this process.
    let metrics = get(&app, "/metrics", &[]).await;
    for status in [200, 404] {
        let line =
            format!("http_request_duration_seconds_count{{method=\"GET\",route=\"/{{file:.*}}\",status=\"{status}\"}}");
        assert!(metrics.text().contains(&line), "{line}");
    }
    for path in ["main.js", "nothing-1", "/c/1"] {
        assert!(!metrics.text().contains(path), "{path}");
    }
}
