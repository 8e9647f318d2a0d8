//! What a client reads that was away: the present state, and no replaced or deleted text.

use neonchat_testbed::client::Socket;
use serde_json::{Value, json};

use super::{Change, Stage, next};

/// Sends `sync` from cursor 0. Returns the frames before the answer, which says that they are complete.
async fn catch_up(socket: &mut Socket, chat: &str) -> Vec<Value> {
    socket.send(&json!({ "type": "sync", "cursors": { chat: 0 } })).await.expect("send");
    let mut frames = Vec::new();
    loop {
        let frame = next(socket).await;
        if frame["type"] == "synced" {
            let head = frames.len();
            let synced = json!([{ "chat_id": chat, "first_seq": 1, "head_seq": head, "complete": true }]);
            assert_eq!(frame["chats"], synced);
            return frames;
        }
        frames.push(frame);
    }
}

/// Returns what identifies the state of each event.
fn outline(events: &[Value]) -> Vec<Value> {
    let outline = |event: &Value| {
        let message = &event["message"];
        json!([event["seq"], message["text"], message["deleted"], message["changed_seq"], event["superseded"]])
    };
    events.iter().map(outline).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn late_readers_see_no_replaced_or_deleted_text() {
    for (history, is_kept) in [("admins", true), ("members", true), ("off", false)] {
        let stage = Stage::start(&[("EDIT_HISTORY", history)]).await;
        let Stage { alice, bob, chat, .. } = &stage;
        let gone = stage.send(alice, "secret 1").await;
        let kept = stage.send(alice, "replaced").await;
        let last = stage.send(alice, "secret 2").await;
        for change in [
            Change::edit(&gone, "secret 3"),
            Change::edit(&kept, "present"),
            Change::edit(&gone, "secret 4"),
            Change::delete(&[&gone, &last]),
        ] {
            assert_eq!(stage.change(alice, &change).await.status, 200);
        }
        let expected = [
            json!([1, "", true, 7, null]),
            json!([2, "present", null, 5, null]),
            json!([3, "", true, 7, null]),
            json!([4, null, null, null, true]),
            json!([5, "present", null, 5, null]),
            json!([6, null, null, null, true]),
            json!([7, null, null, null, null]),
        ];
        for (instance, user) in [(0, alice), (1, bob)] {
            let frames = catch_up(&mut stage.open(instance, user).await, chat).await;
            assert_eq!(outline(&frames), expected);
            let events = stage.get("/events", user).await;
            assert_eq!(outline(events["events"].as_array().expect("events")), expected);
            for message in [&frames[0], &frames[1], &frames[4]] {
                let request_id = message["message"].get("request_id");
                assert_eq!(request_id.is_some(), user.id == alice.id, "only the sender gets it: {message}");
            }
            assert_eq!(frames[3]["message_id"], gone);

            let history = stage.get("/messages", user).await;
            assert_eq!(history["head_seq"], 7);
            let item = stage.item(user).await;
            assert_eq!((&item["last_message"]["text"], &item["last_seq"]), (&json!("present"), &json!(7)));
            let all = json!([frames, events, history, item]).to_string();
            assert!(!all.contains("secret") && !all.contains("replaced"), "{all}");
        }
        assert_eq!(stage.item(bob).await["unread_count"], 1);

        // The replaced text of a message that still exists is a version, if versions are kept.
        let versions = stage.get(&format!("/messages/{kept}/versions"), alice).await;
        let texts: Vec<_> = versions["versions"].as_array().expect("versions").iter().map(|it| &it["text"]).collect();
        assert_eq!(texts, vec![&json!("replaced"); usize::from(is_kept)], "{history}");
        let others = stage.call("GET", &format!("/messages/{kept}/versions"), bob, None).await.status;
        assert_eq!(others, if history == "members" { 200 } else { 403 }, "{history}");
        assert_eq!(stage.call("GET", &format!("/messages/{gone}/versions"), alice, None).await.status, 404);
    }
}
