//! Answers each question once, also those that were asked while it did not run, and also if it is killed at any moment.

use neonchat_client::{
    Client, Error, Event, Events, FileStore, Message, OutboxKind, Pending, PendingState, RequestId, Text,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = FileStore::open("bot.jsonl")?; // a second process with this file is refused
    let client = Client::builder("http://localhost:8080").store(store).build()?;
    if client.session().is_none_or(|session| session.username() != "bob") {
        client.login("bob", "securepass123").await?;
    }
    Ok(answer_questions(&client).await?)
}

pub(crate) async fn answer_questions(client: &Client) -> Result<(), Error> {
    let events = client.events();
    client.start().await?;
    // Both end with the client.
    let ((), ended) = tokio::join!(client.consume(|message| answer(client, message)), watch(client, events));
    ended
}

async fn answer(client: &Client, message: Message) -> Result<(), Error> {
    let is_own = client.session().is_some_and(|session| session.user_id() == message.sender_id);
    if is_own || !message.text.ends_with('?') {
        return Ok(());
    }
    client.read(message.chat_id, message.seq).await?;
    let text = Text::new("Yes!").reply_to(message.id).request_id(RequestId::derived(message.id, "answer"));
    client.send(message.chat_id, text).await?; // it survives: from here on the question counts as handled
    Ok(())
}

/// Prints the state, and gives up what the server refuses, which otherwise stays in the outbox.
async fn watch(client: &Client, mut events: Events) -> Result<(), Error> {
    for entry in client.outbox().into_iter().filter(|entry| entry.state == PendingState::Failed) {
        give_up(client, &entry).await?; // of a former run
    }
    while let Some(event) = events.next().await {
        match event {
            Event::State(state) => eprintln!("{state:?}"),
            Event::Error(error) => eprintln!("{error:?}"),
            Event::Outbox(outbox) if outbox.kind == OutboxKind::Failed => give_up(client, &outbox.entry).await?,
            _ => {}
        }
    }
    Ok(())
}

async fn give_up(client: &Client, entry: &Pending) -> Result<(), Error> {
    eprintln!("not sent: {:?} {:?}", entry.code, entry.detail);
    client.cancel(entry.request_id).await.map(drop)
}
