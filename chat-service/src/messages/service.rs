//! Storing messages and reading them.

use metrics::{counter, describe_counter};
use neonchat_common::{
    correlation,
    ids::{ChatId, Seq, UserId},
    lifecycle::Tasks,
};

use super::{
    error::MessageError,
    model::{Events, EventsLimit, History, HistoryLimit, NewMessage, Position, Sent},
    store,
};
use crate::db::Db;

const SENT_TOTAL: &str = "chat_messages_sent_total";

/// The messages.
#[derive(Clone)]
pub struct Messages {
    db: Db,
    tasks: Tasks,
}

impl Messages {
    /// With what they stand on.
    #[must_use]
    pub fn new(db: Db, tasks: Tasks) -> Self {
        describe_counter!(SENT_TOTAL, "Messages sent, by what came of them");
        Self { db, tasks }
    }

    /// Stores a message, or finds that it was stored before. It is committed when this returns.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`], [`MessageError::IdempotencyMismatch`]
    pub async fn send(&self, message: NewMessage) -> Result<Sent, MessageError> {
        // In a task: a caller that goes away does not leave the work half done.
        let db = self.db.clone();
        let sent = self.tasks.spawn(correlation::carry(async move { store::store(&db, &message).await })).await?;
        let status = match &sent {
            Ok(Sent::Stored(_)) => "stored",
            Ok(Sent::Duplicate(_)) => "duplicate",
            Err(_) => "refused",
        };
        counter!(SENT_TOTAL, "chat_type" => "direct", "status" => status).increment(1);
        sent
    }

    /// A page of a chat's history, as one of its members reads it.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`], [`MessageError::NoSuchCursor`]
    pub async fn history(
        &self,
        user: UserId,
        chat: ChatId,
        position: Position,
        limit: HistoryLimit,
    ) -> Result<History, MessageError> {
        store::history(&self.db, user, chat, position, limit).await
    }

    /// The events of a chat after a `seq`, for a service that has checked membership.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`]
    pub async fn events_for_service(
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
    pub async fn events(
        &self,
        user: UserId,
        chat: ChatId,
        after: Seq,
        limit: EventsLimit,
    ) -> Result<Events, MessageError> {
        store::events(&self.db, Some(user), chat, after, limit).await
    }
}
