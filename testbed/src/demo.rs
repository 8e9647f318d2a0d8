//! `testbed demo`: plays the specification's demo scenario on the real services and prints a transcript.

mod group;
mod living;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Api, Socket, User, text},
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

    let mut alices = play(&system.api(), &system.websocket(), ["alice", "bob"]).await?;

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
    let (frames, code) = alices.closed().await?;
    for frame in &frames {
        show("alice", "receives", frame);
    }
    ensure!(code == 4100 && frames.iter().any(|frame| frame["type"] == "reconnect"), "closed with {code}: {frames:?}");
    done("Alice got `reconnect` and close code 4100; both services exited with 0");
    servers.stop().await?;
    println!("\nEvery step passed.");
    Ok(())
}

/// Plays steps 2 to 10 on a running system, through its public address only. Returns the socket of the first user.
///
/// # Errors
/// A step failed.
pub(crate) async fn play(api: &Api, websocket: &str, names: [&str; 2]) -> anyhow::Result<Socket> {
    step("2. Two users register and log in");
    let (alice, bob) = (register(api, names[0]).await?, register(api, names[1]).await?);

    step("3. Alice opens a chat with Bob");
    let answer = api.post("/api/v1/chats", &alice, &json!({ "partner_id": bob.id })).await?;
    show("alice", "POST /api/v1/chats", &answer.body);
    ensure!(answer.status == 201, "the chat was not created: {answer:?}");
    let chat = text(&answer.body["id"])?;
    let again = api.chat(&bob, &alice).await?;
    ensure!(again == chat, "Bob got another chat: {again}");
    done("Bob opens a chat with Alice and gets the same one");

    step("4. Both connect by WebSocket");
    let mut alices = Socket::open(websocket, &alice, None).await?;
    done("Alice is connected");
    let mut bobs = Socket::open(websocket, &bob, Some(&chat)).await?;
    done("Bob is connected");
    let online = alices.expect("presence").await?;
    show("alice", "receives", &online);
    ensure!(online["event"] == "user_online" && online["user_id"] == *bob.id, "not the online event of Bob");

    step("5. They exchange messages");
    let greeting = exchange_messages(&chat, &mut alices, &mut bobs).await?;

    step("6. Alice edits a message and deletes another");
    change_messages(&chat, &greeting, &mut alices, &mut bobs).await?;

    step("7. A reply, a reaction, a pin, a receipt, and a scheduled message");
    living::play(api, (&chat, &greeting), [&alice, &bob], [&mut alices, &mut bobs]).await?;

    step("8. Who is online");
    let listed = api.get("/api/v1/chats", &alice).await?;
    show("alice", "GET /api/v1/chats", &listed.body);
    ensure!(listed.body["chats"][0]["partner"]["online"] == true, "Bob is not shown as online");
    bobs.close().await?;
    done("Bob closes his connection");
    let offline = alices.expect("presence").await?;
    show("alice", "receives, after the grace period", &offline);
    ensure!(offline["event"] == "user_offline", "not the offline event of Bob");

    step("9. The history, over REST");
    let history = api.get(&format!("/api/v1/chats/{chat}/messages"), &bob).await?;
    show("bob", "GET /api/v1/chats/{id}/messages", &history.body);
    let texts: Vec<&Value> = history.body["messages"].as_array().into_iter().flatten().map(|m| &m["text"]).collect();
    ensure!(texts == ["Хорошо!", "", "Привет, Алиса!", "Привет, Боб! Как дела?"], "wrong history: {texts:?}");

    step("10. A group");
    group::play(api, websocket, [&alice, &bob], &mut alices).await?;
    Ok(alices)
}

async fn register(api: &Api, name: &str) -> anyhow::Result<User> {
    let user = api.user(name).await?;
    done(&format!("{name} is {} and has a token", user.id));
    Ok(user)
}

/// Returns the id of Alice's message.
async fn exchange_messages(chat: &str, alices: &mut Socket, bobs: &mut Socket) -> anyhow::Result<String> {
    alices.send(&json!({ "type": "typing", "chat_id": chat, "is_typing": true })).await?;
    let typing = bobs.expect_beside_presence("typing").await?;
    show("bob", "receives", &typing);
    let ack = alices.send_message(chat, "Привет, Боб!").await?;
    show("alice", "sends «Привет, Боб!» and gets", &ack);
    ensure!(ack["seq"] == 1, "the first message of a chat has seq 1");
    let greeting = text(&ack["message_id"])?;
    let message = bobs.expect_beside_presence("new_message").await?;
    show("bob", "receives", &message);
    ensure!(message["message"]["text"] == "Привет, Боб!", "wrong text");
    let typing = bobs.expect_beside_presence("typing").await?;
    show("bob", "receives", &typing);
    ensure!(typing["is_typing"] == false, "Alice is still typing after her message");
    let ack = bobs.send_message(chat, "Привет, Алиса!").await?;
    show("bob", "sends «Привет, Алиса!» and gets", &ack);
    ensure!(ack["seq"] == 2, "the second message of a chat has seq 2");
    let message = alices.expect("new_message").await?;
    show("alice", "receives", &message);
    ensure!(message["message"]["text"] == "Привет, Алиса!", "wrong text");
    Ok(greeting)
}

async fn change_messages(chat: &str, greeting: &str, alices: &mut Socket, bobs: &mut Socket) -> anyhow::Result<()> {
    let longer = "Привет, Боб! Как дела?";
    alices.send(&json!({ "type": "edit", "chat_id": chat, "message_id": greeting, "text": longer })).await?;
    let ack = alices.expect("ack").await?;
    show("alice", "edits her first message and gets", &ack);
    ensure!(ack["seq"] == 3, "an edit has a seq of its own");
    let edited = bobs.expect_beside_presence("message_edited").await?;
    show("bob", "receives", &edited);
    ensure!(edited["message"]["text"] == longer && edited["message"]["seq"] == 1, "wrong edit");
    let ack = alices.send_message(chat, "Это не тебе").await?;
    show("alice", "sends «Это не тебе» and gets", &ack);
    show("bob", "receives", &bobs.expect_beside_presence("new_message").await?);
    alices.send(&json!({ "type": "delete", "chat_id": chat, "message_ids": [ack["message_id"]] })).await?;
    show("alice", "deletes this message and gets", &alices.expect("ack").await?);
    let deleted = bobs.expect_beside_presence("messages_deleted").await?;
    show("bob", "receives", &deleted);
    ensure!(deleted["seq"] == 5 && deleted["messages"][0]["seq"] == 4, "wrong deletion");
    Ok(())
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

/// Calls the API as a user, and prints the answer.
async fn show_call(api: &Api, user: &User, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
    let answer = api.call(method, &format!("/api/v1{path}"), Some(&user.token), body).await?;
    let who = user.name.split(['-', '_']).next().unwrap_or_default();
    show(who, &format!("{method} {path} → {}", answer.status), &answer.body);
    Ok(answer)
}
