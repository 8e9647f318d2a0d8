//! Replies, mentions and formatting over sockets.

use neonchat_testbed::client::text;
use serde_json::json;
use uuid::Uuid;

use super::{Stage, event, next};

#[tokio::test(flavor = "multi_thread")]
async fn reply_with_mention_reaches_all_sockets_as_it_is_stored() {
    let stage = Stage::start(&[]).await;
    let Stage { alice, bob, chat, .. } = &stage;
    let (mut phone, mut laptop, mut bobs) =
        (stage.open(0, alice).await, stage.open(1, alice).await, stage.open(1, bob).await);
    let first = phone.send_message(chat, "first").await.expect("receive ack");
    let first_id = text(&first["message_id"]).expect("find ID");
    for socket in [&mut laptop, &mut bobs] {
        event(socket, "new_message", 1).await;
    }
    let request = Uuid::new_v4();
    let bold = json!([{ "type": "bold", "offset": 0, "length": 4 }]);
    let reply = json!({ "type": "message", "chat_id": chat, "text": "look", "entities": bold, "mentions": [bob.id],
        "reply_to": first_id, "silent": true, "request_id": request });
    phone.send(&reply).await.expect("send frame");
    let ack = next(&mut phone).await;
    let message = &ack["message"];
    assert_eq!(
        (&ack["type"], &message["request_id"], &message["entities"]),
        (&json!("message_sent"), &json!(request), &bold)
    );
    assert_eq!(message["reply_to"], json!({ "id": first_id, "seq": 1, "sender_id": alice.id }));
    let (mine, theirs) = (event(&mut laptop, "new_message", 2).await, event(&mut bobs, "new_message", 2).await);
    assert_eq!(&mine["message"], message);
    let mut others = message.clone();
    others.as_object_mut().expect("object").remove("request_id");
    assert_eq!(theirs["message"], others);
    assert_eq!(stage.get("/messages", bob).await["messages"][0], others, "REST shows the same");

    // A later reader gets the same from the database.
    let mut late = stage.open(0, bob).await;
    late.send(&json!({ "type": "sync", "cursors": { chat: 1 } })).await.expect("send frame");
    assert_eq!(event(&mut late, "new_message", 2).await["message"], others);

    // The ack of a plain message stays as short as it was.
    assert_eq!(first.get("message"), None);
    phone
        .send(&json!({ "type": "message", "chat_id": chat, "text": "x", "entities": [{ "type": "bold" }] }))
        .await
        .expect("send frame");
    let refused = next(&mut phone).await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("validation_failed")));

    let edit = json!({ "type": "edit", "chat_id": chat, "message_id": text(&ack["message_id"]).expect("find ID"),
        "text": "see", "entities": [{ "type": "italic", "offset": 0, "length": 3 }], "request_id": Uuid::new_v4() });
    phone.send(&edit).await.expect("send frame");
    assert_eq!(next(&mut phone).await["seq"], 3);
    let edited = event(&mut bobs, "message_edited", 3).await;
    assert_eq!(edited["message"]["entities"], edit["entities"]);
    assert_eq!((edited["message"].get("mentions"), &edited["message"]["reply_to"]), (None, &message["reply_to"]));
}
