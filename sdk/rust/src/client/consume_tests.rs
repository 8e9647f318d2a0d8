//! `consume`, with messages that the store has.

use std::{cell::RefCell, path::Path, time::Duration};

use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    ChatId, Client, Error, FileStore, Message, Problem, Store as _,
    store::{Op, message_row},
};

const CHAT: ChatId = ChatId(Uuid::from_u128(9));

/// A store with three messages, and two of another chat from before it was known.
fn fill(path: &Path) {
    let session = json!({
        "access": "access", "access_expires_at": u64::MAX, "lifetime": 1, "refresh": "refresh",
        "user": { "id": Uuid::from_u128(1), "username": "bot" }, "device_id": "device",
    });
    let mut ops = vec![Op::set("session", session), Op::set("owner", Uuid::from_u128(1).to_string())];
    for (chat, segments) in [(CHAT, [[1, 3]]), (ChatId(Uuid::from_u128(10)), [[4, 3]])] {
        let row = json!({ "id": chat, "applied": 3, "segments": segments, "item": { "first_seq": 1, "last_seq": 3 } });
        ops.push(Op::Chat { row: serde_json::from_value(row).expect("row") });
        for seq in 1..=3_u64 {
            let message = json!({
                "id": Uuid::from_u128(seq.into()), "chat_id": chat, "sender_id": Uuid::from_u128(2), "seq": seq,
                "text": seq.to_string(), "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z",
            });
            ops.push(Op::Event { row: message_row(chat, seq, message.as_object().expect("object").clone()) });
        }
    }
    FileStore::open(path).expect("open store").write(&ops).expect("write");
}

fn client(path: &Path) -> Client {
    let store = FileStore::open(path).expect("open store");
    Client::builder("http://localhost:1").store(store).build().expect("build client")
}

#[tokio::test]
async fn goes_on_with_the_first_message_that_was_not_handled() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("journal");
    fill(&path);
    for expected in [vec![1, 2], vec![2, 3], vec![]] {
        let client = client(&path);
        let seqs = RefCell::new(Vec::new());
        let handler = async |message: Message| {
            assert_eq!(message.chat_id, CHAT, "history is not handled");
            seqs.borrow_mut().push(message.seq);
            // As if the process were killed in the handler.
            if message.seq == 2 && expected[0] == 1 { std::future::pending().await } else { Ok::<_, Error>(()) }
        };
        let ended = timeout(Duration::from_millis(300), client.consume(handler)).await;
        assert!(ended.is_err(), "it ends with the client only");
        assert_eq!(*seqs.borrow(), expected);
        client.close().await;
    }
}

/// The server asks for a wait.
fn busy() -> Error {
    Error::Api(Box::new(Problem::new(503, Some(100), json!({ "code": "unavailable" }))))
}

#[tokio::test]
async fn calls_a_handler_that_failed_again_and_ends_with_the_client() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("journal");
    fill(&path);
    let client = client(&path);
    let seqs = RefCell::new(Vec::new());
    let handler = async |message: Message| {
        let is_first = seqs.borrow().is_empty();
        seqs.borrow_mut().push(message.seq);
        if message.seq == 3 {
            client.clone().close().await;
        }
        if is_first { Err(busy()) } else { Ok(()) }
    };
    let ended = timeout(Duration::from_secs(2), client.consume(handler)).await;
    assert!(ended.is_ok(), "it waits for as long as the error says, and ends with the client");
    assert_eq!(*seqs.borrow(), [1, 1, 2, 3]);
}
