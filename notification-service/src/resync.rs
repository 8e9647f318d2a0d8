//! Resync: finds and fetches events that this instance has not received, after the loss of a publication, of a connection
//! or of all of Redis.
//!
//! There is one method for every kind of loss: compare what this instance has delivered with what chat-service has stored,
//! and fetch the difference. It runs for a new subscription, for a chat with a gap, for all chats after publications were
//! lost, and for all chats every few seconds, because the loss of a chat's last event leaves no gap.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use neonchat_common::{
    error::{ApiError, ErrorCode},
    ids::{ChatId, Seq, UserId},
    tasks::Tasks,
    token::TokenRef,
};

use crate::{
    chat_service::{ChangedUsers, ChatService, MAX_HEADS},
    dedup_queue::DedupQueue,
    event_frame::EventFrame,
    hub::{Hub, Revocation, UserChat},
};

/// How long an event waits for an earlier one before the earlier one is fetched. Two instances may publish in either
/// order, so most gaps close without a fetch.
const REORDER_WINDOW: Duration = Duration::from_millis(200);

/// How often all heads are compared and changed users are listed. A lost last event is found within this interval plus
/// the duration of the comparison. It must be found within 10 s.
const RESYNC_INTERVAL: Duration = Duration::from_secs(8);

/// How long further changes of a chat's members are awaited before its size and its members are asked for.
const UPDATE_WINDOW: Duration = Duration::from_secs(1);

/// The delay before a failed chat is checked again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The most chats, and the most users, that are processed at a time.
const CONCURRENCY: usize = 8;

/// The queues of resync and what its workers need.
pub(crate) struct Resync {
    hub: Arc<Hub>,
    chat_service: ChatService,
    unchecked_chats: DedupQueue<ChatId>,
    /// Chats whose check or fetch failed.
    failed_chats: DedupQueue<ChatId>,
    /// Users whose chats could not be brought up to date, or not yet.
    failed_users: DedupQueue<UserId>,
    /// Chats whose size and members could not be brought up to date.
    failed_updates: DedupQueue<ChatId>,
}

impl Resync {
    pub(crate) fn new(hub: Arc<Hub>, chat_service: ChatService) -> Self {
        Self {
            hub,
            chat_service,
            unchecked_chats: DedupQueue::default(),
            failed_chats: DedupQueue::default(),
            failed_users: DedupQueue::default(),
            failed_updates: DedupQueue::default(),
        }
    }

    /// Queues chats that may have events that this instance has not received.
    pub(crate) fn check_heads(&self, chats: impl IntoIterator<Item = ChatId>) {
        self.unchecked_chats.add(chats);
    }

    /// Queues users whose chats may differ from those that this instance knows, or who may have revoked tokens.
    pub(crate) fn refresh_users(&self, users: impl IntoIterator<Item = UserId>) {
        self.hub.stale_users.add(users);
    }

    /// Asks chat-service whether a user is a member of a chat that this instance does not know. If so, adds the chat to
    /// the hub.
    pub(crate) async fn discover_chat(&self, user: UserId, chat: ChatId) -> Result<bool, ApiError> {
        let Some(chat) = self.chat_service.chat_of(user, chat).await? else { return Ok(false) };
        // The partner may not have been told about a direct chat either.
        if let Some(partner) = chat.partner {
            self.hub.add_chats(partner, &[UserChat::direct(chat.id, chat.last_seq, user)]);
        }
        self.hub.add_chats(user, &[chat]);
        Ok(true)
    }

    /// Starts the workers.
    pub(crate) fn start(self: &Arc<Self>, tasks: &Tasks) {
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.fill_gaps().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.compare_heads().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.refresh().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.update_chats().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.retry().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.periodic_resync().await });
    }

    /// Queues all chats and the changed users, every few seconds.
    async fn periodic_resync(&self) {
        let mut tick = tokio::time::interval(RESYNC_INTERVAL);
        let mut since = 0;
        loop {
            tick.tick().await;
            self.check_heads(self.hub.chats());
            match self.chat_service.changed_users(since).await {
                Ok(ChangedUsers { users, until_micros }) => {
                    since = until_micros;
                    self.refresh_users(users.into_iter().filter(|user| self.hub.has_user(*user)));
                }
                Err(error) => tracing::warn!(error.cause = %error, "changed users could not be listed"),
            }
        }
    }

    async fn fill_gaps(&self) {
        loop {
            self.hub.gaps.wait().await;
            tokio::time::sleep(REORDER_WINDOW).await;
            let gaps = self.hub.gaps.take().into_iter().filter(|chat| self.hub.has_gap(*chat));
            self.fetch_missing(gaps).await;
        }
    }

    async fn compare_heads(&self) {
        loop {
            self.unchecked_chats.wait().await;
            let chats: Vec<ChatId> = self.unchecked_chats.take().into_iter().collect();
            for chats in chats.chunks(MAX_HEADS) {
                if let Err(error) = self.check_chunk(chats).await {
                    tracing::warn!(error.cause = %error, "chat heads could not be fetched, retrying");
                    self.failed_chats.add(chats.iter().copied());
                }
            }
        }
    }

    /// Compares the heads of at most [`MAX_HEADS`] chats and fetches what is missing.
    async fn check_chunk(&self, chats: &[ChatId]) -> Result<(), ApiError> {
        let delivered = chats.iter().map(|chat| (*chat, self.hub.next_seq(*chat))).collect();
        let heads = self.chat_service.heads(chats).await?;
        self.detect_restored_database(&heads, &delivered);
        let found: HashSet<ChatId> = heads.iter().map(|(chat, _)| *chat).collect();
        self.fetch_missing(chats.iter().copied().filter(|chat| !found.contains(chat))).await;
        let is_behind = |(chat, head): &(ChatId, Seq)| self.hub.next_seq(*chat).is_some_and(|next| next <= *head);
        let mut behind: Vec<_> = heads.into_iter().filter(is_behind).collect();
        if !behind.is_empty() {
            // Most of the missing events are about to arrive.
            tokio::time::sleep(REORDER_WINDOW).await;
            behind.retain(is_behind);
            self.fetch_missing(behind.into_iter().map(|(chat, _)| chat)).await;
        }
        Ok(())
    }

    /// Rewinds chats of which chat-service has stored less than this instance had delivered before it asked. Delivered events
    /// were committed, so the database has lost them.
    fn detect_restored_database(&self, heads: &[(ChatId, Seq)], delivered: &HashMap<ChatId, Option<Seq>>) {
        let is_less =
            |(chat, head): &&(ChatId, Seq)| delivered.get(chat).copied().flatten().is_some_and(|next| next - 1 > *head);
        let rewound: Vec<_> = heads.iter().filter(is_less).copied().collect();
        self.hub.rewind(&rewound);
        if !rewound.is_empty() {
            tracing::error!(
                chats = rewound.len(),
                "database is behind delivered events, closing the sockets of these chats"
            );
        }
    }

    async fn refresh(&self) {
        loop {
            self.hub.stale_users.wait().await;
            let users = stream::iter(self.hub.stale_users.take());
            users
                .for_each_concurrent(CONCURRENCY, async |user| {
                    // The handshake may have requested an outdated list of chats.
                    if self.hub.has_handshake(user) {
                        self.failed_users.add([user]);
                    }
                    for token in self.hub.tokens_of(user) {
                        self.refresh_user(user, token).await;
                    }
                })
                .await;
        }
    }

    /// Brings the chats of a user up to date, and closes the sockets of a token whose revocation was lost.
    async fn refresh_user(&self, user: UserId, token: TokenRef) {
        match self.refresh_chats(user, Some(token)).await {
            Ok(()) => {}
            Err(error) if error.code == ErrorCode::Unauthorized => self.hub.revoke(user, Revocation::Token(token.jti)),
            Err(error) => {
                tracing::warn!(user.id = %user, error.cause = %error, "chats of a user could not be listed, retrying");
                self.failed_users.add([user]);
            }
        }
    }

    /// Adds chats of a user whose announcement was lost, and removes the user from chats of which the user is not a member any
    /// more.
    pub(crate) async fn refresh_chats(&self, user: UserId, token: Option<TokenRef>) -> Result<(), ApiError> {
        let known = self.hub.memberships(user);
        let chats = self.chat_service.chats_of(user, token).await?;
        self.hub.add_chats(user, &chats);
        let listed: HashSet<ChatId> = chats.iter().map(|chat| chat.id).collect();
        for (chat, joined_seq) in known.into_iter().filter(|(chat, _)| !listed.contains(chat)) {
            self.remove_absent(user, chat, joined_seq).await?;
        }
        Ok(())
    }

    /// Removes a user from a chat, because chat-service says that the user is not a member. `joined_seq` is that of the membership
    /// before chat-service was asked; a later one stays.
    pub(crate) async fn remove_absent(&self, user: UserId, chat: ChatId, joined_seq: Seq) -> Result<(), ApiError> {
        // Delivers the event of the removal, if there is one, after the earlier events.
        self.fetch(chat).await?;
        self.hub.remove_unlisted(user, chat, joined_seq);
        Ok(())
    }

    /// Asks for the size of chats whose members changed, and for the members who see each other's presence.
    ///
    /// The events of the changes trigger it, and they are never lost. One answer, for any member, holds for all members, so a change costs
    /// one call an instance, and further changes within the window cost none.
    async fn update_chats(&self) {
        loop {
            self.hub.changed_chats.wait().await;
            tokio::time::sleep(UPDATE_WINDOW).await;
            stream::iter(self.hub.changed_chats.take())
                .for_each_concurrent(CONCURRENCY, |chat| self.update_chat(chat))
                .await;
        }
    }

    async fn update_chat(&self, chat: ChatId) {
        let Some(user) = self.hub.member_of(chat) else { return };
        match self.chat_service.chat_of(user, chat).await {
            Ok(Some(chat)) => self.hub.update_chat(user, &chat),
            // The user was removed since. The event of the removal triggers the next call.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(chat.id = %chat, error.cause = %error, "members of a chat are not known, retrying");
                self.failed_updates.add([chat]);
            }
        }
    }

    async fn fetch_missing(&self, chats: impl IntoIterator<Item = ChatId>) {
        stream::iter(chats)
            .for_each_concurrent(CONCURRENCY, async |chat| {
                if let Err(error) = self.fetch(chat).await {
                    tracing::warn!(chat.id = %chat, error.cause = %error, "missing events could not be fetched");
                    self.failed_chats.add([chat]);
                }
            })
            .await;
    }

    /// Queues failed chats and users again after a short delay. If chat-service is overloaded, waiting for the next periodic resync, and
    /// the one after it, would delay events by up to a minute.
    async fn retry(&self) {
        loop {
            tokio::select! {
                () = self.failed_chats.wait() => {}
                () = self.failed_users.wait() => {}
                () = self.failed_updates.wait() => {}
            }
            tokio::time::sleep(RETRY_DELAY).await;
            self.check_heads(self.failed_chats.take());
            self.refresh_users(self.failed_users.take());
            self.hub.changed_chats.add(self.failed_updates.take());
        }
    }

    /// Fetches and delivers the events up to the head that the chat had at the start. Later events arrive by publication. Without
    /// this bound a chat that is written faster than chat-service answers would keep this busy for ever and block others. A chat that
    /// chat-service does not have any more is removed.
    async fn fetch(&self, chat: ChatId) -> Result<(), ApiError> {
        metrics::counter!("chat_resyncs_total").increment(1);
        let mut until = Seq::MAX;
        while let Some(next) = self.hub.next_seq(chat).filter(|next| *next <= until) {
            let page = match self.chat_service.events(chat, next - 1, None).await {
                Err(error) if error.code == ErrorCode::NotFound => {
                    self.hub.remove_chat(chat);
                    return Ok(());
                }
                page => page?,
            };
            until = until.min(page.head);
            if page.events.is_empty() {
                break;
            }
            for event in page.events {
                self.deliver(chat, event.into());
            }
        }
        Ok(())
    }

    fn deliver(&self, chat: ChatId, event: EventFrame) {
        let EventFrame { event, request } = event;
        if event.frames.is_empty() {
            tracing::warn!(chat.id = %chat, event.seq = event.seq, "event of unknown kind, clients have to fetch it");
        }
        self.hub.deliver_requested(chat, event, request);
    }
}
