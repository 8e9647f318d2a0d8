//! Everybody in a large group reacts to one message.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    Measured, Options,
    env::Env,
    percentiles::Percentiles,
    population::{Population, disjoint},
    report::{Bound, Figure, ms},
    rest::Client,
    usage::Cpu,
};

const NAME: &str = "reactions";

/// The number of members. Each reacts once.
const MEMBERS: usize = 10_000;

/// The time in which they all react.
const TIME: Duration = Duration::from_secs(10);

/// The most requests at the same time.
const IN_FLIGHT: usize = 64;

const EMOJI: [&str; 4] = ["%F0%9F%91%8D", "%F0%9F%8E%89", "%F0%9F%98%80", "%F0%9F%94%A5"];

/// The longest wait for the last event.
const COUNT_LIMIT: Duration = Duration::from_secs(30);

/// The reactions, those that the message says it has, the events, and the messages that are to be counted.
const STORED: &str = "
    SELECT (SELECT count(*) FROM reactions),
           (SELECT coalesce(sum((kind->>'count')::bigint), 0)::bigint
              FROM messages, jsonb_array_elements(coalesce(messages.reactions, '[]')) AS kind),
           (SELECT count(*) FROM chat_events),
           (SELECT count(*) FROM reactions_due)";

/// Measures the scenario.
///
/// # Errors
/// A process does not start or ends, or a request fails.
pub(crate) async fn measure(options: &Options) -> Measured {
    let (mut env, members) = (Env::start(1, options.logs.as_deref()).await?, options.scaled(MEMBERS));
    println!("{NAME}: {members} members react to a message within {TIME:?}");
    let group = Arc::new(env.chats(disjoint(1, members)).await?);
    env.history(&group.chat_ids(), 1).await?;
    let message: Uuid = env.database.query_one("SELECT id FROM messages", &[]).await?.get(0);

    let processes = env.processes()?;
    let (before, start) = (Cpu::of(&processes, None)?, Instant::now());
    let times = react(&Client::new(env.rest()), &group, message).await?;
    let elapsed = start.elapsed();
    let stored = Stored::when_counted(&env).await?;
    let cpu = Cpu::of(&processes, None)?.since(before);
    env.stop().await?;

    let failure = (stored.reactions != times.len() || stored.counted != stored.reactions)
        .then(|| format!("{NAME}: {} requests, {stored:?}", times.len()));
    Ok((figures(times, elapsed, cpu, &stored), failure))
}

/// What is stored at the end.
#[derive(Debug)]
struct Stored {
    reactions: usize,
    counted: usize,
    events: usize,
}

impl Stored {
    /// Waits until all reactions are counted.
    async fn when_counted(env: &Env) -> anyhow::Result<Self> {
        let start = Instant::now();
        loop {
            let row = env.database.query_one(STORED, &[]).await?;
            let number = |column| usize::try_from(row.get::<_, i64>(column));
            if number(3)? == 0 || start.elapsed() > COUNT_LIMIT {
                return Ok(Self { reactions: number(0)?, counted: number(1)?, events: number(2)? });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Makes each request when it is due. Returns the times from then to the answers.
async fn react(client: &Client, group: &Arc<Population>, message: Uuid) -> anyhow::Result<Vec<Duration>> {
    let (next, start, members) = (Arc::new(AtomicUsize::new(0)), Instant::now(), group.users.len());
    let mut workers = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (client, group, next) = (client.clone(), Arc::clone(group), Arc::clone(&next));
        workers.spawn(async move {
            let mut times = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(user) = group.users.get(n) else { return anyhow::Ok(times) };
                let due = start + TIME.mul_f64(share(n, members));
                tokio::time::sleep_until(due.into()).await;
                let emoji = EMOJI[n % EMOJI.len()];
                let path = format!("/api/v1/chats/{}/messages/{message}/reactions/{emoji}", group.chats[0].id);
                client.put(&path, &user.token).await.context("reaction")?;
                times.push(due.elapsed());
            }
        });
    }
    let times: Vec<_> = workers.join_all().await.into_iter().collect::<Result<_, _>>()?;
    Ok(times.concat())
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn share(n: usize, all: usize) -> f64 {
    n as f64 / all as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn figures(times: Vec<Duration>, elapsed: Duration, cpu: Cpu, stored: &Stored) -> Vec<Figure> {
    let done = times.len() as f64;
    let answers = Percentiles::of(times);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / done;
    vec![
        Figure::new(NAME, "reactions answered", done / elapsed.as_secs_f64(), "1/s"),
        Figure::new(NAME, "answer p50", ms(answers.p50), "ms"),
        Figure::new(NAME, "answer p95", ms(answers.p95), "ms"),
        Figure::new(NAME, "events", stored.events as f64, "").target(Some(Bound::AtMost(3.0))),
        Figure::new(NAME, "reactions in the last count", stored.counted as f64, ""),
        Figure::new(NAME, "server CPU each", each(cpu.servers()), "µs"),
        Figure::new(NAME, "  chat-service", each(cpu.chat), "µs"),
        Figure::new(NAME, "  Postgres", each(cpu.postgres), "µs"),
    ]
}
