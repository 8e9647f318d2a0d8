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
    let mut last_created_at = i64::MIN;
    for (expected, row) in (1..).zip(&chat.rows) {
        let Message { seq, sender, .. } = row.message;
        if seq != expected {
            verdict.add(Breach::Order, || format!("{id}: #{seq} instead of #{expected}"));
        }
        if row.created_at <= last_created_at {
            verdict.add(Breach::Order, || format!("{id} #{seq} is not later than its predecessor"));
        }
        last_created_at = row.created_at;
        if !requests.insert((sender, row.request_id)) || !ids.insert(row.message.id) {
            verdict.add(Breach::Duplicate, || format!("{id} #{seq}: {} is stored twice", row.request_id));
        }
        if row.message.chat != id || !sends.has(&row.message, row.request_id) {
            verdict.add(Breach::Phantom, || format!("{id} #{seq}: {} was not sent with this content", row.request_id));
        }
    }
    for view in &chat.views {
        check_view(id, chat, view, verdict);
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
