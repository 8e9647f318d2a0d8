//! Reads events, and delivers those that a change made.

use neonchat_common::ids::{ChatId, Seq, UserId};

use super::{
    error::TimelineError,
    model::{Event, Events, EventsLimit, EventsPage, StoredEvent},
    store,
};
use crate::db::Db;

/// The maximum size of a page of events, in bytes.
const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024;

/// Reads events.
#[derive(Clone)]
pub(crate) struct Timeline {
    db: Db,
}

impl Timeline {
    pub(crate) const fn new(db: Db) -> Self {
        Self { db }
    }

    /// Returns the events of a chat after a `seq` for one of its members.
    pub(crate) async fn events(
        &self,
        user: UserId,
        chat: ChatId,
        after: Seq,
        limit: EventsLimit,
    ) -> Result<Events, TimelineError> {
        let page = store::page(&self.db, Some(user), chat, after, limit).await?;
        let first_seq = page.first_seq().unwrap_or(1);
        let EventsPage { events, head_seq, .. } = page;
        let mut bytes = 0;
        let fits = |event: &Event| {
            bytes += event.size();
            bytes <= MAX_PAGE_BYTES
        };
        let events: Vec<_> = events.into_iter().map(|stored| stored.event).take_while(fits).collect();
        let last = events.last().map_or(after.max(first_seq - 1), Event::seq);
        Ok(Events { events, head_seq, first_seq, has_more: last < head_seq })
    }

    /// Returns the events of a chat after a `seq`, for a service that has checked the membership itself, or for this member.
    pub(crate) async fn events_for_service(
        &self,
        member: Option<UserId>,
        chat: ChatId,
        after: Seq,
        limit: EventsLimit,
    ) -> Result<EventsPage, TimelineError> {
        store::page(&self.db, member, chat, after, limit).await
    }

    /// Returns the event with this `seq`, as its frames have to show it now.
    pub(crate) async fn event(&self, chat: ChatId, seq: Seq) -> Result<StoredEvent, TimelineError> {
        store::find(&self.db, chat, seq).await?.ok_or(TimelineError::NoSuchChat)
    }
}
