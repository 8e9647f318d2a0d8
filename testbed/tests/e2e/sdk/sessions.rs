//! Tokens that end, and sessions that end.

use neonchat_client::{Client, Error, FileStore, Session, Status};
use neonchat_testbed::{client::PASSWORD, harness::until};
use serde_json::{Value, json};

use super::{Person, builder, go_live, reaches, start};
use crate::helpers::Running;

/// The session with other members.
fn with(session: &Session, members: &Value) -> Session {
    let mut session = serde_json::to_value(session).expect("session");
    session.as_object_mut().expect("object").extend(members.as_object().expect("object").clone());
    serde_json::from_value(session).expect("session")
}

fn refresh_token(client: &Client) -> Value {
    serde_json::to_value(client.session()).expect("session")["refresh"].clone()
}

async fn signed_in(running: &Running) -> (Person, Session) {
    let person = Person::register(builder(running).build().expect("build client")).await;
    let session = person.client.session().expect("session");
    (person, session)
}

async fn me(client: &Client) -> Result<Value, Error> {
    client.rest().get("/users/me").send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_refreshed_and_the_request_repeated() {
    let running = start().await;
    let (alice, session) = signed_in(&running).await;
    let broken = with(&session, &json!({ "access": "broken" }));
    let client = builder(&running).session(broken).build().expect("build client");
    let answers = tokio::join!(me(&client), me(&client), me(&client));
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!(answer.expect("user")["id"], json!(alice.id));
    }
    assert_ne!(Some(&refresh_token(&client)), serde_json::to_value(&session).expect("session").get("refresh"));
    go_live(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_before_the_token_ends_and_the_connection_goes_on() {
    let running = start().await;
    let (_, session) = signed_in(&running).await;
    // The client takes the token for one that ends within the lead of a refresh.
    let now = chrono::Utc::now().timestamp_millis();
    let soon = with(&session, &json!({ "access_expires_at": now + 71_000 }));
    let client = builder(&running).session(soon).build().expect("build client");
    let mut states = client.states();
    go_live(&client).await;
    states.borrow_and_update();
    let former = session.access_token().map(str::to_owned);
    until("there is a new token", async || {
        client.session().expect("session").access_token().map(str::to_owned) != former
    })
    .await;
    // The answer to a request comes after that to `auth`, or to a refusal of it.
    me(&client).await.expect("user");
    assert!(!states.has_changed().expect("the client runs"), "the connection was lost: {:?}", client.state());
    assert_ne!(refresh_token(&client), serde_json::to_value(&session).expect("session")["refresh"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_from_another_device_signs_this_one_out() {
    let running = start().await;
    let alice = Person::live(&running).await;
    let other = builder(&running).build().expect("build client");
    other.login(&alice.name, PASSWORD).await.expect("log in");
    let session = alice.client.session().expect("session");
    let path = format!("/auth/sessions/{}", session.device_id());
    other.rest().delete(path).send::<()>().await.expect("end session");
    reaches(&alice.client, "signed out", |state| matches!(state, Status::SignedOut { .. })).await;
    assert_eq!(alice.client.session(), None);
    assert_eq!(me(&other).await.expect("user")["id"], json!(alice.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_refresh_token_ends_the_session() {
    let running = start().await;
    let (_, first) = signed_in(&running).await;
    let broken = json!({ "access": "broken" });
    let second = builder(&running).session(with(&first, &broken)).build().expect("build client");
    me(&second).await.expect("refresh");
    let third = with(&second.session().expect("session"), &broken);
    let third = builder(&running).session(third).build().expect("build client");
    me(&third).await.expect("refresh");
    // Two generations old.
    let thief = builder(&running).session(with(&first, &broken)).build().expect("build client");
    let error = me(&thief).await.expect_err("refuse token");
    assert_eq!((error.code(), error.reason()), ("signed_out", Some("session_reused")));
    assert_eq!(thief.session(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_out_for_good() {
    let running = start().await;
    let folder = tempfile::tempdir().expect("create directory");
    let journal = folder.path().join("journal");
    let store = FileStore::open(&journal).expect("open store");
    let alice = Person::register(builder(&running).store(store).build().expect("build client")).await;
    go_live(&alice.client).await;
    let session = alice.client.session().expect("session");
    let token = session.access_token().expect("token").to_owned();
    let read = || std::fs::read_to_string(&journal).expect("read journal");
    assert!(read().contains(&token));
    alice.client.logout().await.expect("log out");
    assert_eq!(alice.client.state(), Status::SignedOut { reason: "logout".to_owned() });
    assert!(!read().contains(&token) && !read().contains(&*alice.name), "{}", read());
    let answer =
        running.system.api().call("GET", "/api/v1/users/me", Some(&token), None).await.expect("receive answer");
    assert_eq!(answer.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told() {
    let running = start().await;
    let (alice, _) = signed_in(&running).await;
    let client = builder(&running).build().expect("build client");
    let error = client.login(&alice.name, "not the password").await.expect_err("refuse login");
    assert_eq!((error.code(), error.status()), ("invalid_credentials", Some(401)));
    assert_eq!(client.session(), None);
}
