//! Handles each message, also after a crash.

use std::{collections::BTreeMap, error::Error as StdError, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::Client;
use crate::{
    ChatEvent, ChatId, Error, Event, Message, Status,
    core::{Call, Reply},
};

/// The pause after a handler that failed.
const RETRY: Duration = Duration::from_secs(3);
/// How many messages are read at a time.
const PAGE: usize = 50;

type Cause = Box<dyn StdError + Send + Sync>;

impl Client {
    /// Calls `handler` with each message, own ones included: one after the other, those of a chat in the order of `seq`. It ends with
    /// the client, or when it is dropped.
    ///
    /// A message is handled when `handler` returns `Ok`, and the store remembers it. What was not handled, because the program did
    /// not run or was killed, follows at the next start. If `handler` fails it is called again with the message after 3 s, or after
    /// [`Error::retry_after`], and the chat waits meanwhile: return `Ok` for what is not to be repeated. A handler that takes long
    /// lets the other chats wait; it may spawn a task.
    ///
    /// A message may be handled twice: if the program is killed after `handler` and before the store remembers it. So derive the IDs of
    /// what it sends from the message, by [`RequestId::derived`](crate::RequestId::derived).
    ///
    /// What was sent before the first start of a store is history, and is not handled. Call it once for a client.
    ///
    /// ```no_run
    /// use neonchat_client::{Client, Error, Message, RequestId, Text};
    ///
    /// async fn echo(client: &Client, message: Message) -> Result<(), Error> {
    ///     if client.session().is_some_and(|session| session.user_id() == message.sender_id) {
    ///         return Ok(());
    ///     }
    ///     let text = Text::new(message.text).request_id(RequestId::derived(message.id, "echo"));
    ///     client.send(message.chat_id, text).await.map(drop) // it is stored: from here on the message counts as handled
    /// }
    ///
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// client.start().await?;
    /// client.consume(|message| echo(&client, message)).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn consume<F, R, E>(&self, mut handler: F)
    where
        F: FnMut(Message) -> R,
        R: Future<Output = Result<(), E>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let mut events = self.events();
        // The chats to read, and from when on.
        let mut due = BTreeMap::new();
        self.note_all(&mut due);
        loop {
            let next = due.iter().min_by_key(|(_, at)| **at).map(|(chat, at)| (*chat, *at));
            let turn = async {
                match next {
                    Some((chat, at)) => {
                        sleep_until(at).await;
                        chat
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.note(&event, &mut due),
                    None => return,
                },
                chat = turn => {
                    due.remove(&chat);
                    match self.handle_page(chat, &mut handler).await {
                        Ok(true) => note_chat(chat, &mut due),
                        Ok(false) => {}
                        Err(cause) => {
                            tracing::warn!(chat.id = %chat, error = %cause, "message not handled; it is repeated");
                            let wait = cause.downcast_ref().and_then(Error::retry_after).unwrap_or(RETRY);
                            due.insert(chat, Instant::now() + wait);
                        }
                    }
                },
            }
        }
    }

    /// Handles a page of messages. Returns whether there may be more.
    async fn handle_page<R, E>(&self, chat: ChatId, handler: &mut impl FnMut(Message) -> R) -> Result<bool, Cause>
    where
        R: Future<Output = Result<(), E>>,
        E: Into<Cause>,
    {
        let Reply::Position(Some(position)) = self.call(Call::Handled(chat)).await? else { return Ok(false) };
        let page = self.timeline(chat).after(position, PAGE).await?;
        let has_more = page.has_next && !page.messages.is_empty();
        for message in page.messages {
            let seq = message.seq;
            handler(message).await.map_err(Into::into)?;
            self.call(Call::Handle(chat, seq)).await?;
        }
        Ok(has_more)
    }

    /// Notes the chats that have messages since an event.
    fn note(&self, event: &Event, due: &mut BTreeMap<ChatId, Instant>) {
        match event {
            Event::Message(new) => note_chat(new.chat_id, due),
            Event::Gap(gap) if gap.skipped => note_chat(gap.chat_id, due),
            Event::Chat(ChatEvent::Created { chat }) => note_chat(chat.id, due),
            Event::Chat(ChatEvent::Listed) | Event::State(Status::Live) | Event::Missed(_) => self.note_all(due),
            _ => {}
        }
    }

    fn note_all(&self, due: &mut BTreeMap<ChatId, Instant>) {
        for chat in self.chats() {
            note_chat(chat.id, due);
        }
    }
}

/// A chat that waits goes on waiting.
fn note_chat(chat: ChatId, due: &mut BTreeMap<ChatId, Instant>) {
    due.entry(chat).or_insert_with(Instant::now);
}
