//! The SDK for Rust against the real services.

mod document;
mod faults;
mod sessions;
mod talk;
mod terminal;
mod tls;

use std::time::Duration;

use neonchat_client::{Builder, Change, ChatEvent, ChatId, Client, Event, Events, Frame, Message, Status, UserId};
use neonchat_testbed::client::PASSWORD;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::helpers::Running;

/// The longest wait for an event. A client that has lost its connection pauses for up to 30 s.
const EVENT_TIMEOUT: Duration = Duration::from_mins(1);

/// Both services, which do not limit how fast one user sends.
async fn start() -> Running {
    Running::start(&[("WS_MESSAGES_PER_SECOND", "1000")]).await
}

fn builder(running: &Running) -> Builder {
    Client::builder(running.system.rest()).web_socket_url(format!("{}/ws", running.system.websocket()))
}

/// A user with a client.
struct Person {
    client: Client,
    id: UserId,
    name: String,
}

impl Person {
    /// Registers a user, who signs in with this client.
    async fn register(client: Client) -> Self {
        let name = format!("u-{}", uuid::Uuid::new_v4().simple());
        let id = client.register(&name, PASSWORD).await.expect("register user");
        let person = Self { client, id, name };
        person.client.login(&person.name, PASSWORD).await.expect("log in");
        person
    }

    /// A user who is live.
    async fn live(running: &Running) -> Self {
        let person = Self::register(builder(running).build().expect("build client")).await;
        go_live(&person.client).await;
        person
    }
}

async fn go_live(client: &Client) {
    client.start().await.expect("start");
    reaches(client, "live", |state| *state == Status::Live).await;
}

/// Waits for a state.
async fn reaches(client: &Client, what: &str, is_reached: impl FnMut(&Status) -> bool) {
    let mut states = client.states();
    let reached = timeout(EVENT_TIMEOUT, states.wait_for(is_reached)).await;
    reached.unwrap_or_else(|_| panic!("not {what}: {:?}", client.state())).expect("the client runs");
}

/// Two live users with a direct chat, which both know.
async fn pair(running: &Running) -> (Person, Person, ChatId) {
    let (alice, bob) = (Person::live(running).await, Person::live(running).await);
    let chat = open_chat(&alice, &bob).await;
    (alice, bob, chat)
}

async fn open_chat(alice: &Person, bob: &Person) -> ChatId {
    let mut events = [alice.client.events(), bob.client.events()];
    let body = json!({ "partner_id": bob.id });
    let chat: Value = alice.client.rest().post("/chats").json(&body).send().await.expect("open chat");
    let chat = serde_json::from_value(chat["id"].clone()).expect("ID of the chat");
    for events in &mut events {
        find(events, "the chat", |event| match event {
            Event::Chat(ChatEvent::Created { chat: created }) if created.id == chat => Some(()),
            _ => None,
        })
        .await;
    }
    chat
}

/// Waits for an event.
async fn find<T>(events: &mut Events, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    let found = timeout(EVENT_TIMEOUT, async {
        loop {
            let event = events.next().await.unwrap_or_else(|| panic!("the client has ended before {what}"));
            if let Some(found) = pick(event) {
                return found;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Waits for a message in a chat for which `pick` holds.
async fn find_message(events: &mut Events, what: &str, mut pick: impl FnMut(&Message) -> bool) -> Message {
    find(events, what, |event| match event {
        Event::Message(new) if pick(&new.message) => Some(new.message),
        _ => None,
    })
    .await
}

/// Waits for a change of a chat.
async fn find_change<T>(events: &mut Events, what: &str, mut pick: impl FnMut(Change) -> Option<T>) -> (T, Frame) {
    find(events, what, |event| match event {
        Event::Frame(frame) => pick(frame.change()).map(|found| (found, frame)),
        _ => None,
    })
    .await
}

/// Returns the `seq` and the text of the next messages of a chat, in the order in which they come.
async fn next_messages(events: &mut Events, chat: ChatId, count: usize) -> Vec<(u64, String)> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let message = find_message(events, "the next message", |message| message.chat_id == chat).await;
        messages.push((message.seq, message.text));
    }
    messages
}

/// Returns the `seq` and the text of all messages of a chat on the server.
async fn history(client: &Client, chat: ChatId) -> Vec<(u64, String)> {
    let mut messages = Vec::new();
    loop {
        let after = messages.last().map_or(0, |(seq, _)| *seq);
        let request = client.rest().get(format!("/chats/{chat}/events")).query("after", after).query("limit", 1000);
        let page: Value = request.send().await.expect("load events");
        for event in page["events"].as_array().expect("list of events") {
            let text = event["message"]["text"].as_str().expect("a message").to_owned();
            messages.push((event["seq"].as_u64().expect("seq"), text));
        }
        if page["has_more"] != true {
            return messages;
        }
    }
}

/// Numbered texts, as the messages of a chat from its beginning.
fn numbered(count: u64) -> Vec<(u64, String)> {
    (1..=count).map(|seq| (seq, seq.to_string())).collect()
}
