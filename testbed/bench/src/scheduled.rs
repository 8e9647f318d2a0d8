//! Scheduled messages that are all due in the same second, and other messages beside them.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tokio::time::{sleep, sleep_until};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{
    Measured, Options,
    env::Env,
    generator::{Load, Plan},
    load_run::run_load,
    report::{Bound, Figure, ms},
};

const NAME: &str = "scheduled";

/// The pairs of users who send messages now.
const PAIRS: usize = 200;

/// The pairs of users who have scheduled messages.
const PLANNING: usize = 500;

/// The number of scheduled messages.
const DUE: usize = 10_000;

const PER_SECOND: u32 = 500;

/// How long the service may take to send all of them.
const LIMIT: Duration = Duration::from_mins(1);

/// Schedules messages of the first members of the chats `$1` in turn, over the second that begins `$3` milliseconds from now.
const SCHEDULE: &str = "
    INSERT INTO scheduled_messages (id, chat_id, sender_id, request_id, digest, send_at, due_at, body)
    SELECT gen_random_uuid(), chat, sender, gen_random_uuid(), 0, at, at,
           jsonb_build_object('text', 'What was written last night: number ' || n)
      FROM generate_series(0, $2::int - 1) AS n,
           LATERAL (SELECT ($1::uuid[])[1 + n % cardinality($1::uuid[])] AS chat) AS chosen,
           LATERAL (SELECT user1_id AS sender FROM chats WHERE id = chat) AS owner,
           LATERAL (SELECT now() + ($3::int + 1000.0 * n / $2::int) * interval '1 ms' AS at) AS time";

/// Measures the scenario: messages alone, then beside the scheduled ones.
///
/// # Errors
/// A process does not start or ends, or the messages are not sent in time.
pub(crate) async fn measure(options: &Options) -> Measured {
    let env = Env::start(1, options.logs.as_deref()).await?;
    let due = options.scaled(DUE);
    println!("{NAME}: {due} due within a second, beside {PER_SECOND} messages/s");
    let (talking, planning) = (env.pairs(PAIRS).await?, env.pairs(PLANNING).await?);
    let plan = || Plan::new(env.websockets(), &talking, Load::Open { per_second: PER_SECOND });
    let (alone, ()) = run_load(&env, plan(), options.duration(), async |_| Ok(())).await.context("alone")?;
    let before = env.stored().await?;
    let failure = alone.failure("scheduled, alone", before);

    let chats = planning.chat_ids();
    let burst = async |time: Range<Instant>| send_all(&env.database, &chats, due, time.start).await;
    let (beside, sent) = run_load(&env, plan(), options.duration().max(LIMIT / 6), burst).await.context(NAME)?;
    let stored = env.stored().await? - before;
    let (count, distinct) = of_planners(&env.database, &chats).await?;
    env.stop().await?;

    let failure = failure.or_else(|| beside.failure(NAME, stored - count));
    let is_once = count == due && distinct == due;
    let failure =
        failure.or_else(|| (!is_once).then(|| format!("{NAME}: {count} stored, {distinct} of {due} distinct")));
    let during = |at: Instant| at.saturating_duration_since(beside.epoch);
    let p95 = beside.journal.delivery(during(sent.start), during(sent.end)).p95;
    let alone = alone.delivery().p95;
    let seconds = (sent.end - sent.start).as_secs_f64();
    let figures = vec![
        Figure::new(NAME, "from the first due to the last sent", seconds, "s").target(Some(Bound::AtMost(5.0))),
        Figure::new(NAME, "delivery p95 of others, alone", ms(alone), "ms"),
        Figure::new(NAME, "delivery p95 of others, meanwhile", ms(p95), "ms"),
        Figure::new(NAME, "p95 meanwhile, of that alone", p95.as_secs_f64() / alone.as_secs_f64(), "×")
            .target(Some(Bound::AtMost(2.0))),
    ];
    Ok((figures, failure))
}

/// Schedules the messages for the second that begins at a time. Returns when the first was due and the last was sent.
async fn send_all(database: &Client, chats: &[Uuid], due: usize, at: Instant) -> anyhow::Result<Range<Instant>> {
    let start = at + Duration::from_secs(1);
    let ahead = i32::try_from(start.saturating_duration_since(Instant::now()).as_millis())?;
    database.execute(SCHEDULE, &[&chats, &i32::try_from(due)?, &ahead]).await.context("schedule messages")?;
    sleep_until(start.into()).await;
    while database.query_one("SELECT EXISTS (SELECT FROM scheduled_messages)", &[]).await?.get(0) {
        ensure!(start.elapsed() < LIMIT, "not all scheduled messages are sent after {LIMIT:?}");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(start..Instant::now())
}

/// Returns the number of messages in these chats, and of the distinct ones.
async fn of_planners(database: &Client, chats: &[Uuid]) -> anyhow::Result<(usize, usize)> {
    let count = "SELECT count(*), count(DISTINCT text) FROM messages WHERE chat_id = ANY ($1)";
    let row = database.query_one(count, &[&chats]).await?;
    Ok((row.get::<_, i64>(0).try_into()?, row.get::<_, i64>(1).try_into()?))
}
