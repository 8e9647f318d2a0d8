//! Sends messages, and reads history and events.

use metrics::{counter, describe_counter};
use neonchat_common::{
    correlation,
    ids::{ChatId, Seq, UserId},
    tasks::Tasks,
};

use super::{
    error::MessageError,
    model::{Events, EventsLimit, History, HistoryLimit, Message, NewMessage, Position, StoreOutcome},
    store::{self, StoreResult},
    writer::Writer,
};
use crate::{
    db::{Db, Replica},
    notifier::{MessageStored, Notifier},
};

const SENT_TOTAL: &str = "chat_messages_sent_total";

/// Sends and reads messages.
#[derive(Clone)]
pub(crate) struct Messages {
    db: Db,
    replica: Option<Replica>,
    writer: Writer,
    notifier: Notifier,
    tasks: Tasks,
}

impl Messages {
    /// Starts the writer as one of `tasks`.
    pub(crate) fn new(db: Db, notifier: Notifier, tasks: Tasks) -> Self {
        describe_counter!(SENT_TOTAL, "Messages sent, by outcome");
        Self { writer: Writer::start(db.clone(), &tasks), db, replica: None, notifier, tasks }
    }

    /// Reads from a replica, if there is one, the pages of history that it is known to have.
    pub(crate) fn with_replica(self, replica: Option<Replica>) -> Self {
        Self { replica, ..self }
    }

    /// Stores messages in their order, or finds that they are stored already. Each has its own outcome; `Ok` means that
    /// it is committed. The work continues if the caller is cancelled.
    ///
    /// # Errors
    /// For all messages: the service is busy, or is shutting down. For one message: [`MessageError::NoSuchChat`],
    /// [`MessageError::IdempotencyMismatch`] or [`MessageError::Db`].
    pub(crate) async fn submit(&self, messages: Vec<NewMessage>) -> Result<Vec<StoreResult>, MessageError> {
        let outcomes = self.writer.submit(messages).await?;
        for outcome in &outcomes {
            let status = match outcome {
                Ok(StoreOutcome::Stored(_)) => "stored",
                Ok(StoreOutcome::Duplicate(_)) => "duplicate",
                Err(_) => "refused",
            };
            counter!(SENT_TOTAL, "chat_type" => "direct", "status" => status).increment(1);
        }
        Ok(outcomes)
    }

    /// Stores one message, as [`Messages::submit`] does.
    pub(crate) async fn submit_one(&self, message: NewMessage) -> Result<StoreOutcome, MessageError> {
        // There is one outcome for each message.
        self.submit(vec![message]).await?.pop().unwrap_or(Err(MessageError::ShuttingDown))
    }

    /// Stores a message that a client sent over REST, and asks notification-service to deliver it. The answer does not
    /// wait for the delivery. If notification-service is unavailable, it finds the message later, by a resync.
    /// Duplicates are delivered too, because a client repeats a send when the first one may have failed halfway.
    pub(crate) async fn submit_and_deliver(&self, message: NewMessage) -> Result<StoreOutcome<Message>, MessageError> {
        let messages = self.clone();
        let work = async move {
            let outcome = messages.submit_one(message.clone()).await?.map(|stored| Message::new(message, stored));
            let (notifier, event) = (messages.notifier, MessageStored::from(outcome.get()));
            messages.tasks.spawn(correlation::in_current_scope(async move { notifier.message_stored(event).await }));
            Ok(outcome)
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await.unwrap_or(Err(MessageError::ShuttingDown))
    }

    /// Returns a page of a chat's history for one of its members.
    pub(crate) async fn history(
        &self,
        user: UserId,
        chat: ChatId,
        position: Position,
        limit: HistoryLimit,
    ) -> Result<History, MessageError> {
        store::history(&self.db, self.replica.as_ref(), user, chat, position, limit).await
    }

    /// Returns the events of a chat after a `seq`, for a service that has checked the membership itself.
    pub(crate) async fn events_for_service(
        &self,
        chat: ChatId,
        after: Seq,
        limit: EventsLimit,
    ) -> Result<Events, MessageError> {
        store::events(&self.db, None, chat, after, limit).await
    }

    /// Returns the events of a chat after a `seq` for one of its members.
    pub(crate) async fn events(
        &self,
        user: UserId,
        chat: ChatId,
        after: Seq,
        limit: EventsLimit,
    ) -> Result<Events, MessageError> {
        store::events(&self.db, Some(user), chat, after, limit).await
    }
}
