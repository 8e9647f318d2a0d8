//! Checks the sends against the history.

use std::collections::{BTreeMap, HashMap};

use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};

use super::{
    evidence::{Ack, Answer, Evidence, Message, Row, Send},
    memberships::Memberships,
    verdict::{Breach, Figures, Verdict},
};

/// A message is identified by its sender and its `request_id`.
type Key = (UserId, SendId);

/// All messages that were sent. Sends of several clients of a user with the same `request_id` are one message.
pub(super) struct Sends(BTreeMap<Key, Send>);

impl Sends {
    pub(super) fn of(evidence: &Evidence) -> Self {
        let mut sends: BTreeMap<Key, Send> = BTreeMap::new();
        for client in &evidence.clients {
            for (request_id, send) in &client.sends {
                sends
                    .entry((client.user, *request_id))
                    .and_modify(|known| {
                        known.attempts += send.attempts;
                        known.answers.extend(&send.answers);
                    })
                    .or_insert_with(|| send.clone());
            }
        }
        Self(sends)
    }

    /// Returns whether a message was sent with this content. The content of a changed message is checked with its changes.
    pub(super) fn has(&self, message: &Message, request_id: SendId) -> bool {
        let text = self.text(message, request_id);
        text.is_some_and(|text| text == message.text || message.changed_seq.is_some())
    }

    /// Returns the text with which a message was sent.
    pub(super) fn text(&self, message: &Message, request_id: SendId) -> Option<&str> {
        let sent = self.0.get(&(message.sender, request_id)).filter(|sent| sent.chat == message.chat)?;
        Some(&sent.text)
    }

    pub(super) fn check(&self, evidence: &Evidence, memberships: &Memberships, verdict: &mut Verdict) {
        let rows = evidence.chats.values().flat_map(|chat| &chat.rows);
        let stored: HashMap<Key, &Row> = rows.map(|row| ((row.message.sender, row.request_id), row)).collect();
        for (key, send) in &self.0 {
            check_send(key.1, send, stored.get(key).copied(), verdict);
            // The sends of a stranger are not counted.
            if memberships.get(send.chat, key.0).exist() {
                count(send, stored.contains_key(key), &mut verdict.figures);
            }
        }
    }
}

fn acks(send: &Send) -> impl Iterator<Item = &Ack> {
    send.answers.iter().filter_map(|answer| if let Answer::Acked(ack) = answer { Some(ack) } else { None })
}

fn is_unanswered(send: &Send) -> bool {
    send.answers.len() < send.attempts
}

/// Returns whether an answer left the outcome open.
fn is_indefinite(send: &Send) -> bool {
    send.answers.contains(&Answer::Indefinite)
}

/// Returns whether the message is stored later, if it is not stored yet.
pub(super) fn is_scheduled(send: &Send) -> bool {
    send.answers.contains(&Answer::Scheduled)
}

/// Returns whether an attempt may be effective later.
pub(super) fn is_open(send: &Send) -> bool {
    is_unanswered(send) || is_indefinite(send)
}

fn count(send: &Send, is_stored: bool, figures: &mut Figures) {
    let acked = send.answers.iter().filter(|answer| matches!(answer, Answer::Acked(_) | Answer::Scheduled)).count();
    figures.messages += 1;
    figures.refusals += send.answers.len() - acked;
    figures.scheduled += usize::from(is_scheduled(send));
    let was_new = is_scheduled(send) || acks(send).any(|ack| !ack.duplicate);
    figures.in_doubt += usize::from(is_stored && is_indefinite(send) && !was_new && !is_unanswered(send));
    if acked > 0 {
        figures.acked += 1;
    } else if is_open(send) {
        figures.unknown += 1;
    } else {
        figures.refused += 1;
    }
}

fn check_send(request_id: SendId, send: &Send, stored: Option<&Row>, verdict: &mut Verdict) {
    if let Some(row) = stored
        && acks(send).next().is_none()
        && !is_scheduled(send)
        && !is_unanswered(send)
        && !is_indefinite(send)
    {
        let Message { chat, seq, .. } = row.message;
        verdict.add(Breach::Aborted, || format!("{request_id} was refused, but is stored as {chat} #{seq}"));
    }
    let stored_at = stored.map(|row| (row.message.chat, row.message.seq, row.message.id));
    for ack in acks(send) {
        if stored_at != Some(location(ack)) || ack.chat != send.chat {
            verdict.add(Breach::Lost, || {
                let found = stored_at
                    .map_or("not stored".to_owned(), |(chat, seq, id)| format!("stored as {chat} #{seq}, {id}"));
                format!("{request_id} was acked as {} #{}, {}, but is {found}", ack.chat, ack.seq, ack.id)
            });
        }
    }
    if acks(send).filter(|ack| !ack.duplicate).count() > 1 {
        verdict.add(Breach::Duplicate, || format!("{request_id} was acked as new more than once"));
    }
}

const fn location(ack: &Ack) -> (ChatId, Seq, MessageId) {
    (ack.chat, ack.seq, ack.id)
}
