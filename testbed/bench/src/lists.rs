//! A list of chats and groups with events and deletions after the read markers.

use std::time::Duration;

use anyhow::Context as _;

use super::{
    Measured, Options,
    env::Env,
    population::{Population, star},
    report::{Bound, Figure, ms},
    rest::{Client, Cost},
};

const NAME: &str = "lists";

/// The number of chats of the two measured members. Every second one is a group.
const FEW: usize = 20;
const MANY: usize = 1000;

/// The number of members of each group.
const GROUP: usize = 10;

/// The largest page.
const PAGE: usize = 100;

/// The number of messages in each chat.
const MESSAGES: i64 = 40;

/// The read marker of each member.
const READ: i64 = 10;

/// The number of deletions in each chat, of messages directly after the read marker.
const DELETIONS: i64 = 10;

/// The maximum ratio of the costs of an item: with deletions to without, and of many chats to few.
const RATIO: Bound = Bound::AtMost(1.3);

/// Deletes `$2` messages after the read marker `$3` in each of the chats `$1`, each by an event.
const DELETE: &str = "
    WITH deleted AS (
        UPDATE messages SET text = '', deleted_at = now(), changed_seq = last_seq + seq - $3
          FROM chats
         WHERE chats.id = ANY ($1) AND chat_id = chats.id AND seq > $3 AND seq <= $3 + $2
        RETURNING chat_id, messages.id, seq, sender_id, messages.changed_seq
    )
    INSERT INTO chat_events (chat_id, seq, n, kind, actor_id, body, created_at)
    SELECT chat_id, changed_seq, seq - $3, 2, sender_id,
           jsonb_build_array(jsonb_build_object('id', id, 'seq', seq)), now()
      FROM deleted";

/// Moves the chats on after [`DELETE`].
const MOVE_ON: &str = "
    UPDATE chats SET last_seq = last_seq + $2, event_seq = last_seq + $2, event_count = $2, gone_seq = $3 + $2
     WHERE id = ANY ($1)";

/// Measures the scenario: the same lists before and after the deletions.
///
/// # Errors
/// A process does not start or ends, or a request fails.
pub(crate) async fn measure(options: &Options) -> Measured {
    let mut env = Env::start(1, options.logs.as_deref()).await?;
    let many = options.scaled(MANY).max(FEW);
    println!("{NAME}: members of {FEW} and {many} chats of {MESSAGES} messages, {DELETIONS} of them deleted");
    let mut members = Vec::new();
    for chats in [FEW, many] {
        let population = env.chats(star(chats, GROUP)).await?;
        env.history(&population.chat_ids(), MESSAGES).await?;
        let read = "UPDATE chat_members SET read_seq = $2 WHERE chat_id = ANY ($1)";
        env.database.execute(read, &[&population.chat_ids(), &READ]).await?;
        members.push(population);
    }
    let plain = costs(&env, &members, options.duration()).await?;
    for population in &members {
        let chats = population.chat_ids();
        for statement in [DELETE, MOVE_ON] {
            env.database.execute(statement, &[&chats, &DELETIONS, &READ]).await.context("deletions")?;
        }
    }
    let deleted = costs(&env, &members, options.duration()).await?;
    env.stop().await?;
    Ok((figures(&members, &plain, &deleted), None))
}

fn figures(members: &[Population], plain: &[Cost], deleted: &[Cost]) -> Vec<Figure> {
    let mut figures = Vec::new();
    let ratio = |name: &str, one: Cost, other: Cost| {
        let ratio = one.cpu.as_secs_f64() / other.cpu.as_secs_f64();
        Figure::new(NAME, name, ratio, "times").target(Some(RATIO))
    };
    for ((population, plain), deleted) in members.iter().zip(plain).zip(deleted) {
        for (what, cost) in [("none deleted", plain), ("ten deleted", deleted)] {
            let name = format!("an item of {}, {what}, server CPU", population.chats.len());
            figures.push(Figure::new(NAME, name, cost.cpu.as_secs_f64() * 1e6, "µs"));
            figures.push(Figure::new(NAME, "  p50 of a page", ms(cost.p50), "ms"));
        }
        figures.push(ratio("  server CPU, with deletions to without", *deleted, *plain));
    }
    figures.push(ratio("an item of many with deletions to one of few", deleted[1], deleted[0]));
    figures
}

/// Returns the cost of an item for each member, and of a page for the time.
async fn costs(env: &Env, members: &[Population], duration: Duration) -> anyhow::Result<Vec<Cost>> {
    // One statement at a time: several would be a transaction, in which VACUUM is not allowed.
    for maintenance in ["VACUUM ANALYZE messages, chats, chat_members, chat_events", "CHECKPOINT"] {
        env.database.batch_execute(maintenance).await?;
    }
    let mut costs = Vec::new();
    for population in members {
        let page = population.chats.len().min(PAGE);
        let path = format!("/api/v1/chats?limit={page}");
        let cost = Client::new(env.rest()).cost(env, &path, &population.users[0].token, duration).await?;
        costs.push(Cost { cpu: cost.cpu / u32::try_from(page)?, ..cost });
    }
    Ok(costs)
}
