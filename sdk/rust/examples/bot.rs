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
        let new = match event {
            Event::Message(new) => new,
            Event::Missed(count) => {
                eprintln!("too slow: {count} events were left out, and questions among them get no answer");
                continue;
            }
            _ => continue,
        };
        if Some(new.message.sender_id) == me || !new.message.text.ends_with('?') {
            continue;
        }
        client.read(new.chat_id, new.seq).await?;
        // The ID of the question as the ID of the answer: a question is answered at most once.
        let answer = Text::new("Yes!").reply_to(new.message.id).request_id(RequestId(new.message.id.0));
        client.send(new.chat_id, answer).await?;
    }
    Ok(())
}
