//! Reactions and pins in a direct chat.

use neonchat_testbed::client::Socket;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Stage, event, next};

const THUMB: &str = "👍";

/// Returns the next two frames: a durable event and a frame for the user alone, which have no common order.
async fn event_and_own(socket: &mut Socket) -> (Value, Value) {
    let (a, b) = (next(socket).await, next(socket).await);
    if a["seq"].is_i64() { (a, b) } else { (b, a) }
}

#[tokio::test(flavor = "multi_thread")]
async fn reaction_reaches_the_members_and_the_other_devices() {
    let stage = Stage::start(&[]).await;
    let Stage { alice, bob, chat, .. } = &stage;
    let message = stage.send(bob, "hello").await;
    let (mut phone, mut laptop, mut bobs) =
        (stage.open(0, alice).await, stage.open(1, alice).await, stage.open(1, bob).await);
    let react = |on: bool, request: Uuid| json!({ "type": "react", "chat_id": chat, "message_id": message, "emoji": THUMB, "on": on, "request_id": request });
    let ack = |request: Uuid, seq: Option<i64>, duplicate: bool| json!({ "type": "ack", "request_id": request, "chat_id": chat, "seq": seq, "duplicate": duplicate });
    let own =
        |on: bool| json!({ "type": "my_reaction", "chat_id": chat, "message_id": message, "emoji": THUMB, "on": on });
    let reacted = |seq: i64, reactions: Value| {
        json!({ "type": "reactions", "chat_id": chat, "seq": seq, "message_id": message, "message_seq": 1,
            "reactions": reactions })
    };
    let shown = json!([{ "emoji": THUMB, "count": 1, "recent": [alice.id] }]);

    let request = Uuid::new_v4();
    phone.send(&react(true, request)).await.expect("send frame");
    assert_eq!(next(&mut phone).await, ack(request, Some(2), false));
    assert_eq!(event_and_own(&mut laptop).await, (reacted(2, shown.clone()), own(true)));
    assert_eq!(next(&mut bobs).await, reacted(2, shown.clone()));
    let again = Uuid::new_v4();
    phone.send(&react(true, again)).await.expect("send frame");
    assert_eq!(next(&mut phone).await, ack(again, None, false), "nothing changes");

    // Over REST, there is no socket that caused it.
    let path = format!("/messages/{message}/reactions/{THUMB}");
    assert_eq!(stage.call("DELETE", &path, alice, None).await.body["seq"], 3);
    for socket in [&mut phone, &mut laptop] {
        assert_eq!(event_and_own(socket).await, (reacted(3, json!([])), own(false)));
    }
    assert_eq!(next(&mut bobs).await, reacted(3, json!([])));

    // The first request again does not react again. Its socket gets the event as the others did.
    phone.send(&react(true, request)).await.expect("send frame");
    assert_eq!(next(&mut phone).await, ack(request, Some(2), true));
    let mut bad = react(true, Uuid::new_v4());
    bad["emoji"] = json!("thumb");
    phone.send(&bad).await.expect("send frame");
    let refused = next(&mut phone).await;
    assert_eq!(json!([refused["type"], refused["code"]]), json!(["error", "validation_failed"]));
    for socket in [&mut phone, &mut laptop, &mut bobs] {
        socket.expect_quiet().await.expect("receive nothing else");
    }
    assert!(stage.get(&format!("/messages/{message}"), alice).await.get("reactions").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn late_readers_get_the_present_reactions_and_pins() {
    let stage = Stage::start(&[]).await;
    let Stage { alice, bob, chat, .. } = &stage;
    let (kept, deleted) = (stage.send(bob, "kept").await, stage.send(bob, "deleted").await);
    let mut present = stage.open(0, bob).await;
    let react = async |user, message: &str, emoji: &str| {
        let path = format!("/messages/{message}/reactions/{emoji}");
        assert_eq!(stage.call("PUT", &path, user, None).await.status, 200);
    };
    react(alice, &kept, THUMB).await;
    react(alice, &deleted, THUMB).await;
    let pinned = stage.call("PUT", &format!("/pins/{kept}"), alice, None).await;
    assert_eq!(pinned.body["seq"], 5);
    for seq in [3, 4] {
        event(&mut present, "reactions", seq).await;
    }
    let live = event(&mut present, "pinned", 5).await;
    assert_eq!(json!([live["by"], live["message_id"], live["on"]]), json!([alice.id, kept, true]));
    let deletion = stage.call("DELETE", &format!("/messages/{deleted}"), bob, None).await;
    assert_eq!(deletion.body["seq"], 6);
    react(bob, &kept, THUMB).await;
    event(&mut present, "messages_deleted", 6).await;
    assert_eq!(event(&mut present, "reactions", 7).await["reactions"][0]["count"], 2);

    // From the database, and from the memory of the instance that delivered the events.
    for (instance, after) in [(1, 0), (0, 6)] {
        let mut late = stage.open(instance, alice).await;
        late.send(&json!({ "type": "sync", "cursors": { chat: after } })).await.expect("send frame");
        for seq in after + 1..=7 {
            let frame = next(&mut late).await;
            assert_eq!(frame["seq"], seq, "{frame}");
            match seq {
                1 => assert_eq!(frame["message"]["reactions"][0]["count"], 2),
                3 => assert_eq!(frame["reactions"][0]["count"], 2, "the reactions of now"),
                4 => assert_eq!(frame["reactions"], json!([]), "the message is deleted"),
                5 => assert_eq!(frame, live),
                _ => {}
            }
        }
        assert_eq!(next(&mut late).await["type"], "synced");
    }
}
