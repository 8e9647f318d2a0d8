//! The system as the public meets it: nginx in front of two instances of each service.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use neonchat_common::error::ErrorCode;
use neonchat_testbed::{
    client::{Api, Refused, Socket, User},
    harness, port,
    system::{Ports, System},
};
use reqwest::{Response, header::HeaderMap, redirect::Policy};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    helpers::{QUICK, folder},
    nginx::Nginx,
};

struct Site {
    nginx: Nginx,
    /// Where nginx is reached without TLS of one's own.
    port: u16,
    instances: Vec<System>,
    _folder: TempDir,
}

impl Site {
    async fn start() -> Self {
        let (folder, database, redis) = (folder(), harness::test_database().await, harness::redis_url());
        // Those that nginx looks for while nobody listens there have to stay free.
        let ports = [(); 2].map(|()| {
            let kept = || port::kept().expect("a port");
            Ports { rest: kept(), chat_grpc: kept(), notification_grpc: kept(), websocket: kept() }
        });
        let addresses = |port: fn(Ports) -> u16| ports.map(|ports| format!("127.0.0.1:{}", port(ports))).join(",");
        let (chat, notification) = (addresses(|ports| ports.chat_grpc), addresses(|ports| ports.notification_grpc));
        let mut settings = vec![
            ("DATABASE_URL", &*database),
            ("REDIS_URL", &*redis),
            ("CHAT_SERVICE_ADDR", &*chat),
            ("NOTIFICATION_SERVICE_ADDR", &*notification),
            ("APP_ENV", "production"),
            ("JWT_SECRET", "a secret of the test's own"),
            ("INTERNAL_TOKEN", "another-of-its-own"),
        ];
        settings.extend(QUICK);
        let mut instances = Vec::new();
        for (name, ports) in ["first", "second"].into_iter().zip(ports) {
            instances.push(System::start(&folder.path().join(name), ports, &settings).await.expect("both services"));
        }
        let nginx =
            Nginx::start(folder.path(), &ports.map(|ports| ports.rest), &ports.map(|ports| ports.websocket)).await;
        Self { port: nginx.tunnel().await, nginx, instances, _folder: folder }
    }

    fn api(&self) -> Api {
        Api::new(format!("http://127.0.0.1:{}", self.port))
    }

    async fn open(&self, user: &User) -> Socket {
        Socket::open(&format!("ws://127.0.0.1:{}", self.port), user, None).await.expect("a socket")
    }

    /// How many sockets each instance has open.
    async fn sockets(&self) -> Vec<String> {
        let metric = async |system: &System| system.notification().metric("websocket_connections_current").await;
        let mut sockets = Vec::new();
        for system in &self.instances {
            // There is none before the first socket.
            let line = metric(system).await.unwrap_or_default();
            sockets.push(line.rsplit(' ').next().unwrap_or_default().to_owned());
        }
        sockets
    }

    /// The instance of the only socket.
    async fn take_instance_of_socket(&mut self) -> System {
        let place = self.sockets().await.iter().position(|open| open == "1").expect("an instance with a socket");
        self.instances.remove(place)
    }

    /// Two users with a chat.
    async fn pair(&self) -> (User, User, String) {
        let api = self.api();
        let (alice, bob) = (api.any_user().await.expect("a user"), api.any_user().await.expect("a user"));
        let chat = api.chat(&alice, &bob).await.expect("a chat");
        (alice, bob, chat)
    }
}

async fn get(port: u16, path: &str) -> Response {
    let client = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
    client.get(format!("http://127.0.0.1:{port}{path}")).header("x-request-id", "mine").send().await.expect("an answer")
}

/// What a browser is told with every answer.
fn assert_is_careful(headers: &HeaderMap) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        // Not which version.
        ("server", "nginx"),
        ("x-request-id", "mine"),
    ] {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
}

/// A refusal of nginx itself, in the words of the services.
async fn assert_is_problem(response: Response, code: ErrorCode, detail: &str) {
    assert_is_careful(response.headers());
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers().contains_key("retry-after"), code.is_retryable());
    let status = code.http_status().as_u16();
    assert_eq!(response.status(), status);
    let body: Value = serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON");
    let expected = json!({
        "type": format!("urn:neonchat:error:{code}"), "title": code.title(), "status": status, "detail": detail,
        "code": code.as_str(), "request_id": "mine",
    });
    assert_eq!(body, expected);
}

/// A socket has its token in the query.
fn assert_no_token(nginx: &Nginx, users: &[&User]) {
    let log = nginx.log();
    assert!(users.iter().all(|user| !log.contains(&user.token)), "the log of nginx has a token:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_is_all_instances_of_both_services() {
    let mut site = Site::start().await;
    let (alice, bob, chat) = site.pair().await;
    let api = site.api();

    // Each request goes to the next instance,
    for _ in 0..10 {
        assert_eq!(api.get("/api/v1/users/me", &alice).await.expect("an answer").body["id"], *alice.id);
    }
    let requests = site.nginx.requests("/api/v1/users/me", 10).await;
    let upstreams: Vec<_> = requests.iter().map(|request| &request["upstream"]).collect();
    assert!(upstreams.windows(2).all(|pair| pair[0] != pair[1]), "{upstreams:?}");

    // each socket where the fewest are, and stays there; what is said on one comes out of the other.
    let (mut alices, mut bobs) = (site.open(&alice).await, site.open(&bob).await);
    assert_eq!(site.sockets().await, ["1", "1"]);
    for n in 1..=5 {
        let ack = alices.send_message(&chat, "over nginx").await.expect("an ack");
        assert_eq!((&ack["seq"], &ack["status"]), (&json!(n), &json!("delivered")));
        assert_eq!(bobs.expect_beside_presence("new_message").await.expect("a message")["seq"], n);
    }
    let path = format!("/api/v1/chats/{chat}/messages");
    assert_eq!(api.post(&path, &bob, &json!({ "text": "by REST" })).await.expect("an answer").status, 201);
    for socket in [&mut alices, &mut bobs] {
        assert_eq!(socket.expect_beside_presence("new_message").await.expect("a message")["seq"], 6);
    }
    // Bob comes back to the instance that he left: it has fewer. The line of a request is written after it has ended.
    bobs.close().await.expect("closed");
    site.nginx.requests("/ws", 1).await;
    let bobs = site.open(&bob).await;
    for (closed, socket) in [(2, alices), (3, bobs)] {
        socket.close().await.expect("closed");
        site.nginx.requests("/ws", closed).await;
    }

    // A page of this site may open a socket, another may not: the services see the Host that the browser sees.
    let url = format!("ws://127.0.0.1:{}/ws?token={}", site.port, alice.token);
    let own = format!("https://127.0.0.1:{}", site.port);
    let opened = Socket::request(&url, &[("origin", &own)]).await.expect("an answer");
    opened.expect("a socket").close().await.expect("closed");
    let Err(Refused(answer)) =
        Socket::request(&url, &[("origin", "https://elsewhere.example")]).await.expect("an answer")
    else {
        panic!("a page from elsewhere opened a socket")
    };
    assert_eq!(answer.status, 403);

    let sockets = site.nginx.requests("/ws", 5).await;
    let statuses: Vec<_> = sockets.iter().map(|request| request["status"].as_u64()).collect();
    assert_eq!(statuses, [101, 101, 101, 101, 403].map(Some));
    let [bobs_first, alices, bobs_second] = [0, 1, 2].map(|place: usize| &sockets[place]["upstream"]);
    assert!(bobs_first == bobs_second && bobs_first != alices, "{sockets:?}");
    assert_no_token(&site.nginx, &[&alice, &bob]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_public_may_not_see_or_send_is_refused() {
    let site = Site::start().await;
    let from_service = get(site.port, "/api/v1/users/me").await;
    assert_eq!(from_service.status(), 401);
    assert_is_careful(from_service.headers());
    assert_eq!(from_service.headers()["strict-transport-security"], "max-age=31536000");
    let plain = get(site.nginx.http(), "/api/v1/users/me?q=1").await;
    assert_eq!(
        (plain.status().as_u16(), &plain.headers()["location"]),
        (308, &"https://127.0.0.1/api/v1/users/me?q=1".parse().expect("a header"))
    );

    assert_eq!(get(site.port, "/health").await.status(), 200);
    for path in ["/metrics", "/live", "/ready", "/metrics?x=1"] {
        assert_is_problem(get(site.port, path).await, ErrorCode::NotFound, "There is no such path.").await;
    }
    let post = async |bytes: usize| {
        let url = format!("http://127.0.0.1:{}/api/v1/auth/login", site.port);
        let request = reqwest::Client::new().post(url).header("x-request-id", "mine");
        request.header("content-type", "application/json").body(vec![b' '; bytes]).send().await.expect("an answer")
    };
    // The service has a limit of its own, below that of nginx.
    let refused = post(100 * 1024).await;
    let body: Value = serde_json::from_slice(&refused.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(body["code"], ErrorCode::PayloadTooLarge.as_str());
    assert_ne!(body["detail"], "The body is too large.");
    assert_is_problem(post(129 * 1024).await, ErrorCode::PayloadTooLarge, "The body is too large.").await;
}

/// Asks for something all the time until `gone` is done. Each has to be answered.
async fn while_asking<T>(api: Api, user: User, gone: impl Future<Output = T>) -> T {
    let is_done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&is_done);
    let asking = tokio::spawn(async move {
        // Half as fast as nginx allows.
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let mut answers = 0;
        while !stop.load(Relaxed) || answers < 50 {
            pace.tick().await;
            let answer = api.get("/api/v1/users/me", &user).await.expect("an answer");
            assert_eq!(answer.status, 200, "{answer:?}");
            answers += 1;
        }
    });
    let outcome = gone.await;
    is_done.store(true, Relaxed);
    asking.await.expect("every request is answered");
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_drains_leaves_its_clients_to_the_other() {
    let mut site = Site::start().await;
    let (alice, bob, chat) = site.pair().await;
    let mut alices = site.open(&alice).await;
    let system = site.take_instance_of_socket().await;
    let mut bobs = site.open(&bob).await;

    let (stopped, (frames, code)) = while_asking(site.api(), alice.clone(), async {
        tokio::join!(system.stop(), async { alices.closed().await.expect("a close frame") })
    })
    .await;
    stopped.expect("both end well");
    let last = frames.last().expect("a word before");
    assert_eq!((&last["type"], code), (&json!("reconnect"), 4100));
    let mut alices = site.open(&alice).await;
    assert_eq!(alices.send_message(&chat, "on the other").await.expect("an ack")["seq"], 1);
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("a message")["seq"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_killed_leaves_its_clients_to_the_other() {
    let mut site = Site::start().await;
    let (alice, bob, chat) = site.pair().await;
    let mut alices = site.open(&alice).await;
    let system = site.take_instance_of_socket().await;
    let mut bobs = site.open(&bob).await;

    while_asking(site.api(), alice.clone(), async {
        // It kills both services.
        drop(system);
        while alices.next().await.is_ok() {}
    })
    .await;
    let mut alices = site.open(&alice).await;
    alices.send_message(&chat, "on the other").await.expect("an ack");
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("a message")["seq"], 1);
    // Her new socket was tried at the instance that is gone: a failure of which nginx could tell with her token.
    assert_no_token(&site.nginx, &[&alice]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_answers_and_where_somebody_asks_too_much_nginx_says_so() {
    let folder = folder();
    let dead = [port::kept().expect("a port"), port::kept().expect("a port")];
    let nginx = Nginx::start(folder.path(), &dead[..1], &dead[1..]).await;
    let port = nginx.tunnel().await;
    for path in ["/api/v1/users/me", "/ws"] {
        assert_is_problem(get(port, path).await, ErrorCode::Unavailable, "No instance answered.").await;
    }
    // 100 a second, and 200 more at once.
    let client = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{port}/api/v1/users/me");
    let answers = stream::repeat_with(|| client.get(&url).header("x-request-id", "mine").send()).buffer_unordered(50);
    let mut refused = answers.filter_map(async |answer| answer.ok().filter(|answer| answer.status() == 429)).boxed();
    let refused =
        tokio::time::timeout(Duration::from_mins(1), refused.next()).await.expect("a limit").expect("an answer");
    assert_is_problem(refused, ErrorCode::RateLimited, "Too many requests from this address.").await;
}
