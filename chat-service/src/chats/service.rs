//! Opening chats and listing them.

use neonchat_common::{
    correlation,
    ids::{ChatId, Seq, UserId},
    lifecycle::Tasks,
};

use super::{
    error::ChatError,
    model::{ChatItem, ChatList, GetOrCreate, ListFilter, ReadState, ReadUpdate, RpcPageLimit, UserChat},
    store,
};
use crate::{
    db::Db,
    notifier::{NewChat, Notifier},
};

/// The chats.
#[derive(Clone)]
pub(crate) struct Chats {
    db: Db,
    notifier: Notifier,
    tasks: Tasks,
    /// The most chats that a user may have and open another one; 0 for any number.
    limit: u32,
}

impl Chats {
    /// With what they stand on.
    #[must_use]
    pub(crate) fn new(db: Db, notifier: Notifier, tasks: Tasks, limit: u32) -> Self {
        Self { db, notifier, tasks, limit }
    }

    /// The direct chat of two users, which is made where there is none. When this returns, both members' sockets have
    /// been told of a new one, so that its first message does not come before it.
    ///
    /// # Errors
    /// [`ChatError::PartnerIsCaller`], [`ChatError::NoSuchPartner`], [`ChatError::TooMany`], [`ChatError::CallerNotFound`]
    pub(crate) async fn open(&self, user: UserId, partner: UserId) -> Result<GetOrCreate<ChatItem>, ChatError> {
        if user == partner {
            return Err(ChatError::PartnerIsCaller);
        }
        // In a task: a client that goes away after the commit does not keep the partner from being told.
        let chats = self.clone();
        self.tasks
            .spawn(correlation::in_current_scope(async move { chats.open_and_publish(user, partner).await }))
            .await?
    }

    async fn open_and_publish(&self, user: UserId, partner: UserId) -> Result<GetOrCreate<ChatItem>, ChatError> {
        match store::get_or_create(&self.db, user, partner, self.limit).await? {
            GetOrCreate::Existing(mut item) => {
                self.mark_online([&mut item]).await;
                Ok(GetOrCreate::Existing(item))
            }
            GetOrCreate::Created((mut mine, mut theirs)) => {
                tracing::info!(chat.id = %mine.id, user.id = %user, "chat created");
                self.mark_online([&mut mine, &mut theirs]).await;
                let views = [(user, mine.clone()), (partner, theirs)];
                self.notifier.chat_created(views.map(|(member, item)| NewChat { member, item })).await;
                Ok(GetOrCreate::Created(mine))
            }
        }
    }

    /// One chat of a user.
    ///
    /// # Errors
    /// [`ChatError::NotFound`]
    pub(crate) async fn get(&self, user: UserId, chat: ChatId) -> Result<ChatItem, ChatError> {
        let mut item = store::find_item(&self.db, user, chat).await?.ok_or(ChatError::NotFound)?;
        self.mark_online([&mut item]).await;
        Ok(item)
    }

    /// A page of a user's chats.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn list(&self, user: UserId, filter: ListFilter) -> Result<ChatList, ChatError> {
        let (mut chats, total) = store::list(&self.db, user, filter).await?;
        self.mark_online(&mut chats).await;
        let shown = i64::try_from(chats.len()).unwrap_or(i64::MAX);
        Ok(ChatList { has_more: filter.offset.get() + shown < total, chats, total })
    }

    async fn mark_online(&self, items: impl IntoIterator<Item = &mut ChatItem>) {
        let items: Vec<_> = items.into_iter().collect();
        let online = self.notifier.online(items.iter().map(|item| item.partner.id)).await;
        for item in items {
            item.partner.online = online.contains(&item.partner.id);
        }
    }

    /// Notes that a user has read a chat up to a `seq`: never back, and not past the last event.
    ///
    /// # Errors
    /// [`ChatError::NotFound`]
    pub(crate) async fn mark_read(&self, user: UserId, chat: ChatId, read: Seq) -> Result<ReadUpdate, ChatError> {
        store::mark_read(&self.db, user, chat, read).await?.ok_or(ChatError::NotFound)
    }

    /// As [`Chats::mark_read`], for a client: the sockets of the chat are told where it has moved.
    ///
    /// # Errors
    /// [`ChatError::NotFound`]
    pub(crate) async fn mark_read_and_publish(
        &self,
        user: UserId,
        chat: ChatId,
        read: Seq,
    ) -> Result<ReadState, ChatError> {
        // In a task: a client that goes away after the commit does not keep the others from being told.
        let chats = self.clone();
        let work = async move {
            match chats.mark_read(user, chat, read).await? {
                ReadUpdate::Moved(state) => {
                    chats.notifier.read(chat, user, state.read_seq).await;
                    Ok(state)
                }
                ReadUpdate::Unchanged(state) => Ok(state),
            }
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await?
    }

    /// A chat as another service delivers in it, where the user is a member.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn find_for_member(&self, user: UserId, chat: ChatId) -> Result<Option<UserChat>, ChatError> {
        Ok(store::find_user_chat(&self.db, user, chat).await?)
    }

    /// The chats of a user after that one, in the order of their ids, and whether more follow.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn list_after(
        &self,
        user: UserId,
        after: Option<ChatId>,
        limit: RpcPageLimit,
    ) -> Result<(Vec<UserChat>, bool), ChatError> {
        let mut chats = store::user_chats(&self.db, user, after, limit).await?;
        let has_more = limit.truncate(&mut chats);
        Ok((chats, has_more))
    }

    /// The place of the last event in each of the chats that there are.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn heads(&self, chats: &[ChatId]) -> Result<Vec<(ChatId, Seq)>, ChatError> {
        Ok(store::heads(&self.db, chats).await?)
    }
}
