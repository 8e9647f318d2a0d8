//! Catching up: what a client missed comes as ordinary frames, in order, before what happens next.

use std::collections::{BTreeMap, HashMap};

use neonchat_common::{
    error::ApiError,
    ids::{ChatId, Seq},
};

use crate::{
    delivery::Delivery,
    hub::{Missed, Socket},
    protocol::SyncedChat,
};

/// The most events of one chat that a client gets over its socket. Of more it is told to fetch them.
const MAX_MISSED: Seq = 1000;

/// Sends the socket what it missed of the chats that it is in, as far as `may_have` allows that number of events. Chats that it
/// is not in are left out.
///
/// # Errors
/// chat-service does not answer. No chat is left waiting: events that were withheld and are not sent are announced by `lagged`.
pub(super) async fn catch_up(
    delivery: &Delivery,
    socket: &Socket,
    cursors: &BTreeMap<ChatId, Seq>,
    may_have: impl Fn(Seq) -> bool,
) -> Result<Vec<SyncedChat>, ApiError> {
    let synced = send_all(delivery, socket, cursors, may_have).await;
    if synced.is_err() {
        // Has no effect on chats that are not catching up any more.
        for chat in cursors.keys() {
            delivery.hub.give_up_catching_up(socket, *chat);
        }
    }
    synced
}

async fn send_all(
    delivery: &Delivery,
    socket: &Socket,
    cursors: &BTreeMap<ChatId, Seq>,
    may_have: impl Fn(Seq) -> bool,
) -> Result<Vec<SyncedChat>, ApiError> {
    let mut chats = Vec::with_capacity(cursors.len());
    let mut ahead = Vec::new();
    let may_have = |events| events <= MAX_MISSED && may_have(events);
    for (&chat_id, &cursor) in cursors {
        if !delivery.hub.is_joined(socket, chat_id) {
            continue;
        }
        let (head_seq, complete) = match delivery.hub.catch_up(socket, chat_id, cursor, may_have) {
            None => continue,
            Some(Missed::Ahead { after }) => {
                ahead.push(Ahead { chat_id, cursor, after });
                continue;
            }
            Some(Missed::Nothing { head }) => (head, true),
            Some(Missed::TooMuch { head }) => (head, false),
            Some(Missed::Events) => {
                let Sent { head, is_all } = send_missed(delivery, socket, chat_id, cursor).await?;
                (head, is_all)
            }
        };
        chats.push(SyncedChat { chat_id, head_seq, complete });
    }
    chats.extend(check_ahead(delivery, socket, &ahead).await?);
    Ok(chats)
}

/// A cursor that is ahead of what was delivered here. Events of its chat wait.
struct Ahead {
    chat_id: ChatId,
    cursor: Seq,
    /// The socket was told of everything up to here.
    after: Seq,
}

/// Asks chat-service about cursors that are ahead. Either the client got the events from another instance, and this one is a
/// moment behind: they are not sent again. Or there are no such events, since the database was restored from a backup: the
/// client has to be told, and gets every event.
async fn check_ahead(delivery: &Delivery, socket: &Socket, ahead: &[Ahead]) -> Result<Vec<SyncedChat>, ApiError> {
    if ahead.is_empty() {
        return Ok(Vec::new());
    }
    let chats: Vec<ChatId> = ahead.iter().map(|ahead| ahead.chat_id).collect();
    let heads: HashMap<ChatId, Seq> = delivery.chat_service.heads(&chats).await?.into_iter().collect();
    let mut synced = Vec::with_capacity(ahead.len());
    for &Ahead { chat_id, cursor, after } in ahead {
        let head = heads.get(&chat_id).copied().unwrap_or_default();
        let complete = cursor <= head;
        let from = if complete { cursor } else { after };
        // `None` where the socket is gone.
        let is_all = delivery.hub.caught_up(socket, chat_id, from).unwrap_or(true);
        let sent =
            if is_all { Sent { head: from, is_all } } else { send_missed(delivery, socket, chat_id, from).await? };
        let complete = complete && sent.is_all;
        synced.push(SyncedChat { chat_id, head_seq: if complete { sent.head } else { head.max(sent.head) }, complete });
    }
    Ok(synced)
}

/// What a socket was sent of the events that it missed.
struct Sent {
    /// The last event that the socket was sent or has to fetch.
    head: Seq,
    is_all: bool,
}

/// Sends the events after a `seq`, up to the head of the chat. Where one is of a kind that this version cannot deliver, the client
/// has to fetch it and what follows.
async fn send_missed(delivery: &Delivery, socket: &Socket, chat: ChatId, after: Seq) -> Result<Sent, ApiError> {
    let mut sent = after;
    loop {
        let page = delivery.chat_service.events(chat, sent).await?;
        let is_stuck = page.events.is_empty();
        for event in page.events {
            let Some(frame) = event.frame else { return Ok(leave_to_client(delivery, socket, chat, page.head)) };
            sent = event.seq;
            socket.outbox.push_missed(frame).await;
        }
        // `None` where the socket is gone.
        if delivery.hub.caught_up(socket, chat, sent).unwrap_or(true) {
            return Ok(Sent { head: sent, is_all: true });
        }
        if is_stuck {
            return Err(ApiError::internal("chat-service has not stored what was delivered here"));
        }
    }
}

/// Ends catching up before everything is sent: the client fetches the events up to `head`. Of those after it that were withheld
/// it is told by `lagged`.
fn leave_to_client(delivery: &Delivery, socket: &Socket, chat: ChatId, head: Seq) -> Sent {
    if delivery.hub.caught_up(socket, chat, head) == Some(false) {
        delivery.hub.give_up_catching_up(socket, chat);
    }
    Sent { head, is_all: false }
}
