//! Presence when an instance is killed, paused or drained, and when Redis loses its data.

use fred::{
    interfaces::{ClientLike as _, HashesInterface as _, KeysInterface as _, SetsInterface as _},
    prelude::Client,
};
use neonchat_common::redis;
use neonchat_testbed::{
    client::{Socket, User},
    harness::until,
    process::Signal,
    redis::{Persistence, Redis},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::helpers::TestApp;

/// The services with a Redis of their own. On a shared Redis, the instances of one test would sweep those of another.
struct Fixture {
    app: TestApp,
    redis: Redis,
    commands: Client,
    folder: TempDir,
}

impl Fixture {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("create directory");
        let redis = Redis::start(folder.path(), None, Persistence::None).await.expect("start Redis");
        let app = TestApp::start_with(&redis.url(), settings).await;
        let commands = redis::client(&redis.url().into()).expect("create Redis client");
        commands.wait_for_connect().await.expect("connect to Redis");
        Self { app, redis, commands, folder }
    }

    /// Waits until this number of instances is registered in Redis.
    async fn until_instances(&self, count: usize) {
        until("Redis has the instances", async || {
            self.commands.hlen::<usize, _>("instances").await.expect("read count") == count
        })
        .await;
    }

    async fn keys(&self, pattern: &str) -> Vec<String> {
        let page = self.commands.scan_page::<(String, _), _, _>("0", pattern, Some(100_000), None);
        page.await.expect("scan keys").1
    }

    async fn connections(&self, user: &User) -> usize {
        self.commands.scard(format!("user:{}:ws_connections", user.id)).await.expect("read count")
    }

    async fn status(&self, user: &User) -> Option<String> {
        let value: Option<String> = self.commands.get(format!("online:{}", user.id)).await.expect("read value");
        let value: Value = serde_json::from_str(&value?).expect("convert JSON");
        value["status"].as_str().map(str::to_owned)
    }
}

/// Expects this presence event of this user as the next frame. Waits long enough for the failure detector.
async fn expect_event(socket: &mut Socket, event: &str, user: &User) {
    let mut frame = socket.next().await;
    for _ in 0..2 {
        if frame.is_err() {
            frame = socket.next().await;
        }
    }
    let frame = frame.expect("receive frame");
    assert_eq!((&frame["event"], &frame["user_id"]), (&json!(event), &json!(user.id)), "{frame}");
}

/// Expects that no frame has arrived, not even presence.
async fn expect_silence(socket: &mut Socket) {
    socket.send(&json!({ "type": "ping" })).await.expect("send");
    socket.expect("pong").await.expect("receive only pong");
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_learn_once_that_user_of_killed_instance_is_offline() {
    let fixture = Fixture::start(&[]).await;
    let app = &fixture.app;
    let (second, killed) = (app.another().await, app.another_process().await);
    let (alice, bob, _) = app.two_users().await;
    let (carol, stranger) =
        (app.api.any_user().await.expect("register user"), app.api.any_user().await.expect("register user"));
    app.api.chat(&alice, &carol).await.expect("create chat");
    let mut bobs = app.socket(&bob).await;
    let mut carols = Socket::open(&second.websocket, &carol, None).await.expect("open socket");
    let mut strangers = app.socket(&stranger).await;
    let _alices = Socket::open(&killed.websocket, &alice, None).await.expect("open socket");
    for socket in [&mut bobs, &mut carols] {
        expect_event(socket, "user_online", &alice).await;
    }
    fixture.until_instances(3).await;

    killed.kill().await;
    for socket in [&mut bobs, &mut carols] {
        expect_event(socket, "user_offline", &alice).await;
    }
    fixture.until_instances(2).await;
    assert_eq!((fixture.connections(&alice).await, fixture.status(&alice).await), (0, None));
    // The next event shows that there was no other event in between.
    let _alices = app.socket(&alice).await;
    for socket in [&mut bobs, &mut carols] {
        expect_event(socket, "user_online", &alice).await;
    }
    expect_silence(&mut strangers).await;
    let reaped = app.notification.http.metric("presence_reaped_connections_total").await.expect("read metric");
    assert!(!reaped.ends_with(" 0"), "{reaped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn user_with_socket_on_another_instance_stays_online() {
    let fixture = Fixture::start(&[]).await;
    let app = &fixture.app;
    let killed = app.another_process().await;
    let (alice, bob, _) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let _on_killed = Socket::open(&killed.websocket, &alice, None).await.expect("open socket");
    expect_event(&mut bobs, "user_online", &alice).await;
    let here = app.socket(&alice).await;
    until("both sockets are registered", async || fixture.connections(&alice).await == 2).await;

    killed.kill().await;
    fixture.until_instances(1).await;
    assert_eq!((fixture.connections(&alice).await, fixture.status(&alice).await.as_deref()), (1, Some("online")));
    expect_silence(&mut bobs).await;
    here.close().await.expect("close socket");
    expect_event(&mut bobs, "user_offline", &alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_is_away_when_active_device_was_on_killed_instance() {
    let fixture = Fixture::start(&[]).await;
    let app = &fixture.app;
    // The surviving instance has no socket of Alice: her other device is on a third instance.
    let (third, killed) = (app.another_process().await, app.another_process().await);
    let (alice, bob, _) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let _in_use = Socket::open(&killed.websocket, &alice, None).await.expect("open socket");
    expect_event(&mut bobs, "user_online", &alice).await;
    let mut idle = Socket::open(&third.websocket, &alice, None).await.expect("open socket");
    idle.send(&json!({ "type": "presence", "status": "away" })).await.expect("send");
    let away = format!("{{user:{}:ws_connections}}:away", alice.id);
    until("one socket is away", async || fixture.commands.scard::<usize, _>(&away).await.expect("read count") == 1)
        .await;

    killed.kill().await;
    expect_event(&mut bobs, "user_away", &alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_instance_restores_presence_of_its_users() {
    let fixture = Fixture::start(&[]).await;
    let app = &fixture.app;
    let stopped = app.another_process().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let mut alices = Socket::open(&stopped.websocket, &alice, None).await.expect("open socket");
    expect_event(&mut bobs, "user_online", &alice).await;

    stopped.process.signal(Signal::SIGSTOP).expect("stop process");
    expect_event(&mut bobs, "user_offline", &alice).await;
    fixture.until_instances(1).await;
    stopped.process.signal(Signal::SIGCONT).expect("continue process");
    expect_event(&mut bobs, "user_online", &alice).await;
    alices.send_message(&chat, "still here").await.expect("receive ack");
    bobs.expect("new_message").await.expect("receive message");
    assert_eq!(fixture.connections(&alice).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_recovers_silently_after_flush() {
    let fixture = Fixture::start(&[]).await;
    let app = &fixture.app;
    let other = app.another().await;
    let (alice, bob, _) = app.two_users().await;
    let carol = app.api.any_user().await.expect("register user");
    app.api.chat(&carol, &bob).await.expect("create chat");
    let mut bobs = app.socket(&bob).await;
    let alices = app.socket(&alice).await;
    expect_event(&mut bobs, "user_online", &alice).await;
    let _alices_too = Socket::open(&other.websocket, &alice, None).await.expect("open socket");
    let mut carols = Socket::open(&other.websocket, &carol, None).await.expect("open socket");
    expect_event(&mut bobs, "user_online", &carol).await;
    carols.send(&json!({ "type": "presence", "status": "away" })).await.expect("send");
    expect_event(&mut bobs, "user_away", &carol).await;
    until("both sockets are registered", async || fixture.connections(&alice).await == 2).await;

    let () = fixture.commands.flushall(false).await.expect("flush Redis");
    // One device disconnects before presence is restored.
    alices.close().await.expect("close socket");
    until("every presence entry is restored", async || {
        (fixture.connections(&alice).await, fixture.connections(&carol).await) == (1, 1)
            && fixture.status(&alice).await.as_deref() == Some("online")
            && fixture.status(&carol).await.as_deref() == Some("away")
    })
    .await;
    expect_silence(&mut bobs).await;
    drop(carols);
    expect_event(&mut bobs, "user_offline", &carol).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_who_left_without_redis_is_offline_when_it_is_back() {
    let Fixture { app, redis, folder, .. } = Fixture::start(&[]).await;
    let other = app.another().await;
    let (alice, bob, _) = app.two_users().await;
    let carol = app.api.any_user().await.expect("register user");
    app.api.chat(&carol, &bob).await.expect("create chat");
    let mut bobs = app.socket(&bob).await;
    let alices = app.socket(&alice).await;
    expect_event(&mut bobs, "user_online", &alice).await;
    let _carols = Socket::open(&other.websocket, &carol, None).await.expect("open socket");
    expect_event(&mut bobs, "user_online", &carol).await;

    let port = redis.port();
    redis.stop().await.expect("stop process");
    alices.close().await.expect("close socket");
    let _redis = Redis::start(folder.path(), Some(port), Persistence::None).await.expect("start Redis");
    expect_event(&mut bobs, "user_offline", &alice).await;
    expect_silence(&mut bobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drained_instance_leaves_no_keys_and_reconnected_user_stays_online() {
    let settings = [("PRESENCE_OFFLINE_GRACE", "3s")];
    let fixture = Fixture::start(&settings).await;
    let app = &fixture.app;
    let drained = app.another_with(&settings).await;
    let (alice, bob, _) = app.two_users().await;
    let carol = app.api.any_user().await.expect("register user");
    app.api.chat(&carol, &bob).await.expect("create chat");
    let mut bobs = app.socket(&bob).await;
    let mut alices = Socket::open(&drained.websocket, &alice, None).await.expect("open socket");
    expect_event(&mut bobs, "user_online", &alice).await;
    let mut carols = Socket::open(&drained.websocket, &carol, None).await.expect("open socket");
    expect_event(&mut bobs, "user_online", &carol).await;
    fixture.until_instances(2).await;

    let ended = drained.running.end();
    assert_eq!(alices.closed().await.expect("receive close frame").1, 4100);
    let _alices = app.socket(&alice).await;
    assert_eq!(carols.closed().await.expect("receive close frame").1, 4100);
    ended.await.expect("join task").expect("end without error");
    expect_event(&mut bobs, "user_offline", &carol).await;
    expect_silence(&mut bobs).await;
    assert_eq!((fixture.connections(&alice).await, fixture.connections(&carol).await), (1, 0));
    assert_eq!(fixture.commands.hlen::<usize, _>("instances").await.expect("read count"), 1);
    let registers: Vec<String> = fixture.keys("instance:*:users").await;
    assert_eq!(registers.len(), 1, "{registers:?}");
}

/// Writes the keys of a dead instance whose cleanup was interrupted by another death.
async fn write_dead_instance(fixture: &Fixture, users: &[String]) {
    const LEASE: &str = "0b0e5c1e-6f0a-4b7e-9d55-1f8a6a3f6a11.1";
    let pipeline = fixture.commands.pipeline();
    for user in users {
        let () = pipeline.sadd(format!("instance:{LEASE}:users"), user).await.expect("queue command");
        let () =
            pipeline.sadd(format!("user:{user}:ws_connections"), format!("{LEASE}:7")).await.expect("queue command");
        let online = json!({ "user_id": user, "status": "online", "last_seen": 1 }).to_string();
        let () = pipeline.set(format!("online:{user}"), online, None, None, false).await.expect("queue command");
    }
    let () = pipeline.hset("instances", (LEASE, -1)).await.expect("queue command");
    let () = pipeline.last().await.expect("run pipeline");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_instances_finish_interrupted_cleanup() {
    let fixture = Fixture::start(&[]).await;
    let app = &fixture.app;
    let second = app.another().await;
    let (alice, bob, _) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let mut bobs_too = Socket::open(&second.websocket, &bob, None).await.expect("open socket");
    fixture.until_instances(2).await;

    let mut users: Vec<String> = (0..1000).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    users.push(alice.id.clone());
    write_dead_instance(&fixture, &users).await;
    for socket in [&mut bobs, &mut bobs_too] {
        expect_event(socket, "user_offline", &alice).await;
    }
    fixture.until_instances(2).await;
    let left: Vec<String> = fixture.keys("user:*:ws_connections").await;
    assert_eq!(left, [format!("user:{}:ws_connections", bob.id)]);
    let _alices = app.socket(&alice).await;
    for socket in [&mut bobs, &mut bobs_too] {
        expect_event(socket, "user_online", &alice).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn announces_offline_user_when_chat_service_is_back() {
    let mut fixture = Fixture::start(&[]).await;
    let (alice, bob, _) = fixture.app.two_users().await;
    let mut bobs = fixture.app.socket(&bob).await;
    fixture.app.stop_chat_service().await;
    write_dead_instance(&fixture, std::slice::from_ref(&alice.id)).await;
    until("the entries of the dead instance are removed", async || fixture.connections(&alice).await == 0).await;
    expect_silence(&mut bobs).await;

    fixture.app.restart_chat_service().await;
    expect_event(&mut bobs, "user_offline", &alice).await;
}
