//! Messages that are sent later, and messages that disappear, over sockets.

use std::time::{Duration, SystemTime};

use neonchat_common::time;
use neonchat_testbed::harness::until;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Stage, event, next};

/// Returns the time in half a second.
fn soon() -> String {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().expect("read clock") + Duration::from_millis(500);
    let micros = since_epoch.as_micros().try_into().expect("time in range");
    time::from_micros(micros).expect("time in range").to_rfc3339()
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduled_message_or_its_refusal_reaches_the_sockets() {
    let stage = Stage::start(&[("SCHEDULE_MIN", "0s")]).await;
    let Stage { alice, bob, chat, .. } = &stage;
    let (mut phone, mut laptop, mut bobs) =
        (stage.open(0, alice).await, stage.open(1, alice).await, stage.open(1, bob).await);
    let request = Uuid::new_v4();
    let schedule = async |text: &str, request: Uuid| {
        let body = json!({ "text": text, "send_at": soon(), "request_id": request });
        let answer = stage.call("POST", "/messages", alice, Some(&body)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.body["scheduled_id"].clone()
    };
    schedule("later", request).await;
    for socket in [&mut phone, &mut laptop] {
        let message = event(socket, "new_message", 1).await["message"].clone();
        assert_eq!((&message["text"], &message["request_id"]), (&json!("later"), &json!(request)));
    }
    assert_eq!(event(&mut bobs, "new_message", 1).await["message"].get("request_id"), None);

    // Over a socket it would be sent at once.
    let frame = json!({ "type": "message", "chat_id": chat, "text": "now", "send_at": soon() });
    phone.send(&frame).await.expect("send frame");
    let refused = next(&mut phone).await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("validation_failed")), "{refused}");

    let id = schedule("never", Uuid::new_v4()).await;
    let restrict = format!("UPDATE chat_members SET restricted_until = 'infinity' WHERE user_id = '{}'", alice.id);
    stage.sql().await.batch_execute(&restrict).await.expect("restrict member");
    for socket in [&mut phone, &mut laptop] {
        let expected = json!({
            "type": "scheduled_failed", "scheduled_id": id, "chat_id": chat, "code": "forbidden", "reason": "restricted",
        });
        assert_eq!(next(socket).await, expected);
    }
    bobs.send_message(chat, "next").await.expect("receive ack");
    assert_eq!(event(&mut phone, "new_message", 2).await["message"]["text"], "next");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_reader_gets_nothing_of_what_has_disappeared() {
    let stage = Stage::start(&[("TIMER_MIN_S", "1")]).await;
    let Stage { alice, bob, chat, .. } = &stage;
    let (mut alices, mut bobs) = (stage.open(0, alice).await, stage.open(0, bob).await);
    let timer = stage.call("PUT", "/timer", alice, Some(&json!({ "ttl_s": 1 }))).await;
    assert_eq!(timer.body["seq"], 1, "{timer:?}");
    for socket in [&mut alices, &mut bobs] {
        let updated = event(socket, "chat_updated", 1).await;
        assert_eq!((&updated["settings"], updated.get("title")), (&json!({ "ttl_s": 1 }), None));
    }
    let sent = alices.send_message(chat, "secret").await.expect("receive ack");
    assert!(sent["message"]["expires_at"].is_string(), "{sent}");
    assert!(event(&mut bobs, "new_message", 2).await["message"]["expires_at"].is_string());
    let disappears = async || stage.get("/messages", bob).await["messages"][0]["deleted"] == json!(true);
    until("the message disappears", disappears).await;
    // This instance has the message in memory, as it was delivered.
    let mut late = stage.open(0, bob).await;
    late.send(&json!({ "type": "sync", "cursors": { chat: 1 } })).await.expect("send frame");
    let message = event(&mut late, "new_message", 2).await["message"].clone();
    assert_eq!((&message["text"], &message["deleted"]), (&json!(""), &json!(true)));
    assert_eq!(message.get("expires_at"), None::<&Value>);
}
