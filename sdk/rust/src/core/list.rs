//! The list of chats: finds chats that came while the client was away, and those that have more than the cursor says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Core, Request, Timer,
    requests::{Ask, Then},
};
use crate::{
    ChatEvent, ChatId, Error, Event, Frame,
    frame::{Object, number},
    store::Op,
};

/// The pause between two attempts.
const RETRY: u64 = 2_000;
/// The events that a `sync` sends of a chat.
const SYNC_EVENTS: u64 = 1000;

/// A list that is being loaded.
#[derive(Debug)]
pub(super) struct Listing {
    /// The chats that were not in it yet.
    unlisted: BTreeSet<ChatId>,
    /// The chats that have to be synced, with their cursors.
    added: BTreeMap<ChatId, u64>,
}

impl Core {
    // --- questions that are repeated until there is an answer ---

    pub(super) fn ask(&mut self, ask: Ask) {
        let request = match &ask {
            Ask::List { archived, after } => {
                let request = Request::new("GET", "/chats").query("limit", 100);
                request.query_opt("archived", archived.then_some(true)).query("after", after)
            }
            Ask::Look { chat, .. } => Request::new("GET", format!("/chats/{chat}")),
            Ask::Fill(chat) => self.request_events(*chat),
        };
        self.request(request, Then::Ask(self.chats.generation, ask));
    }

    pub(super) fn ask_again(&mut self, id: u64) {
        if let Some(ask) = self.chats.asks.remove(&id) {
            self.ask(ask);
        }
    }

    pub(super) fn told(&mut self, generation: u64, ask: Ask, result: Result<Value, Error>) {
        if generation != self.chats.generation {
            return;
        }
        match result {
            Err(error) if error.is_retryable() => {
                self.chats.last_ask += 1;
                let id = self.chats.last_ask;
                self.chats.asks.insert(id, ask);
                self.set_timer(Timer::Ask(id), error.retry_after_ms().unwrap_or(RETRY));
            }
            result => {
                let result = result.and_then(|answer| match answer {
                    Value::Object(answer) => Ok(Frame(answer)),
                    _ => Err(Error::Answer("not a JSON object".to_owned())),
                });
                match ask {
                    Ask::List { archived, .. } => self.page_of_list(archived, result),
                    Ask::Look { chat, listed } => self.looked(chat, listed, result),
                    Ask::Fill(chat) => self.filled(chat, result),
                }
            }
        }
    }

    /// A question was refused for good.
    pub(super) fn ask_failed(&mut self, chat: Option<ChatId>, error: &Error) {
        match chat {
            // `chat_removed` says why, if it comes.
            Some(chat) if error.status() == Some(404) => self.removed(chat, "gone"),
            _ if matches!(error, Error::SignedOut(_)) => {}
            _ => self.emit(Event::error(error.code(), error.to_string())),
        }
    }

    // --- the list ---

    pub(super) fn list(&mut self) {
        self.chats.listing = Some(Listing { unlisted: self.chats.ids(), added: BTreeMap::new() });
        self.ask(Ask::List { archived: false, after: String::new() });
    }

    fn page_of_list(&mut self, archived: bool, page: Result<Frame, Error>) {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                self.chats.listing = None;
                return self.ask_failed(None, &error);
            }
        };
        let mut has_news = false;
        for item in page.list("chats").iter().filter_map(Value::as_object) {
            has_news |= self.found(Frame(item.clone()));
        }
        // In the order of activity: if a page has nothing new, the next ones have nothing either.
        let next = page.text("next").filter(|_| has_news || !self.chats.is_listed);
        if let Some(after) = next {
            self.ask(Ask::List { archived, after: after.to_owned() });
        } else if archived {
            self.all_pages_are_there();
        } else {
            self.ask(Ask::List { archived: true, after: String::new() });
        }
    }

    fn all_pages_are_there(&mut self) {
        let Some(listing) = &mut self.chats.listing else { return };
        let added = std::mem::take(&mut listing.added);
        if !added.is_empty() {
            self.sync(added);
        }
        self.look_for_unlisted();
    }

    /// Looks for the next chat that is not in the list.
    fn look_for_unlisted(&mut self) {
        let Some(listing) = &mut self.chats.listing else { return };
        let synced = &self.chats.synced;
        if !self.chats.is_listed {
            while let Some(chat) = listing.unlisted.pop_first() {
                if !synced.contains(&chat) {
                    return self.ask(Ask::Look { chat, listed: true });
                }
            }
        }
        self.chats.listing = None;
        self.chats.is_listed = true;
        self.chats.is_primed = true;
        self.write(Op::set("primed", true));
        self.emit(Event::Chat(ChatEvent::Listed));
    }

    fn looked(&mut self, chat: ChatId, listed: bool, item: Result<Frame, Error>) {
        match item {
            Ok(item) => drop(self.found(item)),
            Err(error) => {
                self.ask_failed(Some(chat), &error);
                // The next frame of it asks again.
                self.chats.drop_unknown(chat);
            }
        }
        if listed {
            self.look_for_unlisted();
        }
    }

    /// A frame of a chat came that is not known.
    pub(super) fn discover(&mut self, chat: ChatId) {
        if !std::mem::replace(&mut self.chats.entry(chat).is_busy, true) {
            self.ask(Ask::Look { chat, listed: false });
        }
    }

    /// Takes an item of the list. Returns whether it says something new.
    fn found(&mut self, item: Frame) -> bool {
        let Some(chat) = item.id::<ChatId>("id") else { return false };
        if let Some(listing) = &mut self.chats.listing {
            listing.unlisted.remove(&chat);
        }
        let last = item.number("last_seq").unwrap_or_default();
        let is_synced = self.chats.synced.contains(&chat);
        let state = self.chats.entry(chat);
        let Some(row) = &mut state.row else {
            self.found_new(chat, item, last);
            return true;
        };
        let is_news = last > row.applied || item.get("updated_at") != row.item.get("updated_at");
        if last > row.applied && !is_synced {
            row.stale = true;
        }
        // Live events may be ahead of the answer.
        if row.item.is_empty() || last >= row.applied {
            self.change(chat, item.0);
        }
        is_news
    }

    fn found_new(&mut self, chat: ChatId, item: Frame, last: u64) {
        let first = item.number("first_seq").unwrap_or(1);
        // At the first start everything is history. Later, what a direct chat has is news, because it came while this client was away.
        // The same applies to other chats with few events.
        let is_direct = item.get("type").is_some_and(|kind| kind == "direct");
        let is_news = self.chats.is_primed && last >= first && (is_direct || last - first < SYNC_EVENTS);
        self.know(chat, item.0, if is_news { first.saturating_sub(1) } else { last });
        let cursor = self.chats.row(chat).map(|row| row.applied).filter(|_| is_news);
        if let Some((listing, cursor)) = self.chats.listing.as_mut().zip(cursor) {
            listing.added.insert(chat, cursor);
        }
    }
}

/// Returns a member of an item that is a number.
pub(super) fn number_or_0(item: &Object, name: &str) -> u64 {
    number(item, name).unwrap_or_default()
}
