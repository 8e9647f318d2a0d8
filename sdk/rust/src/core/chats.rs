//! The chats: their rows and items.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use serde_json::json;

use super::{Core, Timer, list::Listing, requests::Ask, sync::Asked};
use crate::{
    Chat, ChatEvent, ChatId, Event, Frame, RequestId,
    frame::{Object, number},
    store::{ChatRow, Op, clipped},
};

/// A chat in memory.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Absent: the chat is not known yet, and its frames are held.
    pub(super) row: Option<ChatRow>,
    /// Events that came before an earlier one.
    pub(super) held: BTreeMap<u64, Frame>,
    /// The highest `seq` that was heard of.
    pub(super) head: u64,
    /// Whether something about it is being fetched.
    pub(super) is_busy: bool,
    /// The cursor after which events were asked for.
    pub(super) asked: u64,
    /// Tells a chat that the user has joined again from the former one.
    pub(super) born: u64,
}

/// All chats, and what is asked about them.
#[derive(Debug, Default)]
pub(super) struct Chats {
    all: HashMap<ChatId, State>,
    born: u64,
    /// Counts connections: what was asked in a former one is dropped.
    pub(super) generation: u64,
    /// Whether the whole list of chats was loaded in this run, and in any.
    pub(super) is_listed: bool,
    pub(super) is_primed: bool,
    /// The chats that this connection has asked for.
    pub(super) synced: HashSet<ChatId>,
    /// Each `sync` without an answer.
    pub(super) syncs: HashMap<RequestId, Asked>,
    pub(super) listing: Option<Listing>,
    /// What waits for another attempt.
    pub(super) asks: HashMap<u64, Ask>,
    pub(super) last_ask: u64,
    /// One chat after the other is fetched: the first one now. With `State::born`.
    pub(super) fetching: VecDeque<(ChatId, u64)>,
}

impl Chats {
    pub(super) fn new(rows: Vec<ChatRow>, is_primed: bool) -> Self {
        let mut chats = Self { is_primed, ..Self::default() };
        for row in rows {
            let id = row.id;
            chats.entry(id).row = Some(row);
        }
        chats
    }

    /// Begins a run.
    pub(super) fn reset(&mut self) {
        self.is_listed = false;
        self.let_go();
        for chat in self.all.values_mut() {
            chat.head = 0;
        }
    }

    /// Forgets what the connection was about to do.
    pub(super) fn let_go(&mut self) {
        self.all.retain(|_, chat| chat.row.is_some());
        for chat in self.all.values_mut() {
            chat.held.clear();
            chat.is_busy = false;
        }
    }

    /// Forgets a chat that is not known, and what it held.
    pub(super) fn drop_unknown(&mut self, id: ChatId) {
        if self.row(id).is_none() {
            self.all.remove(&id);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self { generation: self.generation, born: self.born, ..Self::default() };
    }

    pub(super) fn entry(&mut self, id: ChatId) -> &mut State {
        self.all.entry(id).or_insert_with(|| {
            self.born += 1;
            State { born: self.born, ..State::default() }
        })
    }

    pub(super) fn get(&mut self, id: ChatId) -> Option<&mut State> {
        self.all.get_mut(&id)
    }

    pub(super) fn row(&self, id: ChatId) -> Option<&ChatRow> {
        self.all.get(&id)?.row.as_ref()
    }

    pub(super) fn row_mut(&mut self, id: ChatId) -> Option<&mut ChatRow> {
        self.all.get_mut(&id)?.row.as_mut()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &ChatRow> {
        self.all.values().filter_map(|chat| chat.row.as_ref())
    }

    pub(super) fn ids(&self) -> BTreeSet<ChatId> {
        self.all.keys().copied().collect()
    }

    pub(super) fn is_same(&self, id: ChatId, born: u64) -> bool {
        self.all.get(&id).is_some_and(|chat| chat.born == born)
    }

    /// Returns what a store has to have that has lost everything.
    pub(super) fn snapshot(&mut self) -> Vec<Op> {
        for row in self.all.values_mut().filter_map(|chat| chat.row.as_mut()) {
            row.segments = vec![(row.applied + 1, row.applied)];
        }
        let primed = Op::set("primed", self.is_primed);
        self.rows().map(|row| Op::Chat { row: row.clone() }).chain([primed]).collect()
    }
}

impl Core {
    /// Returns the chats as they are now.
    pub(crate) fn chats(&self) -> impl Iterator<Item = Chat> {
        self.chats.rows().filter(|row| !row.item.is_empty()).map(|row| Chat::from_item(row.id, &row.item))
    }

    pub(super) fn save(&mut self, chat: ChatId) {
        if let Some(row) = self.chats.row(chat).cloned() {
            self.write(Op::Chat { row });
        }
    }

    pub(super) fn tell_chat(&mut self, chat: ChatId, is_created: bool) {
        if let Some(row) = self.chats.row(chat) {
            let event = ChatEvent::new(is_created, chat, &row.item);
            self.emit(Event::Chat(event));
        }
    }

    /// A chat becomes known, with this cursor.
    pub(super) fn know(&mut self, chat: ChatId, item: Object, cursor: u64) {
        let state = self.chats.entry(chat);
        // What is held was sent live, so it is not history.
        let live = state.held.iter().filter(|(_, event)| !event.is("own")).map(|(seq, _)| *seq).min();
        let applied = live.map_or(cursor, |first| cursor.min(first - 1));
        state.row = Some(ChatRow {
            id: chat,
            applied,
            segments: vec![(applied + 1, applied)],
            item,
            stale: false,
            unsent: false,
            read_to: None,
        });
        state.is_busy = false;
        self.save(chat);
        self.tell_chat(chat, true);
        self.drain(chat);
    }

    /// Changes members of the item of a chat.
    pub(super) fn change(&mut self, chat: ChatId, changes: Object) {
        self.change_as(chat, changes, false);
    }

    pub(super) fn change_as(&mut self, chat: ChatId, changes: Object, is_created: bool) {
        let Some(row) = self.chats.row_mut(chat) else { return };
        row.item.extend(changes);
        if number(&row.item, "read_seq") >= row.read_to {
            row.read_to = None;
        }
        self.save(chat);
        self.tell_chat(chat, is_created);
    }

    /// The user is not a member any more.
    pub(super) fn removed(&mut self, chat: ChatId, reason: &str) {
        self.timers.clear(Timer::Hold(chat));
        self.timers.clear(Timer::Told(chat));
        self.chats.all.remove(&chat);
        self.write(Op::DropChat { id: chat });
        self.write(Op::Trim { chat_id: chat, below: u64::MAX });
        self.emit(Event::Chat(ChatEvent::Removed { chat_id: chat, reason: reason.to_owned() }));
    }

    /// Nothing before `first` exists for the user.
    pub(super) fn begin_at(&mut self, chat: ChatId, first: u64) {
        let Some(row) = self.chats.row_mut(chat) else { return };
        let starts = row.segments.first().map_or(0, |segment| segment.0);
        if starts >= first && row.applied + 1 >= first {
            return;
        }
        row.segments = clipped(&row.segments, first);
        row.applied = row.applied.max(first.saturating_sub(1));
        self.write(Op::Trim { chat_id: chat, below: first });
        self.save(chat);
        self.drain(chat);
    }

    // --- frames about chats ---

    pub(super) fn chat_created(&mut self, frame: &Frame) {
        let Some(item) = frame.object("chat").cloned().map(Frame) else { return };
        let Some(chat) = item.id("id") else { return };
        let last = item.number("last_seq").unwrap_or_default();
        if self.chats.entry(chat).row.is_none() {
            return self.know(chat, item.0, last);
        }
        self.begin_at(chat, item.number("first_seq").unwrap_or(1));
        self.change_as(chat, item.0, true);
        // On a connection that is catching up the missed events may still follow.
        self.missing(chat, last, false);
    }

    pub(super) fn chat_settings(&mut self, frame: &Frame) {
        let Some(chat) = frame.chat_id() else { return };
        let mut settings = frame.0.clone();
        settings.retain(|name, _| name != "type" && name != "chat_id");
        self.change(chat, settings);
        self.begin_at(chat, frame.number("first_seq").unwrap_or(1));
    }

    /// Takes how far somebody has read a chat: the user, or the partner of a direct chat.
    pub(super) fn receipt_of_user(&mut self, frame: &Frame) {
        let (Some(chat), Some(user)) = (frame.chat_id(), frame.id("user_id")) else { return };
        if Some(user) == self.me() {
            if let Some(read) = frame.number("read") {
                self.own_receipt(chat, read, frame.number("unread_count"));
            }
            return;
        }
        for (name, member) in [("partner_read_seq", "read"), ("partner_delivered_seq", "delivered")] {
            let Some(row) = self.chats.row(chat) else { return };
            let known = number(&row.item, name).unwrap_or_default();
            // The highest one counts.
            if let Some(seq) = frame.number(member).filter(|seq| *seq > known) {
                self.change(chat, Object::from_iter([(name.to_owned(), seq.into())]));
            }
        }
    }

    pub(super) fn own_receipt(&mut self, chat: ChatId, read: u64, unread: Option<u64>) {
        let Some(row) = self.chats.row(chat) else { return };
        if read < number(&row.item, "read_seq").unwrap_or_default() {
            return;
        }
        let mut changes =
            Object::from_iter([("read_seq".to_owned(), json!(read)), ("marked_unread".to_owned(), json!(false))]);
        changes.extend(unread.map(|count| ("unread_count".to_owned(), json!(count))));
        self.change(chat, changes);
    }

    /// Remembers that the user has read a chat, until the server confirms it.
    pub(super) fn mark(&mut self, chat: ChatId, seq: u64) -> bool {
        let Some(row) = self.chats.row_mut(chat) else { return false };
        let read = number(&row.item, "read_seq");
        if seq <= read.max(row.read_to).unwrap_or_default() {
            return false;
        }
        row.read_to = Some(seq);
        self.save(chat);
        true
    }
}
