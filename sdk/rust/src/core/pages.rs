//! Pages of messages, from the store where it has all of them, else from the server.

use std::collections::HashMap;

use serde_json::Value;

use super::{CallId, Core, Effect, PageQuery, Reply, Request, requests::Then};
use crate::{
    ChatId, Error, Frame, Message, Page,
    frame::{Object, number},
    model::typed,
    store::{EventRow, Op, covering, message_row},
};

/// How often a page is asked for that was overtaken by events.
const TRIES: u32 = 3;

/// The pages that are being loaded.
#[derive(Debug, Default)]
pub(super) struct Pages {
    last: u64,
    open: HashMap<u64, Loading>,
}

#[derive(Debug)]
struct Loading {
    call: CallId,
    chat: ChatId,
    query: PageQuery,
    /// Where the page begins, and the segment that it is in.
    edge: u64,
    segment: (u64, u64),
    /// What the store has of it.
    stored: Option<Page>,
    tries: u32,
}

impl Core {
    pub(super) fn page(&mut self, call: CallId, chat: ChatId, query: PageQuery) {
        self.fresh(chat);
        self.pages.last += 1;
        let id = self.pages.last;
        let local = self.segment(chat, query);
        let (edge, segment) = local.unwrap_or_default();
        self.pages.open.insert(id, Loading { call, chat, query, edge, segment, stored: None, tries: TRIES });
        if local.is_none() {
            return self.ask_page(id);
        }
        let backwards = query.after.is_none();
        let (from, to) = if backwards { (segment.0, edge) } else { (edge, segment.1) };
        self.effect(Effect::Read { id, chat, from, to, limit: query.limit, backwards });
    }

    /// Returns where a page begins, and the segment that has its beginning.
    fn segment(&self, chat: ChatId, query: PageQuery) -> Option<(u64, (u64, u64))> {
        let row = self.chats.row(chat).filter(|_| query.around.is_none())?;
        let (edge, beyond) = match query.after {
            Some(after) => (after.saturating_add(1), 1),
            None => (query.before.map_or(row.applied, |before| before.saturating_sub(1).min(row.applied)), 0),
        };
        let segment = row.segments.iter().find(|(from, to)| *from <= edge && edge <= to.saturating_add(beyond))?;
        Some((edge, *segment))
    }

    /// The store has answered.
    pub(super) fn page_read(&mut self, id: u64, mut rows: Vec<EventRow>) {
        let now = self.time.wall;
        let Some(loading) = self.pages.open.get_mut(&id) else { return };
        let Loading { chat, query, edge, segment, .. } = *loading;
        // What has disappeared is shown like what was deleted.
        for row in &mut rows {
            row.expire(now);
        }
        let messages: Result<Vec<Message>, _> =
            rows.into_iter().filter_map(|row| row.message).map(|message| typed(&message)).collect();
        let Some((row, messages)) = self.chats.row(chat).zip(messages.ok()) else { return self.ask_page(id) };
        let is_full = messages.len() == query.limit;
        let first = number(&row.item, "first_seq").unwrap_or(1);
        let seq =
            |message: Option<&Message>, edge: u64| message.filter(|_| is_full).map_or(edge, |message| message.seq);
        let (has_previous, has_next) = match query.after {
            None => (seq(messages.first(), segment.0) > first, edge < row.applied),
            Some(_) => (edge > first, seq(messages.last(), segment.1) < row.applied),
        };
        let page = Page { messages, has_previous, has_next };
        if is_full || !(if query.after.is_none() { has_previous } else { has_next }) {
            return self.page_done(id, Ok(page));
        }
        loading.stored = Some(page);
        self.ask_page(id);
    }

    fn page_done(&mut self, id: u64, result: Result<Page, Error>) {
        if let Some(loading) = self.pages.open.remove(&id) {
            self.reply(loading.call, result.map(Reply::Page));
        }
    }

    fn ask_page(&mut self, id: u64) {
        let Some(loading) = self.pages.open.get(&id) else { return };
        let PageQuery { before, after, around, limit } = loading.query;
        let applied = self.chats.row(loading.chat).map(|row| row.applied).filter(|applied| *applied > 0);
        let request = Request::new("GET", format!("/chats/{}/messages", loading.chat));
        let request = request.query_opt("before_seq", before).query_opt("after_seq", after);
        let request = request.query_opt("around_seq", around).query("limit", limit).query_opt("min_seq", applied);
        self.request(request, Then::Page(id));
    }

    /// The server has answered.
    pub(super) fn page_answered(&mut self, id: u64, result: Result<Value, Error>) {
        let Some(loading) = self.pages.open.get_mut(&id) else { return };
        let answer = match result {
            Ok(Value::Object(answer)) => Frame(answer),
            Ok(_) => return self.page_done(id, Err(Error::Answer("a page that is not a JSON object".to_owned()))),
            Err(error) => {
                // Without a network, what is there is better than nothing.
                let stored = loading.stored.take().filter(|page| !page.messages.is_empty());
                let result = stored.filter(|_| matches!(error, Error::Network(_))).ok_or(error);
                return self.page_done(id, result);
            }
        };
        loading.tries -= 1;
        let (chat, query, tries) = (loading.chat, loading.query, loading.tries);
        let head = answer.number("head_seq").unwrap_or_default();
        let is_overtaken = self.chats.row(chat).is_some_and(|row| head < row.applied);
        // What has changed while the page was on its way may be missing on it.
        if is_overtaken && tries > 0 {
            return self.ask_page(id);
        }
        let messages: Vec<Object> =
            answer.list("messages").iter().rev().filter_map(Value::as_object).cloned().collect();
        let page: Result<Vec<Message>, _> = messages.iter().map(typed).collect();
        let page = page.map(|messages| Page {
            messages,
            has_previous: answer.is("has_previous"),
            has_next: answer.is("has_next"),
        });
        if let Ok(page) = page.as_ref()
            && !is_overtaken
        {
            let (from, to) = edges(query, page, answer.number("first_seq").unwrap_or(1), head);
            self.take_page(chat, messages, from, to);
        }
        self.page_done(id, page);
    }

    /// Takes all messages between two `seq`s into the store.
    fn take_page(&mut self, chat: ChatId, messages: Vec<Object>, from: u64, to: u64) {
        let Some(row) = self.chats.row_mut(chat) else { return };
        let applied = row.applied;
        row.segments = covering(&row.segments, from, to.min(applied));
        for message in messages {
            let seq = super::list::number_or_0(&message, "seq");
            if seq <= applied {
                self.write(Op::Event { row: message_row(chat, seq, message) });
            }
        }
        self.save(chat);
    }
}

/// Returns between which `seq`s everything is on a page. An edge that is the end of the history is further out.
fn edges(query: PageQuery, page: &Page, first: u64, head: u64) -> (u64, u64) {
    let oldest = page.messages.first().map_or(1, |message| message.seq);
    let newest = page.messages.last().map_or(0, |message| message.seq);
    let from = query.after.map_or(if page.has_previous { oldest } else { first }, |after| after.saturating_add(1));
    let to = query.before.map_or(if page.has_next { newest } else { head }, |before| before.saturating_sub(1));
    (from, to)
}
