//! Moves the markers of members, and tells who has read what.

use std::collections::BTreeMap;

use neonchat_common::{
    correlation,
    ids::{ChatId, MessageId, UserId},
};

use super::Chats;
use crate::{
    chats::{
        error::ChatError,
        model::{ChatReceipts, Marked, ReadState, Receipt, Seen},
        store,
    },
    notifier::MovedMarkers,
    prefs,
};

/// The markers that moved.
pub(crate) const MARKERS_WRITTEN: &str = "chat_read_markers_written_total";

/// The most markers that one statement moves. Messages of the same members wait for it.
const MAX_A_STATEMENT: usize = 250;

impl Chats {
    /// Moves markers: never back, and never past the last event. Returns the outcome of each receipt; `None` if the user is not a
    /// member of the chat.
    pub(crate) async fn mark_many(&self, receipts: &[Receipt]) -> Result<Vec<Option<Marked>>, ChatError> {
        let mut members = BTreeMap::new();
        for receipt in receipts {
            let merged = members.entry((receipt.chat, receipt.user)).or_insert(*receipt);
            merged.read = merged.read.max(receipt.read);
            merged.delivered = merged.delivered.max(receipt.delivered);
        }
        let merged: Vec<_> = members.into_values().collect();
        let mut outcomes = BTreeMap::new();
        for some in merged.chunks(MAX_A_STATEMENT) {
            let marked = store::mark_many(&self.db, some).await?;
            count_written(marked.iter().flatten());
            for (receipt, _) in some.iter().zip(&marked).filter(|(_, marked)| marked.is_some_and(|it| it.is_unmarked)) {
                prefs::announce(&self.db, &self.notifier, receipt.user, &[receipt.chat]).await;
            }
            outcomes.extend(some.iter().map(|receipt| (receipt.chat, receipt.user)).zip(marked));
        }
        let outcome = |receipt: &Receipt| outcomes.get(&(receipt.chat, receipt.user)).copied().flatten();
        Ok(receipts.iter().map(outcome).collect())
    }

    /// Moves the markers of one member.
    pub(crate) async fn mark(&self, receipt: Receipt) -> Result<Marked, ChatError> {
        let marked = store::mark(&self.db, receipt).await?.ok_or(ChatError::NotFound)?;
        count_written([&marked]);
        if marked.is_unmarked {
            prefs::announce(&self.db, &self.notifier, receipt.user, &[receipt.chat]).await;
        }
        Ok(marked)
    }

    /// Moves the markers of one member, and announces a change to the sockets of the chat.
    pub(crate) async fn mark_and_publish(&self, receipt: Receipt) -> Result<ReadState, ChatError> {
        // In a task: the change is published even if the client disconnects after the commit.
        let chats = self.clone();
        let work = async move {
            let Marked { state, has_moved, class, is_group, .. } = chats.mark(receipt).await?;
            if has_moved {
                let Receipt { chat: chat_id, user: user_id, .. } = receipt;
                let ReadState { read_seq: read, delivered_seq: delivered, unread_count } = state;
                let moved = MovedMarkers { chat_id, user_id, read, delivered, unread_count, class, is_group };
                chats.notifier.markers_moved(moved).await;
            }
            Ok(state)
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await?
    }

    /// Returns the markers of all members of a small chat.
    pub(crate) async fn receipts(&self, user: UserId, chat: ChatId) -> Result<ChatReceipts, ChatError> {
        store::receipts(&self.db, user, chat).await
    }

    /// Returns the members of a small chat who have read a message.
    pub(crate) async fn seen(&self, user: UserId, chat: ChatId, message: MessageId) -> Result<Seen, ChatError> {
        Ok(Seen { seen: store::seen(&self.db, user, chat, message).await?, next: None })
    }
}

fn count_written<'a>(marked: impl IntoIterator<Item = &'a Marked>) {
    let moved = marked.into_iter().filter(|marked| marked.has_moved).count();
    metrics::counter!(MARKERS_WRITTEN).increment(moved as u64);
}
