//! Catching up: what a client missed comes as ordinary frames, in order, before what happens next.

use std::collections::BTreeMap;

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

/// Sends the socket what it missed of the chats that it is in. Those that it is not in are left out.
pub(super) async fn catch_up(
    delivery: &Delivery,
    socket: &Socket,
    cursors: BTreeMap<ChatId, Seq>,
) -> Result<Vec<SyncedChat>, ApiError> {
    let mut chats = Vec::with_capacity(cursors.len());
    for (chat_id, cursor) in cursors {
        if !delivery.hub.is_joined(socket, chat_id) {
            continue;
        }
        let (head_seq, complete) = match delivery.hub.catch_up(socket, chat_id, cursor, MAX_MISSED) {
            None => continue,
            Some(Missed::Nothing { head }) => (head, true),
            Some(Missed::TooMuch { head }) => (head, false),
            Some(Missed::After(seq)) => match send_missed(delivery, socket, chat_id, seq).await {
                Ok(head) => (head, true),
                Err(error) => {
                    delivery.hub.give_up_catching_up(socket, chat_id);
                    return Err(error);
                }
            },
        };
        chats.push(SyncedChat { chat_id, head_seq, complete });
    }
    Ok(chats)
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
