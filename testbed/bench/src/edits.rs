//! Edits, beside sends under the same load.

use std::{collections::HashMap, time::Duration};

use anyhow::Context as _;
use uuid::Uuid;

use super::{
    Measured, Options,
    env::Env,
    generator::{Load, Plan, Traffic},
    load_run::{LoadRun, run_load},
    population::Population,
    report::{Figure, ms},
};

const NAME: &str = "edits";

const PAIRS: usize = 200;

/// One message or edit in flight in each chat: edits of one message wait for each other.
const LOAD: Load = Load::Closed { in_flight: 1 };

/// Selects the first message of each member of each chat.
const FIRST: &str = "
    SELECT chat_id, user_id, first.id FROM chat_members AS member, LATERAL (
           SELECT id FROM messages WHERE messages.chat_id = member.chat_id AND sender_id = user_id ORDER BY seq LIMIT 1
    ) AS first";

/// Measures the scenario: sends, then edits of one message of each user.
///
/// # Errors
/// A process does not start, or ends.
pub(crate) async fn measure(options: &Options) -> Measured {
    let mut env = Env::start(1, options.logs.as_deref()).await?;
    println!("{NAME}: {LOAD:?}, {PAIRS} pairs, of sends and of edits");
    let population = env.pairs(PAIRS).await?;
    // By each member in turn.
    env.history(&population.chat_ids(), 2).await?;
    let past = env.stored().await?;

    let plan = Plan::new(env.websockets(), &population, LOAD);
    let (sends, ()) = run_load(&env, plan, options.duration(), async |_| Ok(())).await.context("sends")?;
    let stored = env.stored().await?.saturating_sub(past);
    let traffic = Traffic::Edits(first_messages(&env, &population).await?);
    let plan = Plan { traffic, ..Plan::new(env.websockets(), &population, LOAD) };
    let (edits, ()) = run_load(&env, plan, options.duration(), async |_| Ok(())).await.context("edits")?;
    let changed = env.events().await?;
    env.stop().await?;

    let failure = sends.failure("edits, sends", stored).or_else(|| edits.failure(NAME, changed));
    let mut found = figures("sends", &sends);
    found.extend(figures("edits", &edits));
    Ok((found, failure))
}

/// Returns the first message of each member of each chat.
pub(crate) async fn first_messages(env: &Env, population: &Population) -> anyhow::Result<Vec<Vec<Uuid>>> {
    let rows = env.database.query(FIRST, &[]).await?;
    let ids: HashMap<(Uuid, Uuid), Uuid> = rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
    let of = |chat, user: usize| ids.get(&(chat, population.users[user].id)).copied().context("no message to edit");
    population.chats.iter().map(|chat| chat.members.iter().map(|user| of(chat.id, *user)).collect()).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn figures(what: &str, run: &LoadRun) -> Vec<Figure> {
    let (done, delivery) = (run.done() as f64, run.delivery());
    let each = |time: Duration| time.as_secs_f64() * 1e6 / done;
    let figure = |name: &str, value: f64, unit: &'static str| Figure::new(NAME, format!("{what}, {name}"), value, unit);
    vec![
        figure("stored and delivered", done / run.seconds(), "1/s"),
        figure("delivery p50", ms(delivery.p50), "ms"),
        figure("delivery p95", ms(delivery.p95), "ms"),
        figure("server CPU each", each(run.cpu.servers()), "µs"),
        figure("  chat-service", each(run.cpu.chat), "µs"),
        figure("  notification-service", each(run.cpu.notification), "µs"),
        figure("  Postgres", each(run.cpu.postgres), "µs"),
    ]
}
