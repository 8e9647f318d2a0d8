//! Who is online, over all instances.

use fred::{
    interfaces::{KeysInterface as _, SetsInterface as _},
    prelude::Client,
};
use neonchat_common::redis;
use neonchat_proto::notification::v1::{GetUsersStatusRequest, notification_service_client::NotificationServiceClient};
use neonchat_testbed::{client::Socket, harness};
use serde_json::{Value, json};
use tonic::{Code, Request, transport::Channel};

use crate::helpers::TestApp;

async fn redis_client() -> Client {
    use fred::interfaces::ClientLike as _;
    let client = redis::client(&harness::redis_url().into()).expect("a client");
    client.wait_for_connect().await.expect("connected");
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_a_change_however_many_devices_on_however_many_instances() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, _) = app.two_users().await;
    let mut alices = app.socket(&alice).await;

    let phone = app.socket(&bob).await;
    let online = alices.expect("presence").await.expect("presence");
    assert_eq!((&online["event"], &online["user_id"]), (&json!("user_online"), &json!(bob.id)));
    assert!(online["timestamp"].as_i64().is_some_and(|seconds| seconds > 1_700_000_000), "{online}");

    let laptop = Socket::open(&other.websocket, &bob, None).await.expect("a socket");
    phone.close().await.expect("closed");
    // Still online by the laptop; then by nothing.
    laptop.close().await.expect("closed");
    let offline = alices.expect("presence").await.expect("presence");
    assert_eq!((&offline["event"], &offline["user_id"]), (&json!("user_offline"), &json!(bob.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_come_and_go_at_once_on_two_instances_are_one_change() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, _) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    for _ in 0..20 {
        let (phone, laptop) = tokio::join!(app.socket(&bob), Socket::open(&other.websocket, &bob, None));
        assert_eq!(alices.expect("presence").await.expect("presence")["event"], "user_online");
        drop((phone, laptop));
        assert_eq!(alices.expect("presence").await.expect("presence")["event"], "user_offline");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn away_when_all_devices_say_so() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let (mut phone, mut laptop) = (app.socket(&bob).await, app.socket(&bob).await);
    assert_eq!(alices.expect("presence").await.expect("presence")["event"], "user_online");

    let status = |status: &str| json!({ "type": "presence", "status": status });
    phone.send(&status("away")).await.expect("sent");
    phone.expect_quiet().await.expect("a pong");
    laptop.send(&status("away")).await.expect("sent");
    assert_eq!(alices.expect("presence").await.expect("presence")["event"], "user_away");
    phone.send(&status("online")).await.expect("sent");
    assert_eq!(alices.expect("presence").await.expect("presence")["event"], "user_online");
    // The one that is left is away.
    phone.close().await.expect("closed");
    assert_eq!(alices.expect("presence").await.expect("presence")["event"], "user_away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_about_another_chat_gets_no_presence() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.two_users().await;
    let carol = app.api.any_user().await.expect("a user");
    let with_carol = app.api.chat(&alice, &carol).await.expect("a chat");
    let mut about_carol = Socket::open(&app.notification.websocket, &alice, Some(&with_carol)).await.expect("a socket");
    let mut about_all = app.socket(&alice).await;

    let _bobs = app.socket(&bob).await;
    assert_eq!(about_all.expect("presence").await.expect("presence")["user_id"], *bob.id);
    let _carols = app.socket(&carol).await;
    assert_eq!(about_carol.expect("presence").await.expect("presence")["user_id"], *carol.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_has_the_keys_of_the_contract() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let alices = app.socket(&alice).await;
    bobs.expect("presence").await.expect("presence");

    let redis = redis_client().await;
    let online: String = redis.get(app.key(&format!("online:{}", alice.id))).await.expect("a value");
    let online: Value = serde_json::from_str(&online).expect("JSON");
    assert_eq!((&online["user_id"], &online["status"]), (&json!(alice.id), &json!("online")));
    let ttl: i64 = redis.ttl(app.key(&format!("online:{}", alice.id))).await.expect("a TTL");
    assert!((60..=65).contains(&ttl), "{ttl}");
    let connections: Vec<String> =
        redis.smembers(app.key(&format!("user:{}:ws_connections", alice.id))).await.expect("connections");
    assert_eq!(connections.len(), 1);

    alices.close().await.expect("closed");
    bobs.expect("presence").await.expect("presence");
    let left: i64 = redis.exists(app.key(&format!("online:{}", alice.id))).await.expect("a count");
    let connections: i64 = redis.scard(app.key(&format!("user:{}:ws_connections", alice.id))).await.expect("a count");
    assert_eq!((left, connections), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_over_grpc_need_the_internal_token() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let _alices = app.socket(&alice).await;
    bobs.expect("presence").await.expect("presence");

    let channel = Channel::from_shared(format!("http://{}", app.notification.grpc)).expect("a URL").connect_lazy();
    let mut client = NotificationServiceClient::new(channel);
    let nobody = uuid::Uuid::new_v4().to_string();
    let question = || GetUsersStatusRequest { user_ids: vec![alice.id.clone(), nobody.clone()] };
    let refused = client.get_users_status(question()).await.expect_err("a refusal");
    assert_eq!(refused.code(), Code::Unauthenticated);

    let mut request = Request::new(question());
    let token = "internal-token-for-development".parse().expect("metadata");
    request.metadata_mut().insert("x-internal-token", token);
    let statuses = client.get_users_status(request).await.expect("an answer").into_inner().statuses;
    let statuses: Vec<_> = statuses.iter().map(|status| (&status.user_id, status.status.as_str())).collect();
    assert_eq!(statuses, [(&alice.id, "online"), (&nobody, "offline")]);
}
