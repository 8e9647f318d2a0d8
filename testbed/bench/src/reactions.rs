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

/// How long a request is repeated while chat-service is away, and the pause in between.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// The reactions to a message, those that it says it has, their events, and the messages that are to be counted.
const STORED: &str = "
    SELECT (SELECT count(*) FROM reactions WHERE chat_id = message.chat_id AND message_seq = message.seq),
           (SELECT coalesce(sum((kind->>'count')::bigint), 0)::bigint
              FROM jsonb_array_elements(coalesce(message.reactions, '[]')) AS kind),
           (SELECT count(*) FROM chat_events WHERE chat_id = message.chat_id AND target_seq = message.seq),
           (SELECT count(*) FROM reactions_due)
      FROM messages AS message WHERE id = $1";

/// Measures the scenario: undisturbed, and with chat-service killed in the middle.
///
/// # Errors
/// A process does not start or ends, or a request fails.
pub(crate) async fn measure(options: &Options) -> Measured {
    let (mut env, members) = (Env::start(1, options.logs.as_deref()).await?, options.scaled(MEMBERS));
    println!(
        "{NAME}: {members} members react to a message within {TIME:?}, and to another one while chat-service is killed"
    );
    let group = Arc::new(env.chats(disjoint(1, members)).await?);
    env.history(&group.chat_ids(), 2).await?;
    let messages = env.database.query("SELECT id FROM messages ORDER BY seq", &[]).await?;
    let message = |n: usize| messages.get(n).map(|row| row.get::<_, Uuid>(0)).context("a message is missing");
    let client = Client::new(env.rest());

    let processes = env.processes()?;
    let (before, start) = (Cpu::of(&processes, None)?, Instant::now());
    let times = react(&client, &group, message(0)?).await?;
    let elapsed = start.elapsed();
    let stored = Stored::when_counted(&env, message(0)?).await?;
    let cpu = Cpu::of(&processes, None)?.since(before);

    let kill = async {
        tokio::time::sleep(TIME / 2).await;
        env.kill_and_restart_chat_service().await
    };
    let (killed, restarted) = tokio::join!(react(&client, &group, message(1)?), kill);
    restarted?;
    let killed = killed?.len();
    let stored_beside_kill = Stored::when_counted(&env, message(1)?).await?;
    env.stop().await?;

    let failure = stored.failure(times.len()).or(stored_beside_kill.failure(killed));
    let mut figures = figures(times, elapsed, cpu, &stored);
    figures.extend(stored_beside_kill.figures(", chat-service killed"));
    Ok((figures, failure))
}

/// What is stored at the end.
#[derive(Debug)]
struct Stored {
    reactions: usize,
    counted: usize,
    events: usize,
}

impl Stored {
    /// Waits until all reactions to the message are counted.
    async fn when_counted(env: &Env, message: Uuid) -> anyhow::Result<Self> {
        let start = Instant::now();
        loop {
            let row = env.database.query_one(STORED, &[&message]).await?;
            let number = |column| usize::try_from(row.get::<_, i64>(column));
            if number(3)? == 0 || start.elapsed() > COUNT_LIMIT {
                return Ok(Self { reactions: number(0)?, counted: number(1)?, events: number(2)? });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Every reaction that was answered is stored and counted.
    fn failure(&self, answered: usize) -> Option<String> {
        let is_exact = self.reactions == answered && self.counted == answered;
        (!is_exact).then(|| format!("{NAME}: {answered} requests, {self:?}"))
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn figures(&self, when: &str) -> [Figure; 2] {
        [
            Figure::new(NAME, format!("events{when}"), self.events as f64, "").target(Some(Bound::AtMost(3.0))),
            Figure::new(NAME, format!("reactions in the last count{when}"), self.counted as f64, ""),
        ]
    }
}

/// Makes each request when it is due, and again while chat-service is away. Returns the times from then to the answers.
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
                while let Err(error) = client.put(&path, &user.token).await {
                    if due.elapsed() > PATIENCE {
                        return Err(error.context("reaction"));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
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
    let [events, counted] = stored.figures("");
    vec![
        Figure::new(NAME, "reactions answered", done / elapsed.as_secs_f64(), "1/s"),
        Figure::new(NAME, "answer p50", ms(answers.p50), "ms"),
        Figure::new(NAME, "answer p95", ms(answers.p95), "ms"),
        events,
        counted,
        Figure::new(NAME, "server CPU each", each(cpu.servers()), "µs"),
        Figure::new(NAME, "  chat-service", each(cpu.chat), "µs"),
        Figure::new(NAME, "  Postgres", each(cpu.postgres), "µs"),
    ]
}
