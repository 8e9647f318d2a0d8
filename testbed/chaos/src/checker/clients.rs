//! Checks what each client received: on each connection, and in total.

use std::collections::{BTreeMap, HashSet};

use neonchat_common::ids::{ChatId, Seq, UserId};

use super::{
    evidence::{Answer, Client, Event, Evidence},
    memberships::Memberships,
    progress, removals,
    verdict::{Breach, Verdict},
};

pub(super) fn check(client: &Client, evidence: &Evidence, memberships: &Memberships, verdict: &mut Verdict) {
    check_leaks(client, evidence, memberships, verdict);
    for connection in &client.connections {
        progress::check(client, connection, evidence, memberships, verdict);
        removals::check(client, connection, memberships, verdict);
    }
    if client.connections.last().is_some_and(|connection| connection.is_open) {
        check_set(client, evidence, memberships, verdict);
    }
}

fn acks(client: &Client) -> impl Iterator<Item = (ChatId, Seq)> {
    client.sends.values().flat_map(|send| &send.answers).filter_map(|answer| match answer {
        Answer::Acked(ack) => Some((ack.chat, ack.seq)),
        Answer::Scheduled | Answer::Refused | Answer::Indefinite => None,
    })
}

/// Returns the place of each event that a client received or read.
fn places(client: &Client) -> impl Iterator<Item = (ChatId, Seq)> {
    let events = client.connections.iter().flat_map(|connection| &connection.events);
    events.filter_map(Event::place).chain(client.fetched.iter().map(|fetched| fetched.event.place()))
}

/// A client that is connected at the end has every event that exists for it in its chats.
fn check_set(client: &Client, evidence: &Evidence, memberships: &Memberships, verdict: &mut Verdict) {
    let mut got: BTreeMap<ChatId, HashSet<Seq>> = BTreeMap::new();
    for (chat, seq) in places(client).chain(acks(client)) {
        got.entry(chat).or_default().insert(seq);
    }
    for (id, chat) in &evidence.chats {
        let Some(from) = memberships.get(*id, client.user).last_from() else { continue };
        let got = got.get(id);
        for seq in chat.seqs().filter(|seq| *seq > from) {
            if got.is_none_or(|got| !got.contains(&seq)) {
                verdict.add(Breach::Skip, || format!("{} never received {id} #{seq}", client.user));
            }
        }
    }
}

fn check_leaks(client: &Client, evidence: &Evidence, memberships: &Memberships, verdict: &mut Verdict) {
    let user = client.user;
    let may_see = |chat: ChatId| memberships.get(chat, user).exist();
    let knows = |other: UserId| {
        other == user || evidence.chats.keys().any(|chat| may_see(*chat) && memberships.get(*chat, other).exist())
    };
    for event in client.connections.iter().flat_map(|connection| &connection.events) {
        let (kind, chat, other) = match event {
            // A socket may be told that its user is not a member.
            Event::Sync { .. } | Event::Sent { .. } | Event::Left { .. } => continue,
            Event::Acked { ack, .. } => ("message_sent", Some(ack.chat), None),
            Event::Message(message) => ("new_message", Some(message.chat), None),
            Event::Changed(change) => ("a change", Some(change.chat), None),
            Event::Joined { chat, .. } => ("chat_created", Some(*chat), None),
            Event::Lagged { chat, .. } => ("lagged", Some(*chat), None),
            Event::Synced { chat, .. } => ("synced", Some(*chat), None),
            Event::Seen { kind, chat, user } => (kind.as_str(), *chat, *user),
        };
        if chat.is_some_and(|chat| !may_see(chat)) || other.is_some_and(|other| !knows(other)) {
            verdict.add(Breach::Leak, || format!("{user} saw {kind} of {chat:?} {other:?}"));
        }
    }
    for fetched in client.fetched.iter().chain(&client.reads) {
        let (chat, seq) = fetched.event.place();
        if !memberships.get(chat, user).show_at(fetched.begun, seq) {
            verdict.add(Breach::Leak, || format!("{user} could read {chat} #{seq}"));
        }
    }
}
