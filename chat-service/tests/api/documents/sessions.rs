//! The calls of sessions.

use std::collections::BTreeSet;

use neonchat_testbed::client::PASSWORD;
use serde_json::{Value, json};

use super::{REFRESH, document::Document};
use crate::support::TestApp;

/// Makes all calls of sessions. Returns their paths and methods.
pub(super) async fn ask_all(app: &TestApp, document: &Document) -> BTreeSet<(&'static str, String)> {
    let user = app.user().await;
    let mut asked = BTreeSet::new();
    let mut ask = async |method: &str, path: &'static str, id: &str, body: Option<Value>| {
        asked.insert((path, method.to_owned()));
        let operation = document.operation(path, method.parse().expect("parse method")).expect("documented operation");
        let url = format!("{}{}", app.base, path.replace("{id}", id));
        document.ask(&operation, &url, Some(&user.token), body.as_ref()).await
    };
    let login = json!({ "username": user.name, "password": PASSWORD, "device_name": "Phone" });
    let (status, session) = ask("POST", "/api/v1/auth/login", "", Some(login)).await;
    assert_eq!(status, 200);
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    assert_eq!(ask("POST", REFRESH, "", Some(refresh)).await.0, 200);
    assert_eq!(ask("GET", "/api/v1/auth/sessions", "", None).await.0, 200);
    let id = session["session_id"].as_str().expect("id as string");
    assert_eq!(ask("DELETE", "/api/v1/auth/sessions/{id}", id, None).await.0, 204);
    let change = json!({ "old": PASSWORD, "new": "another-secret-456" });
    assert_eq!(ask("PUT", "/api/v1/auth/password", "", Some(change)).await.0, 204);
    assert_eq!(ask("GET", "/api/v1/client-config", "", None).await.0, 200);
    assert_eq!(ask("POST", "/api/v1/auth/logout", "", None).await.0, 204);
    asked
}
