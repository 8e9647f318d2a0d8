//! Inserts users, chats and history in bulk, bypassing the services. Hashing thousands of passwords would take minutes.

use std::time::Duration;

use anyhow::Context as _;
use neonchat_common::{ids::UserId, token::Tokens};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Longer than any run.
const TOKEN_LIFETIME: Duration = Duration::from_hours(12);

/// Appends `$2` messages to each of the chats `$1`: one per millisecond in the past, by the members in turn.
const HISTORY: &str = "
    INSERT INTO messages (id, chat_id, seq, sender_id, request_id, text, created_at, updated_at)
    SELECT overlay(gen_random_uuid()::text PLACING substr(lpad(to_hex(ms), 12, '0'), 1, 8) || '-'
                   || substr(lpad(to_hex(ms), 12, '0'), 9) || '-7' FROM 1 FOR 15)::uuid,
           chats.id, seq, CASE seq % 2 WHEN 0 THEN user1_id ELSE user2_id END, gen_random_uuid(),
           'What was said long ago, and is read again: number ' || seq, made, made
    FROM generate_series(1, $2::bigint) AS number
        CROSS JOIN chats
        CROSS JOIN LATERAL (SELECT chats.last_seq + number AS seq) AS place
        CROSS JOIN LATERAL (SELECT timestamptz '2020-01-01Z' + seq * interval '1 ms' AS made) AS time
        CROSS JOIN LATERAL (SELECT (extract(epoch FROM made) * 1000)::bigint AS ms) AS milliseconds
    WHERE chats.id = ANY ($1)";

/// A user.
#[derive(Clone, Debug)]
pub(crate) struct BenchUser {
    /// The ID.
    pub(crate) id: Uuid,
    /// A token.
    pub(crate) token: String,
}

/// A direct chat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    /// The ID of the chat.
    pub(crate) chat: Uuid,
    /// The indexes of its members among the users.
    pub(crate) members: [usize; 2],
}

/// The users and chats of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// The users.
    pub(crate) users: Vec<BenchUser>,
    /// The chats.
    pub(crate) pairs: Vec<Pair>,
}

impl Population {
    /// Returns the token of each user, in order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.users.iter().map(|user| user.token.clone()).collect()
    }

    /// Returns the ID of each chat.
    pub(crate) fn chats(&self) -> Vec<Uuid> {
        self.pairs.iter().map(|pair| pair.chat).collect()
    }
}

/// Inserts pairs of users, each with a chat, into a migrated database.
///
/// # Errors
/// The database refuses them.
pub(crate) async fn pairs(client: &Client, pairs: usize, secret: &str) -> anyhow::Result<Population> {
    populate(client, 2 * pairs, (0..pairs).map(|pair| [2 * pair, 2 * pair + 1]), secret).await
}

/// Inserts users, each with a chat with each other user.
///
/// # Errors
/// The database refuses them.
pub(crate) async fn full_mesh(client: &Client, users: usize, secret: &str) -> anyhow::Result<Population> {
    let all = (0..users).flat_map(|one| (one + 1..users).map(move |other| [one, other]));
    populate(client, users, all, secret).await
}

/// Inserts users. The first one has a chat with each of the others.
///
/// # Errors
/// The database refuses them.
pub(crate) async fn star(client: &Client, chats: usize, secret: &str) -> anyhow::Result<Population> {
    populate(client, chats + 1, (1..=chats).map(|other| [0, other]), secret).await
}

async fn populate(
    client: &Client,
    users: usize,
    pairs: impl Iterator<Item = [usize; 2]>,
    secret: &str,
) -> anyhow::Result<Population> {
    let tokens = Tokens::new(&secret.into(), TOKEN_LIFETIME);
    let users = (0..users).map(|_| {
        let id = UserId::new();
        let token = tokens.issue(id, &name(id.0)).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(BenchUser { id: id.0, token })
    });
    let users = users.collect::<anyhow::Result<Vec<_>>>()?;
    let pairs: Vec<_> = pairs.map(|members| Pair { chat: Uuid::now_v7(), members }).collect();
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    let names: Vec<_> = ids.iter().map(|id| name(*id)).collect();
    let side = |side: usize| -> Vec<_> { pairs.iter().map(|pair| ids[pair.members[side]]).collect() };
    let (first, second) = (side(0), side(1));
    let population = Population { users, pairs };
    let chats = population.chats();

    let users = "INSERT INTO users (id, username, username_key, password_hash)
                 SELECT id, name, name, '-' FROM unnest($1::uuid[], $2::text[]) AS users (id, name)";
    client.execute(users, &[&ids, &names]).await.context("users")?;
    // Not new: for new chats each instance would be notified and reload the chats of all these users.
    let of_two = "INSERT INTO chats (id, user1_id, user2_id, created_at)
                  SELECT *, now() - interval '1 day' FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])";
    client.execute(of_two, &[&chats, &first, &second]).await.context("chats")?;
    for members in [&first, &second] {
        let insert = "INSERT INTO chat_members (chat_id, user_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])";
        client.execute(insert, &[&chats, members]).await.context("members")?;
    }
    // Without `messages`: the default assumptions of Postgres for an empty table are better than statistics.
    client.batch_execute("ANALYZE users, chats, chat_members; CHECKPOINT").await?;
    Ok(population)
}

/// Returns a unique username.
fn name(id: Uuid) -> String {
    format!("bench-{}", id.simple())
}

/// Appends messages to each of these chats. Both members have read all but a few. The caller runs `ANALYZE`.
///
/// # Errors
/// The database refuses them.
pub(crate) async fn history(client: &mut Client, chats: &[Uuid], messages: i64) -> anyhow::Result<()> {
    let transaction = client.transaction().await?;
    transaction.execute(HISTORY, &[&chats, &messages]).await.context("history")?;
    let moved = "UPDATE chats SET last_seq = last_seq + $2 WHERE id = ANY ($1)";
    transaction.execute(moved, &[&chats, &messages]).await?;
    let read = "UPDATE chat_members SET read_seq = GREATEST(chats.last_seq - 10, 0)
                FROM chats WHERE chats.id = chat_id AND chat_id = ANY ($1)";
    transaction.execute(read, &[&chats]).await?;
    Ok(transaction.commit().await?)
}

/// Connects to a database.
///
/// # Errors
/// Postgres refuses.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // The task ends with the client.
    tokio::spawn(connection);
    Ok(client)
}
