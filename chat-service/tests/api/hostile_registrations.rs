//! Registrations and logins under load: neither takes all permits for hashing.

use futures_util::future::join_all;
use neonchat_testbed::client::PASSWORD;
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use crate::support::TestApp;

/// Clients that register again and again, and the statuses that they got.
struct Flood {
    stop: watch::Sender<bool>,
    clients: JoinSet<Vec<u16>>,
}

impl Flood {
    fn start(app: &TestApp, clients: usize, name: impl Fn(usize, usize) -> String + Clone + Send + 'static) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut flood = Self { stop, clients: JoinSet::new() };
        for client in 0..clients {
            let (api, stopped, name) = (app.api.clone(), stopped.clone(), name.clone());
            flood.clients.spawn(async move {
                let mut statuses = Vec::new();
                while !*stopped.borrow() {
                    let body = json!({ "username": name(client, statuses.len()), "password": PASSWORD });
                    let answer = api.call("POST", "/api/v1/auth/register", None, Some(&body)).await;
                    statuses.push(answer.expect("get answer").status);
                }
                statuses
            });
        }
        flood
    }

    async fn stop(self) -> Vec<u16> {
        self.stop.send_replace(true);
        self.clients.join_all().await.concat()
    }
}

async fn log_in(app: &TestApp, name: &str, times: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        let body = json!({ "username": name, "password": PASSWORD });
        let answer = app.api.call("POST", "/api/v1/auth/login", None, Some(&body)).await;
        statuses.push(answer.expect("get answer").status);
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_taken_name_before_hashing_the_password() {
    // A hash takes so long that 64 clients exceed the timeout for a permit.
    let app = TestApp::start_with_one_hash_at_a_time(&[("BCRYPT_COST", "10")]).await;
    let alice = app.user().await;
    let taken = alice.name.clone();
    let flood = Flood::start(&app, 64, move |_, _| taken.clone());
    assert_eq!(log_in(&app, &alice.name, 5).await, [200; 5]);
    let refused = flood.stop().await;
    assert!(refused.len() >= 64 && refused.iter().all(|status| *status == 409), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flood_of_registrations_does_not_block_logins() {
    let app = TestApp::start_with_one_hash_at_a_time(&[("BCRYPT_COST", "9")]).await;
    let alice = app.user().await;
    let flood = Flood::start(&app, 96, |client, attempt| format!("u-{client}-{attempt}"));
    assert_eq!(log_in(&app, &alice.name, 10).await, [200; 10]);
    let answered = flood.stop().await;
    // Some of the passwords were hashed, but not all.
    for status in [201, 503] {
        assert!(answered.contains(&status), "{answered:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flood_of_logins_does_not_block_registrations() {
    let app = TestApp::start_with_one_hash_at_a_time(&[("BCRYPT_COST", "9")]).await;
    let alice = app.user().await;
    let logins = join_all((0..64).map(|_| log_in(&app, &alice.name, 3)));
    let register = async |attempt: usize| {
        let body = json!({ "username": format!("newcomer-{attempt}"), "password": PASSWORD });
        let answer = app.api.call("POST", "/api/v1/auth/register", None, Some(&body)).await;
        answer.expect("get answer").status
    };
    let registrations = async {
        let mut statuses = Vec::new();
        for attempt in 0..5 {
            statuses.push(register(attempt).await);
        }
        statuses
    };
    let (_, statuses) = tokio::join!(logins, registrations);
    assert_eq!(statuses, [201; 5]);
}
