//! Changes what members have set for themselves, and tells their other devices.

use neonchat_common::{
    correlation,
    ids::{ChatId, Seq, UserId},
    json,
    tasks::Tasks,
};

use super::{
    announce,
    error::PrefsError,
    model::{Cleared, Draft, DraftFrame, DraftUpdate, NewDraft, PrefsPatch, UnreadTotals},
    store::{self, ClearUpdate},
};
use crate::{
    chats::{model::ChatItem, service::Chats},
    db::Db,
    notifier::Notifier,
};

/// Changes what members have set for themselves, and tells their other devices.
///
/// The changes run in tasks: the other devices learn of them even if the client disconnects after the commit.
#[derive(Clone)]
pub(crate) struct Prefs {
    pub(crate) db: Db,
    pub(crate) chats: Chats,
    pub(crate) notifier: Notifier,
    pub(crate) tasks: Tasks,
}

impl Prefs {
    /// Changes what a member has set about a chat. Returns the chat.
    pub(crate) async fn change(&self, user: UserId, chat: ChatId, patch: PrefsPatch) -> Result<ChatItem, PrefsError> {
        let this = self.clone();
        let work = async move {
            let changed = store::change(&this.db, user, chat, &patch).await?;
            announce(&this.db, &this.notifier, user, &changed).await;
            Ok(this.chats.get(user, chat).await?)
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await?
    }

    /// Stores the draft of a member in a chat. The caller tells the member's sockets, if it is another one than before.
    pub(crate) async fn store_draft(
        &self,
        user: UserId,
        chat: ChatId,
        draft: &NewDraft,
    ) -> Result<DraftUpdate, PrefsError> {
        store::set_draft(&self.db, user, chat, draft).await?.ok_or(PrefsError::NoSuchChat)
    }

    /// Stores the draft of a member in a chat, and tells all sockets of the member.
    pub(crate) async fn set_draft(&self, user: UserId, chat: ChatId, draft: NewDraft) -> Result<Draft, PrefsError> {
        let this = self.clone();
        let work = async move {
            let DraftUpdate { draft, is_changed } = this.store_draft(user, chat, &draft).await?;
            if is_changed {
                this.notifier.personal(user, chat, &json::raw(&DraftFrame::new(chat, &draft))).await;
            }
            Ok(draft)
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await?
    }

    /// Lets the history of a chat begin after an event, for one member alone: never earlier than before, and never after the last event.
    pub(crate) async fn clear(&self, user: UserId, chat: ChatId, upto: Seq) -> Result<Cleared, PrefsError> {
        let this = self.clone();
        let work = async move {
            let ClearUpdate { cleared, is_changed } =
                store::clear(&this.db, user, chat, upto).await?.ok_or(PrefsError::NoSuchChat)?;
            if is_changed {
                announce(&this.db, &this.notifier, user, &[chat]).await;
            }
            Ok(cleared)
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await?
    }

    /// Returns what a user has not read.
    pub(crate) async fn unread(&self, user: UserId) -> Result<UnreadTotals, PrefsError> {
        Ok(store::unread(&self.db, user).await?)
    }
}
