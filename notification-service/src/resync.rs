//! Resync: finds and fetches events that this instance has not received, after the loss of a publication, of a connection
//! or of all of Redis.
//!
//! There is one method for every kind of loss: compare what this instance has delivered with what chat-service has stored,
//! and fetch the difference. It runs for a new subscription, for a chat with a gap, for all chats after publications were
//! lost, and for all chats every few seconds, because the loss of a chat's last event leaves no gap.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use neonchat_common::{
    error::{ApiError, ErrorCode},
    ids::{ChatId, Seq, TokenId, UserId},
    tasks::Tasks,
};

use crate::{
    chat_service::{ChangedUsers, ChatService, MAX_HEADS},
    dedup_queue::DedupQueue,
    event_frame::EventFrame,
    hub::{DurableEvent, Hub, UserChat},
};

/// How long an event waits for an earlier one before the earlier one is fetched. Two instances may publish in either
/// order, so most gaps close without a fetch.
const REORDER_WINDOW: Duration = Duration::from_millis(200);

/// How often all heads are compared and changed users are listed. A lost last event is found within this interval plus
/// the duration of the comparison. It must be found within 10 s.
const RESYNC_INTERVAL: Duration = Duration::from_secs(8);

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
    /// Users whose chats or tokens may have changed.
    stale_users: DedupQueue<UserId>,
}

impl Resync {
    pub(crate) fn new(hub: Arc<Hub>, chat_service: ChatService) -> Self {
        Self {
            hub,
            chat_service,
            unchecked_chats: DedupQueue::default(),
            failed_chats: DedupQueue::default(),
            stale_users: DedupQueue::default(),
        }
    }

    /// Queues chats that may have events that this instance has not received.
    pub(crate) fn check_heads(&self, chats: impl IntoIterator<Item = ChatId>) {
        self.unchecked_chats.add(chats);
    }

    /// Queues users who may have chats that this instance does not know, or revoked tokens.
    pub(crate) fn refresh_users(&self, users: impl IntoIterator<Item = UserId>) {
        self.stale_users.add(users);
    }

    /// Asks chat-service whether a user is a member of a chat that this instance does not know. If so, adds the chat to
    /// the hub.
    pub(crate) async fn discover_chat(&self, user: UserId, chat: ChatId) -> Result<bool, ApiError> {
        let Some(UserChat { id, last_seq, partners }) = self.chat_service.chat_of(user, chat).await? else {
            return Ok(false);
        };
        // The other members may not have been told about the chat either.
        let members = || partners.iter().copied().chain([user]);
        for member in members() {
            let partners = members().filter(|other| *other != member).collect();
            self.hub.add_chats(member, &[UserChat { id, last_seq, partners }]);
        }
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
        let mut count = 0;
        for (chat, head) in heads.iter().filter(is_less) {
            self.hub.rewind(*chat, *head);
            count += 1;
        }
        if count > 0 {
            tracing::error!(chats = count, "database is behind delivered events, closing the sockets of these chats");
        }
    }

    async fn refresh(&self) {
        loop {
            self.stale_users.wait().await;
            let users = stream::iter(self.stale_users.take());
            users
                .for_each_concurrent(CONCURRENCY, async |user| {
                    for token in self.hub.tokens_of(user) {
                        self.refresh_user(user, token).await;
                    }
                })
                .await;
        }
    }

    /// Adds chats whose announcement was lost, and closes the sockets of a token whose revocation was lost.
    async fn refresh_user(&self, user: UserId, token: TokenId) {
        match self.chat_service.chats_of(user, Some(token)).await {
            Ok(chats) => self.hub.add_chats(user, &chats),
            Err(error) if error.code == ErrorCode::Unauthorized => self.hub.revoke_token(user, token),
            Err(error) => tracing::warn!(user.id = %user, error.cause = %error, "chats of a user could not be listed"),
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

    /// Queues failed chats again after a short delay. If chat-service is overloaded, waiting for the next periodic resync, and
    /// the one after it, would delay events by up to a minute.
    async fn retry(&self) {
        loop {
            self.failed_chats.wait().await;
            tokio::time::sleep(RETRY_DELAY).await;
            self.check_heads(self.failed_chats.take());
        }
    }

    /// Fetches and delivers the events up to the head that the chat had at the start. Later events arrive by publication. Without
    /// this bound a chat that is written faster than chat-service answers would keep this busy for ever and block others.
    async fn fetch(&self, chat: ChatId) -> Result<(), ApiError> {
        metrics::counter!("chat_resyncs_total").increment(1);
        let mut until = Seq::MAX;
        while let Some(next) = self.hub.next_seq(chat).filter(|next| *next <= until) {
            let page = self.chat_service.events(chat, next - 1).await?;
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
        let EventFrame { seq, actor, request, frames } = event;
        if frames.get(false).is_none() {
            tracing::warn!(chat.id = %chat, event.seq = seq, "event of unknown kind, clients have to fetch it");
        }
        // A local socket may be causing the event and may not have its ack yet.
        let exclude = actor.zip(request).map(|(actor, request)| self.hub.requesting_sockets(actor, request, chat, seq));
        let exclude = exclude.unwrap_or_default();
        self.hub.deliver(chat, DurableEvent { seq, sender: actor, frames, exclude });
    }
}
