//! Applies changes and delivers their events.

use metrics::{counter, describe_counter};
use neonchat_common::{correlation, error::ApiError, ids::Seq, tasks::Tasks};

use crate::{
    messages::{
        change::{Change, ChangeOutcome, NewChange},
        error::MessageError,
        service::Messages,
    },
    notifier::Notifier,
    timeline::{model::StoredEvent, service::Timeline},
};

const CHANGES_TOTAL: &str = "chat_changes_total";

/// Applies changes of messages.
#[derive(Clone)]
pub(crate) struct Changes {
    messages: Messages,
    timeline: Timeline,
    notifier: Notifier,
    tasks: Tasks,
    /// `EVENTS`.
    is_enabled: bool,
}

/// A change that was applied, now or before.
pub(crate) struct Changed {
    pub(crate) is_duplicate: bool,
    pub(crate) event: StoredEvent,
}

impl Changed {
    pub(crate) const fn seq(&self) -> Seq {
        self.event.event.seq()
    }
}

impl Changes {
    pub(crate) fn new(
        messages: Messages,
        timeline: Timeline,
        notifier: Notifier,
        tasks: Tasks,
        is_enabled: bool,
    ) -> Self {
        describe_counter!(CHANGES_TOTAL, "Edits, deletions, reactions and pins, by outcome");
        Self { messages, timeline, notifier, tasks, is_enabled }
    }

    /// Applies a change. Returns `None` if it changes nothing. The caller delivers the event.
    pub(crate) async fn apply(&self, change: NewChange) -> Result<Option<Changed>, ApiError> {
        if !self.is_enabled {
            return Err(MessageError::EventsDisabled.into());
        }
        let (kind, chat) = (kind(&change.change), change.chat);
        let outcome = self.messages.change(change).await;
        let status = outcome.as_ref().map(|outcome| match outcome {
            ChangeOutcome::Applied(_) => "applied",
            ChangeOutcome::Duplicate(_) => "duplicate",
            ChangeOutcome::Unchanged => "unchanged",
        });
        count_change(kind, status);
        let (event, is_duplicate) = match outcome? {
            ChangeOutcome::Applied(event) => (*event, false),
            // Its message may have been changed again since.
            ChangeOutcome::Duplicate(seq) => (self.timeline.event(chat, seq).await?, true),
            ChangeOutcome::Unchanged => return Ok(None),
        };
        Ok(Some(Changed { is_duplicate, event }))
    }

    /// Applies a change that came over REST, and publishes its event to all sockets of the chat. If the publication is lost,
    /// notification-service finds the event by a resync. Duplicates are published too, because a client repeats a request
    /// when the first one may have failed halfway.
    pub(crate) async fn apply_and_publish(&self, change: NewChange) -> Result<Option<Changed>, ApiError> {
        let changes = self.clone();
        // In a task: the event is published even if the client disconnects after the commit.
        let work = async move {
            let chat_id = change.chat;
            let made = changes.apply(change).await?;
            if let Some(Changed { event, .. }) = &made {
                let stored = event.announcement(chat_id);
                let notifier = changes.notifier.clone();
                changes.tasks.spawn(correlation::in_current_scope(async move { notifier.changed(stored).await }));
            }
            Ok(made)
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await.map_err(ApiError::internal)?
    }
}

/// Counts a change of this kind by its outcome.
pub(crate) fn count_change(kind: &'static str, outcome: Result<&'static str, &MessageError>) {
    let status = outcome.unwrap_or_else(|error| match error {
        MessageError::Db(_) | MessageError::Contended | MessageError::ShuttingDown => "unavailable",
        _ => "refused",
    });
    counter!(CHANGES_TOTAL, "kind" => kind, "status" => status).increment(1);
}

const fn kind(change: &Change) -> &'static str {
    match change {
        Change::Edit { .. } => "edit",
        Change::Delete { .. } => "delete",
    }
}
