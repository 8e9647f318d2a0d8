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
    WITH chosen AS MATERIALIZED (
        SELECT chats.id, last_seq, array_agg(user_id ORDER BY user_id) AS members
          FROM chats JOIN chat_members ON chat_id = chats.id
         WHERE chats.id = ANY ($1)
         GROUP BY chats.id
    )
    INSERT INTO messages (id, chat_id, seq, sender_id, request_id, text, created_at, updated_at)
    SELECT overlay(gen_random_uuid()::text PLACING substr(lpad(to_hex(ms), 12, '0'), 1, 8) || '-'
                   || substr(lpad(to_hex(ms), 12, '0'), 9) || '-7' FROM 1 FOR 15)::uuid,
           chosen.id, seq, members[1 + seq % cardinality(members)], gen_random_uuid(),
           'What was said long ago, and is read again: number ' || seq, made, made
    FROM generate_series(1, $2::bigint) AS number
        CROSS JOIN chosen
        CROSS JOIN LATERAL (SELECT chosen.last_seq + number AS seq) AS place
        CROSS JOIN LATERAL (SELECT timestamptz '2020-01-01Z' + seq * interval '1 ms' AS made) AS time
        CROSS JOIN LATERAL (SELECT (extract(epoch FROM made) * 1000)::bigint AS ms) AS milliseconds";

/// The settings of a new group, as chat-service stores them.
const GROUP_SETTINGS: &str = r#"{"send":"member","info":"admin","delete":"admin","kick":"admin","restrict":"admin",
    "ban":"admin","requests":"admin","audit":"admin","slow_s":0,"history":"since_join"}"#;

/// A user.
#[derive(Clone, Debug)]
pub(crate) struct BenchUser {
    /// The ID.
    pub(crate) id: Uuid,
    /// A token.
    pub(crate) token: String,
}

/// The least number of members of a group. Two users have a direct chat.
pub(crate) const MIN_GROUP: usize = 3;

/// A chat.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    /// The ID.
    pub(crate) id: Uuid,
    /// The indexes of its members among the users. The first owns a group.
    pub(crate) members: Vec<usize>,
}

impl Chat {
    const fn is_group(&self) -> bool {
        self.members.len() >= MIN_GROUP
    }
}

/// The users and chats of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// The users.
    pub(crate) users: Vec<BenchUser>,
    /// The chats.
    pub(crate) chats: Vec<Chat>,
}

impl Population {
    /// Returns the token of each user, in order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.users.iter().map(|user| user.token.clone()).collect()
    }

    /// Returns the ID of each chat.
    pub(crate) fn chat_ids(&self) -> Vec<Uuid> {
        self.chats.iter().map(|chat| chat.id).collect()
    }
}

/// Returns the members of `chats` chats with `members` users each. No user is in two of them.
pub(crate) fn disjoint(chats: usize, members: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..chats).map(move |chat| (chat * members..(chat + 1) * members).collect())
}

/// Returns the members of the direct chats of each pair of users.
pub(crate) fn full_mesh(users: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..users).flat_map(move |one| (one + 1..users).map(move |other| vec![one, other]))
}

/// Returns the members of the chats of the first user: direct chats and groups of `group` users in turn, each with another
/// second member.
pub(crate) fn star(chats: usize, group: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..chats).map(move |chat| {
        let others = if chat % 2 == 0 { 1 } else { group - 1 };
        std::iter::once(0).chain((0..others).map(|other| 1 + (chat + other) % chats)).collect()
    })
}

/// Inserts users and chats with these members into a migrated database.
///
/// # Errors
/// The database refuses them.
pub(crate) async fn insert(
    client: &Client,
    chats: impl Iterator<Item = Vec<usize>>,
    secret: &str,
) -> anyhow::Result<Population> {
    let chats: Vec<_> = chats.map(|members| Chat { id: Uuid::now_v7(), members }).collect();
    let count = chats.iter().flat_map(|chat| &chat.members).max().map_or(0, |last| last + 1);
    let population = Population { users: users(count, secret)?, chats };
    insert_users(client, &population.users).await.context("users")?;
    let (groups, direct): (Vec<_>, Vec<_>) = population.chats.iter().partition(|chat| chat.is_group());
    insert_direct(client, &population, &direct).await.context("direct chats")?;
    // A database of a version without groups has no columns for them.
    if !groups.is_empty() {
        insert_groups(client, &population, &groups).await.context("groups")?;
    }
    // Without `messages`: the default assumptions of Postgres for an empty table are better than statistics.
    client.batch_execute("ANALYZE users, chats, chat_members; CHECKPOINT").await?;
    Ok(population)
}

fn users(count: usize, secret: &str) -> anyhow::Result<Vec<BenchUser>> {
    let tokens = Tokens::new(&secret.into(), TOKEN_LIFETIME);
    let users = (0..count).map(|_| {
        let id = UserId::new();
        let token = tokens.issue(id, &name(id.0)).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(BenchUser { id: id.0, token })
    });
    users.collect()
}

async fn insert_users(client: &Client, users: &[BenchUser]) -> anyhow::Result<()> {
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    let names: Vec<_> = ids.iter().map(|id| name(*id)).collect();
    let insert = "INSERT INTO users (id, username, username_key, password_hash)
                  SELECT id, name, name, '-' FROM unnest($1::uuid[], $2::text[]) AS users (id, name)";
    client.execute(insert, &[&ids, &names]).await?;
    Ok(())
}

// Chats are not new: for new ones each instance would be notified and reload the chats of all these users.

async fn insert_direct(client: &Client, population: &Population, chats: &[&Chat]) -> anyhow::Result<()> {
    let ids: Vec<_> = chats.iter().map(|chat| chat.id).collect();
    let side = |side: usize| -> Vec<_> { chats.iter().map(|chat| population.users[chat.members[side]].id).collect() };
    let insert = "INSERT INTO chats (id, user1_id, user2_id, created_at)
                  SELECT *, now() - interval '1 day' FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])";
    client.execute(insert, &[&ids, &side(0), &side(1)]).await?;
    insert_members(client, population, chats).await
}

async fn insert_groups(client: &Client, population: &Population, groups: &[&Chat]) -> anyhow::Result<()> {
    let ids: Vec<_> = groups.iter().map(|chat| chat.id).collect();
    let owners: Vec<_> = groups.iter().map(|chat| population.users[chat.members[0]].id).collect();
    let sizes = groups.iter().map(|chat| i32::try_from(chat.members.len())).collect::<Result<Vec<_>, _>>()?;
    let insert = "INSERT INTO chats (id, kind, member_count, created_at)
                  SELECT id, 'group', size, now() - interval '1 day' FROM unnest($1::uuid[], $2::int[]) AS groups (id, size)";
    client.execute(insert, &[&ids, &sizes]).await?;
    let insert = "INSERT INTO chat_profiles (chat_id, title, search_key, settings, created_by, request_id)
                  SELECT id, 'A group', 'a group', $3, owner, gen_random_uuid()
                    FROM unnest($1::uuid[], $2::uuid[]) AS groups (id, owner)";
    client.execute(insert, &[&ids, &owners, &GROUP_SETTINGS]).await?;
    insert_members(client, population, groups).await?;
    let update = "UPDATE chat_members SET role = 3 FROM unnest($1::uuid[], $2::uuid[]) AS groups (id, owner)
                   WHERE chat_id = id AND user_id = owner";
    client.execute(update, &[&ids, &owners]).await?;
    Ok(())
}

async fn insert_members(client: &Client, population: &Population, chats: &[&Chat]) -> anyhow::Result<()> {
    let members = chats.iter().flat_map(|chat| chat.members.iter().map(|user| (chat.id, population.users[*user].id)));
    let (ids, users): (Vec<_>, Vec<_>) = members.unzip();
    let insert = "INSERT INTO chat_members (chat_id, user_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])";
    client.execute(insert, &[&ids, &users]).await?;
    Ok(())
}

/// Returns a unique username.
fn name(id: Uuid) -> String {
    format!("bench-{}", id.simple())
}

/// Appends messages to each of these chats. The members have read all but a few. The caller runs `ANALYZE`.
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
