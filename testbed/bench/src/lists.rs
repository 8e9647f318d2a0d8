//! A list of chats with edits and deletions after the read markers.

use std::time::Duration;

use anyhow::Context as _;

use super::{
    Measured, Options,
    env::Env,
    population::Population,
    report::{Bound, Figure, ms},
    rest::{Client, Cost},
};

const NAME: &str = "lists";

/// The number of chats of each measured member.
const CHATS: [usize; 2] = [20, 1000];

/// The largest page.
const PAGE: usize = 100;

/// The number of messages in each chat.
const MESSAGES: i64 = 40;

/// The read marker of each member.
const READ: i64 = 10;

/// The number of deletions in each chat, of messages directly after the read marker.
const DELETIONS: i64 = 10;

/// The maximum ratio of the costs of an item with and without deletions.
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
    println!("{NAME}: members of {CHATS:?} chats of {MESSAGES} messages, {DELETIONS} of them deleted");
    let mut members = Vec::new();
    for chats in CHATS {
        let population = env.star(chats).await?;
        env.history(&population.chats(), MESSAGES).await?;
        let read = "UPDATE chat_members SET read_seq = $2 WHERE chat_id = ANY ($1)";
        env.database.execute(read, &[&population.chats(), &READ]).await?;
        members.push(population);
    }
    let plain = costs(&env, &members, options.duration()).await?;
    for population in &members {
        let chats = population.chats();
        for statement in [DELETE, MOVE_ON] {
            env.database.execute(statement, &[&chats, &DELETIONS, &READ]).await.context("deletions")?;
        }
    }
    let deleted = costs(&env, &members, options.duration()).await?;
    env.stop().await?;

    let mut figures = Vec::new();
    for (chats, (plain, deleted)) in CHATS.into_iter().zip(plain.into_iter().zip(deleted)) {
        for (what, cost) in [("none deleted", plain), ("ten deleted", deleted)] {
            let name = format!("an item of {chats}, {what}, server CPU");
            figures.push(Figure::new(NAME, name, cost.cpu.as_secs_f64() * 1e6, "µs"));
            figures.push(Figure::new(NAME, "  p50 of a page", ms(cost.p50), "ms"));
        }
        let ratio = deleted.cpu.as_secs_f64() / plain.cpu.as_secs_f64();
        figures.push(Figure::new(NAME, "  server CPU, with deletions to without", ratio, "times").target(Some(RATIO)));
    }
    Ok((figures, None))
}

/// Returns the cost of an item for each member, and of a page for the time.
async fn costs(env: &Env, members: &[Population], duration: Duration) -> anyhow::Result<Vec<Cost>> {
    // One statement at a time: several would be a transaction, in which VACUUM is not allowed.
    for maintenance in ["VACUUM ANALYZE messages, chats, chat_members, chat_events", "CHECKPOINT"] {
        env.database.batch_execute(maintenance).await?;
    }
    let mut costs = Vec::new();
    for (chats, population) in CHATS.into_iter().zip(members) {
        let page = chats.min(PAGE);
        let path = format!("/api/v1/chats?limit={page}");
        let cost = Client::new(env.rest()).cost(env, &path, &population.users[0].token, duration).await?;
        costs.push(Cost { cpu: cost.cpu / u32::try_from(page)?, ..cost });
    }
    Ok(costs)
}
