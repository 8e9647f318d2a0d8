//! Swagger UI.

use reqwest::{Client, Response, redirect::Policy};

use crate::support::{TestApp, assert_problem};

async fn get(app: &TestApp, path: &str) -> Response {
    let client = Client::builder().redirect(Policy::none()).build().expect("build client");
    client.get(format!("{}{path}", app.base)).send().await.expect("send request")
}

#[tokio::test(flavor = "multi_thread")]
async fn swagger_ui_runs_only_its_own_files() {
    let app = TestApp::start().await;
    let redirect = get(&app, "/swagger-ui").await;
    assert_eq!(
        (redirect.status().as_u16(), &redirect.headers()["location"]),
        (308, &"/swagger-ui/".parse().expect("parse header value"))
    );

    let page = get(&app, "/swagger-ui/").await;
    assert_eq!(
        (page.status().as_u16(), &page.headers()["content-type"]),
        (200, &"text/html".parse().expect("parse header value"))
    );
    let policy = page.headers()["content-security-policy"].to_str().expect("header as text").to_owned();
    for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"] {
        assert!(policy.split("; ").any(|known| known == part), "{part}: {policy}");
    }
    let html = page.text().await.expect("read text");
    let files = ["src=\"./", "href=\"./"].map(|start| html.split(start).skip(1).collect::<Vec<_>>()).concat();
    let files: Vec<_> = files.iter().filter_map(|rest| rest.split('"').next()).collect();
    assert!(files.contains(&"swagger-ui-bundle.js") && files.contains(&"swagger-ui.css"), "{files:?}");
    for file in files {
        let answer = get(&app, &format!("/swagger-ui/{file}")).await;
        assert_eq!(answer.status(), 200, "{file}");
    }
    let start = get(&app, "/swagger-ui/swagger-initializer.js").await.text().await.expect("read text");
    assert!(start.contains("\"/openapi.json\"") && !start.contains("petstore"), "{start}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_missing_file_with_a_problem() {
    let app = TestApp::start().await;
    let answer = app.api.call("GET", "/swagger-ui/nothing.js", None, None).await.expect("call API");
    assert_problem(&answer, 404, "not_found", &[]);
}
