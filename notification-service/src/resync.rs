//! What makes delivery true when something was lost: a publication, a connection, a whole Redis.
//!
//! There is one remedy for all of it: compare what this instance has delivered with what chat-service has stored, and
//! fetch the difference. It is applied to a chat that was just subscribed to, to one whose events came out of order, to
//! all chats when publications were lost, and to all chats every few seconds for what nobody noticed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use neonchat_common::{
    error::{ApiError, ErrorCode},
    ids::{ChatId, Seq, TokenId, UserId},
    lifecycle::Tasks,
};

use crate::{
    chat_service::{ChatService, MAX_HEADS, StoredEvent},
    hub::{DurableEvent, Hub},
    work_set::WorkSet,
};

/// How long an event waits for an earlier one before that is fetched. Two instances may publish in either order, so a
/// gap mostly closes by itself.
const REORDER_WINDOW: Duration = Duration::from_millis(200);

/// How often the heads of all chats are compared, and changes of users' chats and tokens are asked for. A publication that
/// was lost with nothing after it is found within this and the time that the comparison takes; 10 s are promised.
const INTERVAL: Duration = Duration::from_secs(8);

/// How long chats wait that could not be repaired.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Chats and users that are worked on at a time.
const CONCURRENCY: usize = 8;

/// See the module.
pub(crate) struct Resync {
    hub: Arc<Hub>,
    chat_service: ChatService,
    unchecked: WorkSet<ChatId>,
    /// Chats that could not be checked, or not be repaired.
    failed: WorkSet<ChatId>,
    stale: WorkSet<UserId>,
}

impl Resync {
    pub(crate) fn new(hub: Arc<Hub>, chat_service: ChatService) -> Self {
        Self { hub, chat_service, unchecked: WorkSet::default(), failed: WorkSet::default(), stale: WorkSet::default() }
    }

    /// These chats may have events that did not come here.
    pub(crate) fn check_heads(&self, chats: impl IntoIterator<Item = ChatId>) {
        self.unchecked.add(chats);
    }

    /// These users may have chats that are not known here.
    pub(crate) fn refresh_users(&self, users: impl IntoIterator<Item = UserId>) {
        self.stale.add(users);
    }

    /// Starts the workers.
    pub(crate) fn start(self: &Arc<Self>, tasks: &Tasks) {
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.close_gaps().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.compare_heads().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.refresh().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.retry().await });
        let this = Arc::clone(self);
        tasks.spawn_until_stopped(async move { this.look_around().await });
    }

    /// Every few seconds: what nobody noticed.
    async fn look_around(&self) {
        let mut tick = tokio::time::interval(INTERVAL);
        let mut since = 0;
        loop {
            tick.tick().await;
            self.check_heads(self.hub.chats());
            match self.chat_service.changed_users(since).await {
                Ok((users, until)) => {
                    since = until;
                    self.refresh_users(users.into_iter().filter(|user| self.hub.has_user(*user)));
                }
                Err(error) => tracing::warn!(error.cause = %error, "changes could not be listed"),
            }
        }
    }

    async fn close_gaps(&self) {
        loop {
            self.hub.gaps.wait().await;
            tokio::time::sleep(REORDER_WINDOW).await;
            let gaps = self.hub.gaps.take().into_iter().filter(|chat| self.hub.has_gap(*chat));
            self.fetch_all(gaps).await;
        }
    }

    async fn compare_heads(&self) {
        loop {
            self.unchecked.wait().await;
            let chats: Vec<ChatId> = self.unchecked.take().into_iter().collect();
            for chats in chats.chunks(MAX_HEADS) {
                let delivered = chats.iter().map(|chat| (*chat, self.hub.next_seq(*chat))).collect();
                match self.chat_service.heads(chats).await {
                    Ok(heads) => {
                        self.restore(&heads, &delivered);
                        let is_behind =
                            |(chat, head): &(ChatId, Seq)| self.hub.next_seq(*chat).is_some_and(|next| next <= *head);
                        let mut behind: Vec<_> = heads.into_iter().filter(is_behind).collect();
                        if !behind.is_empty() {
                            // Most of it is on its way.
                            tokio::time::sleep(REORDER_WINDOW).await;
                            behind.retain(is_behind);
                            self.fetch_all(behind.into_iter().map(|(chat, _)| chat)).await;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(error.cause = %error, "heads could not be compared");
                        self.failed.add(chats.iter().copied());
                    }
                }
            }
        }
    }

    /// Looks for chats of which more was delivered here, before their heads were asked for, than is stored. What was delivered
    /// had been committed: it is lost.
    fn restore(&self, heads: &[(ChatId, Seq)], delivered: &HashMap<ChatId, Option<Seq>>) {
        let is_less =
            |(chat, head): &&(ChatId, Seq)| delivered.get(chat).copied().flatten().is_some_and(|next| next - 1 > *head);
        let mut count = 0;
        for (chat, head) in heads.iter().filter(is_less) {
            self.hub.restore(*chat, *head);
            count += 1;
        }
        if count > 0 {
            tracing::error!(chats = count, "database has less than was delivered, closing the sockets of these chats");
        }
    }

    async fn refresh(&self) {
        loop {
            self.stale.wait().await;
            let users = stream::iter(self.stale.take());
            users
                .for_each_concurrent(CONCURRENCY, async |user| {
                    for token in self.hub.tokens_of(user) {
                        self.refresh_user(user, token).await;
                    }
                })
                .await;
        }
    }

    /// Learns of chats that were made, and of a token that was revoked, while nothing came here.
    async fn refresh_user(&self, user: UserId, token: TokenId) {
        match self.chat_service.chats_of(user, Some(token)).await {
            Ok(chats) => self.hub.learn(user, &chats),
            Err(error) if error.code == ErrorCode::Unauthorized => self.hub.revoke(user, token),
            Err(error) => tracing::warn!(user.id = %user, error.cause = %error, "chats could not be listed"),
        }
    }

    async fn fetch_all(&self, chats: impl IntoIterator<Item = ChatId>) {
        stream::iter(chats)
            .for_each_concurrent(CONCURRENCY, async |chat| {
                if let Err(error) = self.fetch(chat).await {
                    tracing::warn!(chat.id = %chat, error.cause = %error, "events could not be fetched");
                    self.failed.add([chat]);
                }
            })
            .await;
    }

    /// What could not be repaired is tried again soon. Where chat-service is too busy to answer, to wait for the next time
    /// that all chats are compared, and for the one after that, would make a minute of a second.
    async fn retry(&self) {
        loop {
            self.failed.wait().await;
            tokio::time::sleep(RETRY_PAUSE).await;
            self.check_heads(self.failed.take());
        }
    }

    /// Fetches and delivers what a chat has up to its head. What is stored meanwhile comes by itself: were it fetched too,
    /// this would never end in a chat that is written to faster than chat-service answers, and others would wait for it.
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
                self.deliver(chat, event);
            }
        }
        Ok(())
    }

    fn deliver(&self, chat: ChatId, event: StoredEvent) {
        let StoredEvent { seq, actor, request_id, frame } = event;
        if frame.is_none() {
            tracing::warn!(chat.id = %chat, event.seq = seq, "event of an unknown kind, sockets are told to fetch it");
        }
        // It may have been sent here, and its answer be slower than this.
        let origins = actor.zip(request_id).map(|(actor, request)| self.hub.senders(actor, request, chat, seq));
        self.hub.deliver(chat, DurableEvent { seq, sender: actor, frame, origins: origins.unwrap_or_default() });
    }
}
