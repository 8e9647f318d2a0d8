//! REST requests to the chat endpoints under message load.

use std::{
    ops::Range,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use reqwest::RequestBuilder;
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};
use uuid::Uuid;

use super::{
    Measured, Options,
    env::Env,
    generator::{Load, Plan, arrivals::Arrivals},
    load_run::run_load,
    percentiles::Percentiles,
    population::{Chat, Population, full_mesh},
    report::{Bound, Figure, ms},
    usage::Cpu,
};

const NAME: &str = "rest";

const REQUESTS_PER_SECOND: u32 = 100;

const MESSAGES_PER_SECOND: u32 = 500;

/// The number of pairs that exchange messages.
const PAIRS: usize = 200;

/// The number of users that make requests. Each has a chat with each other one, so that a list of chats fills a page.
const PEOPLE: usize = 21;

/// The number of older messages in each of their chats: two pages.
const HISTORY: i64 = 100;

/// The longest wait for an answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// The capacity of the queue of due requests.
const WAITING: usize = 1024;

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Chats,
    Chat,
    History,
    Send,
}

impl Endpoint {
    const ALL: [Self; 4] = [Self::Chats, Self::Chat, Self::History, Self::Send];

    const fn shown(self) -> &'static str {
        match self {
            Self::Chats => "GET /chats",
            Self::Chat => "GET /chats/{id}",
            Self::History => "GET /chats/{id}/messages",
            Self::Send => "POST /chats/{id}/messages",
        }
    }

    fn path(self, chat: Uuid) -> String {
        match self {
            Self::Chats => "/api/v1/chats".to_owned(),
            Self::Chat => format!("/api/v1/chats/{chat}"),
            Self::History | Self::Send => format!("/api/v1/chats/{chat}/messages"),
        }
    }
}

/// A request, and the time from when it was due to its complete answer.
type Answered = (Endpoint, Duration);

/// Measures the scenario.
///
/// # Errors
/// A process does not start or ends, or a request fails.
pub(crate) async fn measure(options: &Options) -> Measured {
    let mut env = Env::start(1, options.logs.as_deref()).await?;
    println!("{NAME}: {REQUESTS_PER_SECOND} requests/s beside {MESSAGES_PER_SECOND} messages/s");
    let (talking, asking) = (env.pairs(PAIRS).await?, Arc::new(env.chats(full_mesh(PEOPLE)).await?));
    env.history(&asking.chat_ids(), HISTORY).await?;
    env.database.batch_execute("ANALYZE messages").await?;
    let past = env.stored().await?;

    let plan = Plan::new(env.websockets(), &talking, Load::Open { per_second: MESSAGES_PER_SECOND });
    let client = Client::new(env.rest());
    let requests = async |time: Range<Instant>| ask(client, asking, time).await;
    let (run, answered) = run_load(&env, plan, options.duration(), requests).await.context(NAME)?;
    let posted = answered.iter().filter(|(endpoint, _)| *endpoint == Endpoint::Send).count();
    let stored = env.stored().await?.saturating_sub(past + posted);
    env.stop().await?;
    Ok((figures(&answered, run.delivery(), run.seconds()), run.failure(NAME, stored)))
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn figures(answered: &[Answered], delivery: Percentiles, seconds: f64) -> Vec<Figure> {
    let all = Percentiles::of(answered.iter().map(|(_, time)| *time));
    let target = (Some(Bound::AtMost(10.0)), Some(Bound::AtMost(100.0)));
    let mut figures = vec![
        Figure::new(NAME, "requests answered", answered.len() as f64 / seconds, "requests/s"),
        Figure::new(NAME, "answer p50", ms(all.p50), "ms"),
        Figure::new(NAME, "answer p95", ms(all.p95), "ms").target(target.0).specification(target.1),
        Figure::new(NAME, "answer p99", ms(all.p99), "ms"),
        Figure::new(NAME, "answer max", ms(all.max), "ms"),
    ];
    for endpoint in Endpoint::ALL {
        let times = answered.iter().filter(|(of, _)| *of == endpoint).map(|(_, time)| *time);
        let p95 = ms(Percentiles::of(times).p95);
        figures.push(Figure::new(NAME, format!("  {} p95", endpoint.shown()), p95, "ms"));
    }
    let delivery = Figure::new(NAME, "delivery p95 meanwhile", ms(delivery.p95), "ms");
    figures.push(delivery.specification(Some(Bound::AtMost(50.0))));
    figures
}

/// The cost of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// The median duration.
    pub(crate) p50: Duration,
    /// The CPU time of all servers per operation.
    pub(crate) cpu: Duration,
}

/// A client of the chat endpoints.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    base: String,
    http: reqwest::Client,
}

/// Makes each request when it is due, without waiting for earlier ones (open loop).
async fn ask(client: Client, users: Arc<Population>, time: Range<Instant>) -> anyhow::Result<Vec<Answered>> {
    // Its own thread, because the timer of tokio has a resolution of a millisecond.
    let (tell, mut due) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut arrivals = Arrivals::new(REQUESTS_PER_SECOND, 2);
        loop {
            let next = time.start + arrivals.next();
            if next >= time.end || tell.is_closed() {
                return;
            }
            thread::sleep(next.saturating_duration_since(Instant::now()));
            if arrivals.take(time.start.elapsed()).is_some() && tell.blocking_send(next).is_err() {
                return;
            }
        }
    });
    let (mut requests, mut random) = (JoinSet::new(), fastrand::Rng::with_seed(3));
    while let Some(due) = due.recv().await {
        let endpoint = Endpoint::ALL[random.usize(..Endpoint::ALL.len())];
        let Chat { id: chat, ref members } = users.chats[random.usize(..users.chats.len())];
        let token = users.users[members[random.usize(..members.len())]].token.clone();
        let client = client.clone();
        requests.spawn(async move {
            client.request(endpoint, chat, &token).await.context(endpoint.shown())?;
            anyhow::Ok((endpoint, due.elapsed()))
        });
    }
    requests.join_all().await.into_iter().collect()
}

impl Client {
    /// Returns a client of the chat-service at `base`.
    pub(crate) fn new(base: String) -> Self {
        Self { base, http: reqwest::Client::new() }
    }

    /// Sends a GET request and reads the whole answer.
    ///
    /// # Errors
    /// There is no answer, or the status is not a success.
    pub(crate) async fn get(&self, path: &str, token: &str) -> anyhow::Result<()> {
        answered(self.http.get(format!("{}{path}", self.base)), token).await
    }

    /// Sends a PUT request without a body and reads the whole answer.
    ///
    /// # Errors
    /// There is no answer, or the status is not a success.
    pub(crate) async fn put(&self, path: &str, token: &str) -> anyhow::Result<()> {
        answered(self.http.put(format!("{}{path}", self.base)), token).await
    }

    /// Repeats a GET request for the duration, one at a time, after a warm-up.
    ///
    /// # Errors
    /// A request fails, or a process has ended.
    pub(crate) async fn cost(&self, env: &Env, path: &str, token: &str, duration: Duration) -> anyhow::Result<Cost> {
        let processes = env.processes()?;
        let _ = self.repeat(path, token, duration / 4).await?;
        let before = Cpu::of(&processes, None)?;
        let times = self.repeat(path, token, duration).await?;
        let cpu = Cpu::of(&processes, None)?.since(before).servers() / u32::try_from(times.len())?.max(1);
        Ok(Cost { p50: Percentiles::of(times).p50, cpu })
    }

    async fn repeat(&self, path: &str, token: &str, duration: Duration) -> anyhow::Result<Vec<Duration>> {
        let (start, mut times) = (Instant::now(), Vec::new());
        while start.elapsed() < duration {
            let asked = Instant::now();
            self.get(path, token).await.with_context(|| path.to_owned())?;
            times.push(asked.elapsed());
        }
        Ok(times)
    }

    async fn request(&self, endpoint: Endpoint, chat: Uuid, token: &str) -> anyhow::Result<()> {
        let path = endpoint.path(chat);
        if endpoint != Endpoint::Send {
            return self.get(&path, token).await;
        }
        let message = json!({ "text": "By REST", "request_id": Uuid::new_v4() });
        answered(self.http.post(format!("{}{path}", self.base)).json(&message), token).await
    }
}

async fn answered(request: RequestBuilder, token: &str) -> anyhow::Result<()> {
    let response = request.bearer_auth(token).timeout(REQUEST_LIMIT).send().await?;
    let status = response.status();
    let body = response.bytes().await?;
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    Ok(())
}
