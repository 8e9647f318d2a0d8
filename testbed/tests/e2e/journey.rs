//! Two users register, search, chat, disconnect and reconnect.

use neonchat_testbed::client::Socket;
use serde_json::json;

use crate::helpers::Running;

#[tokio::test(flavor = "multi_thread")]
async fn two_users_chat_disconnect_and_catch_up() {
    let Running { system, .. } = &Running::start(&[]).await;
    let (api, ws) = (system.api(), system.websocket());
    let (alice, bob) = (api.user("alice").await.expect("register Alice"), api.user("bob").await.expect("register Bob"));

    // Alice finds Bob by a prefix of his name.
    let found = api.get("/api/v1/users?q=bo", &alice).await.expect("receive answer");
    assert_eq!((found.status, &found.body["users"][0]["id"]), (200, &json!(bob.id)));
    let chat = api.chat(&alice, &bob).await.expect("create chat");
    let mut alices = Socket::open(&ws, &alice, None).await.expect("open socket");
    let mut bobs = Socket::open(&ws, &bob, Some(&chat)).await.expect("open socket");
    assert_eq!(alices.expect("presence").await.expect("receive presence")["event"], "user_online");

    alices.send(&json!({ "type": "typing", "chat_id": chat, "is_typing": true })).await.expect("send");
    assert_eq!(bobs.expect_beside_presence("typing").await.expect("receive typing")["user_id"], *alice.id);
    let first = alices.send_message(&chat, "Привет").await.expect("receive ack");
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message")["message"]["text"], "Привет");
    assert_eq!(bobs.expect_beside_presence("typing").await.expect("receive typing")["is_typing"], false);
    bobs.send_message(&chat, "Hi").await.expect("receive ack");
    assert_eq!(alices.expect("new_message").await.expect("receive message")["message"]["text"], "Hi");

    // Bob disconnects. Alice's messages are stored.
    bobs.close().await.expect("close socket");
    assert_eq!(alices.expect("presence").await.expect("receive presence")["event"], "user_offline");
    for text in ["are you there?", "never mind"] {
        alices.send_message(&chat, text).await.expect("receive ack");
    }
    let list = api.get("/api/v1/chats", &bob).await.expect("receive answer");
    let item = &list.body["chats"][0];
    assert_eq!((&item["unread_count"], &item["last_message"]["text"]), (&json!(2), &json!("never mind")));
    let partner =
        json!({ "id": alice.id, "username": "alice", "online": true, "status": "online", "last_seen_at": null });
    assert_eq!(item["partner"], partner);

    let mut bobs = Socket::open(&ws, &bob, None).await.expect("open socket");
    assert_eq!(alices.expect("presence").await.expect("receive presence")["event"], "user_online");
    let after = first["message_id"].as_str().expect("find ID");
    let missed =
        api.get(&format!("/api/v1/chats/{chat}/messages?after_id={after}"), &bob).await.expect("receive answer");
    let texts: Vec<_> =
        missed.body["messages"].as_array().expect("array of messages").iter().map(|m| &m["text"]).collect();
    assert_eq!(texts, ["never mind", "are you there?", "Hi"]);
    alices.send_message(&chat, "welcome back").await.expect("receive ack");
    let live = bobs.expect_beside_presence("new_message").await.expect("receive message");
    assert_eq!((&live["seq"], &live["message"]["text"]), (&json!(5), &json!("welcome back")));

    // A message over REST is delivered to both.
    let path = format!("/api/v1/chats/{chat}/messages");
    let sent = api.post(&path, &bob, &json!({ "text": "by REST" })).await.expect("receive answer");
    assert_eq!(sent.status, 201);
    for socket in [&mut alices, &mut bobs] {
        let live = socket.expect_beside_presence("new_message").await.expect("receive message");
        assert_eq!((&live["message"]["id"], &live["seq"]), (&sent.body["id"], &json!(6)));
    }
    let (path, read) = (format!("/api/v1/chats/{chat}/receipt"), json!({ "read": 6 }));
    let read = api.call("PUT", &path, Some(&alice.token), Some(&read)).await.expect("receive answer");
    assert_eq!(read.body, json!({ "read_seq": 6, "delivered_seq": 6, "unread_count": 0 }));
    let receipt = bobs.expect_beside_presence("receipt").await.expect("receive receipt");
    let told = json!({ "type": "receipt", "chat_id": chat, "user_id": alice.id, "read": 6, "delivered": 6 });
    assert_eq!(receipt, told);

    let statuses = api.get(&format!("/api/v1/users/status?ids={}", bob.id), &alice).await.expect("receive answer");
    assert_eq!(statuses.body["statuses"][0]["status"], "online");
    let logout = api.call("POST", "/api/v1/auth/logout", Some(&bob.token), None).await.expect("receive answer");
    assert_eq!((logout.status, bobs.closed().await.expect("receive close frame").1), (204, 4004));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_exits_with_0_and_closes_sockets_with_4100() {
    let Running { system, folder: _folder, .. } = Running::start(&[]).await;
    let (api, ws) = (system.api(), system.websocket());
    let user = api.any_user().await.expect("register user");
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(Socket::open(&ws, &user, None).await.expect("open socket"));
    }
    let closed = async {
        for socket in &mut sockets {
            let (frames, code) = socket.closed().await.expect("receive close frame");
            assert_eq!((frames[0]["type"].as_str(), code), (Some("reconnect"), 4100));
        }
    };
    let ((), stopped) = tokio::join!(closed, system.stop());
    stopped.expect("exit with 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_service_resumes_with_all_data() {
    let mut running = Running::start(&[]).await;
    let (api, ws) = (running.system.api(), running.system.websocket());
    let (alice, bob) = (api.any_user().await.expect("register user"), api.any_user().await.expect("register user"));
    let chat = api.chat(&alice, &bob).await.expect("create chat");
    let mut alices = Socket::open(&ws, &alice, None).await.expect("open socket");
    let ack = alices.send_message(&chat, "acked").await.expect("receive ack");

    running.system.kill_and_restart_chat_service().await.expect("restart chat-service");
    let history = api.get(&format!("/api/v1/chats/{chat}/messages"), &bob).await.expect("receive answer");
    assert_eq!(history.body["messages"][0]["id"], ack["message_id"]);
    // The socket stayed open and still works.
    assert_eq!(alices.send_message(&chat, "on").await.expect("receive ack")["seq"], 2);
}
