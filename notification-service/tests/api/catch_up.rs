//! `sync`: missed events come over the socket, in order and before later events.

use neonchat_testbed::{client::Socket, harness::until};
use serde_json::{Value, json};

use crate::helpers::TestApp;

/// More cursors than a frame may have.
fn too_many() -> Value {
    (0..1001).map(|_| (uuid::Uuid::new_v4().to_string(), json!(1))).collect::<serde_json::Map<_, _>>().into()
}

async fn send(socket: &mut Socket, chat: &str, texts: impl IntoIterator<Item = String>) {
    for text in texts {
        socket.send_message(chat, &text).await.expect("receive ack");
    }
}

fn sync(chat: &str, cursor: i64) -> Value {
    json!({ "type": "sync", "request_id": "s", "cursors": { chat: cursor } })
}

/// Receives frames up to `synced`. Returns the `seq` of each message, and the chats of `synced`.
async fn synced(socket: &mut Socket) -> (Vec<i64>, Value) {
    let mut seqs = Vec::new();
    loop {
        let frame = socket.next().await.expect("receive frame");
        match frame["type"].as_str() {
            Some("new_message") => seqs.push(frame["seq"].as_i64().expect("read seq")),
            Some("presence") => {}
            Some("synced") => {
                assert_eq!(frame["request_id"], "s");
                return (seqs, frame["chats"].clone());
            }
            _ => panic!("{frame}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_sends_missed_events_in_order_on_any_instance() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, (1..=5).map(|n| n.to_string())).await;

    for websocket in [&app.notification.websocket, &other.websocket] {
        let mut bobs = Socket::open(websocket, &bob, None).await.expect("open socket");
        bobs.send(&sync(&chat, 2)).await.expect("send");
        let expected = json!([{ "chat_id": chat, "first_seq": 1, "head_seq": 5, "complete": true }]);
        assert_eq!(synced(&mut bobs).await, (vec![3, 4, 5], expected));
        bobs.close().await.expect("close socket");
    }
    let mut bobs = Socket::open(&other.websocket, &bob, Some(&chat)).await.expect("open socket");
    bobs.send(&sync(&chat, 5)).await.expect("send");
    assert_eq!(synced(&mut bobs).await.0, [0; 0]);
    send(&mut alices, &chat, ["next".to_owned()]).await;
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message")["seq"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_during_sends_delivers_in_order_and_once() {
    const MESSAGES: i64 = 150;
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let sending = async {
        for n in 1..=MESSAGES {
            alices.send_message(&chat, &n.to_string()).await.expect("receive ack");
        }
    };
    // Bob reconnects repeatedly and sends his cursor each time.
    let receiving = async {
        let mut has = 0;
        while has < MESSAGES {
            let mut bobs = Socket::open(&other.websocket, &bob, None).await.expect("open socket");
            bobs.send(&sync(&chat, has)).await.expect("send");
            let (mut seqs, chats) = synced(&mut bobs).await;
            if chats[0]["complete"] == false {
                // An event was sent before the server read his cursor, so Bob has to fetch the missed events.
                let path = format!("/api/v1/chats/{chat}/events?after={has}&limit=1000");
                let events = app.api.get(&path, &bob).await.expect("call API").body;
                let head = chats[0]["head_seq"].as_i64().expect("read seq");
                let fetched =
                    events["events"].as_array().expect("read events").iter().filter_map(|e| e["seq"].as_i64());
                seqs = fetched.filter(|seq| *seq <= head).collect();
            }
            while seqs.last().is_none_or(|last| *last < (has + 10).min(MESSAGES)) {
                let frame = bobs.expect_beside_presence("new_message").await.expect("receive message");
                seqs.push(frame["seq"].as_i64().expect("read seq"));
            }
            let expected: Vec<i64> = (has + 1..=*seqs.last().expect("read seq")).collect();
            assert_eq!(seqs, expected);
            has += i64::try_from(seqs.len()).expect("convert count");
            bobs.close().await.expect("close socket");
        }
    };
    tokio::join!(sending, receiving);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_leaves_more_than_a_thousand_events_to_client() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    for n in 0..1001 {
        alices.send(&json!({ "type": "message", "chat_id": chat, "text": n.to_string() })).await.expect("send");
    }
    for _ in 0..1001 {
        alices.expect_beside_presence("message_sent").await.expect("receive ack");
    }
    let mut bobs = app.socket(&bob).await;
    bobs.send(&sync(&chat, 0)).await.expect("send");
    let too_much = json!([{ "chat_id": chat, "first_seq": 1, "head_seq": 1001, "complete": false }]);
    assert_eq!(synced(&mut bobs).await, (vec![], too_much));
    send(&mut alices, &chat, ["next".to_owned()]).await;
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message")["seq"], 1002);

    let mut bobs = app.socket(&bob).await;
    bobs.send(&sync(&chat, 2)).await.expect("send");
    assert_eq!(synced(&mut bobs).await.0, (3..=1002).collect::<Vec<i64>>(), "a thousand events are sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_cursor_ahead_of_head_and_skips_no_message() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    send(&mut alices, &chat, (1..=2).map(|n| n.to_string())).await;
    for seq in 1..=2 {
        assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message")["seq"], seq);
    }
    for cursor in [3, 1000, i64::MAX] {
        bobs.send(&sync(&chat, cursor)).await.expect("send");
        let head = json!([{ "chat_id": chat, "first_seq": 1, "head_seq": 2, "complete": false }]);
        assert_eq!(synced(&mut bobs).await, (vec![], head), "{cursor}");
    }
    send(&mut alices, &chat, ["next".to_owned()]).await;
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message")["seq"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_cursor_ahead_of_instance_if_event_is_stored() {
    let app = TestApp::start().await;
    // This instance receives no publications, so it is behind until its next resync.
    let nowhere = format!("redis://127.0.0.1:{}/0", neonchat_testbed::port::reserve().expect("reserve port"));
    let (alice, bob, chat) = app.two_users().await;
    let isolated = app.another_beside(&nowhere).await;
    let mut bobs = Socket::open(&isolated.websocket, &bob, None).await.expect("open socket");
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, (1..=3).map(|n| n.to_string())).await;
    bobs.send(&sync(&chat, 3)).await.expect("send");
    assert_eq!(
        synced(&mut bobs).await.1,
        json!([{ "chat_id": chat, "first_seq": 1, "head_seq": 3, "complete": true }])
    );
    // The events are not repeated when the instance receives them.
    send(&mut alices, &chat, ["next".to_owned()]).await;
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message")["seq"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_missed_events_once_per_socket() {
    const MESSAGES: i64 = 30;
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, (0..MESSAGES).map(|_| "x".repeat(4000))).await;
    let mut bobs = app.socket(&bob).await;
    bobs.send(&sync(&chat, 0)).await.expect("send");
    assert_eq!(synced(&mut bobs).await.0, (1..=MESSAGES).collect::<Vec<_>>());
    for cursor in 0..20 {
        bobs.send(&sync(&chat, cursor)).await.expect("send");
        let fetch = json!([{ "chat_id": chat, "first_seq": 1, "head_seq": MESSAGES, "complete": false }]);
        assert_eq!(synced(&mut bobs).await, (vec![], fetch));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_missed_events_over_all_sockets_of_a_user() {
    const MESSAGES: i64 = 100;
    // A burst of 250 events, then five each second.
    let settings = [("WS_MESSAGES_PER_SECOND", "1")];
    let app = TestApp::start().await;
    let limited = app.another_with(&settings).await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, (0..MESSAGES).map(|n| n.to_string())).await;
    let begun = std::time::Instant::now();
    let mut sent = 0;
    for _ in 0..6 {
        let mut bobs = Socket::open(&limited.websocket, &bob, None).await.expect("open socket");
        bobs.send(&sync(&chat, 0)).await.expect("send");
        let (seqs, chats) = synced(&mut bobs).await;
        assert_eq!(chats[0]["complete"], !seqs.is_empty());
        sent += seqs.len();
        bobs.close().await.expect("close socket");
    }
    let refilled = usize::try_from(begun.elapsed().as_secs()).expect("convert count") * 5 + 5;
    assert!((200..=250 + refilled).contains(&sent), "{sent} events");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_sync_of_one_chat_withholds_no_events_of_others() {
    let mut app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let carol = app.api.any_user().await.expect("register user");
    let missed = app.api.chat(&carol, &bob).await.expect("create chat");
    assert!(chat < missed, "chats are synced in the order of their ids");
    send(&mut app.socket(&carol).await, &missed, ["missed".to_owned()]).await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);

    app.stop_chat_service().await;
    // One cursor is ahead of the instance, and one missed event has to be fetched.
    let cursors = json!({ &chat: 5, &missed: 0 });
    bobs.send(&json!({ "type": "sync", "request_id": "s", "cursors": cursors })).await.expect("send");
    let error = bobs.expect_beside_presence("error").await.expect("receive error");
    assert_eq!((&error["code"], &error["request_id"]), (&json!("unavailable"), &json!("s")));

    app.restart_chat_service().await;
    let request_id = uuid::Uuid::new_v4();
    let next = json!({ "type": "message", "chat_id": chat, "text": "next", "request_id": request_id });
    until("chat-service stores the message", async || {
        alices.send(&next).await.expect("send");
        loop {
            match alices.next().await.expect("call API")["type"].as_str() {
                Some("presence") => {}
                kind => return kind == Some("message_sent"),
            }
        }
    })
    .await;
    let lagged = bobs.expect_beside_presence("lagged").await.expect("receive lagged");
    assert_eq!((&lagged["chat_id"], &lagged["head_seq"]), (&json!(missed), &json!(1)));
    let message = bobs.expect_beside_presence("new_message").await.expect("receive message");
    assert_eq!((&message["chat_id"], &message["seq"]), (&json!(chat), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_detect_restored_backup_and_get_later_events() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    send(&mut alices, &chat, (1..=3).map(|n| n.to_string())).await;
    app.sql(&format!(
        "DELETE FROM messages WHERE chat_id = '{chat}' AND seq = 3;
         UPDATE chats SET last_seq = 2 WHERE id = '{chat}';
         UPDATE chat_members SET read_seq = least(read_seq, 2) WHERE chat_id = '{chat}'"
    ))
    .await;
    assert_eq!(bobs.closed().await.expect("receive close frame").1, 4100);
    let mut bobs = app.socket(&bob).await;
    bobs.send(&sync(&chat, 3)).await.expect("send");
    let head = json!([{ "chat_id": chat, "first_seq": 1, "head_seq": 2, "complete": false }]);
    assert_eq!(synced(&mut bobs).await, (vec![], head));
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, ["another third".to_owned()]).await;
    let message = bobs.expect_beside_presence("new_message").await.expect("receive message");
    assert_eq!((&message["seq"], &message["message"]["text"]), (&json!(3), &json!("another third")));
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_rejects_foreign_chats_and_bad_cursors() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.two_users().await;
    let mallory = app.api.any_user().await.expect("register user");
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, ["private".to_owned()]).await;
    let mut mallorys = app.socket(&mallory).await;
    mallorys.send(&sync(&chat, 0)).await.expect("send");
    let removed = mallorys.expect_beside_presence("chat_removed").await.expect("receive chat_removed");
    assert_eq!((&removed["chat_id"], &removed["reason"]), (&json!(chat), &json!("gone")));
    assert_eq!(synced(&mut mallorys).await, (vec![], json!([])));
    for cursors in [json!(null), json!([]), json!({ "x": 1 }), json!({ &chat: -1 }), json!({ &chat: "1" }), too_many()]
    {
        mallorys.send(&json!({ "type": "sync", "request_id": "s", "cursors": cursors })).await.expect("send");
        let error = mallorys.expect("error").await.expect("receive error");
        assert_eq!((&error["code"], &error["request_id"]), (&json!("validation_failed"), &json!("s")));
    }
}
