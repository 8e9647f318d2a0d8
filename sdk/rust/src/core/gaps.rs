//! Missing events: held for a moment, then fetched, one chat after the other.

use serde_json::Value;

use super::{Core, Request, Timer, requests::Ask};
use crate::{ChatId, Error, Event, Frame, event::Gap, store::Op};

/// How long events are held while an earlier one is missing.
const HOLD: u64 = 2_000;
/// A longer gap is not fetched: the history after it starts again, and is paged.
const LONGEST_GAP: u64 = 5000;
/// The events of a page.
const PAGE: u64 = 1000;

impl Core {
    /// There are events up to `seq`, whose content is not known.
    pub(super) fn missing(&mut self, chat: ChatId, seq: u64, now: bool) {
        let state = self.chats.entry(chat);
        state.head = state.head.max(seq);
        match &state.row {
            None => self.discover(chat),
            Some(row) if seq <= row.applied => {}
            Some(_) if now => self.fetch(chat),
            Some(_) => self.hold(chat),
        }
    }

    /// Events are missing: if they do not come soon, they are fetched.
    pub(super) fn hold(&mut self, chat: ChatId) {
        let is_busy = self.chats.entry(chat).is_busy;
        if !self.timers.is_set(Timer::Hold(chat)) && !is_busy && self.is_connected() {
            self.set_timer(Timer::Hold(chat), HOLD);
        }
    }

    /// Fetches what a chat misses that was not synced.
    pub(super) fn fresh(&mut self, chat: ChatId) {
        if self.chats.row(chat).is_some_and(|row| row.stale) {
            self.fetch(chat);
        }
    }

    /// Fetches the events after the cursor, when it is the turn of the chat.
    pub(super) fn fetch(&mut self, chat: ChatId) {
        self.timers.clear(Timer::Hold(chat));
        let is_connected = self.is_connected();
        let Some(state) = self.chats.get(chat).filter(|state| is_connected && !state.is_busy) else { return };
        state.is_busy = true;
        let place = (chat, state.born);
        self.chats.fetching.push_back(place);
        if self.chats.fetching.len() == 1 {
            self.fill();
        }
    }

    /// It is the turn of the first chat.
    fn fill(&mut self) {
        while let Some((chat, born)) = self.chats.fetching.front().copied() {
            let state = self.chats.get(chat).filter(|state| state.born == born);
            if let Some(row) = state.and_then(|state| state.row.as_ref().map(|row| (row.applied + 1, state.head))) {
                let (from_seq, to_seq) = row;
                if to_seq >= from_seq {
                    self.emit(Event::Gap(Gap { chat_id: chat, from_seq, to_seq, skipped: false, restored: false }));
                }
                return self.ask(Ask::Fill(chat));
            }
            self.chats.fetching.pop_front();
        }
    }

    pub(super) fn request_events(&mut self, chat: ChatId) -> Request {
        let applied = self.chats.row(chat).map_or(0, |row| row.applied);
        if let Some(state) = self.chats.get(chat) {
            state.asked = applied;
        }
        Request::new("GET", format!("/chats/{chat}/events")).query("after", applied).query("limit", PAGE)
    }

    /// A page of events has come.
    pub(super) fn filled(&mut self, chat: ChatId, page: Result<Frame, Error>) {
        let is_same =
            self.chats.fetching.front().is_some_and(|(id, born)| *id == chat && self.chats.is_same(chat, *born));
        if is_same {
            match page {
                Ok(page) if self.take_events(chat, &page) => return self.ask(Ask::Fill(chat)),
                Ok(_) => {}
                Err(error) => self.ask_failed(Some(chat), &error),
            }
        }
        if is_same && let Some(state) = self.chats.get(chat) {
            state.is_busy = false;
            // What is missing still is not fetched at once: the server has just been asked.
            self.apply_and_tell(chat);
            self.wait_for_missing(chat);
        }
        self.chats.fetching.pop_front();
        self.fill();
    }

    /// Takes a page of events. Returns whether there are more.
    fn take_events(&mut self, chat: ChatId, page: &Frame) -> bool {
        let Some(state) = self.chats.get(chat) else { return false };
        let Some(applied) = state.row.as_ref().map(|row| row.applied) else { return false };
        let (head, asked) = (page.number("head_seq").unwrap_or_default(), state.asked);
        // The server was restored from a backup: what the client has is not the history any more. Live events that came since the
        // question may be ahead of the answer.
        let is_restored = head < asked;
        if is_restored || head.saturating_sub(applied) > LONGEST_GAP {
            self.start_again(chat, head, is_restored);
            return false;
        }
        state.head = state.head.max(head);
        self.begin_at(chat, page.number("first_seq").unwrap_or(1));
        let Some(state) = self.chats.get(chat) else { return false };
        for event in page.list("events").iter().filter_map(Value::as_object).cloned() {
            let mut event = Frame(event);
            let Some(seq) = event.seq() else { continue };
            event.0.insert("chat_id".to_owned(), chat.to_string().into());
            if event.kind() == "message" {
                event.0.insert("type".to_owned(), "new_message".into());
            }
            // An own event that is held is what was asked for; this one is what became of it.
            state.held.insert(seq, event);
        }
        self.drain(chat);
        page.is("has_more") && self.chats.row(chat).is_some_and(|row| row.applied != asked)
    }

    /// The history of the chat starts again after `applied`.
    fn start_again(&mut self, chat: ChatId, applied: u64, restored: bool) {
        let Some(state) = self.chats.get(chat) else { return };
        let Some(row) = &mut state.row else { return };
        let gap = Gap { chat_id: chat, from_seq: row.applied + 1, to_seq: applied, skipped: true, restored };
        state.head = applied;
        row.applied = applied;
        row.segments = vec![(applied + 1, applied)];
        row.stale = false;
        self.write(Op::Trim { chat_id: chat, below: u64::MAX });
        self.rewind_handled(chat, applied);
        self.save(chat);
        self.emit(Event::Gap(gap));
        self.drain(chat);
    }

    /// The connection has ended.
    pub(super) fn chats_closed(&mut self) {
        self.chats.generation += 1;
        self.chats.listing = None;
        self.chats.fetching.clear();
        for (request, _) in self.chats.syncs.drain() {
            self.timers.clear(Timer::Sync(request));
        }
        for (id, _) in self.chats.asks.drain() {
            self.timers.clear(Timer::Ask(id));
        }
        for chat in self.chats.ids() {
            self.timers.clear(Timer::Hold(chat));
            self.timers.clear(Timer::Told(chat));
        }
        self.chats.let_go();
    }
}
