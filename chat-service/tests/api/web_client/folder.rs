//! The web client from a folder, for its development.

use std::{fs, os::unix::fs::symlink, path::Path};

use tempfile::TempDir;

use super::{ACCEPT_PAGE, GZIP, assert_nothing_there, get};
use crate::support::TestApp;

/// Makes a folder with a client, an SDK and a secret beside them.
fn project() -> TempDir {
    let folder = tempfile::tempdir().expect("create folder");
    for (path, content) in [
        ("web/index.html", "<!-- modulepreload -->"),
        ("web/src/main.js", "import './first.js';\n"),
        ("web/src/first.js", "import '/sdk/index.js';\n"),
        ("web/sw.js", "'__BUILD__'; ['__FILES__'];"),
        ("web/app.css", "body {}"),
        ("web/check/check.js", "secret"),
        ("sdk/js/src/index.js", "export {};\n"),
        ("sdk/js/package.json", "secret"),
        ("secret.js", "secret"),
    ] {
        write(&folder, path, content);
    }
    folder
}

fn write(folder: &TempDir, path: &str, content: &str) {
    let path = folder.path().join(path);
    fs::create_dir_all(path.parent().expect("has parent")).expect("create folder");
    fs::write(path, content).expect("write file");
}

async fn start(web: &Path) -> TestApp {
    TestApp::start_with(&[("NEONCHAT_WEB_DIR", web.to_str().expect("path as text"))]).await
}

fn preload(path: &str) -> String {
    format!("<link rel=\"modulepreload\" href=\"{path}\">")
}

#[tokio::test(flavor = "multi_thread")]
async fn change_is_served_at_once() {
    let project = project();
    let app = start(&project.path().join("web")).await;
    let page = async || get(&app, "/c/1", &[ACCEPT_PAGE, GZIP]).await;
    let first = page().await;
    assert_eq!(first.text(), [preload("/src/first.js"), preload("/sdk/index.js")].join("\n"));
    assert_eq!(first.header("content-encoding"), "");
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-cache"),
        ("vary", "Accept-Encoding, Accept, Origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(first.header(name), value);
    }
    assert!(first.header("content-security-policy").contains("connect-src 'self' ws://localhost:8082;"));
    let worker = get(&app, "/sw.js", &[]).await;
    let (_, list) = worker.text().split_once("; ").expect("find list");
    let mut files = Vec::new();
    for path in ["/app.css", "/index.html", "/sdk/index.js", "/src/first.js", "/src/main.js"] {
        let tag = get(&app, path, &[]).await.header("etag");
        files.push(format!("['{path}', '{}']", tag.trim_matches('"')));
    }
    assert_eq!(list, format!("[{}];", files.join(", ")));
    let tag = ("If-None-Match", first.header("etag"));
    assert_eq!(get(&app, "/", &[ACCEPT_PAGE, (tag.0, &tag.1)]).await.status, 304);

    write(&project, "web/src/first.js", "import './second.js';\n");
    write(&project, "web/src/second.js", "");
    assert_eq!(page().await.text(), [preload("/src/first.js"), preload("/src/second.js")].join("\n"));
    assert_eq!(get(&app, "/", &[ACCEPT_PAGE, (tag.0, &tag.1)]).await.status, 200);
    assert_ne!(get(&app, "/sw.js", &[]).await.text(), worker.text());
    assert_eq!(get(&app, "/src/first.js", &[]).await.text(), "import './second.js';\n");
    let css = get(&app, "/app.css", &[]).await;
    assert_eq!((css.text(), css.header("content-type").as_str()), ("body {}", "text/css; charset=utf-8"));

    fs::remove_file(project.path().join("web/app.css")).expect("remove file");
    assert_nothing_there(&get(&app, "/app.css", &[]).await, "removed file");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_folder() {
    let project = project();
    let web = project.path().join("web");
    symlink(project.path().join("secret.js"), web.join("link.js")).expect("create link");
    symlink(project.path(), web.join("folder")).expect("create link");
    symlink("/etc", web.join("src/etc")).expect("create link");
    // The folder itself may be a link.
    let link = project.path().join("link/to/web");
    fs::create_dir_all(link.parent().expect("has parent")).expect("create folder");
    symlink(&web, &link).expect("create link");
    let app = start(&link).await;
    assert_eq!(get(&app, "/src/first.js", &[]).await.status, 200);
    assert_eq!(get(&app, "/sdk/index.js", &[]).await.status, 200);
    for path in [
        "/link.js",
        "/folder/secret.js",
        "/folder/web/app.css",
        "/src/etc/hostname",
        "/../secret.js",
        "/src/../../secret.js",
        "/src/..%2f..%2fsecret.js",
        "/%2e%2e/secret.js",
        "/%2E%2E%2Fsecret.js",
        "/..%5csecret.js",
        "/%252e%252e/secret.js",
        "/src/%00/../secret.js",
        "/app.css%00.js",
        "//etc/passwd",
        "//app.css",
        "/./app.css",
        "/sdk/../package.json",
        "/sdk/package.json",
        "/check/check.js",
        "/etc/passwd",
    ] {
        let answer = get(&app, path, &[]).await;
        assert!(!answer.text().contains("secret") && !answer.text().contains("root:"), "{path}");
        assert_nothing_there(&answer, path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistake_in_the_client_is_an_error_of_the_server() {
    let project = project();
    let app = start(&project.path().join("web")).await;
    write(&project, "web/src/first.js", "import { h } from 'preact';\n");
    let answer = get(&app, "/", &[ACCEPT_PAGE]).await;
    assert_eq!((answer.status, answer.header("content-type").as_str()), (500, "application/problem+json"));
    assert!(!answer.text().contains("preact"), "{}", answer.text());
    // Other files can still be read.
    assert_eq!(get(&app, "/src/first.js", &[]).await.status, 200);
}
