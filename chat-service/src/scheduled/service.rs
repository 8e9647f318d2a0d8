//! Schedules messages, and changes those that are not sent yet.

use std::time::Duration;

use neonchat_common::{
    ids::{ChatId, SendId, UserId},
    tasks::Tasks,
};

use super::{
    model::{
        NewScheduled, Place, ScheduledAt, ScheduledLimit, ScheduledMessage, ScheduledMessages, ScheduledPatch,
        Scheduling, SentAt, Target,
    },
    sender, store,
};
use crate::{
    db::Db,
    messages::{
        error::MessageError,
        model::{MessageReference, SentMessage, StoreOutcome},
        service::Messages,
    },
    notifier::Notifier,
};

/// Schedules messages.
#[derive(Clone)]
pub(crate) struct Scheduled {
    pub(super) db: Db,
    pub(super) messages: Messages,
    pub(super) notifier: Notifier,
    pub(super) tasks: Tasks,
    /// The least time until a message is sent.
    min: Duration,
}

/// The answer to a request to schedule a message.
pub(crate) enum Answer {
    Scheduled(StoreOutcome<ScheduledAt>),
    /// It was scheduled by an earlier request, and has been sent.
    Sent(SentMessage),
}

impl Scheduled {
    /// Starts the task that sends the messages that are due. `min` is the least time until a message is sent.
    pub(crate) fn start(db: &Db, messages: &Messages, notifier: &Notifier, tasks: &Tasks, min: Duration) -> Self {
        let (db, messages, notifier, tasks) = (db.clone(), messages.clone(), notifier.clone(), tasks.clone());
        let scheduled = Self { db, messages, notifier, tasks, min };
        sender::start(scheduled.clone());
        scheduled
    }

    /// Schedules a message, or finds that an earlier request with its `request_id` did.
    ///
    /// # Errors
    /// [`MessageError::NoSuchChat`], a missing right, [`MessageError::SendAt`], [`MessageError::TooManyScheduled`],
    /// [`MessageError::IdempotencyMismatch`] or [`MessageError::Db`].
    pub(crate) async fn schedule(&self, message: NewScheduled) -> Result<Answer, MessageError> {
        let (chat, sender) = (message.chat, message.sender);
        Ok(match store::schedule(&self.db, message, self.min).await? {
            Scheduling::New(at) => Answer::Scheduled(StoreOutcome::Stored(at)),
            Scheduling::Duplicate(at) => Answer::Scheduled(StoreOutcome::Duplicate(at)),
            Scheduling::Sent(sent) => Answer::Sent(self.sent(sender, chat, sent).await?),
        })
    }

    async fn sent(&self, sender: UserId, chat_id: ChatId, sent: SentAt) -> Result<SentMessage, MessageError> {
        let SentAt { id, seq, created_at } = sent;
        match self.messages.message(sender, chat_id, id).await {
            Ok(message) => Ok(SentMessage::Message(message.into())),
            // The sender does not see it any more.
            Err(MessageError::NoSuchChat | MessageError::NoSuchMessage) => {
                Ok(SentMessage::Reference(MessageReference { id, chat_id, seq, created_at }))
            }
            Err(error) => Err(error),
        }
    }

    /// Checks that no scheduled message has this `request_id`: one that is sent at once is no repetition of it.
    pub(crate) async fn require_unused(&self, sender: UserId, request: SendId) -> Result<(), MessageError> {
        let is_used = store::is_scheduled(&self.db, sender, request).await?;
        if is_used { Err(MessageError::IdempotencyMismatch) } else { Ok(()) }
    }

    /// Returns the messages after a place that a user has scheduled in a chat.
    pub(super) async fn list(
        &self,
        user: UserId,
        chat: ChatId,
        after: Option<Place>,
        limit: ScheduledLimit,
    ) -> Result<ScheduledMessages, MessageError> {
        let mut scheduled = store::list(&self.db, user, chat, after, limit).await?;
        let place = |message: &ScheduledMessage| Place { send_at: message.send_at, id: message.id }.to_string();
        let next = limit.next_place(&mut scheduled, place);
        Ok(ScheduledMessages { scheduled, next })
    }

    /// Changes a message that is not sent yet.
    pub(super) async fn change(&self, target: Target, patch: ScheduledPatch) -> Result<ScheduledMessage, MessageError> {
        if let Some(send_at) = patch.send_at {
            store::check_time(send_at, self.min)?;
        }
        store::change(&self.db, target, patch).await
    }

    /// Deletes a message that is not sent yet.
    pub(super) async fn cancel(&self, target: Target) -> Result<(), MessageError> {
        store::cancel(&self.db, target).await
    }
}
