//! Catch-up: sends the events that a client missed as ordinary frames, in order and before later events.

use std::collections::{BTreeMap, HashMap};

use neonchat_common::{
    error::ApiError,
    ids::{ChatId, Seq},
};

use crate::{
    chat_service::ChatService,
    event_frame::EventFrame,
    hub::{CatchUp, CatchUpProgress, Hub, Socket},
    protocol::SyncedChat,
};

/// The most missed events of one chat that are sent over a socket. A client that missed more has to fetch them.
const MAX_BACKLOG_EVENTS: Seq = 1000;

/// Sends a socket the missed events of its chats.
pub(super) struct CatchUpSender<'a> {
    pub(super) hub: &'a Hub,
    pub(super) chat_service: &'a ChatService,
    pub(super) socket: &'a Socket,
}

/// A chat whose client cursor is ahead of what this instance has delivered. The chat's events are withheld from the socket.
struct Ahead {
    chat_id: ChatId,
    client_cursor: Seq,
    socket_cursor: Seq,
}

/// What a socket was sent of a chat's missed events.
struct SentBacklog {
    /// The last event that the socket was sent or has to fetch.
    head: Seq,
    is_complete: bool,
}

impl CatchUpSender<'_> {
    /// Sends the missed events of the chats in `cursors`, for each chat only if `may_send` allows their number. Leaves out
    /// chats that the socket does not cover.
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
        let may_send = |events| events <= MAX_BACKLOG_EVENTS && may_send(events);
        for (&chat_id, &client_cursor) in cursors {
            if !self.hub.is_joined(self.socket, chat_id) {
                continue;
            }
            let (head_seq, complete) = match self.hub.catch_up(self.socket, chat_id, client_cursor, may_send) {
                None => continue,
                Some(CatchUp::Ahead { cursor }) => {
                    ahead.push(Ahead { chat_id, client_cursor, socket_cursor: cursor });
                    continue;
                }
                Some(CatchUp::Complete { head }) => (head, true),
                Some(CatchUp::TooMany { head }) => (head, false),
                Some(CatchUp::Fetch) => {
                    let SentBacklog { head, is_complete } = self.send_backlog(chat_id, client_cursor).await?;
                    (head, is_complete)
                }
            };
            chats.push(SyncedChat { chat_id, head_seq, complete });
        }
        chats.extend(self.check_ahead(&ahead).await?);
        Ok(chats)
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
        for &Ahead { chat_id, client_cursor, socket_cursor } in ahead {
            // A restored database may not have the chat.
            let head = heads.get(&chat_id).copied().unwrap_or(0);
            let exists = client_cursor <= head;
            let from = if exists { client_cursor } else { socket_cursor };
            let sent = match self.hub.advance_catch_up(self.socket, chat_id, from) {
                CatchUpProgress::Complete | CatchUpProgress::SocketClosed => {
                    SentBacklog { head: from, is_complete: true }
                }
                CatchUpProgress::Behind => self.send_backlog(chat_id, from).await?,
            };
            let complete = exists && sent.is_complete;
            let head_seq = if complete { sent.head } else { head.max(sent.head) };
            synced.push(SyncedChat { chat_id, head_seq, complete });
        }
        Ok(synced)
    }

    /// Sends the events after a `seq`, up to the head of the chat. If an event is of a kind that this version cannot deliver, the
    /// client has to fetch that event and the later ones.
    async fn send_backlog(&self, chat: ChatId, after: Seq) -> Result<SentBacklog, ApiError> {
        let mut sent = after;
        loop {
            let page = self.chat_service.events(chat, sent).await?;
            let is_empty = page.events.is_empty();
            for event in page.events.into_iter().map(EventFrame::from) {
                let is_actor = event.actor == Some(self.socket.user);
                let Some(frame) = event.frames.get(is_actor) else {
                    return Ok(self.stop_catch_up(chat, page.head));
                };
                sent = event.seq;
                self.socket.outbox.push_backlog(frame).await;
            }
            match self.hub.advance_catch_up(self.socket, chat, sent) {
                CatchUpProgress::Complete | CatchUpProgress::SocketClosed => {
                    return Ok(SentBacklog { head: sent, is_complete: true });
                }
                CatchUpProgress::Behind if is_empty => {
                    return Err(ApiError::internal("chat-service has not stored what was delivered here"));
                }
                CatchUpProgress::Behind => {}
            }
        }
    }

    /// Ends catch-up before every event is sent: the client has to fetch the events up to `head`. Later events that were
    /// withheld are announced by `lagged`.
    fn stop_catch_up(&self, chat: ChatId, head: Seq) -> SentBacklog {
        if self.hub.advance_catch_up(self.socket, chat, head) == CatchUpProgress::Behind {
            self.hub.abort_catch_up(self.socket, chat);
        }
        SentBacklog { head, is_complete: false }
    }
}
