//! Profiles and search.

use neonchat_testbed::client::Answer;
use serde_json::json;

use crate::support::{Fields, TestApp, assert_problem};

#[tokio::test(flavor = "multi_thread")]
async fn profile_contains_no_secret() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.api.user("alice").await.expect("register user"), app.user().await);

    let me = app.get("/api/v1/users/me", &alice).await;
    let profile = json!({ "id": alice.id, "username": "alice", "created_at": me.body["created_at"] });
    assert_eq!((me.status, &me.body), (200, &profile));
    let other = app.get(&format!("/api/v1/users/{}", alice.id), &bob).await;
    assert_eq!((other.status, other.body), (200, profile));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_user_is_not_found() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let unknown = format!("/api/v1/users/{}", uuid::Uuid::new_v4());
    assert_problem(&app.get(&unknown, &user).await, 404, "not_found", &[]);
    assert_problem(&app.get("/api/v1/users/alice", &user).await, 422, "validation_failed", &[("id", "format")]);
}

fn names(answer: &Answer) -> (Vec<&str>, bool) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let users = answer.body["users"].as_array().expect("array of users");
    let names = users.iter().map(|user| user["username"].as_str().expect("name as string")).collect();
    (names, answer.body["has_more"].as_bool().expect("flag as boolean"))
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_by_prefix() {
    let app = TestApp::start().await;
    for name in ["anna", "Ann", "annika", "a_n", "bob", "Анна"] {
        app.api.user(name).await.expect("register user");
    }
    let me = app.api.user("searcher").await.expect("register user");
    let search = async |query: &str| app.get(&format!("/api/v1/users?{query}"), &me).await;

    assert_eq!(names(&search("q=AN").await), (vec!["Ann", "anna", "annika"], false));
    assert_eq!(names(&search("q=an&limit=2").await), (vec!["Ann", "anna"], true));
    assert_eq!(names(&search("q=an&limit=2&offset=2").await), (vec!["annika"], false));
    assert_eq!(names(&search("q=an&limit=3").await), (vec!["Ann", "anna", "annika"], false));
    assert_eq!(names(&search("q=an&offset=100").await), (vec![], false));
    assert_eq!(names(&search("q=%D0%B0%D0%BD").await), (vec!["Анна"], false));
    // The query has no wildcards.
    assert_eq!(names(&search("q=a_").await), (vec!["a_n"], false));
    assert_eq!(names(&search("q=%25").await), (vec![], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_search_parameters_out_of_range() {
    let app = TestApp::start().await;
    let me = app.user().await;
    let cases: &[(&str, Fields<'_>)] = &[
        ("", &[("q", "required")]),
        ("q=", &[("q", "length")]),
        ("q=a%00", &[("q", "format")]),
        ("q=a&limit=0", &[("limit", "range")]),
        ("q=a&limit=101&offset=-1", &[("limit", "range"), ("offset", "range")]),
        ("q=a&limit=ten", &[("limit", "range")]),
        ("q=a&q=b", &[("q", "duplicate")]),
    ];
    for (query, fields) in cases {
        assert_problem(&app.get(&format!("/api/v1/users?{query}"), &me).await, 422, "validation_failed", fields);
    }
}
