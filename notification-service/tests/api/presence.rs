//! Presence over several instances.

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
    let client = redis::client(&harness::redis_url().into()).expect("create Redis client");
    client.wait_for_connect().await.expect("connect to Redis");
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn announces_each_presence_change_once() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, _) = app.two_users().await;
    let mut alices = app.socket(&alice).await;

    let phone = app.socket(&bob).await;
    let online = alices.expect("presence").await.expect("receive presence");
    assert_eq!((&online["event"], &online["user_id"]), (&json!("user_online"), &json!(bob.id)));
    assert!(online["timestamp"].as_i64().is_some_and(|seconds| seconds > 1_700_000_000), "{online}");

    let laptop = Socket::open(&other.websocket, &bob, None).await.expect("open socket");
    phone.close().await.expect("close socket");
    // The laptop keeps the user online until it closes.
    laptop.close().await.expect("close socket");
    let offline = alices.expect("presence").await.expect("receive presence");
    assert_eq!((&offline["event"], &offline["user_id"]), (&json!("user_offline"), &json!(bob.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_devices_on_two_instances_cause_one_presence_event() {
    let app = TestApp::start().await;
    let other = app.another().await;
    let (alice, bob, _) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    for _ in 0..20 {
        let (phone, laptop) = tokio::join!(app.socket(&bob), Socket::open(&other.websocket, &bob, None));
        assert_eq!(alices.expect("presence").await.expect("receive presence")["event"], "user_online");
        drop((phone, laptop));
        assert_eq!(alices.expect("presence").await.expect("receive presence")["event"], "user_offline");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn user_is_away_when_all_devices_are() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let (mut phone, mut laptop) = (app.socket(&bob).await, app.socket(&bob).await);
    assert_eq!(alices.expect("presence").await.expect("receive presence")["event"], "user_online");

    let status = |status: &str| json!({ "type": "presence", "status": status });
    phone.send(&status("away")).await.expect("send");
    phone.expect_quiet().await.expect("receive pong");
    laptop.send(&status("away")).await.expect("send");
    assert_eq!(alices.expect("presence").await.expect("receive presence")["event"], "user_away");
    phone.send(&status("online")).await.expect("send");
    assert_eq!(alices.expect("presence").await.expect("receive presence")["event"], "user_online");
    // The remaining device is away.
    phone.close().await.expect("close socket");
    assert_eq!(alices.expect("presence").await.expect("receive presence")["event"], "user_away");
}

#[tokio::test(flavor = "multi_thread")]
async fn scoped_socket_gets_no_presence_of_other_chats() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.two_users().await;
    let carol = app.api.any_user().await.expect("register user");
    let with_carol = app.api.chat(&alice, &carol).await.expect("create chat");
    let mut about_carol =
        Socket::open(&app.notification.websocket, &alice, Some(&with_carol)).await.expect("open socket");
    let mut about_all = app.socket(&alice).await;

    let _bobs = app.socket(&bob).await;
    assert_eq!(about_all.expect("presence").await.expect("receive presence")["user_id"], *bob.id);
    let _carols = app.socket(&carol).await;
    assert_eq!(about_carol.expect("presence").await.expect("receive presence")["user_id"], *carol.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keys_match_contract() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let alices = app.socket(&alice).await;
    bobs.expect("presence").await.expect("receive presence");

    let redis = redis_client().await;
    let online: String = redis.get(app.key(&format!("online:{}", alice.id))).await.expect("read value");
    let online: Value = serde_json::from_str(&online).expect("convert JSON");
    assert_eq!((&online["user_id"], &online["status"]), (&json!(alice.id), &json!("online")));
    let ttl: i64 = redis.ttl(app.key(&format!("online:{}", alice.id))).await.expect("read TTL");
    assert!((60..=65).contains(&ttl), "{ttl}");
    let connections: Vec<String> =
        redis.smembers(app.key(&format!("user:{}:ws_connections", alice.id))).await.expect("read connections");
    assert_eq!(connections.len(), 1);

    alices.close().await.expect("close socket");
    bobs.expect("presence").await.expect("receive presence");
    let left: i64 = redis.exists(app.key(&format!("online:{}", alice.id))).await.expect("read count");
    let connections: i64 =
        redis.scard(app.key(&format!("user:{}:ws_connections", alice.id))).await.expect("read count");
    assert_eq!((left, connections), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_requires_internal_token() {
    let app = TestApp::start().await;
    let (alice, bob, _) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let _alices = app.socket(&alice).await;
    bobs.expect("presence").await.expect("receive presence");

    let channel = Channel::from_shared(format!("http://{}", app.notification.grpc)).expect("parse URL").connect_lazy();
    let mut client = NotificationServiceClient::new(channel);
    let nobody = uuid::Uuid::new_v4().to_string();
    let question = || GetUsersStatusRequest { user_ids: vec![alice.id.clone(), nobody.clone()] };
    let refused = client.get_users_status(question()).await.expect_err("be refused");
    assert_eq!(refused.code(), Code::Unauthenticated);

    let mut request = Request::new(question());
    let token = "internal-token-for-development".parse().expect("parse metadata");
    request.metadata_mut().insert("x-internal-token", token);
    let statuses = client.get_users_status(request).await.expect("call API").into_inner().statuses;
    let statuses: Vec<_> = statuses.iter().map(|status| (&status.user_id, status.status.as_str())).collect();
    assert_eq!(statuses, [(&alice.id, "online"), (&nobody, "offline")]);
}
