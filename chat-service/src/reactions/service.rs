//! Applies changes of reactions and delivers their events.

use std::{sync::Arc, time::Duration};

use neonchat_common::{
    correlation,
    error::ApiError,
    ids::{ChatId, MessageId, UserId},
    tasks::Tasks,
};
use serde_json::value::RawValue;
use tokio::sync::Notify;

use super::{
    emoji::Emoji,
    model::{NewReaction, ReactionList, ReactionOutcome, ReactionPlace, ReactionsLimit},
    queue::ReactionQueue,
    store, sweep,
};
use crate::{
    changes::service::{Changed, count_change},
    db::Db,
    limits::limiter::{Decision, Limiter, Rule},
    messages::{error::MessageError, model::Message, service::Messages},
    notifier::Notifier,
    timeline::service::Timeline,
};

/// The window of the rate limit. Its quota can be used up at once.
const WINDOW: Duration = Duration::from_secs(2);

/// Reacts to messages.
#[derive(Clone)]
pub(crate) struct ReactionService {
    db: Db,
    messages: Messages,
    timeline: Timeline,
    notifier: Notifier,
    tasks: Tasks,
    queue: ReactionQueue,
    limiter: Limiter,
    /// For each user.
    rule: Option<Rule>,
    /// `EVENTS`.
    is_enabled: bool,
}

/// A change of a reaction that was applied, now or before.
pub(crate) struct Reacted {
    pub(crate) is_duplicate: bool,
    /// `None` if nothing changed, or the event follows later.
    pub(crate) changed: Option<Changed>,
    /// The frame for the user's sockets, if the change was applied now.
    pub(crate) frame: Option<Box<RawValue>>,
}

impl ReactionService {
    /// Starts the queue of changes and the gathering as `tasks`. `per_second` is the rate limit of each user; 0 is no limit.
    pub(crate) fn new(
        db: Db,
        (messages, timeline): (Messages, Timeline),
        notifier: Notifier,
        (limiter, per_second): (Limiter, u32),
        tasks: Tasks,
        is_enabled: bool,
    ) -> Self {
        let gathered = Arc::<Notify>::default();
        if is_enabled {
            sweep::start(&tasks, db.clone(), notifier.clone(), Arc::clone(&gathered));
        }
        let limit = per_second.saturating_mul(u32::try_from(WINDOW.as_secs()).unwrap_or(u32::MAX));
        let rule = (limit > 0).then_some(Rule { limit, window: WINDOW });
        let queue = ReactionQueue::start(db.clone(), gathered, messages.turn(), &tasks);
        Self { db, messages, timeline, notifier, tasks, queue, limiter, rule, is_enabled }
    }

    /// Applies a change. The caller delivers the event and the frame.
    pub(crate) async fn react(&self, new: NewReaction) -> Result<Reacted, ApiError> {
        if !self.is_enabled {
            return Err(MessageError::EventsDisabled.into());
        }
        self.check_rate(new.user).await?;
        let outcome = self.queue.submit(new).await;
        let status = outcome.as_ref().map(|outcome| match outcome {
            ReactionOutcome::Applied(_) | ReactionOutcome::Gathered => "applied",
            ReactionOutcome::Duplicate(_) => "duplicate",
            ReactionOutcome::Unchanged => "unchanged",
        });
        count_change("react", status);
        let frame = || Some(new.frame());
        Ok(match outcome? {
            ReactionOutcome::Applied(event) => {
                let changed = Changed { is_duplicate: false, event: *event };
                Reacted { is_duplicate: false, changed: Some(changed), frame: frame() }
            }
            ReactionOutcome::Gathered => Reacted { is_duplicate: false, changed: None, frame: frame() },
            ReactionOutcome::Duplicate(Some(seq)) => {
                let event = self.timeline.event(new.chat, seq).await?;
                Reacted { is_duplicate: true, changed: Some(Changed { is_duplicate: true, event }), frame: None }
            }
            ReactionOutcome::Duplicate(None) => Reacted { is_duplicate: true, changed: None, frame: None },
            ReactionOutcome::Unchanged => Reacted { is_duplicate: false, changed: None, frame: None },
        })
    }

    async fn check_rate(&self, user: UserId) -> Result<(), MessageError> {
        let Some(rule) = self.rule else { return Ok(()) };
        match self.limiter.acquire(&format!("limit:reactions:{user}"), rule).await {
            Decision::Refused(quota) => {
                metrics::counter!("rate_limited_total", "limit" => "reactions").increment(1);
                Err(MessageError::RateLimited(quota.reset))
            }
            Decision::Allowed(_) | Decision::Uncounted => Ok(()),
        }
    }

    /// Applies a change that came over REST, and publishes its event to all sockets of the chat, and its frame to those of the user.
    pub(crate) async fn react_and_publish(&self, new: NewReaction) -> Result<Reacted, ApiError> {
        let reactions = self.clone();
        // In a task: the event is published even if the client disconnects after the commit.
        let work = async move {
            let made = reactions.react(new).await?;
            let stored = made.changed.as_ref().map(|changed| changed.event.announcement(new.chat));
            let (notifier, frame) = (reactions.notifier.clone(), made.frame.clone());
            let publish = async move {
                if let Some(stored) = stored {
                    notifier.changed(stored).await;
                }
                if let Some(frame) = frame {
                    notifier.personal(new.user, new.chat, &frame).await;
                }
            };
            reactions.tasks.spawn(correlation::in_current_scope(publish));
            Ok(made)
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await.map_err(ApiError::internal)?
    }

    /// Returns a message as it is after a change; `None` if it does not exist for the user any more.
    pub(crate) async fn message_after(&self, new: NewReaction) -> Result<Option<Message>, MessageError> {
        match self.messages.message(new.user, new.chat, new.message).await {
            Ok(message) => Ok(Some(message)),
            Err(MessageError::NoSuchChat | MessageError::NoSuchMessage) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the reactions to a message before a place, with this emoji or with any.
    pub(crate) async fn list(
        &self,
        user: UserId,
        (chat, message): (ChatId, MessageId),
        emoji: Option<Emoji>,
        before: Option<ReactionPlace>,
        limit: ReactionsLimit,
    ) -> Result<ReactionList, MessageError> {
        let (access, message) = self.messages.find(user, chat, message).await?;
        if message.is_deleted {
            return Err(MessageError::NoSuchMessage);
        }
        if access.hides_members() {
            return Err(MessageError::Role);
        }
        store::list(&self.db, access, message.seq, emoji, before, limit).await
    }
}
