//! `sync`: what a client missed comes over its socket, in order, before what happens next.

use neonchat_testbed::{client::Socket, harness::until};
use serde_json::{Value, json};

use crate::helpers::TestApp;

/// More cursors than a frame may have.
fn too_many() -> Value {
    (0..1001).map(|_| (uuid::Uuid::new_v4().to_string(), json!(1))).collect::<serde_json::Map<_, _>>().into()
}

async fn send(socket: &mut Socket, chat: &str, texts: impl IntoIterator<Item = String>) {
    for text in texts {
        socket.send_message(chat, &text).await.expect("an ack");
    }
}

fn sync(chat: &str, cursor: i64) -> Value {
    json!({ "type": "sync", "request_id": "s", "cursors": { chat: cursor } })
}

/// The `seq`s of the messages up to `synced`, and what that says of the chat.
async fn synced(socket: &mut Socket) -> (Vec<i64>, Value) {
    let mut seqs = Vec::new();
    loop {
        let frame = socket.next().await.expect("a frame");
        match frame["type"].as_str() {
            Some("new_message") => seqs.push(frame["seq"].as_i64().expect("a seq")),
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
async fn what_was_missed_comes_in_order_on_any_instance_and_then_what_happens_next() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, (1..=5).map(|n| n.to_string())).await;

    for websocket in [&app.notification.websocket, &other.websocket] {
        let mut bobs = Socket::open(websocket, &bob, None).await.expect("a socket");
        bobs.send(&sync(&chat, 2)).await.expect("sent");
        let expected = json!([{ "chat_id": chat, "head_seq": 5, "complete": true }]);
        assert_eq!(synced(&mut bobs).await, (vec![3, 4, 5], expected));
        bobs.close().await.expect("closed");
    }
    let mut bobs = Socket::open(&other.websocket, &bob, Some(&chat)).await.expect("a socket");
    bobs.send(&sync(&chat, 5)).await.expect("sent");
    assert_eq!(synced(&mut bobs).await.0, [0; 0]);
    send(&mut alices, &chat, ["next".to_owned()]).await;
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("a message")["seq"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_others_send_nothing_comes_twice_out_of_order_or_not_at_all() {
    const MESSAGES: i64 = 150;
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let sending = async {
        for n in 1..=MESSAGES {
            alices.send_message(&chat, &n.to_string()).await.expect("an ack");
        }
    };
    // Bob comes and goes, and says each time what he has.
    let receiving = async {
        let mut has = 0;
        while has < MESSAGES {
            let mut bobs = Socket::open(&other.websocket, &bob, None).await.expect("a socket");
            bobs.send(&sync(&chat, has)).await.expect("sent");
            let (mut seqs, chats) = synced(&mut bobs).await;
            if chats[0]["complete"] == false {
                // Something had come before the server read what he has: he fetches what lies between.
                let path = format!("/api/v1/chats/{chat}/events?after={has}&limit=1000");
                let events = app.api.get(&path, &bob).await.expect("an answer").body;
                let head = chats[0]["head_seq"].as_i64().expect("a seq");
                let fetched = events["events"].as_array().expect("events").iter().filter_map(|e| e["seq"].as_i64());
                seqs = fetched.filter(|seq| *seq <= head).collect();
            }
            while seqs.last().is_none_or(|last| *last < (has + 10).min(MESSAGES)) {
                let frame = bobs.expect_beside_presence("new_message").await.expect("a message");
                seqs.push(frame["seq"].as_i64().expect("a seq"));
            }
            let expected: Vec<i64> = (has + 1..=*seqs.last().expect("a seq")).collect();
            assert_eq!(seqs, expected);
            has += i64::try_from(seqs.len()).expect("a few");
            bobs.close().await.expect("closed");
        }
    };
    tokio::join!(sending, receiving);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_thousand_are_to_be_fetched_and_the_rest_comes_by_itself() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    for n in 0..1001 {
        alices.send(&json!({ "type": "message", "chat_id": chat, "text": n.to_string() })).await.expect("sent");
    }
    for _ in 0..1001 {
        alices.expect_beside_presence("message_sent").await.expect("an ack");
    }
    let mut bobs = app.socket(&bob).await;
    bobs.send(&sync(&chat, 0)).await.expect("sent");
    let too_much = json!([{ "chat_id": chat, "head_seq": 1001, "complete": false }]);
    assert_eq!(synced(&mut bobs).await, (vec![], too_much));
    send(&mut alices, &chat, ["next".to_owned()]).await;
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("a message")["seq"], 1002);

    let mut bobs = app.socket(&bob).await;
    bobs.send(&sync(&chat, 2)).await.expect("sent");
    assert_eq!(synced(&mut bobs).await.0, (3..=1002).collect::<Vec<i64>>(), "a thousand come by themselves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_ahead_of_the_head_is_answered_by_the_head_and_leaves_no_message_out() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    send(&mut alices, &chat, (1..=2).map(|n| n.to_string())).await;
    for seq in 1..=2 {
        assert_eq!(bobs.expect_beside_presence("new_message").await.expect("a message")["seq"], seq);
    }
    for cursor in [3, 1000, i64::MAX] {
        bobs.send(&sync(&chat, cursor)).await.expect("sent");
        let head = json!([{ "chat_id": chat, "head_seq": 2, "complete": false }]);
        assert_eq!(synced(&mut bobs).await, (vec![], head), "{cursor}");
    }
    send(&mut alices, &chat, ["next".to_owned()]).await;
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("a message")["seq"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_more_than_its_instance_is_believed_if_it_is_true() {
    let app = TestApp::start().await;
    // It hears nothing of the others, and is behind until it compares.
    let nowhere = format!("redis://127.0.0.1:{}/0", neonchat_testbed::port::free().expect("a port"));
    let (alice, bob, chat) = app.two_users().await;
    let deaf = app.another_beside(&nowhere).await;
    let mut bobs = Socket::open(&deaf.websocket, &bob, None).await.expect("a socket");
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, (1..=3).map(|n| n.to_string())).await;
    bobs.send(&sync(&chat, 3)).await.expect("sent");
    assert_eq!(synced(&mut bobs).await.1, json!([{ "chat_id": chat, "head_seq": 3, "complete": true }]));
    // What it has does not come again when the instance gets it.
    send(&mut alices, &chat, ["next".to_owned()]).await;
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("a message")["seq"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_sent_over_a_socket_once_however_often_it_is_asked_for() {
    const MESSAGES: i64 = 30;
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, (0..MESSAGES).map(|_| "x".repeat(4000))).await;
    let mut bobs = app.socket(&bob).await;
    bobs.send(&sync(&chat, 0)).await.expect("sent");
    assert_eq!(synced(&mut bobs).await.0, (1..=MESSAGES).collect::<Vec<_>>());
    for cursor in 0..20 {
        bobs.send(&sync(&chat, cursor)).await.expect("sent");
        let fetch = json!([{ "chat_id": chat, "head_seq": MESSAGES, "complete": false }]);
        assert_eq!(synced(&mut bobs).await, (vec![], fetch));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_is_sent_over_all_sockets_is_bounded_and_the_rest_is_to_be_fetched() {
    const MESSAGES: i64 = 100;
    // 250 events at once, and five a second.
    let settings = [("WS_MESSAGES_PER_SECOND", "1")];
    let app = TestApp::start().await;
    let limited = app.another_with(&settings).await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, (0..MESSAGES).map(|n| n.to_string())).await;
    let begun = std::time::Instant::now();
    let mut sent = 0;
    for _ in 0..6 {
        let mut bobs = Socket::open(&limited.websocket, &bob, None).await.expect("a socket");
        bobs.send(&sync(&chat, 0)).await.expect("sent");
        let (seqs, chats) = synced(&mut bobs).await;
        assert_eq!(chats[0]["complete"], !seqs.is_empty());
        sent += seqs.len();
        bobs.close().await.expect("closed");
    }
    let refilled = usize::try_from(begun.elapsed().as_secs()).expect("a few") * 5 + 5;
    assert!((200..=250 + refilled).contains(&sent), "{sent} events");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails_in_one_chat_withholds_nothing_of_the_others() {
    let mut app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let carol = app.api.any_user().await.expect("a user");
    let missed = app.api.chat(&carol, &bob).await.expect("a chat");
    assert!(chat < missed, "chats are synced in the order of their ids");
    send(&mut app.socket(&carol).await, &missed, ["missed".to_owned()]).await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);

    app.stop_chat_service().await;
    // A cursor that has to be checked, and an event that has to be fetched.
    let cursors = json!({ &chat: 5, &missed: 0 });
    bobs.send(&json!({ "type": "sync", "request_id": "s", "cursors": cursors })).await.expect("sent");
    let error = bobs.expect_beside_presence("error").await.expect("an error");
    assert_eq!((&error["code"], &error["request_id"]), (&json!("unavailable"), &json!("s")));

    app.start_chat_service_again().await;
    let request_id = uuid::Uuid::new_v4();
    let next = json!({ "type": "message", "chat_id": chat, "text": "next", "request_id": request_id });
    until("chat-service stores the message", async || {
        alices.send(&next).await.expect("sent");
        loop {
            match alices.next().await.expect("an answer")["type"].as_str() {
                Some("presence") => {}
                kind => return kind == Some("message_sent"),
            }
        }
    })
    .await;
    let lagged = bobs.expect_beside_presence("lagged").await.expect("what could not be fetched");
    assert_eq!((&lagged["chat_id"], &lagged["head_seq"]), (&json!(missed), &json!(1)));
    let message = bobs.expect_beside_presence("new_message").await.expect("the message");
    assert_eq!((&message["chat_id"], &message["seq"]), (&json!(chat), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_notice_that_a_backup_was_restored_and_get_what_comes_next() {
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
    assert_eq!(bobs.closed().await.expect("a close frame").1, 4100);
    let mut bobs = app.socket(&bob).await;
    bobs.send(&sync(&chat, 3)).await.expect("sent");
    let head = json!([{ "chat_id": chat, "head_seq": 2, "complete": false }]);
    assert_eq!(synced(&mut bobs).await, (vec![], head));
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, ["another third".to_owned()]).await;
    let message = bobs.expect_beside_presence("new_message").await.expect("a message");
    assert_eq!((&message["seq"], &message["message"]["text"]), (&json!(3), &json!("another third")));
}

#[tokio::test(flavor = "multi_thread")]
async fn chats_of_others_are_left_out_and_bad_cursors_are_named() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.two_users().await;
    let mallory = app.api.any_user().await.expect("a user");
    let mut alices = app.socket(&alice).await;
    send(&mut alices, &chat, ["private".to_owned()]).await;
    let mut mallorys = app.socket(&mallory).await;
    mallorys.send(&sync(&chat, 0)).await.expect("sent");
    assert_eq!(synced(&mut mallorys).await, (vec![], json!([])));
    for cursors in [json!(null), json!([]), json!({ "x": 1 }), json!({ &chat: -1 }), json!({ &chat: "1" }), too_many()]
    {
        mallorys.send(&json!({ "type": "sync", "request_id": "s", "cursors": cursors })).await.expect("sent");
        let error = mallorys.expect("error").await.expect("an error");
        assert_eq!((&error["code"], &error["request_id"]), (&json!("validation_failed"), &json!("s")));
    }
}
