//! Answers each question.

use neonchat_client::{Client, Error, Event, FileStore, RequestId, Text};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder("http://localhost:8080").store(FileStore::open("bot.jsonl")?).build()?;
    if client.session().is_none() {
        client.login("bob", "securepass123").await?;
    }
    Ok(answer_questions(&client).await?)
}

pub(crate) async fn answer_questions(client: &Client) -> Result<(), Error> {
    let me = client.session().map(|session| session.user_id());
    let mut events = client.events();
    client.start().await?;
    while let Some(event) = events.next().await {
        let Event::Message(new) = event else { continue };
        if Some(new.message.sender_id) == me || !new.message.text.ends_with('?') {
            continue;
        }
        client.read(new.chat_id, new.seq).await?;
        // The ID of the question as the ID of the answer: a question is answered once, whatever happens.
        let answer = Text::new("Yes!").reply_to(new.message.id).request_id(RequestId(new.message.id.0));
        client.send(new.chat_id, answer).await?;
    }
    Ok(())
}
