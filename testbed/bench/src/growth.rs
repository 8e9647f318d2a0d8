//! What a page of history, a list of chats and a send cost with few messages stored, and with many.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use uuid::Uuid;

use super::{
    Measured, Options,
    generator::{Load, Plan},
    percentiles::Percentiles,
    play::play,
    population::Population,
    report::{Bound, Figure, ms},
    rest::Client,
    stage::Stage,
    usage::Cpu,
};

const NAME: &str = "growth";

/// Each has a chat with each other one, and one of these chats has half of all messages.
const PEOPLE: usize = 21;

/// Stored at first.
const FEW: u64 = 1000;

/// Stored in one statement, at most.
const AT_ONCE: u64 = 500_000;

/// Sent meanwhile, a second: far less than the system can do, so that the cost of each is its own.
const SENT_PER_SECOND: u32 = 200;

/// How much more anything may cost with many messages than with few.
const RATIO: Bound = Bound::AtMost(1.2);

/// What is measured.
#[derive(Clone, Copy, Debug)]
enum Work {
    Newest,
    Middle,
    Chats,
    Send,
}

const WORK: [(Work, &str); 4] = [
    (Work::Newest, "the newest page of history"),
    (Work::Middle, "a page in the middle of history"),
    (Work::Chats, "a list of chats"),
    (Work::Send, "a send"),
];

/// What a piece of work takes.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Half of them took no longer.
    p50: Duration,
    /// CPU of all servers for each.
    cpu: Duration,
}

/// Measures it.
///
/// # Errors
/// Something does not start, or ends; a request fails.
pub(crate) async fn measure(options: &Options) -> Measured {
    let mut stage = Stage::start(1, options.logs.as_deref()).await?;
    let population = stage.circle(PEOPLE).await?;
    let (mut costs, mut failure) = (Vec::new(), None);
    for rows in [FEW, options.rows] {
        let began = Instant::now();
        grow(&mut stage, &population, rows).await?;
        println!("{NAME}: {} messages stored after {:.0?}", stage.stored().await?, began.elapsed());
        let mut of_these = Vec::new();
        for (work, _) in WORK {
            let (cost, failed) = cost(&stage, &population, work, options.lasts()).await.context(NAME)?;
            of_these.push(cost);
            failure = failure.or(failed);
        }
        costs.push(of_these);
    }
    stage.stop().await?;

    let mut figures = Vec::new();
    for ((_, name), (few, many)) in WORK.iter().zip(costs[0].iter().zip(&costs[1])) {
        let mut add = |what: String, value, unit, target| {
            figures.push(Figure::new(NAME, what, value, unit).target(target));
        };
        for (rows, cost) in [(FEW, few), (options.rows, many)] {
            add(format!("{name}, of {rows} messages, p50"), ms(cost.p50), "ms", None);
            add("  server CPU".to_owned(), cost.cpu.as_secs_f64() * 1e6, "µs", None);
        }
        add("  p50, with many to with few".to_owned(), ratio(many.p50, few.p50), "times", None);
        add("  server CPU, with many to with few".to_owned(), ratio(many.cpu, few.cpu), "times", Some(RATIO));
    }
    Ok((figures, failure))
}

fn ratio(many: Duration, few: Duration) -> f64 {
    many.as_secs_f64() / few.as_secs_f64()
}

/// Stores messages until there are so many: half of them in the first chat, the rest in all others alike.
async fn grow(stage: &mut Stage, population: &Population, rows: u64) -> anyhow::Result<()> {
    let (one, others) = population.pairs.split_first().context("no chats")?;
    let others: Vec<_> = others.iter().map(|pair| pair.chat).collect();
    let (one, chats) = ([one.chat], others.len() as u64);
    let stored = u64::try_from(stage.stored().await?)?;
    let each = rows.saturating_sub(stored) / 2 / chats;
    for messages in portions(each, AT_ONCE / chats) {
        stage.history(&others, messages).await?;
    }
    for messages in portions(rows.saturating_sub(stored + each * chats), AT_ONCE) {
        stage.history(&one, messages).await?;
    }
    // One by one: several together are a transaction, in which there is no VACUUM.
    for tidy in ["VACUUM ANALYZE messages, chats, chat_members", "CHECKPOINT"] {
        stage.database.batch_execute(tidy).await?;
    }
    Ok(())
}

/// `all`, in portions of `most` at most.
fn portions(all: u64, most: u64) -> impl Iterator<Item = i64> {
    (0..all.div_ceil(most)).map(move |done| i64::try_from((all - done * most).min(most)).unwrap_or(i64::MAX))
}

async fn cost(
    stage: &Stage,
    population: &Population,
    work: Work,
    lasts: Duration,
) -> anyhow::Result<(Cost, Option<String>)> {
    let one = population.pairs[0];
    let path = match work {
        Work::Newest => format!("/api/v1/chats/{}/messages", one.chat),
        Work::Middle => format!("/api/v1/chats/{}/messages?before_id={}", one.chat, middle(stage, one.chat).await?),
        Work::Chats => "/api/v1/chats".to_owned(),
        Work::Send => return sends(stage, population, lasts).await,
    };
    let (client, token) = (Client::new(stage.rest()), &population.people[one.members[0]].token);
    let processes = stage.processes()?;
    // What is not measured warms up.
    let _ = repeat(&client, &path, token, lasts / 4).await?;
    let before = Cpu::of(&processes, None)?;
    let times = repeat(&client, &path, token, lasts).await?;
    let cpu = Cpu::of(&processes, None)?.since(before).servers() / u32::try_from(times.len())?.max(1);
    Ok((Cost { p50: Percentiles::of(times).p50, cpu }, None))
}

/// Asks again and again for so long, one request at a time.
async fn repeat(client: &Client, path: &str, token: &str, lasts: Duration) -> anyhow::Result<Vec<Duration>> {
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < lasts {
        let asked = Instant::now();
        client.get(path, token).await.with_context(|| path.to_owned())?;
        times.push(asked.elapsed());
    }
    Ok(times)
}

async fn sends(stage: &Stage, population: &Population, lasts: Duration) -> anyhow::Result<(Cost, Option<String>)> {
    let before = stage.stored().await?;
    let plan = Plan::new(stage.websocket(), population, Load::Open { per_second: SENT_PER_SECOND });
    let (played, ()) = play(stage, plan, lasts, async |_| Ok(())).await?;
    let stored = stage.stored().await?.saturating_sub(before);
    let cpu = played.cpu.servers() / u32::try_from(played.done())?.max(1);
    Ok((Cost { p50: played.delivery().p50, cpu }, played.failure(NAME, stored)))
}

/// The id of the message in the middle of a chat.
async fn middle(stage: &Stage, chat: Uuid) -> anyhow::Result<Uuid> {
    let middle = "SELECT messages.id FROM messages JOIN chats ON chats.id = chat_id
                  WHERE chat_id = $1 AND seq = last_seq / 2";
    Ok(stage.database.query_one(middle, &[&chat]).await?.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_all_together() {
        assert_eq!(portions(0, 5).collect::<Vec<_>>(), [0; 0]);
        assert_eq!(portions(10, 5).collect::<Vec<_>>(), [5, 5]);
        assert_eq!(portions(11, 5).collect::<Vec<_>>(), [5, 5, 1]);
    }
}
