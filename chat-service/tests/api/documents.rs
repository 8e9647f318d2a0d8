//! The `OpenAPI` document, and the page that shows it.

use crate::support::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_served() {
    let app = TestApp::start().await;
    let answer = app.api.call("GET", "/openapi.json", None, None).await.expect("an answer");
    assert_eq!((answer.status, &answer.body["openapi"]), (200, &"3.1.0".into()));
}
