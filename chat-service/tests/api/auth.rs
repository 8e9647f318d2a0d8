//! Registration, login and authentication.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use neonchat_common::{
    ids::{TokenId, UserId},
    token::{Claims, Tokens},
};
use neonchat_testbed::client::{PASSWORD, User};
use serde_json::{Value, json};

use crate::support::{Fields, TestApp, assert_problem, sql};

/// The default secret.
const SECRET: &str = "your-super-secret-jwt-key-change-in-production";

async fn register(app: &TestApp, username: &str, password: &str) -> neonchat_testbed::client::Answer {
    let body = json!({ "username": username, "password": password });
    app.api.call("POST", "/api/v1/auth/register", None, Some(&body)).await.expect("call API")
}

async fn log_in(app: &TestApp, username: &str, password: &str) -> neonchat_testbed::client::Answer {
    let body = json!({ "username": username, "password": password });
    app.api.call("POST", "/api/v1/auth/login", None, Some(&body)).await.expect("call API")
}

#[tokio::test(flavor = "multi_thread")]
async fn registered_user_can_log_in() {
    let app = TestApp::start().await;

    let registered = register(&app, "alice", PASSWORD).await;
    let id = registered.body["id"].as_str().expect("id as string");
    let created_at = registered.body["created_at"].as_str().expect("time as string");
    assert_eq!(registered.status, 201);
    assert_eq!(registered.body, json!({ "id": id, "username": "alice", "created_at": created_at }));
    assert_eq!((created_at.len(), &created_at[26..]), ("2026-01-01T00:00:00.000000Z".len(), "Z"));
    assert_eq!(uuid::Uuid::parse_str(id).expect("parse UUID").get_version_num(), 4);

    let login = log_in(&app, "ALICE", PASSWORD).await;
    let token = login.body["token"].as_str().expect("token as string");
    assert_eq!(login.status, 200);
    let session = &login.body["session_id"];
    let expected = json!({
        "token": token, "expires_in": 86400, "user": { "id": id, "username": "alice" }, "session_id": session,
        "refresh_token": login.body["refresh_token"], "refresh_expires_in": 2_592_000,
    });
    assert_eq!(login.body, expected);
    let claims = Tokens::new(&SECRET.into(), Duration::ZERO).verify(token).expect("verify token");
    assert_eq!((claims.user_id.to_string().as_str(), claims.username.as_str()), (id, "alice"));
    assert_eq!(claims.exp - claims.iat, 86400);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_taken_name_in_any_case_or_normalization_form() {
    let app = TestApp::start().await;
    assert_eq!(register(&app, "Élodie", PASSWORD).await.status, 201);
    for alike in ["Élodie", "élodie", "ÉLODIE", "E\u{301}lodie", "Ｅ\u{301}lodie"] {
        assert_problem(&register(&app, alike, PASSWORD).await, 409, "username_taken", &[]);
    }
    assert_eq!(register(&app, "Elodie", PASSWORD).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_registrations_of_a_name_create_one_user() {
    let app = TestApp::start().await;
    let attempts = (0..8).map(|_| register(&app, "alice", PASSWORD));
    let mut statuses: Vec<_> =
        futures_util::future::join_all(attempts).await.into_iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_each_invalid_field_of_a_registration() {
    let app = TestApp::start().await;
    let too_long = "x".repeat(73);
    let cases: &[(&str, &str, Fields<'_>)] = &[
        ("al", "short", &[("username", "length"), ("password", "length")]),
        ("a b", PASSWORD, &[("username", "format")]),
        ("a\0b", PASSWORD, &[("username", "format")]),
        ("alice", &too_long, &[("password", "length")]),
        ("alice", "pass\0word-1", &[("password", "format")]),
        ("securepass", "SecurePass", &[("password", "username")]),
        ("alice", "Password123", &[("password", "common")]),
    ];
    for (username, password, fields) in cases {
        assert_problem(&register(&app, username, password).await, 422, "validation_failed", fields);
    }
    let longest = "x".repeat(72);
    assert_eq!(register(&app, "alice", &longest).await.status, 201);
    assert_eq!(log_in(&app, "alice", &longest).await.status, 200);
    assert_problem(&log_in(&app, "alice", &too_long).await, 401, "invalid_credentials", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_name_and_wrong_password_get_the_same_answer() {
    let app = TestApp::start().await;
    register(&app, "alice", PASSWORD).await;
    let mut bodies = Vec::new();
    for (username, password) in [("alice", "wrong-password"), ("nobody", PASSWORD), ("no name", PASSWORD), ("", "")] {
        let mut answer = log_in(&app, username, password).await;
        assert_problem(&answer, 401, "invalid_credentials", &[]);
        answer.body["request_id"] = Value::Null;
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_only_valid_tokens() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let get = async |path: &str, token: Option<&str>| app.api.call("GET", path, token, None).await.expect("call API");

    assert_eq!(get("/api/v1/users/me", Some(&user.token)).await.status, 200);
    let user_id: UserId = user.id.parse().expect("parse id");
    let forged =
        Tokens::new(&"another secret".into(), Duration::from_hours(1)).issue(user_id, "u").expect("issue token");
    for path in ["/users/me", "/users?q=a", "/chats", "/chats/x", "/chats/x/messages"] {
        let path = format!("/api/v1{path}");
        for token in [None, Some("nonsense"), Some(&*forged)] {
            assert_problem(&get(&path, token).await, 401, "unauthorized", &[]);
        }
    }
    assert_problem(&get("/api/v1/users/me", Some(&expired_token(user_id))).await, 401, "token_expired", &[]);
}

fn expired_token(user_id: UserId) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("clock after 1970").as_secs();
    let claims =
        Claims { user_id, username: "u".to_owned(), iat: now - 7200, exp: now - 3600, jti: TokenId::new(), sid: None };
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes()))
        .expect("token in answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_valid_token_of_deleted_user() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let mut deleted = user.clone();
    let tokens = Tokens::new(&SECRET.into(), Duration::from_hours(1));
    deleted.token = tokens.issue(UserId::new(), "deleted").expect("issue token");
    assert_problem(&app.get("/api/v1/users/me", &deleted).await, 401, "unauthorized", &[]);
    let body = json!({ "partner_id": user.id });
    assert_problem(&app.post("/api/v1/chats", &deleted, &body).await, 401, "unauthorized", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_username_that_looks_like_another() {
    let app = TestApp::start().await;
    for name in ["alice", "coco", "Егор"] {
        assert_eq!(register(&app, name, PASSWORD).await.status, 201, "{name}");
    }
    for alike in ["aIice", "a1ice", "сосо", "СОСО", "Eгop"] {
        let answer = register(&app, alike, PASSWORD).await;
        assert!([409, 422].contains(&answer.status), "{alike}: {answer:?}");
    }
    for invisible in ["alice\u{34f}", "alice\u{fe0f}", "alice\u{115f}", "\u{3164}\u{3164}\u{3164}", "___"] {
        let answer = register(&app, invisible, PASSWORD).await;
        assert_problem(&answer, 422, "validation_failed", &[("username", "format")]);
    }
    let mixed = register(&app, "аlice", PASSWORD).await;
    assert_problem(&mixed, 422, "validation_failed", &[("username", "mixed_scripts")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ignores_white_space_around_a_username() {
    let app = TestApp::start().await;
    assert_eq!(register(&app, " alice\u{a0}", PASSWORD).await.body["username"], "alice");
    assert_problem(&register(&app, "alice ", PASSWORD).await, 409, "username_taken", &[]);
    for typed in ["alice ", "\talice", "Alice\u{3000}"] {
        assert_eq!(log_in(&app, typed, PASSWORD).await.status, 200, "{typed:?}");
    }
    assert_problem(&log_in(&app, "alice", &format!("{PASSWORD} ")).await, 401, "invalid_credentials", &[]);
    let me = app.user().await;
    assert_eq!(app.get("/api/v1/users?q=%20ali%20", &me).await.body["users"][0]["username"], "alice");
}

#[tokio::test(flavor = "multi_thread")]
async fn backfills_skeletons_and_keeps_older_users_able_to_log_in() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let sql = sql(&app.database).await;
    for (name, key) in [("coco", "coco"), ("сосо", "сосо"), ("аlice\u{34f}", "аlice\u{34f}")] {
        let insert = "INSERT INTO users (id, username, username_key, password_hash)
            SELECT gen_random_uuid(), $1, $2, password_hash FROM users WHERE username = $3";
        sql.execute(insert, &[&name, &key, &user.name]).await.expect("insert older user");
    }
    let other = TestApp::launch(&app.database, &[]).await;
    other.api.until_ready().await.expect("become ready");
    for old in ["coco", "сосо", "аlice\u{34f}"] {
        assert_eq!(log_in(&other, old, PASSWORD).await.status, 200, "{old}");
    }
    for taken in ["CoCo", "СОСО", "alice"] {
        assert_problem(&register(&other, taken, PASSWORD).await, 409, "username_taken", &[]);
    }
    let filled = "SELECT count(username_skeleton), count(*) FROM users WHERE username IN ('coco', 'сосо')";
    let row = sql.query_one(filled, &[]).await.expect("find row");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_token_of_unknown_user_on_every_path() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.pair().await;
    let tokens = Tokens::new(&SECRET.into(), Duration::MAX);
    let stranger = User { token: tokens.issue(UserId::new(), "stranger").expect("issue token"), ..alice.clone() };
    let profile = format!("/users/{}", alice.id);
    let messages = format!("/chats/{chat}/messages");
    for path in ["/users?q=a", "/users/me", &profile, "/users/status?ids=", "/chats", &messages] {
        let answer = app.get(&format!("/api/v1{path}"), &stranger).await;
        assert_problem(&answer, 401, "unauthorized", &[]);
    }
    let logout = app.api.call("POST", "/api/v1/auth/logout", Some(&stranger.token), None).await.expect("call API");
    assert_problem(&logout, 401, "unauthorized", &[]);

    // A token that never expires is valid, and can be revoked.
    let for_ever =
        User { token: tokens.issue(alice.id.parse().expect("parse id"), "u").expect("issue token"), ..alice };
    assert_eq!(app.get("/api/v1/users/me", &for_ever).await.status, 200);
    let logout = app.api.call("POST", "/api/v1/auth/logout", Some(&for_ever.token), None).await.expect("call API");
    assert_eq!(logout.status, 204);
    assert_problem(&app.get("/api/v1/users/me", &for_ever).await, 401, "unauthorized", &[]);
}
