//! Restarts of instances behind nginx: clients move to the other instances.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use neonchat_testbed::{
    client::{Answer, Api, Refused, Socket, User},
    poll::until,
};
use serde_json::json;
use tokio::{task::JoinSet, time::timeout};

use crate::site::{Site, assert_no_token};

/// The timeout for all clients to reconnect.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Users, each with two devices.
const USERS: usize = 12;

/// Sends requests until `work` is done. Every request must succeed.
async fn while_requesting<T>(api: Api, user: User, work: impl Future<Output = T>) -> T {
    let is_done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&is_done);
    let requests = tokio::spawn(async move {
        // Half of the rate limit of nginx.
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let mut answers = 0;
        while !stop.load(Relaxed) || answers < 50 {
            pace.tick().await;
            let answer = api.get("/api/v1/users/me", &user).await.expect("receive answer");
            assert_eq!(answer.status, 200, "{answer:?}");
            answers += 1;
        }
    });
    let outcome = work.await;
    is_done.store(true, Relaxed);
    requests.await.expect("answer every request");
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_draining_instance_move_to_the_other() {
    let mut site = Site::start().await;
    let (alice, bob, chat) = site.pair().await;
    let mut alices = site.open(&alice).await;
    let system = site.take_instance_of_socket().await;
    let mut bobs = site.open(&bob).await;

    let (stopped, (frames, code)) = while_requesting(site.api(), alice.clone(), async {
        tokio::join!(system.stop(), async { alices.closed().await.expect("receive close frame") })
    })
    .await;
    stopped.expect("stop both services");
    let last = frames.last().expect("receive reconnect frame");
    assert_eq!((&last["type"], code), (&json!("reconnect"), 4100));
    let mut alices = site.open(&alice).await;
    assert_eq!(alices.send_message(&chat, "on the other").await.expect("receive ack")["seq"], 1);
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message")["seq"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_killed_instance_move_to_the_other() {
    let mut site = Site::start().await;
    let (alice, bob, chat) = site.pair().await;
    let mut alices = site.open(&alice).await;
    let system = site.take_instance_of_socket().await;
    let mut bobs = site.open(&bob).await;

    while_requesting(site.api(), alice.clone(), async {
        // Dropping it kills both services.
        drop(system);
        while alices.next().await.is_ok() {}
    })
    .await;
    let mut alices = site.open(&alice).await;
    alices.send_message(&chat, "on the other").await.expect("receive ack");
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message")["seq"], 1);
    // nginx first tried her new socket at the killed instance. The logged error must not contain the token.
    assert_no_token(&site.nginx, &[&alice]);
}

/// Runs a device that reconnects as soon as its socket closes. Returns the answer that refuses it.
async fn stay_connected(base: String, user: User) -> Answer {
    let url = format!("{base}/ws?token={}", user.token);
    loop {
        match Socket::request(&url, &[]).await.expect("receive answer") {
            Ok(mut socket) => while socket.receive().await.is_ok() {},
            Err(Refused(answer)) => return answer,
        }
    }
}

impl Site {
    async fn until_connected(&self, sockets: usize) {
        let all = async || {
            let open = self.sockets().await;
            open.iter().filter_map(|open| open.parse::<usize>().ok()).sum::<usize>() == sockets
        };
        timeout(RECONNECT_TIMEOUT, until(all)).await.expect("connect all clients");
    }
}

/// Uses open sockets, because nginx counts a failure of an instance when a request ends: short requests would pass although sockets
/// are refused.
#[tokio::test(flavor = "multi_thread")]
async fn rolling_restarts_of_notification_service_refuse_no_client() {
    let mut site = Site::start().await;
    let mut devices = JoinSet::new();
    for _ in 0..USERS {
        let user = site.api().any_user().await.expect("register user");
        for _ in 0..2 {
            devices.spawn(stay_connected(site.websocket(), user.clone()));
        }
    }
    let restarts = async {
        site.until_connected(2 * USERS).await;
        for _ in 0..2 {
            for index in 0..site.instances.len() {
                site.instances[index].restart_notification_service().await.expect("restart notification-service");
                site.until_connected(2 * USERS).await;
            }
        }
    };
    tokio::select! {
        () = restarts => {}
        refused = devices.join_next() => panic!("a client was refused: {refused:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restarts_of_chat_service_fail_no_request() {
    let mut site = Site::start().await;
    let (api, user) = (site.api(), site.api().any_user().await.expect("register user"));
    while_requesting(api, user, async {
        for _ in 0..2 {
            for system in &mut site.instances {
                system.restart_chat_service().await.expect("restart chat-service");
            }
        }
    })
    .await;
}
