//! Opens and lists chats, and moves markers.

pub(crate) mod receipts;

use neonchat_common::{
    chat::{RemovalReason, Role},
    correlation,
    ids::{ChatId, Seq, UserId},
    json,
    tasks::Tasks,
};

use super::{
    error::ChatError,
    model::{ChatItem, ChatList, GetOrCreate, ListFilter, ListStart, RpcPageLimit, UserChat},
    place::ListPlace,
    store::{self, presence_of},
};
use crate::{
    db::Db,
    notifier::{ChatCreated, Notifier},
    rights::{Action, needed},
};

/// Opens and lists chats, and moves markers.
#[derive(Clone)]
pub(crate) struct Chats {
    db: Db,
    notifier: Notifier,
    tasks: Tasks,
    /// A user with this many chats cannot open another; 0 is no limit.
    limit: u32,
}

impl Chats {
    pub(crate) fn new(db: Db, notifier: Notifier, tasks: Tasks, limit: u32) -> Self {
        Self { db, notifier, tasks, limit }
    }

    /// Returns the direct chat of two users, and creates it if there is none. A new chat is announced to both members'
    /// sockets before this returns, so that the announcement precedes its first message.
    pub(crate) async fn open(&self, user: UserId, partner: UserId) -> Result<GetOrCreate<ChatItem>, ChatError> {
        if user == partner {
            return Err(ChatError::PartnerIsCaller);
        }
        // In a task: the announcement is published even if the client disconnects after the commit.
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
                let announcements = [(user, partner, &mine), (partner, user, &theirs)]
                    .map(|(member, other, item)| announcement(member, item, vec![other]));
                self.notifier.chat_created(announcements).await;
                Ok(GetOrCreate::Created(mine))
            }
        }
    }

    /// Announces a chat to the sockets of the users who became members of it by one request. Those who are members no longer get
    /// nothing. A lost announcement is found by a resync of notification-service.
    pub(crate) async fn announce_joined(&self, chat: ChatId, users: &[UserId]) {
        match store::items_with_circle(&self.db, chat, users).await {
            Ok((mut items, circle)) => {
                self.mark_online(items.iter_mut().map(|(_, item)| item)).await;
                let announcements =
                    items.iter().map(|(user, item)| announcement(*user, item, presence_of(*user, &circle)));
                self.notifier.chat_created(announcements).await;
            }
            Err(error) => tracing::warn!(chat.id = %chat, error.cause = %error, "chat not announced to new members"),
        }
    }

    /// Returns a chat of a user.
    pub(crate) async fn get(&self, user: UserId, chat: ChatId) -> Result<ChatItem, ChatError> {
        let mut item = store::find_item(&self.db, user, chat).await?.ok_or(ChatError::NotFound)?;
        self.mark_online([&mut item]).await;
        Ok(item)
    }

    /// Returns a page of a user's chats.
    pub(crate) async fn list(&self, user: UserId, filter: ListFilter) -> Result<ChatList, ChatError> {
        let (mut chats, total) = store::list(&self.db, user, &filter).await?;
        let has_more = match (filter.from, total) {
            (ListStart::Offset(offset), Some(total)) => {
                offset.get() + i64::try_from(chats.len()).unwrap_or(i64::MAX) < total
            }
            _ => filter.limit.truncate(&mut chats),
        };
        self.mark_online(&mut chats).await;
        let next = chats.last().filter(|_| has_more).map(|item| ListPlace::of(item).to_string());
        Ok(ChatList { chats, total, has_more, next })
    }

    async fn mark_online(&self, items: impl IntoIterator<Item = &mut ChatItem>) {
        let mut partners: Vec<_> = items.into_iter().filter_map(|item| item.partner.as_mut()).collect();
        let known = self.notifier.online(partners.iter().map(|partner| partner.id)).await;
        for partner in &mut partners {
            if let Some(status) = known.get(&partner.id) {
                (partner.online, partner.status) = (true, (*status).into());
            }
        }
    }

    /// Returns a chat if the user is a member of it.
    pub(crate) async fn find_for_member(&self, user: UserId, chat: ChatId) -> Result<Option<UserChat>, ChatError> {
        Ok(store::find_user_chat(&self.db, user, chat).await?)
    }

    /// Announces to the sockets of a user that the user left a chat without an event of the chat, unless the user is a member again.
    pub(crate) async fn announce_left(&self, user: UserId, chat: ChatId) {
        match store::access_version_without(&self.db, user, chat).await {
            Ok(Some(version)) => self.notifier.left(user, chat, RemovalReason::Left, version).await,
            Ok(None) => {}
            Err(error) => tracing::warn!(chat.id = %chat, error.cause = %error, "departure of a member not announced"),
        }
    }

    /// Returns a page of a user's chats after the chat `after`, ordered by id, and whether more follow.
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

    /// Returns the heads of those of the chats that exist.
    pub(crate) async fn heads(&self, chats: &[ChatId]) -> Result<Vec<(ChatId, Seq)>, ChatError> {
        Ok(store::heads(&self.db, chats).await?)
    }
}

fn announcement(member: UserId, item: &ChatItem, presence: Vec<UserId>) -> ChatCreated {
    ChatCreated {
        member,
        chat_id: item.id,
        last_seq: item.last_seq,
        partner: item.partner.as_ref().map(|partner| partner.id),
        from_seq: item.first_seq - 1,
        class: item.class(),
        role: item.role.unwrap_or_default(),
        presence,
        send_role: item.settings.of_group().map_or(Role::Member, |settings| needed(Action::Send, item.kind, settings)),
        restricted_until: item.restricted_until,
        access_version: item.access_version,
        chat: json::raw(item),
    }
}
