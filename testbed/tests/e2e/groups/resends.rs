//! Requests that a removed user repeats over a socket.

use neonchat_testbed::client::Socket;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Stage, event, next, removal};

const SEND: &str = "550e8400-e29b-41d4-a716-446655440001";
const EDIT: &str = "550e8400-e29b-41d4-a716-446655440002";
const DELETE: &str = "550e8400-e29b-41d4-a716-446655440003";

/// Sends a request until it is answered with something else than `unavailable`, and returns the answer.
async fn answer(socket: &mut Socket, request: &Value) -> Value {
    loop {
        socket.send(request).await.expect("send");
        let answer = next(socket).await;
        if answer["code"] != "unavailable" {
            return answer;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_user_gets_first_answers_and_nothing_else() {
    let stage = Stage::start("group").await;
    let Stage { owner, member, stranger, chat, .. } = &stage;
    let (mut owners, mut members) = (stage.open(0, owner).await, stage.open(1, member).await);
    let message = |id: &str| json!({ "type": "message", "chat_id": chat, "text": "hello", "request_id": id });
    let edit = |message: &Value, text: &str, id: &str| json!({ "type": "edit", "chat_id": chat, "message_id": message, "text": text, "request_id": id });
    let delete = |message: &Value, id: &str| json!({ "type": "delete", "chat_id": chat, "message_ids": [message], "request_id": id });

    let sent = answer(&mut members, &message(SEND)).await;
    let id = &sent["message_id"];
    let edited = answer(&mut members, &edit(id, "hello all", EDIT)).await;
    let deleted = answer(&mut members, &delete(id, DELETE)).await;
    assert_eq!((&edited["seq"], &deleted["seq"]), (&json!(2), &json!(3)), "{edited} {deleted}");
    for (kind, seq) in [("new_message", 1), ("message_edited", 2), ("messages_deleted", 3)] {
        event(&mut owners, kind, seq).await;
    }
    stage.kick(member).await;
    event(&mut members, "members_removed", 4).await;
    removal(&mut members, chat, "kicked").await;

    // On the same socket, and on one that was opened after the removal.
    for mut socket in [members, stage.open(0, member).await] {
        let mut again = answer(&mut socket, &message(SEND)).await;
        assert_eq!(again["duplicate"], true, "{again}");
        for field in ["duplicate", "status"] {
            again[field] = sent[field].clone();
        }
        assert_eq!(again, sent, "the first answer, without the text");
        for (request, first) in [(edit(id, "hello all", EDIT), &edited), (delete(id, DELETE), &deleted)] {
            let again = answer(&mut socket, &request).await;
            let mut expected = first.clone();
            expected["duplicate"] = json!(true);
            assert_eq!(again, expected);
        }
        // An unknown id, and a known one with other content.
        let unknown = || Uuid::new_v4().to_string();
        for request in [message(&unknown()), edit(id, "x", &unknown()), delete(id, &unknown())] {
            assert_eq!(answer(&mut socket, &request).await["code"], "not_found");
        }
        let other = answer(&mut socket, &delete(&json!(Uuid::now_v7()), EDIT)).await;
        assert_eq!(other["code"], "idempotency_mismatch");
    }

    // The ids are worth nothing to somebody else.
    let mut strangers = stage.open(1, stranger).await;
    for request in [message(SEND), edit(id, "hello all", EDIT), delete(id, DELETE)] {
        assert_eq!(answer(&mut strangers, &request).await["code"], "not_found");
    }
    // None of it reached the others.
    event(&mut owners, "members_removed", 4).await;
    super::is_silent(&mut owners).await;
}
