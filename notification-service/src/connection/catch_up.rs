//! Catch-up: sends the events that a client missed as ordinary frames, in order and before later events.
//!
//! A user may be removed from a chat while missed events are on their way to one of the user's sockets. Nothing after the removal,
//! with `seq` K, may reach the socket:
//! - A page of missed events is read for the member: chat-service reads the events first and the membership after them. If the user is
//!   a member at the second reading, K is stored later, so every event of the page has a smaller `seq`. If the user is not, there is no
//!   page. If the user was removed and has joined again in between, the page begins after the new `from_seq`.
//! - Events come from the memory of the hub instead if it has all of them, up to a head that chat-service was asked for after the client
//!   asked ([`Chat::recent`](crate::hub::Hub::recent)). Then K, if it was stored before the client asked, was delivered here, and the
//!   socket is not in the chat. The same holds for edits and deletions: the memory has nothing that they changed.
//! - The events that are withheld meanwhile are sent in one of these two ways.
//! - When K is delivered here, or the list of chats says that the user is not a member, the chat removes the socket and
//!   queues `chat_removed`. Under the same lock of the outbox it ends the catch-up, so the rest of a page that was read before is refused
//!   by [`Outbox::push_missed`](crate::hub::outbox::Outbox::push_missed), also while it waits for room. So `chat_removed` is the last frame
//!   of the chat. The event K itself is left out, because events before it may be missing.
//! - If K was not delivered here yet, the next page is `not_found`. The missing events are then delivered here, K among them, or the user
//!   is removed without an event; both end as above, before `synced`.

use std::collections::{BTreeMap, HashMap};

use neonchat_common::{
    chat::{RemovalReason, Role},
    error::{ApiError, ErrorCode},
    ids::{ChatId, Seq},
};

use crate::{
    chat_service::{ChatService, EventsPage},
    event_frame::EventFrame,
    fresh_heads::FreshHeads,
    hub::{CatchUp, CatchUpProgress, CatchUpStart, Hub, Missed, Socket},
    metrics::CATCH_UP_PAGES,
    protocol::{ServerFrame, SyncedChat},
    resync::Resync,
};

/// The most missed events of one chat that are sent over a socket. A client that missed more has to fetch them.
const MAX_BACKLOG_EVENTS: Seq = 1000;

/// Sends a socket the missed events of its chats.
pub(super) struct CatchUpSender<'a> {
    pub(super) hub: &'a Hub,
    pub(super) chat_service: &'a ChatService,
    pub(super) resync: &'a Resync,
    pub(super) fresh_heads: &'a FreshHeads,
    pub(super) socket: &'a Socket,
}

/// A chat whose client cursor is ahead of what this instance has delivered. The chat's events are withheld from the socket.
struct Ahead {
    chat_id: ChatId,
    client_cursor: Seq,
    socket_cursor: Seq,
    first_seq: Seq,
    role: Role,
}

/// What a socket was sent of a chat's missed events.
struct SentBacklog {
    /// The last event that the socket was sent or has to fetch.
    head: Seq,
    /// The first `seq` that exists for the member.
    first_seq: Seq,
    is_complete: bool,
}

impl CatchUpSender<'_> {
    /// Sends the missed events of the chats in `cursors`, for each chat only if `may_send` allows their number. Leaves out
    /// chats that the socket does not cover. For chats of which the user is not a member it sends `chat_removed`.
    ///
    /// # Errors
    /// Fails if chat-service does not answer. No chat stays in catch-up: withheld events that are not sent are announced by
    /// `lagged`.
    pub(super) async fn run(
        &self,
        cursors: &BTreeMap<ChatId, Seq>,
        may_send: impl Fn(Seq) -> bool,
    ) -> Result<Vec<SyncedChat>, ApiError> {
        let synced = self.catch_up_chats(cursors, may_send).await;
        if synced.is_err() {
            // This has no effect on chats that are not in catch-up.
            for chat in cursors.keys() {
                self.hub.abort_catch_up(self.socket, *chat);
            }
        }
        synced
    }

    async fn catch_up_chats(
        &self,
        cursors: &BTreeMap<ChatId, Seq>,
        may_send: impl Fn(Seq) -> bool,
    ) -> Result<Vec<SyncedChat>, ApiError> {
        let mut chats = Vec::with_capacity(cursors.len());
        let mut ahead = Vec::new();
        let mut unknown = Vec::new();
        let may_send = |events| events <= MAX_BACKLOG_EVENTS && may_send(events);
        for (&chat_id, &client_cursor) in cursors.iter().filter(|(chat, _)| self.socket.covers(**chat)) {
            match self.hub.catch_up(self.socket, chat_id, client_cursor, may_send) {
                None => unknown.push((chat_id, client_cursor)),
                Some(start) => chats.extend(self.catch_up_chat(chat_id, start, &mut ahead).await?),
            }
        }
        if !unknown.is_empty() {
            // The announcement of a chat may have been lost.
            self.resync.refresh_chats(self.socket.user, None).await?;
        }
        for (chat_id, client_cursor) in unknown {
            match self.hub.catch_up(self.socket, chat_id, client_cursor, may_send) {
                None => self.reject(chat_id).await,
                Some(start) => chats.extend(self.catch_up_chat(chat_id, start, &mut ahead).await?),
            }
        }
        chats.extend(self.check_ahead(&ahead).await?);
        Ok(chats)
    }

    /// Tells the client that its user is not a member of a chat, unless the user becomes one meanwhile.
    async fn reject(&self, chat_id: ChatId) {
        let frame = ServerFrame::ChatRemoved { chat_id, reason: RemovalReason::Gone }.encode();
        while !self.hub.reject(self.socket, chat_id, &frame) {
            self.socket.outbox.drained().await;
        }
    }

    /// Sends the missed events of a chat, unless the client's cursor is ahead. Returns `None` then, or if the user was removed.
    async fn catch_up_chat(
        &self,
        chat_id: ChatId,
        start: CatchUpStart,
        ahead: &mut Vec<Ahead>,
    ) -> Result<Option<SyncedChat>, ApiError> {
        let CatchUpStart { catch_up, first_seq, role } = start;
        let (head_seq, complete) = match catch_up {
            CatchUp::Ahead { client, sent } => {
                ahead.push(Ahead { chat_id, client_cursor: client, socket_cursor: sent, first_seq, role });
                return Ok(None);
            }
            CatchUp::Complete { head } => (head, true),
            CatchUp::TooMany { head } => (head, false),
            CatchUp::Fetch { after } => {
                let sent = self.send_backlog(chat_id, after, first_seq, role).await?;
                return Ok(sent.map(|SentBacklog { head, first_seq, is_complete }| SyncedChat {
                    chat_id,
                    first_seq,
                    head_seq: head,
                    complete: is_complete,
                }));
            }
        };
        Ok(Some(SyncedChat { chat_id, first_seq, head_seq, complete }))
    }

    /// Asks chat-service about client cursors that are ahead. Either another instance sent the client these events, and this
    /// instance is behind: they are not sent again. Or the events do not exist, because the database was restored from a
    /// backup: the client gets `complete: false` and every event.
    async fn check_ahead(&self, ahead: &[Ahead]) -> Result<Vec<SyncedChat>, ApiError> {
        if ahead.is_empty() {
            return Ok(Vec::new());
        }
        let chats: Vec<ChatId> = ahead.iter().map(|ahead| ahead.chat_id).collect();
        let heads: HashMap<ChatId, Seq> = self.chat_service.heads(&chats).await?.into_iter().collect();
        let mut synced = Vec::with_capacity(ahead.len());
        for &Ahead { chat_id, client_cursor, socket_cursor, first_seq, role } in ahead {
            // A restored database may not have the chat.
            let head = heads.get(&chat_id).copied().unwrap_or(0);
            let exists = client_cursor <= head;
            let from = if exists { client_cursor } else { socket_cursor };
            let sent = match self.hub.advance_catch_up(self.socket, chat_id, from) {
                CatchUpProgress::Complete => Some(SentBacklog { head: from, first_seq, is_complete: true }),
                CatchUpProgress::Behind => self.send_backlog(chat_id, from, first_seq, role).await?,
                CatchUpProgress::Left => None,
            };
            let Some(SentBacklog { head: sent, first_seq, is_complete }) = sent else { continue };
            let complete = exists && is_complete;
            let head_seq = if complete { sent } else { head.max(sent) };
            synced.push(SyncedChat { chat_id, first_seq, head_seq, complete });
        }
        Ok(synced)
    }

    /// Sends the events after a `seq`, up to the head of the chat. If an event is of a kind that this version cannot deliver, the
    /// client has to fetch that event and the later ones. Returns `None` if the user was removed from the chat.
    async fn send_backlog(
        &self,
        chat: ChatId,
        after: Seq,
        first_seq: Seq,
        role: Role,
    ) -> Result<Option<SentBacklog>, ApiError> {
        let sent = self.send_pages(chat, after, first_seq, role).await?;
        if sent.is_none() {
            // The user may have joined again at once, with the socket still in the chat.
            self.hub.abort_catch_up(self.socket, chat);
        }
        Ok(sent)
    }

    async fn send_pages(
        &self,
        chat: ChatId,
        after: Seq,
        mut first_seq: Seq,
        role: Role,
    ) -> Result<Option<SentBacklog>, ApiError> {
        let mut sent = after;
        loop {
            let missed = match self.recent(chat, sent).await {
                None => self.page(chat, sent, first_seq, role).await?,
                recent => recent,
            };
            let Some(missed) = missed else { return Ok(None) };
            let is_empty = missed.frames.is_empty();
            first_seq = first_seq.max(missed.first_seq);
            for (seq, frame) in missed.frames {
                let Some(frame) = frame else {
                    return Ok(self.stop_catch_up(chat, missed.head, first_seq));
                };
                if !self.socket.outbox.push_missed(chat, &frame).await {
                    return Ok(None);
                }
                sent = seq;
            }
            // Events before it do not exist for the member.
            sent = sent.max(first_seq - 1);
            match self.hub.advance_catch_up(self.socket, chat, sent) {
                CatchUpProgress::Complete => {
                    return Ok(Some(SentBacklog { head: sent, first_seq, is_complete: true }));
                }
                CatchUpProgress::Left => return Ok(None),
                CatchUpProgress::Behind if is_empty => {
                    return Err(ApiError::internal("chat-service has not stored what was delivered here"));
                }
                CatchUpProgress::Behind => {}
            }
        }
    }

    /// Returns the missed events from memory, if this instance has all of them.
    async fn recent(&self, chat: ChatId, after: Seq) -> Option<Missed> {
        if !self.hub.has_recent(chat, after) {
            return None;
        }
        let head = self.fresh_heads.head(chat).await?;
        let recent = self.hub.recent(self.socket, chat, after, head)?;
        metrics::counter!(CATCH_UP_PAGES, "source" => "memory").increment(1);
        Some(recent)
    }

    /// Returns the next page of missed events; `None` if the user is not a member of the chat any more.
    async fn page(&self, chat: ChatId, after: Seq, first_seq: Seq, role: Role) -> Result<Option<Missed>, ApiError> {
        let user = self.socket.user;
        metrics::counter!(CATCH_UP_PAGES, "source" => "chat_service").increment(1);
        loop {
            let Some(joined_seq) = self.hub.joined_seq(user, chat) else { return Ok(None) };
            match self.chat_service.events(chat, after, Some(user)).await {
                Err(error) if error.code == ErrorCode::NotFound => {}
                Err(error) => return Err(error),
                Ok(EventsPage { events, head, first_seq: first }) => {
                    let first_seq = first_seq.max(first);
                    let events = events.into_iter().map(|event| EventFrame::from(event).event);
                    let frames = events.map(|event| (event.seq, event.frame_for(user, first_seq - 1, role).cloned()));
                    return Ok(Some(Missed { frames: frames.collect(), head, first_seq }));
                }
            }
            // This does nothing if the user has joined again meanwhile.
            self.resync.remove_absent(user, chat, joined_seq).await?;
        }
    }

    /// Ends catch-up before every event is sent: the client has to fetch the events up to `head`. Later events that were
    /// withheld are announced by `lagged`.
    fn stop_catch_up(&self, chat: ChatId, head: Seq, first_seq: Seq) -> Option<SentBacklog> {
        match self.hub.advance_catch_up(self.socket, chat, head) {
            CatchUpProgress::Left => return None,
            CatchUpProgress::Behind => self.hub.abort_catch_up(self.socket, chat),
            CatchUpProgress::Complete => {}
        }
        Some(SentBacklog { head, first_seq, is_complete: false })
    }
}
