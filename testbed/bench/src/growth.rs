//! The cost of a page of history, a list of chats, a send and an edit, with few and with many stored messages.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use uuid::Uuid;

use super::{
    Measured, Options,
    edits::first_messages,
    env::Env,
    generator::{Load, Plan, Traffic},
    load_run::run_load,
    population::{Population, full_mesh},
    report::{Bound, Figure, ms},
    rest::{Client, Cost},
};

const NAME: &str = "growth";

/// The number of users. Each has a chat with each other one. One of these chats has half of all messages.
const PEOPLE: usize = 21;

/// The number of messages for the first measurement.
const FEW: u64 = 1000;

/// The maximum number of messages in one statement.
const BATCH: u64 = 500_000;

/// Messages or edits: far fewer than the capacity, so that batching does not reduce the cost of one.
const LOAD: Load = Load::Open { per_second: 200 };

/// The maximum ratio of the costs with many and with few messages.
const RATIO: Bound = Bound::AtMost(1.2);

/// What is measured.
#[derive(Clone, Copy, Debug)]
enum Work {
    Newest,
    Middle,
    Chats,
    Send,
    Edit,
}

/// Sends and edits come first: a list of chats with edits after the read marker costs more, whether there are few messages or many.
const WORK: [(Work, &str); 5] = [
    (Work::Send, "a send"),
    (Work::Edit, "an edit"),
    (Work::Newest, "the newest page of history"),
    (Work::Middle, "a page in the middle of history"),
    (Work::Chats, "a list of chats"),
];

/// Measures the scenario.
///
/// # Errors
/// A process does not start or ends, or a request fails.
pub(crate) async fn measure(options: &Options) -> Measured {
    let mut env = Env::start(1, options.logs.as_deref()).await?;
    let population = env.chats(full_mesh(PEOPLE)).await?;
    let (mut costs, mut failure) = (Vec::new(), None);
    for rows in [FEW, options.rows] {
        let began = Instant::now();
        grow(&mut env, &population, rows).await?;
        println!("{NAME}: {} messages stored after {:.0?}", env.stored().await?, began.elapsed());
        let mut of_these = Vec::new();
        for (work, _) in WORK {
            let (cost, failed) = cost(&env, &population, work, options.duration()).await.context(NAME)?;
            of_these.push(cost);
            failure = failure.or(failed);
        }
        costs.push(of_these);
    }
    env.stop().await?;

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

/// Stores messages up to the total: half of them in the first chat, the rest evenly in the others.
async fn grow(env: &mut Env, population: &Population, rows: u64) -> anyhow::Result<()> {
    let (one, others) = population.chats.split_first().context("no chats")?;
    let others: Vec<_> = others.iter().map(|chat| chat.id).collect();
    let (one, chats) = ([one.id], others.len() as u64);
    let stored = u64::try_from(env.stored().await?)?;
    let each = rows.saturating_sub(stored) / 2 / chats;
    for messages in portions(each, BATCH / chats) {
        env.history(&others, messages).await?;
    }
    for messages in portions(rows.saturating_sub(stored + each * chats), BATCH) {
        env.history(&one, messages).await?;
    }
    // One statement at a time: several would be a transaction, in which VACUUM is not allowed.
    for maintenance in ["VACUUM ANALYZE messages, chats, chat_members", "CHECKPOINT"] {
        env.database.batch_execute(maintenance).await?;
    }
    Ok(())
}

/// Splits `all` into portions of at most `most`.
fn portions(all: u64, most: u64) -> impl Iterator<Item = i64> {
    (0..all.div_ceil(most)).map(move |done| i64::try_from((all - done * most).min(most)).unwrap_or(i64::MAX))
}

async fn cost(
    env: &Env,
    population: &Population,
    work: Work,
    duration: Duration,
) -> anyhow::Result<(Cost, Option<String>)> {
    let one = &population.chats[0];
    let path = match work {
        Work::Newest => format!("/api/v1/chats/{}/messages", one.id),
        Work::Middle => format!("/api/v1/chats/{}/messages?before_id={}", one.id, middle(env, one.id).await?),
        Work::Chats => "/api/v1/chats".to_owned(),
        Work::Send => return load(env, population, None, duration).await,
        Work::Edit => return load(env, population, Some(first_messages(env, population).await?), duration).await,
    };
    let cost = Client::new(env.rest()).cost(env, &path, &population.users[one.members[0]].token, duration).await?;
    Ok((cost, None))
}

/// Sends messages, or edits these messages.
async fn load(
    env: &Env,
    population: &Population,
    edited: Option<Vec<Vec<Uuid>>>,
    duration: Duration,
) -> anyhow::Result<(Cost, Option<String>)> {
    let stored = async || if edited.is_some() { env.events().await } else { env.stored().await };
    let before = stored().await?;
    let traffic = edited.clone().map_or(Traffic::Messages, Traffic::Edits);
    let plan = Plan { traffic, ..Plan::new(env.websockets(), population, LOAD) };
    let (run, ()) = run_load(env, plan, duration, async |_| Ok(())).await?;
    let stored = stored().await?.saturating_sub(before);
    let cpu = run.cpu.servers() / u32::try_from(run.done())?.max(1);
    Ok((Cost { p50: run.delivery().p50, cpu }, run.failure(NAME, stored)))
}

/// Returns the ID of the message in the middle of a chat.
async fn middle(env: &Env, chat: Uuid) -> anyhow::Result<Uuid> {
    let middle = "SELECT messages.id FROM messages JOIN chats ON chats.id = chat_id
                  WHERE chat_id = $1 AND seq = last_seq / 2";
    Ok(env.database.query_one(middle, &[&chat]).await?.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_add_up() {
        assert_eq!(portions(0, 5).collect::<Vec<_>>(), [0; 0]);
        assert_eq!(portions(10, 5).collect::<Vec<_>>(), [5, 5]);
        assert_eq!(portions(11, 5).collect::<Vec<_>>(), [5, 5, 1]);
    }
}
