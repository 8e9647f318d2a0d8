//! Security events in logs and metrics.

use std::time::Duration;

use neonchat_common::{ids::UserId, token::Tokens};
use neonchat_testbed::{
    client::{PASSWORD, Socket, User},
    redis::{Persistence, Redis},
};
use serde_json::{Value, json};

use crate::helpers::{Running, folder};

#[tokio::test(flavor = "multi_thread")]
async fn security_events_are_logged_and_counted_without_secrets() {
    const WRONG: &str = "wrong-password-1";
    const SECRET: &str = "the-secret-of-the-tokens-of-this-test";
    // A separate Redis: tests would share the limits of their address.
    let folder = folder();
    let redis = Redis::start(folder.path(), None, Persistence::None).await.expect("start Redis");
    let url = redis.url();
    let settings = [
        ("LOG_FORMAT", "json"),
        ("REDIS_URL", &*url),
        ("JWT_SECRET", SECRET),
        ("RATE_LIMIT_PER_MINUTE", "1000"),
        ("LOGIN_FAILURES_PER_NAME", "3"),
    ];
    let running = Running::start(&settings).await;
    let api = running.system.api();
    let name = format!("victim-{}", uuid::Uuid::new_v4().simple());
    let alice = api.user(&name).await.expect("register user");
    let log_in = async |name: &str, password: &str| {
        let body = json!({ "username": name, "password": password });
        api.call("POST", "/api/v1/auth/login", None, Some(&body)).await.expect("receive answer").status
    };
    let odd = format!("no\nname {}", "x".repeat(1000));
    assert_eq!(log_in(&odd, WRONG).await, 401);
    for status in [401, 401, 401, 429, 429] {
        assert_eq!(log_in(&name, WRONG).await, status);
    }
    let me = async |token: &str| {
        api.call("GET", "/api/v1/users/me", Some(token), None).await.expect("receive answer").status
    };
    let forged = alice.token.rsplit_once('.').expect("split token").0.to_owned() + ".c2lnbmF0dXJl";
    assert_eq!((me(&forged).await, me("nonsense").await), (401, 401));
    assert_eq!(
        api.call("POST", "/api/v1/auth/logout", Some(&alice.token), None).await.expect("receive answer").status,
        204
    );
    for _ in 0..2 {
        assert_eq!(me(&alice.token).await, 401);
    }
    // The signature is valid, but the user does not exist.
    let stranger = Tokens::new(&SECRET.into(), Duration::from_hours(1)).issue(UserId::new(), "stranger");
    let stranger = stranger.expect("issue token");
    assert_eq!(me(&stranger).await, 401);
    // A request without a token is not an event.
    assert_eq!(api.call("GET", "/api/v1/users/me", None, None).await.expect("receive answer").status, 401);

    let log = running.log("chat-service");
    let lines = log.lines().map(|line| serde_json::from_str(line).expect("parse log line"));
    let events: Vec<Value> = lines.filter(|line: &Value| line["target"] == "security").collect();
    let expected = [("login_failed", 4), ("login_limited", 2), ("token_rejected", 2), ("token_revoked", 3)];
    for (event, times) in expected {
        let of_event: Vec<_> = events.iter().filter(|line| line["security.event"] == event).collect();
        assert_eq!(of_event.len(), times, "{event}: {log}");
        assert!(of_event.iter().all(|line| line["client.address"] == "127.0.0.1" && line["level"] == "WARN"), "{log}");
        let count = api.metric(&format!("security_events_total{{event=\"{event}\"}}")).await.expect("find metric");
        assert!(count.ends_with(&format!(" {times}")), "{count}");
    }
    assert_eq!(events.len(), 11, "{log}");
    let names: Vec<_> = events.iter().filter_map(|line| line["user.name"].as_str()).collect();
    let escaped = format!("no\\nname {}", "x".repeat(56));
    assert_eq!(names, [&[&*escaped][..], &[&*name; 5]].concat());
    for secret in [WRONG, PASSWORD, &alice.token, &forged] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    // The same for sockets: three handshakes, and two `auth` frames.
    let (ws, bob) = (running.system.websocket(), api.any_user().await.expect("register user"));
    for token in [&forged, &alice.token, &stranger] {
        let refused = Socket::open(&ws, &User { token: token.clone(), ..alice.clone() }, None).await;
        assert!(refused.is_err());
    }
    let mut socket = Socket::open(&ws, &bob, None).await.expect("open socket");
    let credentials = json!({ "username": bob.name, "password": PASSWORD });
    let answer = api.call("POST", "/api/v1/auth/login", None, Some(&credentials)).await.expect("receive answer");
    let revoked = answer.body["token"].as_str().expect("find token").to_owned();
    api.call("POST", "/api/v1/auth/logout", Some(&revoked), None).await.expect("receive answer");
    for token in [&forged, &revoked] {
        socket.send(&json!({ "type": "auth", "token": token })).await.expect("send");
        assert_eq!(socket.expect_beside_presence("error").await.expect("receive error")["code"], "unauthorized");
    }
    let log = running.log("notification-service");
    for (event, times) in [("token_rejected", 2), ("token_revoked", 3)] {
        let of_event = log.lines().filter(|line| line.contains(&format!("\"{event}\"")));
        let of_event: Vec<Value> = of_event.map(|line| serde_json::from_str(line).expect("parse log line")).collect();
        assert_eq!(of_event.len(), times, "{event}: {log}");
        let (handshakes, frames) = of_event.split_at(times - 1);
        assert!(handshakes.iter().all(|line| line["client.address"] == "127.0.0.1"), "{log}");
        assert_eq!(frames[0]["user.id"], bob.id);
        let count = running.system.notification().metric(&format!("security_events_total{{event=\"{event}\"}}")).await;
        assert!(count.expect("find metric").ends_with(&format!(" {times}")), "{event}");
    }
    assert!(!log.contains(&forged) && !log.contains(&revoked), "{log}");

    // Events that have not happened are counted as 0 from the start, by both services.
    for service in [&api, &running.system.notification()] {
        let count = service.metric("security_events_total{event=\"socket_abuse\"}").await.expect("find metric");
        assert!(count.ends_with(" 0"), "{count}");
    }
}
