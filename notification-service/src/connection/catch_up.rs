//! Catching up: what a client missed comes as ordinary frames, in order, before what happens next.

use std::collections::{BTreeMap, HashMap};

use neonchat_common::{
    error::ApiError,
    ids::{ChatId, Seq},
};

use super::protocol::SyncedChat;
use crate::{
    delivery::Delivery,
    hub::{DurableEvent, Missed, Socket},
};

/// The most events of one chat that a client gets over its socket. Of more it is told to fetch them.
const MAX_MISSED: Seq = 1000;

/// Sends the socket what it missed of the chats that it is in, as far as `may_have` lets it have so many events. Chats that it
/// is not in are left out.
pub(super) async fn catch_up(
    delivery: &Delivery,
    socket: &Socket,
    cursors: BTreeMap<ChatId, Seq>,
    may_have: impl Fn(Seq) -> bool,
) -> Result<Vec<SyncedChat>, ApiError> {
    let mut chats = Vec::with_capacity(cursors.len());
    let mut ahead = Vec::new();
    let may_have = |events| events <= MAX_MISSED && may_have(events);
    for (chat_id, cursor) in cursors {
        if !delivery.hub.is_joined(socket, chat_id) {
            continue;
        }
        let (head_seq, complete) = match delivery.hub.catch_up(socket, chat_id, cursor, may_have) {
            None => continue,
            Some(Missed::Ahead) => {
                ahead.push((chat_id, cursor));
                continue;
            }
            Some(Missed::Nothing { head }) => (head, true),
            Some(Missed::TooMuch { head }) => (head, false),
            Some(Missed::Events) => match send_missed(delivery, socket, chat_id, cursor).await {
                Ok(head) => (head, true),
                Err(error) => {
                    delivery.hub.give_up_catching_up(socket, chat_id);
                    return Err(error);
                }
            },
        };
        chats.push(SyncedChat { chat_id, head_seq, complete });
    }
    chats.extend(check_ahead(delivery, ahead).await?);
    Ok(chats)
}

/// Of cursors that are ahead of what was delivered here. Either the client got an event from another instance, and this one is a
/// moment behind; or there is no such event, since the database was restored from a backup, and the client has to be told.
async fn check_ahead(delivery: &Delivery, cursors: Vec<(ChatId, Seq)>) -> Result<Vec<SyncedChat>, ApiError> {
    if cursors.is_empty() {
        return Ok(Vec::new());
    }
    let chats: Vec<ChatId> = cursors.iter().map(|(chat, _)| *chat).collect();
    let heads: HashMap<ChatId, Seq> = delivery.chat_service.heads(&chats).await?.into_iter().collect();
    let synced = |(chat_id, cursor): (ChatId, Seq)| {
        let head = *heads.get(&chat_id)?;
        // What lies between the cursor and the head comes by itself.
        Some(SyncedChat { chat_id, head_seq: head.min(cursor), complete: cursor <= head })
    };
    Ok(cursors.into_iter().filter_map(synced).collect())
}

/// Sends what comes after a `seq`, until that is all there is. Returns up to where that was.
async fn send_missed(delivery: &Delivery, socket: &Socket, chat: ChatId, after: Seq) -> Result<Seq, ApiError> {
    let mut sent = after;
    loop {
        let (events, _) = delivery.chat_service.events(chat, sent).await?;
        let is_stuck = events.is_empty();
        for message in events {
            sent = message.seq;
            socket.outbox.push_missed(DurableEvent::message(&message, Vec::new()).frame).await;
        }
        // `None` where the socket is gone.
        if delivery.hub.caught_up(socket, chat, sent).unwrap_or(true) {
            return Ok(sent);
        }
        if is_stuck {
            return Err(ApiError::internal("chat-service has not stored what was delivered here"));
        }
    }
}
