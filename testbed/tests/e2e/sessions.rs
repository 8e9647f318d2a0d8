//! Sessions over several instances of both services.

use std::time::{Duration, Instant};

use neonchat_testbed::{
    client::{Api, PASSWORD, Socket, User, text},
    clock,
};
use serde_json::{Value, json};

use crate::helpers::Running;

/// Sockets of an ended session close within a second. A busy machine needs more, but less than the 8 s of a resync.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(4);

/// A login.
#[derive(Clone)]
struct Login {
    user: User,
    session: String,
    refresh_token: String,
}

async fn log_in(api: &Api, user: &User) -> Login {
    let body = json!({ "username": user.name, "password": PASSWORD });
    granted(user, &api.call("POST", "/api/v1/auth/login", None, Some(&body)).await.expect("log in").body)
}

fn granted(user: &User, body: &Value) -> Login {
    let field = |name: &str| text(&body[name]).unwrap_or_else(|_| panic!("{name} in {body}"));
    let user = User { token: field("token"), ..user.clone() };
    Login { user, session: field("session_id"), refresh_token: field("refresh_token") }
}

async fn refresh(api: &Api, login: &Login) -> (u16, Value) {
    let body = json!({ "refresh_token": login.refresh_token });
    let answer = api.call("POST", "/api/v1/auth/refresh", None, Some(&body)).await.expect("refresh");
    (answer.status, answer.body)
}

async fn refreshed(api: &Api, login: &Login) -> Login {
    let (status, body) = refresh(api, login).await;
    assert_eq!(status, 200, "{body}");
    granted(&login.user, &body)
}

async fn status(api: &Api, login: &Login) -> u16 {
    api.get("/api/v1/users/me", &login.user).await.expect("receive answer").status
}

/// Both services, with two instances of each: the clients of chat-service, and the addresses of notification-service.
async fn two_of_each() -> (Running, [Api; 2], [String; 2]) {
    let mut running = Running::start(&[]).await;
    let other = running.system.add_chat_service(&[]).await.expect("start chat-service");
    running.system.add_notification_service().await.expect("start notification-service");
    let addresses = running.system.websocket_addresses();
    let websockets = [0, 1].map(|index: usize| format!("ws://{}", addresses[index]));
    let apis = [running.system.api(), other];
    (running, apis, websockets)
}

async fn assert_closed(socket: &mut Socket, since: Instant) {
    let closed = tokio::time::timeout(CLOSE_TIMEOUT, socket.closed()).await.expect("close in time");
    assert_eq!(closed.expect("receive close frame").1, 4004);
    assert!(since.elapsed() < CLOSE_TIMEOUT, "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_an_ended_session_close_on_all_instances() {
    let (_running, [api, other], websockets) = two_of_each().await;
    let user = api.any_user().await.expect("register user");
    let (phone, laptop) = (log_in(&api, &user).await, log_in(&other, &user).await);
    // A token of the same session by a refresh, and one that was renewed on the open socket.
    let newer = refreshed(&other, &phone).await;
    let mut phones = Vec::new();
    for websocket in &websockets {
        for login in [&phone, &newer] {
            phones.push(Socket::open(websocket, &login.user, None).await.expect("open socket"));
        }
        let mut renewed = Socket::open(websocket, &laptop.user, None).await.expect("open socket");
        let auth = json!({ "type": "auth", "token": newer.user.token, "request_id": "a" });
        renewed.send(&auth).await.expect("send");
        renewed.expect("auth_ok").await.expect("receive answer");
        phones.push(renewed);
    }
    let mut laptops = Vec::new();
    for websocket in &websockets {
        laptops.push(Socket::open(websocket, &laptop.user, None).await.expect("open socket"));
    }

    let path = format!("/api/v1/auth/sessions/{}", phone.session);
    let began = Instant::now();
    let ended = api.call("DELETE", &path, Some(&laptop.user.token), None).await.expect("end session");
    assert_eq!(ended.status, 204);
    for socket in &mut phones {
        assert_closed(socket, began).await;
    }
    for instance in [&api, &other] {
        assert_eq!([status(instance, &phone).await, status(instance, &newer).await], [401; 2]);
        assert_eq!((refresh(instance, &newer).await.0, status(instance, &laptop).await), (401, 200));
    }
    for socket in &mut laptops {
        socket.expect_quiet().await.expect("stay open");
    }

    let began = Instant::now();
    let everywhere = json!({ "everywhere": true });
    let logout = other.post("/api/v1/auth/logout", &laptop.user, &everywhere).await.expect("log out");
    assert_eq!(logout.status, 204);
    for socket in &mut laptops {
        assert_closed(socket, began).await;
    }
    for websocket in &websockets {
        assert!(Socket::open(websocket, &laptop.user, None).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn password_change_and_reuse_close_sockets_on_all_instances() {
    let (_running, [api, other], websockets) = two_of_each().await;
    let user = api.any_user().await.expect("register user");
    let (owner, intruder) = (log_in(&api, &user).await, log_in(&other, &user).await);
    let open =
        async |websocket: &str, login: &Login| Socket::open(websocket, &login.user, None).await.expect("open socket");
    let mut owners = open(&websockets[1], &owner).await;
    let mut intruders = open(&websockets[1], &intruder).await;
    let began = Instant::now();
    let change = json!({ "old": PASSWORD, "new": "another-secret-456" });
    let path = "/api/v1/auth/password";
    let changed = api.call("PUT", path, Some(&owner.user.token), Some(&change)).await.expect("change password");
    assert_eq!(changed.status, 204);
    assert_closed(&mut intruders, began).await;
    owners.expect_quiet().await.expect("stay open");

    // A thief uses a token that its owner has used before.
    refreshed(&other, &refreshed(&api, &owner).await).await;
    let began = Instant::now();
    let (status, body) = refresh(&other, &owner).await;
    assert_eq!((status, &body["code"]), (401, &json!("session_reused")));
    assert_closed(&mut owners, began).await;
}

/// The clocks of two instances are wrong by ten minutes, in both directions. Sessions go by the clock of Postgres.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_wrong_clocks() {
    let (Some(ahead), Some(behind)) = (clock::shifted("+10m"), clock::shifted("-10m")) else {
        assert!(std::env::var_os("CI").is_none(), "libfaketime is not installed: testbed/install.sh");
        eprintln!("skipped, because libfaketime is not installed: testbed/install.sh");
        return;
    };
    let mut running = Running::start(&[]).await;
    let fast = running.system.add_chat_service(&ahead).await.expect("start chat-service");
    let slow = running.system.add_chat_service(&behind).await.expect("start chat-service");
    let (right, websocket) = (running.system.api(), running.system.websocket());
    let all = [&right, &fast, &slow];
    let user = right.any_user().await.expect("register user");
    for instance in all {
        let mut login = log_in(instance, &user).await;
        for refreshing in all {
            let next = refreshed(refreshing, &login).await;
            // A lost answer, at an instance with another clock.
            for again in all {
                assert_eq!(refreshed(again, &login).await.refresh_token, next.refresh_token);
            }
            for checking in all {
                assert_eq!(status(checking, &next).await, 200);
            }
            let mut socket = Socket::open(&websocket, &next.user, None).await.expect("open socket");
            socket.expect_quiet().await.expect("stay open");
            login = next;
        }
    }
    for instance in all {
        let first = log_in(instance, &user).await;
        let valid = refreshed(&fast, &refreshed(&slow, &first).await).await;
        assert_eq!(refresh(instance, &first).await.1["code"], "session_reused");
        assert_eq!(status(instance, &valid).await, 401);
    }
}
