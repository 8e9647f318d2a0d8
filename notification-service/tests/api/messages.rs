//! Sending, acks and delivery in order and once.

use futures_util::{StreamExt as _, stream};
use neonchat_testbed::{client::Socket, harness};
use serde_json::{Value, json};

use crate::helpers::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn message_reaches_other_member_and_other_devices_of_sender() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut phone, mut laptop) = (app.socket(&alice).await, app.socket(&alice).await);
    let mut bobs = app.socket(&bob).await;

    let ack = phone.send_message(&chat, "Привет 😀").await.expect("receive ack");
    assert_eq!((&ack["status"], &ack["seq"], &ack["duplicate"]), (&json!("delivered"), &json!(1), &json!(false)));
    let mut expected = json!({ "type": "new_message", "chat_id": chat, "seq": 1, "message": {
        "id": ack["message_id"], "chat_id": chat, "sender_id": alice.id, "text": "Привет 😀", "seq": 1,
        "created_at": ack["created_at"], "updated_at": ack["created_at"] } });
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message"), expected);
    // Her client recognizes its own message.
    expected["message"]["request_id"] = ack["request_id"].clone();
    assert_eq!(laptop.expect_beside_presence("new_message").await.expect("receive message"), expected);
    // The sending socket gets its ack and nothing else.
    phone.expect_quiet().await.expect("receive nothing else");

    // The history has the same message.
    let history = app.api.get(&format!("/api/v1/chats/{chat}/messages"), &bob).await.expect("call API");
    assert_eq!(history.body["messages"][0]["id"], ack["message_id"]);
    assert_eq!(history.body["messages"][0]["created_at"], ack["created_at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn message_reaches_all_sockets_of_a_chat_with_more_than_256() {
    let app = TestApp::start_with(&harness::redis_url(), &[("WS_MAX_CONNECTIONS_PER_USER", "130")]).await;
    let (alice, bob, chat) = app.two_users().await;
    let users = [alice, bob].into_iter().cycle().take(260);
    let mut sockets: Vec<_> =
        stream::iter(users).map(async |user| app.socket(&user).await).buffer_unordered(4).collect().await;

    // The wake queues wake this number of sockets, each time again.
    for seq in 1..=2 {
        let mut sender = sockets.swap_remove(0);
        sender.send_message(&chat, "x").await.expect("receive ack");
        for socket in &mut sockets {
            let message = socket.expect_beside_presence("new_message").await.expect("receive message");
            assert_eq!(message["seq"], seq, "{message}");
        }
        sockets.push(sender);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scoped_socket_may_omit_chat_id_and_gets_no_other_chats() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let carol = app.api.any_user().await.expect("register user");
    let other = app.api.chat(&alice, &carol).await.expect("create chat");
    let mut about_chat = Socket::open(&app.notification.websocket, &alice, Some(&chat)).await.expect("open socket");
    let (mut bobs, mut carols) = (app.socket(&bob).await, app.socket(&carol).await);

    carols.send_message(&other, "not for this socket").await.expect("receive ack");
    about_chat.send(&json!({ "type": "message", "text": "no id" })).await.expect("send");
    let ack = about_chat.expect_beside_presence("message_sent").await.expect("receive ack");
    assert_eq!(ack["chat_id"], *chat);
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message")["message"]["text"], "no id");

    // A scoped socket does not know other chats, even of the same user.
    about_chat.send(&json!({ "type": "message", "chat_id": other, "text": "x" })).await.expect("send");
    let error = about_chat.expect_beside_presence("error").await.expect("receive error");
    assert_eq!(error["code"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_send_stores_nothing_and_is_reported_as_duplicate() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut bobs) = (app.socket(&alice).await, app.socket(&bob).await);
    let send = |text: &str| {
        json!({ "type": "message", "chat_id": chat, "text": text,
        "request_id": "550e8400-e29b-41d4-a716-446655440000" })
    };

    alices.send(&send("once")).await.expect("send");
    let first = alices.expect_beside_presence("message_sent").await.expect("receive ack");
    alices.send(&send("once")).await.expect("send");
    let second = alices.expect_beside_presence("message_sent").await.expect("receive ack");
    assert_eq!((&first["duplicate"], &second["duplicate"]), (&json!(false), &json!(true)));
    for field in ["message_id", "seq", "created_at", "request_id"] {
        assert_eq!(first[field], second[field], "{field}");
    }
    alices.send(&send("something else")).await.expect("send");
    let error = alices.expect_beside_presence("error").await.expect("receive error");
    assert_eq!(
        (&error["code"], &error["request_id"], &error["retryable"]),
        (&json!("idempotency_mismatch"), &first["request_id"], &json!(false))
    );

    bobs.expect_beside_presence("new_message").await.expect("receive message");
    bobs.expect_quiet().await.expect("receive nothing else");
    alices.send_message(&chat, "next").await.map(|ack| assert_eq!(ack["seq"], 2)).expect("receive ack");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_chat_looks_like_unknown_chat_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut mallorys = app.socket(&app.api.any_user().await.expect("register user")).await;
    let mut errors = Vec::new();
    for id in [chat.clone(), uuid::Uuid::now_v7().to_string()] {
        for frame in [json!({ "type": "message", "text": "x" }), json!({ "type": "typing", "is_typing": true })] {
            let mut frame = frame;
            frame["chat_id"] = json!(id);
            mallorys.send(&frame).await.expect("send");
            let error = mallorys.expect("error").await.expect("receive error");
            errors.push((error["code"].clone(), error["message"].clone()));
        }
    }
    assert_eq!(errors[..2], errors[2..]);
    assert_eq!(errors[0].0, "not_found");
    for user in [&alice, &bob] {
        let history = app.api.get(&format!("/api/v1/chats/{chat}/messages"), user).await.expect("call API");
        assert_eq!(history.body["messages"], json!([]));
    }
}

/// The number of messages that each of two members sends.
const EACH: u16 = 40;

/// Sends all messages without waiting. Returns the acked and the received `seq`.
async fn converse(socket: &mut Socket, chat: &str) -> (Vec<i64>, Vec<i64>) {
    for n in 0..EACH {
        socket.send(&json!({ "type": "message", "chat_id": chat, "text": n.to_string() })).await.expect("send");
    }
    let (mut acked, mut received) = (Vec::new(), Vec::new());
    while acked.len() + received.len() < usize::from(2 * EACH) {
        let frame = socket.next().await.expect("receive frame");
        let seq = || frame["seq"].as_i64().expect("read seq");
        match frame["type"].as_str() {
            Some("message_sent") => acked.push(seq()),
            Some("new_message") => received.push(seq()),
            Some("presence") => {}
            _ => panic!("{frame}"),
        }
    }
    (acked, received)
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_senders_on_two_instances_see_one_order() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let mut bobs = Socket::open(&other.websocket, &bob, None).await.expect("open socket");

    let ((a_acked, a_received), (b_acked, b_received)) =
        tokio::join!(converse(&mut alices, &chat), converse(&mut bobs, &chat));
    for (acked, received) in [(&a_acked, &a_received), (&b_acked, &b_received)] {
        assert!(acked.is_sorted() && received.is_sorted(), "{acked:?} {received:?}");
        let mut all = [acked.as_slice(), received].concat();
        all.sort_unstable();
        let expected: Vec<i64> = (1..=i64::from(2 * EACH)).collect();
        assert_eq!(all, expected, "every seq once");
    }
    assert_eq!(a_acked, b_received);
    assert_eq!(b_acked, a_received);
}

#[tokio::test(flavor = "multi_thread")]
async fn open_sockets_get_new_chat_before_its_first_message() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob) =
        (app.api.any_user().await.expect("register user"), app.api.any_user().await.expect("register user"));
    let mut alices = app.socket(&alice).await;
    let mut bobs = Socket::open(&other.websocket, &bob, None).await.expect("open socket");

    let made = app.api.post("/api/v1/chats", &alice, &json!({ "partner_id": bob.id })).await.expect("call API");
    let ack = alices.expect("chat_created").await.expect("receive chat");
    assert_eq!(ack["chat"]["id"], made.body["id"]);
    let chat = made.body["id"].as_str().expect("parse ID");
    alices.send_message(chat, "first").await.expect("receive ack");

    let created = bobs.expect("chat_created").await.expect("receive chat");
    assert_eq!((&created["chat"]["id"], &created["chat"]["partner"]["id"]), (&made.body["id"], &json!(alice.id)));
    let message = bobs.expect_beside_presence("new_message").await.expect("receive message");
    assert_eq!((&message["seq"], &message["message"]["text"]), (&json!(1), &json!("first")));
    bobs.send_message(chat, "second").await.expect("receive ack");
    let answer = alices.expect_beside_presence("new_message").await.expect("receive message");
    assert_eq!(answer["message"]["text"], "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_reaches_only_other_member() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let (mut alices, mut alices_other) = (app.socket(&alice).await, app.socket(&alice).await);
    let mut bobs = Socket::open(&other.websocket, &bob, None).await.expect("open socket");
    let typing = |is_typing: bool| json!({ "type": "typing", "chat_id": chat, "is_typing": is_typing });

    // After this message both instances are subscribed.
    alices.send_message(&chat, "x").await.expect("receive ack");
    bobs.expect_beside_presence("new_message").await.expect("receive message");
    for is_typing in [true, false] {
        alices.send(&typing(is_typing)).await.expect("send");
        let frame: Value = bobs.expect_beside_presence("typing").await.expect("receive typing");
        assert_eq!(frame, json!({ "type": "typing", "user_id": alice.id, "chat_id": chat, "is_typing": is_typing }));
    }
    alices_other.expect_beside_presence("new_message").await.expect("receive message");
    for socket in [&mut alices, &mut alices_other] {
        socket.expect_quiet().await.expect("receive nothing else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_ends_with_its_socket_or_with_message() {
    let app = TestApp::start().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let _laptop = app.socket(&alice).await;
    let mut phone = app.socket(&alice).await;
    let typing = json!({ "type": "typing", "chat_id": chat, "is_typing": true });
    phone.send(&typing).await.expect("send");
    assert_eq!(bobs.expect_beside_presence("typing").await.expect("receive typing")["is_typing"], true);
    drop(phone);
    assert_eq!(bobs.expect_beside_presence("typing").await.expect("receive typing")["is_typing"], false);

    let mut phone = app.socket(&alice).await;
    phone.send(&typing).await.expect("send");
    assert_eq!(bobs.expect_beside_presence("typing").await.expect("receive typing")["is_typing"], true);
    // Over REST instead of a socket.
    let path = format!("/api/v1/chats/{chat}/messages");
    let sent = app.api.post(&path, &alice, &json!({ "text": "x" })).await.expect("call API");
    assert_eq!(sent.status, 201);
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        let frame = bobs.next().await.expect("receive frame");
        match frame["type"].as_str() {
            Some("typing") => {
                assert_eq!(frame["is_typing"], false);
                kinds.push("typing");
            }
            Some("new_message") => kinds.push("new_message"),
            _ => {}
        }
    }
    kinds.sort_unstable();
    assert_eq!(kinds, ["new_message", "typing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn echoes_request_id_as_written_and_compares_it_by_value() {
    let app = TestApp::start().await;
    let (alice, _, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let id = uuid::Uuid::new_v4();
    let upper = id.to_string().to_uppercase();
    for (spelling, duplicate) in [(upper.clone(), false), (id.to_string(), true), (id.simple().to_string(), true)] {
        let message = json!({ "type": "message", "chat_id": chat, "text": "x", "request_id": spelling });
        alices.send(&message).await.expect("send");
        let ack = alices.expect_beside_presence("message_sent").await.expect("receive ack");
        assert_eq!(
            (&ack["request_id"], &ack["duplicate"], &ack["seq"]),
            (&json!(spelling), &json!(duplicate), &json!(1))
        );
    }
    // Refused by notification-service or by chat-service.
    let no_chat = uuid::Uuid::now_v7();
    for message in [
        json!({ "type": "message", "chat_id": chat, "text": "", "request_id": upper }),
        json!({ "type": "message", "chat_id": no_chat, "text": "x", "request_id": upper }),
        json!({ "type": "message", "chat_id": chat, "text": "other", "request_id": upper }),
    ] {
        alices.send(&message).await.expect("send");
        assert_eq!(
            alices.expect_beside_presence("error").await.expect("receive error")["request_id"],
            *upper,
            "{message}"
        );
    }
}
