//! Storing messages and reading them.

use metrics::{counter, describe_counter};
use neonchat_common::{
    correlation,
    ids::{ChatId, Seq, UserId},
    lifecycle::Tasks,
};

use super::{
    error::MessageError,
    model::{Events, EventsLimit, History, HistoryLimit, Message, NewMessage, Position, StoreOutcome},
    store::{self, StoreResult},
    writer::Writer,
};
use crate::{
    db::{Db, Replica},
    notifier::Notifier,
};

const SENT_TOTAL: &str = "chat_messages_sent_total";

/// The messages.
#[derive(Clone)]
pub(crate) struct Messages {
    db: Db,
    replica: Option<Replica>,
    writer: Writer,
    notifier: Notifier,
    tasks: Tasks,
}

impl Messages {
    /// With what they stand on.
    #[must_use]
    pub(crate) fn new(db: Db, notifier: Notifier, tasks: Tasks) -> Self {
        describe_counter!(SENT_TOTAL, "Messages sent, by outcome");
        Self { writer: Writer::start(db.clone(), &tasks), db, replica: None, notifier, tasks }
    }

    /// With a replica, where there is one, for the pages of history that it is known to have.
    #[must_use]
    pub(crate) fn with_replica(self, replica: Option<Replica>) -> Self {
        Self { replica, ..self }
    }

    /// Stores messages, each for itself and in their order, or finds that they were stored before. Those with a receipt are
    /// committed when this returns. A caller that goes away does not leave the work half done.
    ///
    /// # Errors
    /// Of all of them: the service is busy, or ends. Of each: [`MessageError::NoSuchChat`],
    /// [`MessageError::IdempotencyMismatch`], [`MessageError::Db`]
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

    /// As [`Messages::submit`], for one.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`], [`MessageError::IdempotencyMismatch`]
    pub(crate) async fn submit_one(&self, message: NewMessage) -> Result<StoreOutcome, MessageError> {
        // There is one outcome for each message.
        self.submit(vec![message]).await?.pop().unwrap_or(Err(MessageError::ShuttingDown))
    }

    /// Sends a message for a client that has no socket: as [`Messages::submit_one`], and has it delivered. Nobody waits for the
    /// delivery; where notification-service is away, it finds the message when it is back. So is a duplicate delivered:
    /// who sends again does so because the first time may have been cut short.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`], [`MessageError::IdempotencyMismatch`]
    pub(crate) async fn submit_and_deliver(&self, message: NewMessage) -> Result<StoreOutcome<Message>, MessageError> {
        let messages = self.clone();
        let work = async move {
            let sent = messages.submit_one(message.clone()).await?.map(|receipt| Message::new(message, receipt));
            let (notifier, message) = (messages.notifier, sent.get().clone());
            messages.tasks.spawn(correlation::in_current_scope(async move { notifier.message_stored(message).await }));
            Ok(sent)
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await.unwrap_or(Err(MessageError::ShuttingDown))
    }

    /// A page of a chat's history, as one of its members reads it.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`], [`MessageError::UnknownCursor`]
    pub(crate) async fn history(
        &self,
        user: UserId,
        chat: ChatId,
        position: Position,
        limit: HistoryLimit,
    ) -> Result<History, MessageError> {
        store::history(&self.db, self.replica.as_ref(), user, chat, position, limit).await
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
