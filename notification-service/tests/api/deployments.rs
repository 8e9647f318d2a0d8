//! Two deployments, each with its own database, on one Redis.

use std::time::Duration;

use fred::interfaces::{ClientLike as _, KeysInterface as _, PubsubInterface as _};
use neonchat_common::{
    bus::{Envelope, Event},
    ids::DeploymentId,
    redis,
};
use neonchat_testbed::{
    client::{Api, Refused, Socket},
    harness::until,
    poll,
    redis::{Persistence, Redis, cluster::RedisCluster},
};
use serde_json::{Value, json, value::to_raw_value};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::helpers::TestApp;

/// Starts a Redis for this test only.
async fn own_redis() -> (TempDir, Redis) {
    let folder = tempfile::tempdir().expect("create directory");
    let redis = Redis::start(folder.path(), None, Persistence::None).await.expect("start Redis");
    (folder, redis)
}

/// Returns the HTTP status and the `status` field of `/ready`.
async fn ready(http: &Api) -> (u16, Value) {
    let answer = http.call("GET", "/ready", None, None).await.expect("call API");
    (answer.status, answer.body["status"].clone())
}

async fn until_ready_is(http: &Api, status: u16) {
    let is_so = async || ready(http).await.0 == status;
    timeout(Duration::from_mins(1), poll::until(is_so)).await.expect("reach readiness");
}

#[tokio::test(flavor = "multi_thread")]
async fn younger_deployment_serves_no_sockets_until_older_is_gone() {
    let (_folder, redis) = own_redis().await;
    let production = TestApp::start_in("", &redis.url(), &[]).await;
    production.notification.http.until_ready().await.expect("become ready");
    // Another database of the same Redis, which separates keys but not channels.
    let url = redis.url().replace("/0", "/1");
    let staging = TestApp::start_in("", &url, &[]).await;
    until_ready_is(&staging.notification.http, 503).await;

    assert_eq!(ready(&staging.notification.http).await, (503, json!("another deployment uses this redis")));
    let health = staging.notification.http.call("GET", "/health", None, None).await.expect("call API");
    assert_eq!((health.status, &health.body["redis_error"]), (503, &json!("another deployment uses this redis")));
    let is_serving = async |expected| staging.notification.is_serving().await == expected;
    until("grpc.health.v1 reports the same", async || is_serving(false).await).await;
    let user = staging.api.any_user().await.expect("register user");
    let url = format!("{}/ws?token={}", staging.notification.websocket, user.token);
    let Refused(refused) = Socket::request(&url, &[]).await.expect("call API").expect_err("be refused");
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("unavailable")), "{refused:?}");
    // The older deployment still serves sockets.
    assert_eq!(ready(&production.notification.http).await.0, 200);
    production.socket(&production.api.any_user().await.expect("register user")).await;

    production.notification.running.stop().await;
    until_ready_is(&staging.notification.http, 200).await;
    until("grpc.health.v1 reports the same", async || is_serving(true).await).await;
    staging.socket(&user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ignores_publications_of_other_deployments() {
    let (_folder, redis) = own_redis().await;
    let app = TestApp::start_in("", &redis.url(), &[]).await;
    let (alice, bob, chat) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let publisher = redis::client(&redis.url().into()).expect("create Redis client");
    publisher.wait_for_connect().await.expect("connect to Redis");
    let publish = async |channel: &str, deployment: Option<DeploymentId>, text: &str| {
        let frame = to_raw_value(&json!({ "type": "system", "text": text })).expect("convert JSON");
        let event = Event::System { frame: &frame };
        let envelope = Envelope { instance: None, deployment, request_id: "r".into(), traceparent: None, event };
        publisher.publish::<(), _, _>(channel, envelope.encode()).await.expect("publish");
    };
    let other = Some(DeploymentId::new());
    publish("system", other, "from staging").await;
    // A version without deployments publishes without an ID.
    publish("system", None, "from this one").await;
    assert_eq!(bobs.expect_beside_presence("system").await.expect("receive frame")["text"], "from this one");

    // A restored copy of the database has the same chats and assigns the same `seq`.
    let frame = to_raw_value(&json!({ "type": "new_message", "chat_id": chat, "text": "foreign", "seq": 1 }))
        .expect("convert JSON");
    let user_id = alice.id.parse().expect("parse ID");
    let event = Event::Durable {
        seq: 1,
        user_id,
        send_id: None,
        change_id: None,
        frame: &frame,
        actor_frame: None,
        hidden: None,
        membership: None,
        expires_at: None,
    };
    let envelope = Envelope { instance: None, deployment: other, request_id: "r".into(), traceparent: None, event };
    let channel = format!("chat:{chat}");
    publisher.publish::<(), _, _>(channel, envelope.encode()).await.expect("publish");
    app.socket(&alice).await.send_message(&chat, "real").await.expect("receive ack");
    let message = bobs.expect_beside_presence("new_message").await.expect("receive message");
    assert_eq!((&message["message"]["text"], &message["seq"]), (&json!("real"), &json!(1)), "{message}");
    let ignored = app.notification.http.metric("redis_foreign_envelopes_total").await.expect("read metric");
    assert!(!ignored.ends_with(" 0"), "{ignored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_keep_deployments_apart() {
    let (_folder, redis) = own_redis().await;
    let _apps = apart(&redis.url()).await;
    let commands = redis::client(&redis.url().into()).expect("create Redis client");
    commands.wait_for_connect().await.expect("connect to Redis");
    let keys: (String, Vec<String>) = commands.scan_page("0", "*", Some(100_000), None).await.expect("scan keys");
    assert!(
        keys.1.iter().all(|key| key.starts_with("a:") || key.starts_with("b:") || key.starts_with("{a:")),
        "{keys:?}"
    );
    assert!(keys.1.iter().any(|key| key == "a:instances") && keys.1.iter().any(|key| key == "b:instances"), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_keep_deployments_apart_on_a_cluster() {
    let folder = tempfile::tempdir().expect("create directory");
    let cluster = RedisCluster::start(folder.path()).await.expect("start cluster");
    apart(&cluster.url()).await;
}

/// Starts two deployments and sends a message between two instances of each.
async fn apart(redis_url: &str) -> [TestApp; 2] {
    let (a, b) = (TestApp::start_in("a", redis_url, &[]).await, TestApp::start_in("b", redis_url, &[]).await);
    for app in [&a, &b] {
        app.notification.http.until_ready().await.expect("become ready");
        let (alice, bob, chat) = app.two_users().await;
        let second = app.another().await;
        let mut bobs = Socket::open(&second.websocket, &bob, None).await.expect("open socket");
        app.socket(&alice).await.send_message(&chat, "hello").await.expect("receive ack");
        bobs.expect_beside_presence("new_message").await.expect("receive message");
    }
    [a, b]
}
