//! `testbed demo`: plays the specification's demo scenario with clients of the SDK on the real services, and prints a transcript.

mod group;
mod living;
mod person;

use anyhow::{Context as _, ensure};
use neonchat_client::{Change, ChatId, Client, Event, MessageId, Status};
use serde_json::{Value, json};

pub(crate) use self::person::Person;
use crate::{
    exec::Servers,
    postgres,
    system::{Ports, System},
};

/// Plays the scenario on a private system.
///
/// # Errors
/// A step failed.
pub async fn demo() -> anyhow::Result<()> {
    step("1. Start: Postgres, Redis, chat-service, notification-service");
    let servers = Servers::start().await?;
    postgres::create_database(&servers.postgres.url("postgres"), "neondb").await?;
    let (database, redis) = (servers.postgres.url("neondb"), servers.redis.url());
    let settings = [("DATABASE_URL", database.as_str()), ("REDIS_URL", redis.as_str())];
    let system = System::start(&servers.folder().join("logs"), Ports::reserve()?, &settings).await?;
    done("both services are ready");

    let mut alice = play(&system.rest(), &system.websocket(), ["alice", "bob"]).await?;

    step("11. Health and metrics");
    let health = system.api().call("GET", "/health", None, None).await?;
    show("operator", "GET /health", &health.body);
    ensure!(health.status == 200, "not healthy: {health:?}");
    for (name, metric, api) in [
        ("chat-service", "chat_messages_sent_total", &system.api()),
        ("notification-service", "websocket_connections_current", &system.notification()),
    ] {
        let line = api.metric(metric).await?;
        println!("   {name} /metrics: {line}");
    }

    step("12. Both services stop");
    system.stop().await?;
    let pause = |event: &Event| if let Event::State(Status::Waiting { .. }) = event { Some(()) } else { None };
    alice.expect("the end of the connection", pause).await?;
    done("The client of Alice waits for as long as `reconnect` asked for; both services exited with 0");
    alice.client.close().await;
    servers.stop().await?;
    println!("\nEvery step passed.");
    Ok(())
}

/// Plays steps 2 to 10 on a running system, through its public address only. Returns the first user.
///
/// # Errors
/// A step failed.
pub(crate) async fn play(rest: &str, websocket: &str, names: [&str; 2]) -> anyhow::Result<Person> {
    let client = || Client::builder(rest).web_socket_url(format!("{websocket}/ws"));
    step("2. Two users register and log in");
    let mut alice = Person::register(client(), "alice", names[0]).await?;
    let mut bob = Person::register(client(), "bob", names[1]).await?;

    step("3. Alice opens a chat with Bob");
    let request = alice.client.rest().post("/chats").json(&json!({ "partner_id": bob.id }));
    let chat = id(&alice.call("POST /chats", request).await?["id"])?;
    let request = bob.client.rest().post("/chats").json(&json!({ "partner_id": alice.id }));
    let again: Value = request.send().await?;
    ensure!(again["id"] == json!(chat), "Bob got another chat: {again}");
    done("Bob opens a chat with Alice and gets the same one");

    step("4. Both connect by WebSocket");
    alice.connect().await?;
    bob.connect().await?;
    alice.expect("the online event of Bob", |event| is_presence(event, &bob, "user_online")).await?;

    step("5. They exchange messages");
    let greeting = exchange_messages(chat, &mut alice, &mut bob).await?;

    step("6. Alice edits a message and deletes another");
    change_messages(chat, greeting, &mut alice, &mut bob).await?;

    step("7. A reply, a reaction, a pin, a receipt, and a scheduled message");
    living::play((chat, greeting), &mut alice, &mut bob).await?;

    step("8. Who is online");
    let listed = alice.call("GET /chats", alice.client.rest().get("/chats")).await?;
    ensure!(listed["chats"][0]["partner"]["online"] == true, "Bob is not shown as online");
    bob.client.stop().await?;
    done("Bob closes his connection");
    alice.expect("the offline event of Bob", |event| is_presence(event, &bob, "user_offline")).await?;

    step("9. The history, over REST");
    let request = bob.client.rest().get(format!("/chats/{chat}/messages"));
    let history = bob.call("GET /chats/{id}/messages", request).await?;
    let texts: Vec<&Value> = history["messages"].as_array().into_iter().flatten().map(|m| &m["text"]).collect();
    ensure!(texts == ["Хорошо!", "", "Привет, Алиса!", "Привет, Боб! Как дела?"], "wrong history: {texts:?}");

    step("10. A group");
    let carol = alice.username.replacen("alice", "carol", 1);
    let mut carol = Person::register(client(), "carol", &carol).await?;
    group::play(&mut alice, &bob, &mut carol).await?;
    Ok(alice)
}

fn is_presence(event: &Event, of: &Person, kind: &str) -> Option<()> {
    let Event::Presence(presence) = event else { return None };
    (presence.user_id == of.id && presence.event == kind).then_some(())
}

/// Returns the ID of Alice's message.
async fn exchange_messages(chat: ChatId, alice: &mut Person, bob: &mut Person) -> anyhow::Result<MessageId> {
    alice.client.typing(chat, true).await?;
    bob.expect("typing", |event| is_typing(event, true)).await?;
    let ack = alice.send(chat, "Привет, Боб!").await?;
    ensure!(ack.seq == Some(1), "the first message of a chat has seq 1");
    bob.expect_message("Привет, Боб!").await?;
    bob.expect("the end of typing with the message", |event| is_typing(event, false)).await?;
    let answer = bob.send(chat, "Привет, Алиса!").await?;
    ensure!(answer.seq == Some(2), "the second message of a chat has seq 2");
    alice.expect_message("Привет, Алиса!").await?;
    ack.message_id.context("a message without an ID")
}

fn is_typing(event: &Event, is_typing: bool) -> Option<()> {
    matches!(event, Event::Typing(typing) if typing.is_typing == is_typing).then_some(())
}

async fn change_messages(
    chat: ChatId,
    greeting: MessageId,
    alice: &mut Person,
    bob: &mut Person,
) -> anyhow::Result<()> {
    let longer = "Привет, Боб! Как дела?";
    let editing = alice.client.edit(chat, greeting, longer).await?;
    let ack = alice.acknowledged("edits her first message", editing).await?;
    ensure!(ack.seq == Some(3), "an edit has a seq of its own");
    let is_edit = |change: &Change, _: &_| match change {
        Change::MessageEdited { message: Some(edit) } => edit.text == longer && edit.seq == Some(1),
        _ => false,
    };
    bob.expect_change("the edit", is_edit).await?;
    let ack = alice.send(chat, "Это не тебе").await?;
    bob.expect_message("Это не тебе").await?;
    let deleting = alice.client.delete(chat, ack.message_id).await?;
    alice.acknowledged("deletes this message", deleting).await?;
    let is_deletion = |change: &Change, frame: &neonchat_client::Frame| match change {
        Change::MessagesDeleted { messages, .. } => frame.seq() == Some(5) && messages[0].seq == Some(4),
        _ => false,
    };
    bob.expect_change("the deletion", is_deletion).await
}

/// Reads an ID of an answer.
fn id<T: serde::de::DeserializeOwned>(value: &Value) -> anyhow::Result<T> {
    serde_json::from_value(value.clone()).with_context(|| format!("{value} is not an ID"))
}

fn step(title: &str) {
    println!("\n{title}");
}

fn done(what: &str) {
    println!("   ✓ {what}");
}

fn show(who: &str, how: &str, what: &Value) {
    println!("   {who} {how}\n      {what}");
}
