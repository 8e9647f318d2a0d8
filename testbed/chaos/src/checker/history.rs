//! Checks the history of a chat by itself and as its members read it.

use std::collections::{HashMap, HashSet};

use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};

use super::{
    evidence::{Chat, Message, View},
    memberships::Memberships,
    sends::Sends,
    verdict::{Breach, Verdict},
};

pub(super) fn check(id: ChatId, chat: &Chat, sends: &Sends, memberships: &Memberships, verdict: &mut Verdict) {
    let (mut requests, mut ids) = (HashSet::<(UserId, SendId)>::new(), HashSet::<MessageId>::new());
    check_density(id, chat, verdict);
    for row in &chat.rows {
        let Message { seq, sender, .. } = row.message;
        if !requests.insert((sender, row.request_id)) || !ids.insert(row.message.id) {
            verdict.add(Breach::Duplicate, || format!("{id} #{seq}: {} is stored twice", row.request_id));
        }
        if row.message.chat != id || !sends.has(&row.message, row.request_id) {
            verdict.add(Breach::Phantom, || format!("{id} #{seq}: {} was not sent with this content", row.request_id));
        }
    }
    for view in &chat.views {
        match memberships.get(id, view.reader).last_from() {
            Some(from) => {
                check_view(id, chat, from, view, verdict);
                check_unread(id, chat, from, view, verdict);
            }
            None => verdict.add(Breach::Leak, || format!("{id} was read by {}, who is not a member", view.reader)),
        }
    }
    let is_read_by = |user: UserId| chat.views.iter().any(|view| view.reader == user);
    for user in memberships.members(id).filter(|user| !is_read_by(*user)) {
        verdict.add(Breach::Lost, || format!("{user} cannot read {id}, but is a member"));
    }
}

/// Messages and changes together are 1..N, in the order of time.
fn check_density(id: ChatId, chat: &Chat, verdict: &mut Verdict) {
    let mut changes = chat.changes.iter().map(|row| (row.seq, row.created_at)).peekable();
    let mut all = Vec::new();
    for row in &chat.rows {
        while let Some(change) = changes.next_if(|(seq, _)| *seq < row.message.seq) {
            all.push(change);
        }
        all.push((row.message.seq, row.created_at));
    }
    all.extend(changes);
    let mut last_created_at = i64::MIN;
    for (expected, (seq, created_at)) in (1..).zip(all) {
        if seq != expected {
            verdict.add(Breach::Order, || format!("{id}: #{seq} instead of #{expected}"));
        }
        if created_at <= last_created_at {
            verdict.add(Breach::Order, || format!("{id} #{seq} is not later than its predecessor"));
        }
        last_created_at = created_at;
    }
}

/// The unread messages of a member are those of others after the read marker that exist for the member and are not deleted.
fn check_unread(id: ChatId, chat: &Chat, from: Seq, view: &View, verdict: &mut Verdict) {
    let View { reader, read_seq, unread_count, .. } = *view;
    let messages = chat.rows.iter().map(|row| &row.message);
    let is_unread =
        |message: &&Message| message.seq > read_seq.max(from) && message.sender != reader && !message.is_deleted;
    let unread: Vec<_> = messages.filter(is_unread).collect();
    check_mentions(id, &unread, view, verdict);
    let unread = unread.len();
    if usize::try_from(unread_count) != Ok(unread) {
        verdict.add(Breach::Unread, || {
            format!("{reader} has {unread} unread messages in {id} after #{read_seq}, but is told {unread_count}")
        });
    }
}

/// The most mentions that are counted.
const MAX_MENTIONS: usize = 100;

/// The mentions of a member are the unread messages that name the member. Clients mention only those who are members all the time.
fn check_mentions(id: ChatId, unread: &[&Message], view: &View, verdict: &mut Verdict) {
    let View { reader, ref name, read_seq, mention_count, .. } = *view;
    let mention = format!("@{name} ");
    let mentions = unread.iter().filter(|message| message.text.contains(&mention)).count();
    if usize::try_from(mention_count) != Ok(mentions.min(MAX_MENTIONS)) {
        verdict.add(Breach::Mentions, || {
            format!("{reader} is mentioned {mentions} times in {id} after #{read_seq}, but is told {mention_count}")
        });
    }
}

/// A member reads every stored message after `from` once, in order.
fn check_view(id: ChatId, chat: &Chat, from: Seq, view: &View, verdict: &mut Verdict) {
    let reader = view.reader;
    let rows: HashMap<Seq, &Message> = chat.rows.iter().map(|row| (row.message.seq, &row.message)).collect();
    let mut read = HashSet::new();
    let mut last = 0;
    for message in &view.messages {
        let seq = message.seq;
        if rows.get(&seq).is_none_or(|row| *row != message) {
            verdict
                .add(Breach::Phantom, || format!("{reader} reads {id} #{seq}, which differs from the stored message"));
        }
        if seq <= from {
            verdict.add(Breach::Leak, || format!("{reader} reads {id} #{seq}, which is before the member's #{from}"));
        }
        if !read.insert(seq) {
            verdict.add(Breach::Duplicate, || format!("{reader} reads {id} #{seq} twice"));
        } else if seq < last {
            verdict.add(Breach::Order, || format!("{reader} reads {id} #{seq} after #{last}"));
        }
        last = seq;
    }
    for row in chat.rows.iter().filter(|row| row.message.seq > from && !read.contains(&row.message.seq)) {
        verdict.add(Breach::Lost, || format!("{reader} does not read {id} #{}", row.message.seq));
    }
}
