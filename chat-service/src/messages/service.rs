//! Storing messages and reading them.

use metrics::{counter, describe_counter};
use neonchat_common::{
    correlation,
    ids::{ChatId, Seq, UserId},
    lifecycle::Tasks,
};

use super::{
    error::MessageError,
    model::{Events, EventsLimit, History, HistoryLimit, Message, NewMessage, Position, Sent},
    store::{self, Outcome},
    writer::Writer,
};
use crate::{
    db::{Db, Reader},
    notifier::Notifier,
};

const SENT_TOTAL: &str = "chat_messages_sent_total";

/// The messages.
#[derive(Clone)]
pub(crate) struct Messages {
    db: Db,
    reader: Option<Reader>,
    writer: Writer,
    notifier: Notifier,
    tasks: Tasks,
}

impl Messages {
    /// With what they stand on.
    #[must_use]
    pub(crate) fn new(db: Db, notifier: Notifier, tasks: Tasks) -> Self {
        describe_counter!(SENT_TOTAL, "Messages sent, by outcome");
        Self { writer: Writer::start(db.clone(), &tasks), db, reader: None, notifier, tasks }
    }

    /// With a reader, where there is one, for the pages of history that it is known to have.
    #[must_use]
    pub(crate) fn reading_from(self, reader: Option<Reader>) -> Self {
        Self { reader, ..self }
    }

    /// Stores messages, each for itself and in their order, or finds that they were stored before. Those with a receipt are
    /// committed when this returns. A caller that goes away does not leave the work half done.
    ///
    /// # Errors
    /// Of all of them: the service is busy, or ends. Of each: [`MessageError::NoSuchChat`],
    /// [`MessageError::IdempotencyMismatch`], [`MessageError::Db`]
    pub(crate) async fn store(&self, messages: Vec<NewMessage>) -> Result<Vec<Outcome>, MessageError> {
        let outcomes = self.writer.store(messages).await?;
        for outcome in &outcomes {
            let status = match outcome {
                Ok(Sent::Stored(_)) => "stored",
                Ok(Sent::Duplicate(_)) => "duplicate",
                Err(_) => "refused",
            };
            counter!(SENT_TOTAL, "chat_type" => "direct", "status" => status).increment(1);
        }
        Ok(outcomes)
    }

    /// As [`Messages::store`], for one.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`], [`MessageError::IdempotencyMismatch`]
    pub(crate) async fn send(&self, message: NewMessage) -> Result<Sent, MessageError> {
        // There is one outcome for each message.
        self.store(vec![message]).await?.pop().unwrap_or(Err(MessageError::Ending))
    }

    /// Sends a message for a client that has no socket: as [`Messages::send`], and has it delivered. Nobody waits for the
    /// delivery; where notification-service is away, it finds the message when it is back. So is a duplicate delivered:
    /// who sends again does so because the first time may have been cut short.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`], [`MessageError::IdempotencyMismatch`]
    pub(crate) async fn send_and_deliver(&self, message: NewMessage) -> Result<Sent<Message>, MessageError> {
        let messages = self.clone();
        let work = async move {
            let sent = messages.send(message.clone()).await?.map(|receipt| Message::new(message, receipt));
            let (notifier, message) = (messages.notifier, sent.get().clone());
            messages.tasks.spawn(correlation::in_current_scope(async move { notifier.message_stored(message).await }));
            Ok(sent)
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await.unwrap_or(Err(MessageError::Ending))
    }

    /// A page of a chat's history, as one of its members reads it.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`], [`MessageError::NoSuchCursor`]
    pub(crate) async fn history(
        &self,
        user: UserId,
        chat: ChatId,
        position: Position,
        limit: HistoryLimit,
    ) -> Result<History, MessageError> {
        store::history(&self.db, self.reader.as_ref(), user, chat, position, limit).await
    }

    /// The events of a chat after a `seq`, for a service that has checked membership.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`]
    pub(crate) async fn events_for_service(
        &self,
        chat: ChatId,
        after: Seq,
        limit: EventsLimit,
    ) -> Result<Events, MessageError> {
        store::events(&self.db, None, chat, after, limit).await
    }

    /// The events of a chat after a `seq`, as one of its members reads them.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`]
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
