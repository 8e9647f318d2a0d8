//! Checks the content of messages and events: in the history, and in all that clients received.
//!
//! A message has a version for its text as sent, one for each edit, and one for its deletion. Each is named by its `changed_seq`.

use std::collections::HashMap;

use neonchat_common::ids::{ChatId, MessageId, Seq};

use super::{
    changes::{Changes, acked},
    evidence::{Action, ChangeKind, ChangeRow, Changed, Client, Durable, Event, Evidence, Message, Moment, Row, What},
    memberships::{Memberships, Periods},
    sends::Sends,
    verdict::{Breach, Verdict},
};

/// All versions of all messages, and all changes.
pub(super) struct Versions<'a> {
    messages: HashMap<MessageId, Vec<Version>>,
    changes: HashMap<(ChatId, Seq), (&'a ChangeRow, Option<&'a Action>)>,
}

/// A version of a message.
struct Version {
    /// The message in this version.
    message: Message,
    /// When the change was acked. `None` if it was not.
    acked_at: Option<Moment>,
}

impl<'a> Versions<'a> {
    /// Applies all changes to the messages as they were sent. The result must be the history.
    pub(super) fn of(evidence: &'a Evidence, sends: &Sends, changes: &Changes<'a>, verdict: &mut Verdict) -> Self {
        let mut this = Self { messages: HashMap::new(), changes: HashMap::new() };
        for (id, chat) in &evidence.chats {
            for row in &chat.rows {
                this.messages.insert(row.message.id, vec![as_sent(row, sends)]);
            }
            for row in &chat.changes {
                if !row.kind.is_of_reactions() {
                    this.apply(*id, row, changes, verdict);
                }
                let action = changes.get(row).map(|change| &change.action);
                this.changes.insert((*id, row.seq), (row, action));
            }
            for Row { message, .. } in &chat.rows {
                this.check_last(message, verdict);
            }
        }
        this
    }

    fn apply(&mut self, chat: ChatId, row: &ChangeRow, changes: &Changes<'_>, verdict: &mut Verdict) {
        let change = changes.get(row);
        for id in &row.messages {
            let versions = self.messages.entry(*id).or_default();
            let Some(Version { message: last, .. }) = versions.last() else {
                verdict.add(Breach::Phantom, || format!("{chat} #{} changes {id}, which is not stored", row.seq));
                continue;
            };
            if last.is_deleted || last.changed_seq.unwrap_or(last.seq) >= row.seq {
                verdict.add(Breach::Order, || {
                    format!("{chat} #{} changes {id} after its deletion or later change", row.seq)
                });
            }
            let text = match change.map(|change| &change.action) {
                Some(Action::Edit { text, .. }) => text.clone(),
                _ => String::new(),
            };
            let is_deleted = row.kind == ChangeKind::Deletion;
            let message = Message { text, changed_seq: Some(row.seq), is_deleted, ..last.clone() };
            versions.push(Version { message, acked_at: change.and_then(acked).map(|(at, _)| at) });
        }
    }

    /// A message in the history is as its last change left it.
    fn check_last(&self, message: &Message, verdict: &mut Verdict) {
        let Message { chat, seq, .. } = message;
        let last = self.messages.get(&message.id).and_then(|versions| versions.last());
        if self.version(message).is_none() {
            verdict.add(Breach::Phantom, || format!("{chat} #{seq} has a content that nobody wrote"));
        } else if last.is_none_or(|last| last.message != *message) {
            verdict.add(Breach::Stale, || format!("{chat} #{seq} is not as its last change left it"));
        }
    }

    /// Returns the version that was seen.
    fn version(&self, seen: &Message) -> Option<&Version> {
        self.messages.get(&seen.id)?.iter().find(|version| version.message == *seen)
    }

    /// Everything that a client received has a content that somebody wrote. What it read over REST was not replaced before.
    ///
    /// A socket may get a replaced text, also after a `sync`: an event that was on its way to the instance is delivered late, and the
    /// change follows it.
    pub(super) fn check(&self, client: &Client, evidence: &Evidence, memberships: &Memberships, verdict: &mut Verdict) {
        for fetched in client.fetched.iter().chain(&client.reads) {
            self.check_event(client, evidence, memberships, &fetched.event, Some(fetched.begun), verdict);
        }
        for event in client.connections.iter().flat_map(|connection| &connection.events) {
            let event = match event {
                Event::Message(message) => Durable::Message(message.clone()),
                Event::Changed(change) => Durable::Change(change.clone()),
                _ => continue,
            };
            self.check_event(client, evidence, memberships, &event, None, verdict);
        }
    }

    fn check_event(
        &self,
        client: &Client,
        evidence: &Evidence,
        memberships: &Memberships,
        event: &Durable,
        begun: Option<Moment>,
        verdict: &mut Verdict,
    ) {
        let (user, (chat, seq)) = (client.user, event.place());
        // An unknown chat has no history. An event of it is a leak.
        if !evidence.chats.contains_key(&chat) {
            return;
        }
        let periods = memberships.get(chat, user);
        if let Some(message) = event.message()
            && periods.hide_text_in(message.seq, seq)
        {
            verdict.add(Breach::Leak, || format!("{user} saw the text of {chat} #{} in #{seq}", message.seq));
        }
        if !self.is_true(event, memberships, periods) {
            verdict.add(Breach::Phantom, || format!("{user} received {chat} #{seq}, which differs from the history"));
        } else if let (Some(message), Some(begun)) = (event.message(), begun)
            && self.is_replaced(message, begun)
        {
            verdict.add(Breach::Stale, || {
                format!("{user} read {} in {chat} #{seq} in a state that was replaced before", message.id)
            });
        }
    }

    /// Returns whether an event is in the history with this content, as a user with these memberships sees it.
    fn is_true(&self, event: &Durable, memberships: &Memberships, reader: Periods<'_>) -> bool {
        let Changed { chat, seq, by, what } = match event {
            Durable::Message(message) => return self.version(message).is_some(),
            Durable::Change(change) => change,
        };
        let Some((row, action)) = self.changes.get(&(*chat, *seq)) else { return false };
        if let What::Reacted { message, .. } = what {
            return row.kind.is_of_reactions() && row.messages.iter().eq([message]);
        }
        if *by != Some(row.actor) {
            return false;
        }
        let is_count = |members| memberships.count_after(*chat, *seq) == Some(members);
        match what {
            What::Edited(message) => message.changed_seq == Some(*seq) && self.version(message).is_some(),
            What::Superseded(id) => {
                let last = self.messages.get(id).and_then(|versions| versions.last()).map(|last| &last.message);
                let may_lack_text = |last: &Message| last.changed_seq > Some(*seq) || reader.hide_text(last.seq);
                row.kind == ChangeKind::Edit && row.messages.contains(id) && last.is_some_and(may_lack_text)
            }
            What::Deleted(messages) => row.kind == ChangeKind::Deletion && row.messages == *messages,
            What::Gone(messages) => {
                let is_gone = |id| self.is_deleted_at(id, *seq);
                row.kind == ChangeKind::Deletion && row.messages.is_subset(messages) && messages.iter().all(is_gone)
            }
            What::Added { users, members } => {
                row.kind == ChangeKind::Addition && row.users == *users && is_count(*members)
            }
            What::Removed { users, members } => {
                row.kind == ChangeKind::Removal && row.users == *users && is_count(*members)
            }
            What::RoleSet { user, admin } => {
                row.kind == ChangeKind::Role && *action == Some(&Action::SetRole { user: *user, admin: *admin })
            }
            What::Renamed(title) => row.kind == ChangeKind::Title && self.is_title(*chat, *seq, title),
            What::Reacted { .. } => false,
        }
    }

    /// Returns whether a message was deleted by this event, or by an earlier one.
    fn is_deleted_at(&self, id: &MessageId, seq: Seq) -> bool {
        let last = self.messages.get(id).and_then(|versions| versions.last()).map(|last| &last.message);
        last.is_some_and(|last| last.is_deleted && last.changed_seq <= Some(seq))
    }

    /// Returns whether a group got this title by an event, or by a later one.
    fn is_title(&self, chat: ChatId, seq: Seq, title: &str) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|((of, at), (_, action))| {
            *of == chat && *at >= seq && matches!(action, Some(Action::Rename { title: given }) if given == title)
        })
    }

    /// Returns whether a later change of a message had been acked at this moment.
    fn is_replaced(&self, seen: &Message, at: Moment) -> bool {
        let mut later = self.messages.get(&seen.id).into_iter().flatten();
        later.any(|version| {
            version.message.changed_seq > seen.changed_seq && version.acked_at.is_some_and(|acked| acked < at)
        })
    }
}

fn as_sent(row: &Row, sends: &Sends) -> Version {
    let message = Message { changed_seq: None, is_deleted: false, ..row.message.clone() };
    let text = sends.text(&message, row.request_id).unwrap_or(&message.text).to_owned();
    Version { message: Message { text, ..message }, acked_at: None }
}
