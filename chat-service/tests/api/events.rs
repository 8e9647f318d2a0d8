//! Publications of chat-service, and the presence that it gets from notification-service.

use neonchat_common::bus::{Channel, Envelope, Event};
use neonchat_testbed::client::User;
use serde_json::{Value, json};

use crate::{
    stand_in::{StandIn, notification_port},
    support::{Listener, TestApp},
};

#[tokio::test(flavor = "multi_thread")]
async fn announces_new_chat_to_each_member_once() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.user().await, app.user().await);
    app.until_redis().await;
    let channel = |user: &User| Channel::User(user.id.parse().expect("parse id"));
    let mut listener = Listener::on([&alice, &bob].map(channel)).await;
    let created = reqwest::Client::new()
        .post(format!("{}/api/v1/chats", app.base))
        .bearer_auth(&alice.token)
        .header("X-Request-Id", "traced")
        .json(&json!({ "partner_id": bob.id }));
    assert_eq!(created.send().await.expect("send request").status(), 201);
    assert_eq!(app.post("/api/v1/chats", &bob, &json!({ "partner_id": alice.id })).await.status, 200);
    // When the announcement of a third chat arrives, all earlier publications have arrived.
    let carol = app.user().await;
    app.api.chat(&alice, &carol).await.expect("open chat");

    let mut announced = Vec::new();
    for _ in 0..3 {
        let (channel, text) = listener.next().await;
        let envelope: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        let Event::ChatCreated { chat_id, last_seq, partner_ids, chat, .. } = envelope.event else { panic!("{text}") };
        assert_eq!((envelope.instance, last_seq), (None, 0));
        let item: Value = serde_json::from_str(chat.get()).expect("parse JSON");
        assert_eq!(item["id"], chat_id.to_string());
        assert_eq!(item["partner"]["id"], partner_ids[0].to_string());
        let is_traced = envelope.request_id == "traced";
        announced.push((channel, item["partner"]["username"].clone(), is_traced));
    }
    let announcement = |member: &User, partner: &User, is_traced| (channel(member), json!(partner.name), is_traced);
    announced[..2].sort_unstable_by_key(|(published_on, ..)| *published_on != channel(&alice));
    assert_eq!(
        announced,
        [announcement(&alice, &bob, true), announcement(&bob, &alice, true), announcement(&alice, &carol, false)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_chat_without_redis() {
    let app = TestApp::start_with(&[("REDIS_URL", "redis://127.0.0.1:1/0")]).await;
    let (alice, bob) = (app.user().await, app.user().await);
    assert_eq!(app.post("/api/v1/chats", &alice, &json!({ "partner_id": bob.id })).await.status, 201);
    assert_eq!(app.get("/api/v1/chats", &bob).await.body["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_partner_with_open_socket_as_online() {
    let (address, serve) = notification_port().await;
    let app = TestApp::start_with(&[("NOTIFICATION_SERVICE_ADDR", &address.to_string())]).await;
    let (alice, bob, carol) = (app.user().await, app.user().await, app.user().await);
    let chat = app.api.chat(&alice, &bob).await.expect("open chat");
    app.api.chat(&alice, &carol).await.expect("open chat");
    let online = async |user: &User| {
        let list = app.get("/api/v1/chats", user).await.body;
        let partners = list["chats"].as_array().expect("array of chats").iter().map(|chat| &chat["partner"]);
        partners.map(|partner| (partner["username"].clone(), partner["online"] == true)).collect::<Vec<_>>()
    };
    // It accepts connections but does not answer. The list does not wait for long, and shows everybody as offline.
    assert_eq!(online(&bob).await, [(json!(alice.name), false)]);

    serve(StandIn { online: alice.id.clone(), away: bob.id.clone(), ..StandIn::default() });
    app.until_redis().await;
    let health = app.api.call("GET", "/health", None, None).await.expect("call API");
    let healthy = json!({
        "status": "healthy", "database": "healthy", "redis": "healthy", "notification_service": "healthy",
    });
    assert_eq!((health.status, health.body), (200, healthy));
    assert_eq!(online(&bob).await, [(json!(alice.name), true)]);
    assert_eq!(online(&alice).await, [(json!(carol.name), false), (json!(bob.name), true)]);
    let one = app.get(&format!("/api/v1/chats/{chat}"), &alice).await.body;
    assert_eq!(one["partner"]["online"], true);
}
