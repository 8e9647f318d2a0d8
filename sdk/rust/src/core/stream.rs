//! The order of the events of a chat: applied, known already, or held.

use serde_json::json;

use super::{Core, Timer, apply::apply};
use crate::{
    ChatId, Event, Frame,
    store::{Op, clipped},
};

/// When this many events of a chat are held, the missing ones are fetched at once.
const HELD: usize = 501;
/// No more than this are held.
const HELD_AT_MOST: usize = 2 * HELD;
/// What was delivered is told this long after it came. Chats with more members tell nobody.
const DELIVERED: u64 = 1_000;
const SMALL: u64 = 100;

impl Core {
    /// Takes a durable event: applies it, drops it if it is known, or holds it until the earlier ones are there.
    pub(super) fn offer(&mut self, chat: ChatId, seq: u64, event: Frame) {
        let state = self.chats.entry(chat);
        state.head = state.head.max(seq);
        state.held.insert(seq, event);
        if state.held.len() > HELD_AT_MOST {
            // It is fetched when the earlier ones are there.
            state.held.pop_last();
        }
        if state.row.is_some() {
            self.drain(chat);
        } else {
            self.discover(chat);
        }
    }

    /// Applies the held events that follow the cursor.
    pub(super) fn drain(&mut self, chat: ChatId) {
        self.apply_and_tell(chat);
        // Only when the number is reached: if that fetch was in vain, the next one is not made with each event.
        if self.chats.get(chat).is_some_and(|state| state.row.is_some() && state.held.len() == HELD) {
            self.fetch(chat);
        } else {
            self.wait_for_missing(chat);
        }
    }

    pub(super) fn apply_and_tell(&mut self, chat: ChatId) {
        let events = self.apply_held(chat);
        if !events.is_empty() {
            for event in events {
                self.tell_event(chat, event);
            }
            self.tell_chat(chat, false);
        }
    }

    /// Holds what is held for a moment more, if something is missing.
    pub(super) fn wait_for_missing(&mut self, chat: ChatId) {
        let Some(state) = self.chats.get(chat) else { return };
        let Some(row) = &state.row else { return };
        if state.head > row.applied {
            self.hold(chat);
        } else {
            self.timers.clear(Timer::Hold(chat));
        }
    }

    /// Applies and stores what follows the cursor, in one transaction with it.
    fn apply_held(&mut self, chat: ChatId) -> Vec<Frame> {
        let (me, capacity) = (self.me(), self.config.capacity);
        let Some(state) = self.chats.get(chat) else { return Vec::new() };
        let Some(row) = &mut state.row else { return Vec::new() };
        state.held = state.held.split_off(&(row.applied + 1));
        let mut events = Vec::new();
        let mut ops = Vec::new();
        while let Some(event) = state.held.remove(&(row.applied + 1)) {
            row.applied += 1;
            if let Some(last) = row.segments.last_mut() {
                last.1 = row.applied;
            }
            apply(row, &event, me, &mut ops);
            events.push(event);
        }
        if events.is_empty() {
            return events;
        }
        if row.applied >= state.head {
            row.stale = false;
        }
        // Keeps no more than the store is meant for, but does not trim with every event.
        if row.applied - row.segments[0].0.min(row.applied) >= capacity.saturating_add(capacity / 4) {
            let below = row.applied - capacity + 1;
            row.segments = clipped(&row.segments, below);
            ops.push(Op::Trim { chat_id: chat, below });
        }
        self.step.ops.extend(ops);
        self.save(chat);
        events
    }

    fn tell_event(&mut self, chat: ChatId, event: Frame) {
        if event.kind() != "new_message" {
            return self.emit(Event::Frame(event));
        }
        let message = event.object("message").cloned().map(Frame).unwrap_or_default();
        let is_own = message.id("sender_id") == self.me();
        self.seen(chat, &event, &message);
        self.emit(Event::from_frame(event));
        if !is_own {
            self.tell_later(chat);
        }
    }

    /// The answer to a message was lost, but the message came back.
    fn seen(&mut self, chat: ChatId, event: &Frame, message: &Frame) {
        let Some(request) = message.id("request_id") else { return };
        let ack = json!({
            "request_id": request, "chat_id": chat, "seq": event.seq(), "message_id": message.get("id"),
            "created_at": message.get("created_at"), "status": "delivered", "duplicate": true,
        });
        self.acked(request, &ack.as_object().cloned().unwrap_or_default());
    }

    /// Tells others, a moment later, up to where this device has the chat.
    fn tell_later(&mut self, chat: ChatId) {
        let timer = Timer::Told(chat);
        let members = self.chats.row(chat).map(|row| super::list::number_or_0(&row.item, "member_count"));
        let is_small = members.is_none_or(|count| count <= SMALL);
        if self.config.delivered && self.is_connected() && !self.timers.is_set(timer) && is_small {
            self.set_timer(timer, DELIVERED);
        }
    }

    pub(super) fn tell_delivered(&mut self, chat: ChatId) {
        if let Some(row) = self.chats.row(chat) {
            let delivered = row.applied;
            self.send(&json!({ "type": "receipt", "chat_id": chat, "delivered": delivered }));
        }
    }
}
