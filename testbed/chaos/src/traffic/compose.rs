//! What a device sends, and when.

use std::time::Duration;

use neonchat_common::ids::{ChatId, SendId};

use super::{Load, state::State};

/// Of this number of messages for a group of which the user is not a member any more, one is sent.
const PERSISTENCE: u8 = 4;

/// Of this number of messages of a chat whose members stay, one mentions another member.
const MENTIONS: u8 = 4;

/// Creates a new message for one of the chats.
pub(super) fn compose(state: &State, load: Load, rng: &mut fastrand::Rng) -> Option<SendId> {
    let chat = load.chat.or_else(|| rng.choice(state.chats()))?;
    if load.chat.is_none() && state.has_left(chat) && rng.u8(..PERSISTENCE) > 0 {
        return None;
    }
    let request_id = SendId::new();
    state.add_send(chat, request_id, text(state, chat, request_id, load, rng));
    Some(request_id)
}

/// Returns a text that is unique. Some texts mention another member, if the members of the chat stay.
pub(super) fn text(state: &State, chat: ChatId, id: SendId, load: Load, rng: &mut fastrand::Rng) -> String {
    let padding = "x".repeat(rng.usize(0..=load.text));
    match state.partner(chat, rng).filter(|_| rng.u8(..MENTIONS) == 0) {
        Some(name) => format!("{id} @{name} {padding}"),
        None => format!("{id} {padding}"),
    }
}

/// Returns a random pause between 0.5 and 1.5 times the mean.
pub(super) fn pause(mean: Duration, rng: &mut fastrand::Rng) -> Duration {
    mean.mul_f64(0.5 + rng.f64())
}
