//! Asks bob a question.

use neonchat_client::{Chat, Client, Error, Event};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder("http://localhost:8080").build()?;
    client.login("alice", "securepass123").await?;
    for line in ask(&client).await? {
        println!("{line}");
    }
    client.close().await;
    Ok(())
}

#[derive(serde::Deserialize)]
struct Chats {
    chats: Vec<Chat>,
}

pub(crate) async fn ask(client: &Client) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    let mut events = client.events();
    client.start().await?;
    let list: Chats = client.rest().get("/chats").send().await?;
    let is_bob = |chat: &Chat| chat.partner.as_ref().is_some_and(|partner| partner.username == "bob");
    let Some(chat) = list.chats.into_iter().find(is_bob) else { return Ok(lines) };

    let sending = client.send(chat.id, "Are you there?").await?; // in the outbox, with or without a connection
    let ack = sending.await?; // the server has stored it
    lines.push(format!("stored as {}", ack.seq.unwrap_or_default()));
    while let Some(event) = events.next().await {
        if let Event::Message(new) = event
            && new.chat_id == chat.id
            && !new.own
        {
            lines.push(format!("bob: {}", new.message.text));
            break;
        }
    }

    let sending = client.send(chat.id, "").await?;
    let request_id = sending.request_id();
    if let Err(error) = sending.await {
        lines.push(format!("not stored: {}", error.code()));
        client.cancel(request_id).await?;
    }

    let page = client.timeline(chat.id).latest(20).await?;
    lines.extend(page.messages.into_iter().map(|message| format!("{} {}", message.seq, message.text)));
    Ok(lines)
}
