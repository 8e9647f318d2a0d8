//! Presence when an instance is killed, stands still or drains, and when Redis forgets (guarantees.md, G8).

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

/// The services with a Redis of their own: where tests share one, the instances of one clear up after those of another.
struct Stage {
    app: TestApp,
    redis: Redis,
    commands: Client,
    folder: TempDir,
}

impl Stage {
    async fn set(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let redis = Redis::start(folder.path(), None, Persistence::None).await.expect("a Redis");
        let app = TestApp::start_with(&redis.url(), settings).await;
        let commands = redis::client(&redis.url().into()).expect("a client");
        commands.wait_for_connect().await.expect("connected");
        Self { app, redis, commands, folder }
    }

    /// Waits until Redis knows of so many instances, and of all that there were before.
    async fn until_instances(&self, count: usize) {
        until("Redis has the instances", async || {
            self.commands.hlen::<usize, _>("instances").await.expect("a count") == count
        })
        .await;
    }

    async fn keys(&self, pattern: &str) -> Vec<String> {
        let page = self.commands.scan_page::<(String, _), _, _>("0", pattern, Some(100_000), None);
        page.await.expect("all of them").1
    }

    async fn connections(&self, user: &User) -> usize {
        self.commands.scard(format!("user:{}:ws_connections", user.id)).await.expect("a count")
    }

    async fn status(&self, user: &User) -> Option<String> {
        let value: Option<String> = self.commands.get(format!("online:{}", user.id)).await.expect("a value");
        let value: Value = serde_json::from_str(&value?).expect("JSON");
        value["status"].as_str().map(str::to_owned)
    }
}

/// The next frame has to be this event of this user. It may take as long as it takes to find an instance gone.
async fn expect_event(socket: &mut Socket, event: &str, user: &User) {
    let mut frame = socket.next().await;
    for _ in 0..2 {
        if frame.is_err() {
            frame = socket.next().await;
        }
    }
    let frame = frame.expect("a frame");
    assert_eq!((&frame["event"], &frame["user_id"]), (&json!(event), &json!(user.id)), "{frame}");
}

/// Nothing has come, presence included.
async fn expect_silence(socket: &mut Socket) {
    socket.send(&json!({ "type": "ping" })).await.expect("sent");
    socket.expect("pong").await.expect("nothing but a pong");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_share_a_chat_are_told_once_that_a_user_of_a_killed_instance_is_offline() {
    let stage = Stage::set(&[]).await;
    let app = &stage.app;
    let (second, killed) = (app.another().await, app.another_process().await);
    let (alice, bob, _) = app.two_users().await;
    let (carol, stranger) = (app.api.any_user().await.expect("a user"), app.api.any_user().await.expect("a user"));
    app.api.chat(&alice, &carol).await.expect("a chat");
    let mut bobs = app.socket(&bob).await;
    let mut carols = Socket::open(&second.websocket, &carol, None).await.expect("a socket");
    let mut strangers = app.socket(&stranger).await;
    let _alices = Socket::open(&killed.websocket, &alice, None).await.expect("a socket");
    for socket in [&mut bobs, &mut carols] {
        expect_event(socket, "user_online", &alice).await;
    }
    stage.until_instances(3).await;

    killed.kill().await;
    for socket in [&mut bobs, &mut carols] {
        expect_event(socket, "user_offline", &alice).await;
    }
    stage.until_instances(2).await;
    assert_eq!((stage.connections(&alice).await, stage.status(&alice).await), (0, None));
    // Whoever is told of the next change has been told of nothing in between.
    let _alices = app.socket(&alice).await;
    for socket in [&mut bobs, &mut carols] {
        expect_event(socket, "user_online", &alice).await;
    }
    expect_silence(&mut strangers).await;
    let reaped = app.notification.http.metric("presence_reaped_connections_total").await.expect("the metric");
    assert!(!reaped.ends_with(" 0"), "{reaped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_socket_elsewhere_stays_online_and_goes_offline_with_that() {
    let stage = Stage::set(&[]).await;
    let app = &stage.app;
    let killed = app.another_process().await;
    let (alice, bob, _) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let _on_killed = Socket::open(&killed.websocket, &alice, None).await.expect("a socket");
    expect_event(&mut bobs, "user_online", &alice).await;
    let here = app.socket(&alice).await;
    until("both sockets are registered", async || stage.connections(&alice).await == 2).await;

    killed.kill().await;
    stage.until_instances(1).await;
    assert_eq!((stage.connections(&alice).await, stage.status(&alice).await.as_deref()), (1, Some("online")));
    expect_silence(&mut bobs).await;
    here.close().await.expect("closed");
    expect_event(&mut bobs, "user_offline", &alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_away_when_the_device_in_use_was_on_a_killed_instance() {
    let stage = Stage::set(&[]).await;
    let app = &stage.app;
    // Nobody whom the survivor knows of but Bob: Alice's other device is on a third instance.
    let (third, killed) = (app.another_process().await, app.another_process().await);
    let (alice, bob, _) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let _in_use = Socket::open(&killed.websocket, &alice, None).await.expect("a socket");
    expect_event(&mut bobs, "user_online", &alice).await;
    let mut idle = Socket::open(&third.websocket, &alice, None).await.expect("a socket");
    idle.send(&json!({ "type": "presence", "status": "away" })).await.expect("sent");
    let away = format!("{{user:{}:ws_connections}}:away", alice.id);
    until("one socket is away", async || stage.commands.scard::<usize, _>(&away).await.expect("a count") == 1).await;

    killed.kill().await;
    expect_event(&mut bobs, "user_away", &alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_stood_still_comes_back_with_all_of_its_users() {
    let stage = Stage::set(&[]).await;
    let app = &stage.app;
    let stopped = app.another_process().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let mut alices = Socket::open(&stopped.websocket, &alice, None).await.expect("a socket");
    expect_event(&mut bobs, "user_online", &alice).await;

    stopped.process.signal(Signal::SIGSTOP).expect("stopped");
    expect_event(&mut bobs, "user_offline", &alice).await;
    stage.until_instances(1).await;
    stopped.process.signal(Signal::SIGCONT).expect("continued");
    expect_event(&mut bobs, "user_online", &alice).await;
    alices.send_message(&chat, "still here").await.expect("an ack");
    bobs.expect("new_message").await.expect("the message");
    assert_eq!(stage.connections(&alice).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_flush_all_is_as_before_and_nobody_hears_of_it() {
    let stage = Stage::set(&[]).await;
    let app = &stage.app;
    let other = app.another().await;
    let (alice, bob, _) = app.two_users().await;
    let carol = app.api.any_user().await.expect("a user");
    app.api.chat(&carol, &bob).await.expect("a chat");
    let mut bobs = app.socket(&bob).await;
    let alices = app.socket(&alice).await;
    expect_event(&mut bobs, "user_online", &alice).await;
    let _alices_too = Socket::open(&other.websocket, &alice, None).await.expect("a socket");
    let mut carols = Socket::open(&other.websocket, &carol, None).await.expect("a socket");
    expect_event(&mut bobs, "user_online", &carol).await;
    carols.send(&json!({ "type": "presence", "status": "away" })).await.expect("sent");
    expect_event(&mut bobs, "user_away", &carol).await;
    until("both sockets are registered", async || stage.connections(&alice).await == 2).await;

    let () = stage.commands.flushall(false).await.expect("flushed");
    // One device leaves before anything is entered again.
    alices.close().await.expect("closed");
    until("every presence entry is restored", async || {
        (stage.connections(&alice).await, stage.connections(&carol).await) == (1, 1)
            && stage.status(&alice).await.as_deref() == Some("online")
            && stage.status(&carol).await.as_deref() == Some("away")
    })
    .await;
    expect_silence(&mut bobs).await;
    drop(carols);
    expect_event(&mut bobs, "user_offline", &carol).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_redis_is_away_is_offline_when_it_is_back_and_nobody_else_is() {
    let Stage { app, redis, folder, .. } = Stage::set(&[]).await;
    let other = app.another().await;
    let (alice, bob, _) = app.two_users().await;
    let carol = app.api.any_user().await.expect("a user");
    app.api.chat(&carol, &bob).await.expect("a chat");
    let mut bobs = app.socket(&bob).await;
    let alices = app.socket(&alice).await;
    expect_event(&mut bobs, "user_online", &alice).await;
    let _carols = Socket::open(&other.websocket, &carol, None).await.expect("a socket");
    expect_event(&mut bobs, "user_online", &carol).await;

    let port = redis.port();
    redis.stop().await.expect("stopped");
    alices.close().await.expect("closed");
    let _redis = Redis::start(folder.path(), Some(port), Persistence::None).await.expect("a Redis");
    expect_event(&mut bobs, "user_offline", &alice).await;
    expect_silence(&mut bobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_instance_leaves_nothing_behind_and_who_reconnects_was_never_offline() {
    let settings = [("PRESENCE_OFFLINE_GRACE", "3s")];
    let stage = Stage::set(&settings).await;
    let app = &stage.app;
    let drained = app.another_with(&settings).await;
    let (alice, bob, _) = app.two_users().await;
    let carol = app.api.any_user().await.expect("a user");
    app.api.chat(&carol, &bob).await.expect("a chat");
    let mut bobs = app.socket(&bob).await;
    let mut alices = Socket::open(&drained.websocket, &alice, None).await.expect("a socket");
    expect_event(&mut bobs, "user_online", &alice).await;
    let mut carols = Socket::open(&drained.websocket, &carol, None).await.expect("a socket");
    expect_event(&mut bobs, "user_online", &carol).await;
    stage.until_instances(2).await;

    let ended = drained.running.end();
    assert_eq!(alices.closed().await.expect("a close frame").1, 4100);
    let _alices = app.socket(&alice).await;
    assert_eq!(carols.closed().await.expect("a close frame").1, 4100);
    ended.await.expect("no panic").expect("a clean end");
    expect_event(&mut bobs, "user_offline", &carol).await;
    expect_silence(&mut bobs).await;
    assert_eq!((stage.connections(&alice).await, stage.connections(&carol).await), (1, 0));
    assert_eq!(stage.commands.hlen::<usize, _>("instances").await.expect("a count"), 1);
    let registers: Vec<String> = stage.keys("instance:*:users").await;
    assert_eq!(registers.len(), 1, "{registers:?}");
}

/// What an instance leaves behind over which the one that cleared up after it died too.
async fn leave_behind(stage: &Stage, users: &[String]) {
    const LEASE: &str = "0b0e5c1e-6f0a-4b7e-9d55-1f8a6a3f6a11.1";
    let pipeline = stage.commands.pipeline();
    for user in users {
        let () = pipeline.sadd(format!("instance:{LEASE}:users"), user).await.expect("queued");
        let () = pipeline.sadd(format!("user:{user}:ws_connections"), format!("{LEASE}:7")).await.expect("queued");
        let online = json!({ "user_id": user, "status": "online", "last_seen": 1 }).to_string();
        let () = pipeline.set(format!("online:{user}"), online, None, None, false).await.expect("queued");
    }
    let () = pipeline.hset("instances", (LEASE, -1)).await.expect("queued");
    let () = pipeline.last().await.expect("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_survivors_finish_what_another_one_began() {
    let stage = Stage::set(&[]).await;
    let app = &stage.app;
    let second = app.another().await;
    let (alice, bob, _) = app.two_users().await;
    let mut bobs = app.socket(&bob).await;
    let mut bobs_too = Socket::open(&second.websocket, &bob, None).await.expect("a socket");
    stage.until_instances(2).await;

    let mut users: Vec<String> = (0..1000).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    users.push(alice.id.clone());
    leave_behind(&stage, &users).await;
    for socket in [&mut bobs, &mut bobs_too] {
        expect_event(socket, "user_offline", &alice).await;
    }
    stage.until_instances(2).await;
    let left: Vec<String> = stage.keys("user:*:ws_connections").await;
    assert_eq!(left, [format!("user:{}:ws_connections", bob.id)]);
    let _alices = app.socket(&alice).await;
    for socket in [&mut bobs, &mut bobs_too] {
        expect_event(socket, "user_online", &alice).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_to_be_told_is_asked_again_when_chat_service_is_back() {
    let mut stage = Stage::set(&[]).await;
    let (alice, bob, _) = stage.app.two_users().await;
    let mut bobs = stage.app.socket(&bob).await;
    stage.app.stop_chat_service().await;
    leave_behind(&stage, std::slice::from_ref(&alice.id)).await;
    until("the entries of the dead instance are removed", async || stage.connections(&alice).await == 0).await;
    expect_silence(&mut bobs).await;

    stage.app.start_chat_service_again().await;
    expect_event(&mut bobs, "user_offline", &alice).await;
}
