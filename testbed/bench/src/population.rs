//! Users, chats, history and tokens in bulk, past the services: a password hashed for each of thousands of users takes
//! minutes.

use std::time::Duration;

use anyhow::Context as _;
use neonchat_common::{ids::UserId, token::Tokens};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Longer than any run.
const TOKEN_LIFETIME: Duration = Duration::from_hours(12);

/// `$2` further events in each of the chats `$1`: one a millisecond, long ago, the members in turn.
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
pub(crate) struct Person {
    /// The id.
    pub(crate) id: Uuid,
    /// A token.
    pub(crate) token: String,
}

/// A chat of two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    /// The chat's id.
    pub(crate) chat: Uuid,
    /// Where its members are among the people.
    pub(crate) members: [usize; 2],
}

/// Who is there.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// The users.
    pub(crate) people: Vec<Person>,
    /// The chats.
    pub(crate) pairs: Vec<Pair>,
}

impl Population {
    /// The tokens of all, in their order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.people.iter().map(|person| person.token.clone()).collect()
    }

    /// The chats' ids.
    pub(crate) fn chats(&self) -> Vec<Uuid> {
        self.pairs.iter().map(|pair| pair.chat).collect()
    }
}

/// Puts so many pairs of users, each with a chat, into a database that chat-service has migrated.
///
/// # Errors
/// The database refuses them.
pub(crate) async fn pairs(client: &Client, pairs: usize, secret: &str) -> anyhow::Result<Population> {
    populate(client, 2 * pairs, (0..pairs).map(|pair| [2 * pair, 2 * pair + 1]), secret).await
}

/// Puts so many users into it, each of whom has a chat with each other one.
///
/// # Errors
/// The database refuses them.
pub(crate) async fn circle(client: &Client, people: usize, secret: &str) -> anyhow::Result<Population> {
    let all = (0..people).flat_map(|one| (one + 1..people).map(move |other| [one, other]));
    populate(client, people, all, secret).await
}

async fn populate(
    client: &Client,
    people: usize,
    pairs: impl Iterator<Item = [usize; 2]>,
    secret: &str,
) -> anyhow::Result<Population> {
    let tokens = Tokens::new(&secret.into(), TOKEN_LIFETIME);
    let people = (0..people).map(|_| {
        let id = UserId::new();
        let token = tokens.issue(id, &name(id.0)).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(Person { id: id.0, token })
    });
    let people = people.collect::<anyhow::Result<Vec<_>>>()?;
    let pairs: Vec<_> = pairs.map(|members| Pair { chat: Uuid::now_v7(), members }).collect();
    let ids: Vec<_> = people.iter().map(|person| person.id).collect();
    let names: Vec<_> = ids.iter().map(|id| name(*id)).collect();
    let side = |side: usize| -> Vec<_> { pairs.iter().map(|pair| ids[pair.members[side]]).collect() };
    let (first, second) = (side(0), side(1));
    let population = Population { people, pairs };
    let chats = population.chats();

    let users = "INSERT INTO users (id, username, username_key, password_hash)
                 SELECT id, name, name, '-' FROM unnest($1::uuid[], $2::text[]) AS people (id, name)";
    client.execute(users, &[&ids, &names]).await.context("users")?;
    // Not made just now: of what is new, every instance is told, and it then asks for the chats of all these users once more.
    let of_two = "INSERT INTO chats (id, user1_id, user2_id, created_at)
                  SELECT *, now() - interval '1 day' FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])";
    client.execute(of_two, &[&chats, &first, &second]).await.context("chats")?;
    for members in [&first, &second] {
        let insert = "INSERT INTO chat_members (chat_id, user_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])";
        client.execute(insert, &[&chats, members]).await.context("members")?;
    }
    // Not messages: of an empty table Postgres assumes more than it is told by this.
    client.batch_execute("ANALYZE users, chats, chat_members; CHECKPOINT").await?;
    Ok(population)
}

/// A name that nobody else has.
fn name(id: Uuid) -> String {
    format!("bench-{}", id.simple())
}

/// Gives each of these chats so many further messages. Both members have read all but a few. `ANALYZE` is the caller's.
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

/// A connection that lasts as long as its client.
///
/// # Errors
/// There is none to be had.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with its client.
    tokio::spawn(connection);
    Ok(client)
}
