//! Pins messages and delivers the events.

use neonchat_common::{
    correlation,
    error::ApiError,
    ids::{ChatId, UserId},
    tasks::Tasks,
};

use super::{
    model::{NewPin, PinOutcome, Pins},
    store,
};
use crate::{
    changes::service::{Changed, count_change},
    db::Db,
    messages::error::MessageError,
    notifier::Notifier,
    timeline::service::Timeline,
};

/// Pins messages.
#[derive(Clone)]
pub(crate) struct PinService {
    pub(crate) db: Db,
    pub(crate) timeline: Timeline,
    pub(crate) notifier: Notifier,
    pub(crate) tasks: Tasks,
    /// `EVENTS`.
    pub(crate) is_enabled: bool,
}

impl PinService {
    /// Pins a message, or ends that, and publishes the event to all sockets of the chat. Returns `None` if nothing changes.
    pub(crate) async fn change(&self, new: NewPin) -> Result<Option<Changed>, ApiError> {
        if !self.is_enabled {
            return Err(MessageError::EventsDisabled.into());
        }
        let pins = self.clone();
        // In a task: the event is published even if the client disconnects after the commit.
        let work = async move {
            let made = pins.apply(new).await?;
            if let Some(Changed { event, .. }) = &made {
                let stored = event.announcement(new.chat);
                let notifier = pins.notifier.clone();
                pins.tasks.spawn(correlation::in_current_scope(async move { notifier.changed(stored).await }));
            }
            Ok(made)
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await.map_err(ApiError::internal)?
    }

    async fn apply(&self, new: NewPin) -> Result<Option<Changed>, ApiError> {
        let outcome = store::change(&self.db, new).await;
        let status = outcome.as_ref().map(|outcome| match outcome {
            PinOutcome::Applied(_) => "applied",
            PinOutcome::Duplicate(_) => "duplicate",
            PinOutcome::Unchanged => "unchanged",
        });
        count_change("pin", status);
        Ok(match outcome? {
            PinOutcome::Applied(event) => Some(Changed { is_duplicate: false, event: *event }),
            PinOutcome::Duplicate(seq) => {
                let event = self.timeline.event(new.chat, seq).await?;
                Some(Changed { is_duplicate: true, event })
            }
            PinOutcome::Unchanged => None,
        })
    }

    /// Returns the pinned messages of a chat that exist for a member.
    pub(crate) async fn list(&self, user: UserId, chat: ChatId) -> Result<Pins, MessageError> {
        store::list(&self.db, user, chat).await
    }
}
