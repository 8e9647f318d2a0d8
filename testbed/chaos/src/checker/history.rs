//! Checks the history of a chat by itself and as its members read it.

use std::collections::{HashMap, HashSet};

use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};

use super::{
    evidence::{Chat, Message, View},
    sends::Sends,
    verdict::{Breach, Verdict},
};

pub(super) fn check(id: ChatId, chat: &Chat, sends: &Sends, verdict: &mut Verdict) {
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
        check_view(id, chat, view, verdict);
        check_unread(id, chat, view, verdict);
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

/// The unread messages of a member are those of others after the read marker that are not deleted.
fn check_unread(id: ChatId, chat: &Chat, view: &View, verdict: &mut Verdict) {
    let View { reader, read_seq, unread_count, .. } = *view;
    let messages = chat.rows.iter().map(|row| &row.message);
    let unread =
        messages.filter(|message| message.seq > read_seq && message.sender != reader && !message.is_deleted).count();
    if usize::try_from(unread_count) != Ok(unread) {
        verdict.add(Breach::Unread, || {
            format!("{reader} has {unread} unread messages in {id} after #{read_seq}, but is told {unread_count}")
        });
    }
}

/// A member reads every stored message once, in order.
fn check_view(id: ChatId, chat: &Chat, view: &View, verdict: &mut Verdict) {
    let reader = view.reader;
    if !chat.members.contains(&reader) {
        verdict.add(Breach::Leak, || format!("{id} was read by {reader}, who is not a member"));
    }
    let rows: HashMap<Seq, &Message> = chat.rows.iter().map(|row| (row.message.seq, &row.message)).collect();
    let mut read = HashSet::new();
    let mut last = 0;
    for message in &view.messages {
        let seq = message.seq;
        if rows.get(&seq).is_none_or(|row| *row != message) {
            verdict
                .add(Breach::Phantom, || format!("{reader} reads {id} #{seq}, which differs from the stored message"));
        }
        if !read.insert(seq) {
            verdict.add(Breach::Duplicate, || format!("{reader} reads {id} #{seq} twice"));
        } else if seq < last {
            verdict.add(Breach::Order, || format!("{reader} reads {id} #{seq} after #{last}"));
        }
        last = seq;
    }
    for row in chat.rows.iter().filter(|row| !read.contains(&row.message.seq)) {
        verdict.add(Breach::Lost, || format!("{reader} does not read {id} #{}", row.message.seq));
    }
}
