//! What a user has written is never sent as another one.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{ChatId, Client, Error};

const CHAT: ChatId = ChatId(Uuid::from_u128(9));

fn client() -> Client {
    Client::builder("http://localhost:1").build().expect("build client")
}

/// The answer of a login.
fn answer(user: u128) -> Value {
    json!({
        "token": "access", "expires_in": 86_400, "refresh_token": "refresh",
        "user": { "id": Uuid::from_u128(user), "username": user.to_string() },
    })
}

#[tokio::test]
async fn refuses_to_send_while_nobody_is_signed_in() {
    let client = client();
    assert!(matches!(client.send(CHAT, "Hello").await, Err(Error::SignedOut(_))));
    assert!(client.outbox().is_empty());
}

#[tokio::test]
async fn drops_what_is_pending_when_another_user_signs_in() {
    for is_started in [false, true] {
        let client = client();
        client.accept(answer(1)).await.expect("sign in");
        if is_started {
            client.start().await.expect("start");
            client.stop().await.expect("stop");
        }
        let sending = client.send(CHAT, "Hello").await.expect("send");
        client.accept(answer(2)).await.expect("sign in as another user");
        assert!(client.outbox().is_empty());
        assert!(matches!(sending.await, Err(Error::Cancelled)));
    }
}

#[tokio::test]
async fn keeps_what_is_pending_when_the_same_user_signs_in_again() {
    let client = client();
    client.accept(answer(1)).await.expect("sign in");
    let sending = client.send(CHAT, "Hello").await.expect("send");
    client.accept(answer(1)).await.expect("sign in again");
    assert_eq!(client.outbox()[0].request_id, sending.request_id());
}

#[tokio::test]
async fn keeps_what_is_sent_before_the_start_with_a_store_of_another_user() {
    let folder = tempfile::tempdir().expect("folder");
    let open = || crate::FileStore::open(folder.path().join("journal")).expect("open store");
    let former = Client::builder("http://localhost:1").store(open()).build().expect("build client");
    former.accept(answer(1)).await.expect("sign in");
    former.send(CHAT, "of another user").await.expect("send");
    former.close().await;

    let other = client();
    other.accept(answer(2)).await.expect("sign in");
    let session = other.session().expect("session");
    let client = Client::builder("http://localhost:1").store(open()).session(session).build().expect("build client");
    assert!(client.outbox().is_empty());
    let sending = client.send(CHAT, "Hello").await.expect("send");
    client.start().await.expect("start");
    let outbox = client.outbox();
    assert_eq!(outbox.iter().map(|entry| entry.request_id).collect::<Vec<_>>(), [sending.request_id()]);
}
