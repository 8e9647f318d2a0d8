//! Sends messages, and reads history and events.

use metrics::{counter, describe_counter};
use neonchat_common::{
    chat::Role,
    correlation,
    ids::{ChatId, MessageId, Seq, UserId},
    tasks::Tasks,
};

use super::{
    batching::Turn,
    change::{ChangePolicy, NewChange},
    change_queue::ChangeQueue,
    error::MessageError,
    model::{
        History, HistoryQuery, LookupLimit, MentionPlace, Mentioned, Message, NewMessage, Replies, SentMessage,
        StoreOutcome, Versions, VersionsLimit,
    },
    resolve::resolve_edit,
    resolver::Resolver,
    store::{self, ChangeResult, StoreResult},
    writer::Writer,
};
use crate::{
    access::Access,
    config::{EditHistory, MessageSettings},
    db::{Db, Replica},
    notifier::{MessageStored, Notifier},
    rights::ChatKind,
};

const SENT_TOTAL: &str = "chat_messages_sent_total";

/// Sends and reads messages.
#[derive(Clone)]
pub(crate) struct Messages {
    pub(super) db: Db,
    replica: Option<Replica>,
    turn: Turn,
    resolver: Resolver,
    writer: Writer,
    changes: ChangeQueue,
    settings: MessageSettings,
    notifier: Notifier,
    pub(super) tasks: Tasks,
}

impl Messages {
    /// Starts the queues of messages and changes as `tasks`.
    pub(crate) fn new(db: Db, notifier: Notifier, settings: MessageSettings, tasks: Tasks) -> Self {
        describe_counter!(SENT_TOTAL, "Messages sent, by outcome");
        let policy = ChangePolicy {
            edit_window_us: settings.edit_window.as_micros().try_into().unwrap_or(i64::MAX),
            keeps_versions: settings.edit_history != EditHistory::Off,
        };
        let turn = Turn::default();
        Self {
            resolver: Resolver::start(db.clone(), settings.mention_all_interval_s, &tasks),
            writer: Writer::start(db.clone(), settings.large_chat_rate, turn.clone(), &tasks),
            changes: ChangeQueue::start(db.clone(), policy, turn.clone(), &tasks),
            turn,
            db,
            replica: None,
            settings,
            notifier,
            tasks,
        }
    }

    /// Returns the turn of statements that store events other than messages.
    pub(crate) fn turn(&self) -> Turn {
        self.turn.clone()
    }

    /// Reads from a replica, if there is one, the pages of history that it is known to have.
    pub(crate) fn with_replica(self, replica: Option<Replica>) -> Self {
        Self { replica, ..self }
    }

    /// Stores messages in their order, or finds that they are stored already. Each has its own outcome; `Ok` means that
    /// it is committed. The work continues if the caller is cancelled.
    ///
    /// # Errors
    /// For all messages: the service is busy, or is shutting down. For one message: [`MessageError::NoSuchChat`], a missing
    /// right, [`MessageError::IdempotencyMismatch`] or [`MessageError::Db`].
    pub(crate) async fn submit(&self, messages: Vec<NewMessage>) -> Result<Vec<StoreResult>, MessageError> {
        let messages = self.resolver.resolve(messages).await?;
        let outcomes = self.writer.submit(messages).await?;
        for outcome in &outcomes {
            let status = match outcome {
                Ok(StoreOutcome::Stored(_)) => "stored",
                Ok(StoreOutcome::Duplicate(_)) => "duplicate",
                Err(_) => "refused",
            };
            let kind = outcome.as_ref().ok().and_then(|outcome| outcome.get().kind);
            counter!(SENT_TOTAL, "chat_type" => kind.map_or("unknown", ChatKind::as_str), "status" => status)
                .increment(1);
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
    pub(crate) async fn submit_and_deliver(
        &self,
        message: NewMessage,
    ) -> Result<StoreOutcome<SentMessage>, MessageError> {
        let messages = self.clone();
        let work = async move {
            let outcome = messages.submit_one(message.clone()).await?;
            let stored = outcome.get().clone();
            if stored.kind.is_none() {
                return Ok(outcome.map(|stored| SentMessage::of_former_member(message.chat, &stored)));
            }
            if stored.is_changed {
                // The sent text may be deleted, so it is not delivered. notification-service finds the event by a resync.
                let shown = match messages.message(message.sender, message.chat, stored.id).await {
                    Ok(message) => SentMessage::Message(Box::new(message)),
                    // The sender does not see it any more: removed meanwhile, or a member again with a shorter history.
                    Err(MessageError::NoSuchChat | MessageError::NoSuchMessage) => {
                        SentMessage::of_former_member(message.chat, &stored)
                    }
                    Err(error) => return Err(error),
                };
                return Ok(outcome.map(|_| shown));
            }
            let message = Message::new(message, stored);
            messages.deliver(&message);
            Ok(outcome.map(|_| SentMessage::Message(Box::new(message))))
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await.unwrap_or(Err(MessageError::ShuttingDown))
    }

    /// Asks notification-service to deliver a stored message. Does not wait for it.
    pub(super) fn deliver(&self, message: &Message) {
        let (notifier, event) = (self.notifier.clone(), MessageStored::from(message));
        self.tasks.spawn(correlation::in_current_scope(async move { notifier.message_stored(event).await }));
    }

    /// Applies a change, or finds the event of an earlier request with its `request_id`. `Ok` means that it is committed. The
    /// work continues if the caller is cancelled.
    pub(crate) async fn change(&self, mut change: NewChange) -> ChangeResult {
        resolve_edit(&self.db, &mut change).await?;
        self.changes.submit(change).await
    }

    /// Returns a message for a member of its chat.
    pub(crate) async fn message(
        &self,
        user: UserId,
        chat: ChatId,
        message: MessageId,
    ) -> Result<Message, MessageError> {
        Ok(self.find(user, chat, message).await?.1.seen_by(user))
    }

    /// Returns a message as others than its sender see it, and the membership of the user.
    pub(crate) async fn find(
        &self,
        user: UserId,
        chat: ChatId,
        message: MessageId,
    ) -> Result<(Access, Message), MessageError> {
        store::message(&self.db, user, chat, message).await
    }

    /// Returns those of the messages of a chat that exist for one of its members.
    pub(crate) async fn some(&self, user: UserId, chat: ChatId, ids: &[MessageId]) -> Result<History, MessageError> {
        Ok(store::by_ids(&self.db, user, chat, ids).await?.seen_by(user))
    }

    /// Returns the messages after a `seq` that answer a message.
    pub(crate) async fn replies(
        &self,
        user: UserId,
        chat: ChatId,
        message: MessageId,
        after: Seq,
        limit: LookupLimit,
    ) -> Result<Replies, MessageError> {
        let (access, message) = store::message(&self.db, user, chat, message).await?;
        if message.is_deleted {
            return Err(MessageError::NoSuchMessage);
        }
        let Replies { replies, next } = store::replies(&self.db, access, message.seq, after, limit).await?;
        Ok(Replies { replies: replies.into_iter().map(|reply| reply.seen_by(user)).collect(), next })
    }

    /// Returns the messages before a place that mention a user, in all chats of the user.
    pub(crate) async fn mentions(
        &self,
        user: UserId,
        before: Option<MentionPlace>,
        limit: LookupLimit,
    ) -> Result<Mentioned, MessageError> {
        let Mentioned { mentions, next } = store::mentions(&self.db, user, before, limit).await?;
        Ok(Mentioned { mentions: mentions.into_iter().map(|message| message.seen_by(user)).collect(), next })
    }

    /// Returns a page of a chat's history for one of its members.
    pub(crate) async fn history(
        &self,
        user: UserId,
        chat: ChatId,
        query: HistoryQuery,
    ) -> Result<History, MessageError> {
        Ok(store::history(&self.db, self.replica.as_ref(), user, chat, query).await?.seen_by(user))
    }

    /// Returns the earlier texts of a message after the one that ended at the edit `after`.
    pub(crate) async fn versions(
        &self,
        user: UserId,
        chat: ChatId,
        message: MessageId,
        after: Seq,
        limit: VersionsLimit,
    ) -> Result<Versions, MessageError> {
        let (access, message) = store::message(&self.db, user, chat, message).await?;
        if message.is_deleted {
            return Err(MessageError::NoSuchMessage);
        }
        let is_shown = match self.settings.edit_history {
            EditHistory::Members => true,
            EditHistory::Admins => access.role() > Role::Member,
            EditHistory::Off => false,
        };
        if message.sender_id != user && !is_shown {
            return Err(MessageError::VersionsHidden);
        }
        let mut versions = store::versions(&self.db, access, message.seq, after, limit).await?;
        let has_more = limit.truncate(&mut versions);
        let next = versions.last().filter(|_| has_more).map(|version| version.until_seq.to_string());
        Ok(Versions { versions, next })
    }
}
