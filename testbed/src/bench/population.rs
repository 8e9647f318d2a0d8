//! Users, chats and tokens in bulk, past the services: a password hashed for each of thousands of users takes minutes.

use std::time::Duration;

use anyhow::Context as _;
use neonchat_common::{ids::UserId, token::Tokens};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Longer than any run.
const TOKEN_LIFETIME: Duration = Duration::from_hours(12);

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

/// Puts so many pairs of users, each with a chat, into a database that chat-service has migrated.
///
/// # Errors
/// The database refuses them.
pub(crate) async fn populate(client: &Client, pairs: usize, secret: &str) -> anyhow::Result<Population> {
    let tokens = Tokens::new(&secret.into(), TOKEN_LIFETIME);
    let (mut people, mut names) = (Vec::with_capacity(pairs * 2), Vec::with_capacity(pairs * 2));
    for number in 0..pairs * 2 {
        let (id, name) = (UserId::new(), format!("bench-{number}"));
        let token = tokens.issue(id, &name).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        people.push(Person { id: id.0, token });
        names.push(name);
    }
    let pairs: Vec<_> =
        (0..pairs).map(|pair| Pair { chat: Uuid::now_v7(), members: [2 * pair, 2 * pair + 1] }).collect();
    let ids: Vec<_> = people.iter().map(|person| person.id).collect();
    let chats: Vec<_> = pairs.iter().map(|pair| pair.chat).collect();
    let side = |side: usize| -> Vec<_> { pairs.iter().map(|pair| ids[pair.members[side]]).collect() };
    let (first, second) = (side(0), side(1));

    let users = "INSERT INTO users (id, username, username_key, password_hash)
                 SELECT id, name, name, '-' FROM unnest($1::uuid[], $2::text[]) AS people (id, name)";
    client.execute(users, &[&ids, &names]).await.context("users")?;
    let of_two = "INSERT INTO chats (id, user1_id, user2_id) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])";
    client.execute(of_two, &[&chats, &first, &second]).await.context("chats")?;
    for members in [&first, &second] {
        let insert = "INSERT INTO chat_members (chat_id, user_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])";
        client.execute(insert, &[&chats, members]).await.context("members")?;
    }
    // Not messages: of an empty table Postgres assumes more than it is told by this.
    client.batch_execute("ANALYZE users, chats, chat_members; CHECKPOINT").await?;
    Ok(Population { people, pairs })
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
