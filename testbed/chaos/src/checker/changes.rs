//! Checks the changes that clients asked for against those in the history.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use neonchat_common::ids::{ChatId, SendId, Seq, UserId};

use super::{
    evidence::{Action, Change, ChangeAnswer, ChangeKind, ChangeRow, Evidence, Moment},
    verdict::{Breach, Verdict},
};

/// A change is identified by its actor and its `request_id`.
type Key = (UserId, SendId);

/// All changes that clients asked for.
pub(super) struct Changes<'a>(BTreeMap<Key, &'a Change>);

impl<'a> Changes<'a> {
    pub(super) fn of(evidence: &'a Evidence) -> Self {
        let of = |user| move |(request, change): (&SendId, &'a Change)| ((user, *request), change);
        Self(evidence.clients.iter().flat_map(|client| client.changes.iter().map(of(client.user))).collect())
    }

    /// Returns the change that made an event.
    pub(super) fn get(&self, row: &ChangeRow) -> Option<&'a Change> {
        self.0.get(&(row.actor, row.request)).copied()
    }

    pub(super) fn check(&self, evidence: &Evidence, verdict: &mut Verdict) {
        let mut stored: HashMap<Key, (ChatId, &ChangeRow)> = HashMap::new();
        let rows = evidence.chats.iter().flat_map(|(id, chat)| chat.changes.iter().map(move |row| (*id, row)));
        // An event that gathers reactions has no request. The counts in it are checked.
        for (id, row) in rows.filter(|(_, row)| row.kind != ChangeKind::Gathered) {
            if stored.insert((row.actor, row.request), (id, row)).is_some() {
                verdict.add(Breach::Duplicate, || format!("{id} #{}: {} is stored twice", row.seq, row.request));
            }
            if !self.get(row).is_some_and(|change| is_effect(change, id, row)) {
                verdict.add(Breach::Phantom, || format!("{id} #{}: nobody asked for this change", row.seq));
            }
        }
        for (_, row) in stored.values().filter(|(_, row)| !row.kind.is_of_reactions()) {
            let figures = &mut verdict.figures;
            *(if row.messages.is_empty() { &mut figures.group_changes } else { &mut figures.changes }) += 1;
        }
        for (key, change) in &self.0 {
            check_answers(key.1, change, stored.get(key).copied(), verdict);
        }
        for id in evidence.chats.keys() {
            self.check_order(*id, verdict);
        }
    }

    /// A change that was requested after the ack of another one has a higher `seq`.
    fn check_order(&self, chat: ChatId, verdict: &mut Verdict) {
        let changes = self.0.values().filter(|change| change.chat == chat);
        let mut acked: Vec<(Seq, Moment, Moment)> =
            changes.filter_map(|change| acked(change).map(|(at, seq)| (seq, change.begun, at))).collect();
        acked.sort_by_key(|(seq, ..)| Reverse(*seq));
        let mut first_later_ack = Moment::MAX;
        for (seq, begun, at) in acked {
            if begun > first_later_ack {
                verdict.add(Breach::Order, || format!("{chat} #{seq} was requested after the ack of a later change"));
            }
            first_later_ack = first_later_ack.min(at);
        }
    }
}

/// Returns the first ack of a change: its time, and the `seq`.
pub(super) fn acked(change: &Change) -> Option<(Moment, Seq)> {
    let acks = change.answers.iter().filter_map(|(at, answer)| match answer {
        ChangeAnswer::Applied { seq, .. } => Some((*at, *seq)),
        _ => None,
    });
    acks.min()
}

/// Returns whether an event is what the change asked for. A deletion skips messages that are deleted already, and an addition or
/// removal skips users for whom it changes nothing.
fn is_effect(change: &Change, chat: ChatId, row: &ChangeRow) -> bool {
    let ChangeRow { kind, messages, users, .. } = row;
    let is_kind_and_target = match &change.action {
        Action::Edit { message, .. } => *kind == ChangeKind::Edit && messages.iter().eq([message]),
        Action::Delete { messages: asked } => *kind == ChangeKind::Deletion && is_part(messages, asked),
        Action::Add { users: asked } => *kind == ChangeKind::Addition && is_part(users, asked),
        Action::Remove { users: asked } => *kind == ChangeKind::Removal && is_part(users, asked),
        Action::SetRole { user, .. } => *kind == ChangeKind::Role && users.iter().eq([user]),
        Action::React { message, .. } => *kind == ChangeKind::Reaction && messages.iter().eq([message]),
        Action::Rename { .. } => *kind == ChangeKind::Title,
    };
    change.chat == chat && is_kind_and_target
}

/// Returns whether a set is not empty and has only elements of the other.
fn is_part<T: Ord>(part: &BTreeSet<T>, all: &BTreeSet<T>) -> bool {
    !part.is_empty() && part.is_subset(all)
}

fn check_answers(request: SendId, change: &Change, stored: Option<(ChatId, &ChangeRow)>, verdict: &mut Verdict) {
    let answers = || change.answers.iter().map(|(_, answer)| *answer);
    let is_done = answers().any(|answer| answer == ChangeAnswer::Done);
    let is_open = change.answers.len() < change.attempts || answers().any(|answer| answer == ChangeAnswer::Indefinite);
    if let Some((chat, row)) = stored
        && acked(change).is_none()
        && !is_done
        && !is_open
    {
        verdict.add(Breach::Aborted, || format!("{request} was refused, but is stored as {chat} #{}", row.seq));
    }
    if is_done && stored.is_none_or(|(chat, _)| chat != change.chat) {
        verdict.add(Breach::Lost, || format!("{request} was answered as done in {}, but is not stored", change.chat));
    }
    let mut new = 0;
    for answer in answers() {
        let ChangeAnswer::Applied { seq, duplicate } = answer else { continue };
        new += usize::from(!duplicate);
        if stored.map(|(chat, row)| (chat, row.seq)) != Some((change.chat, seq)) {
            let found = stored.map(|(chat, row)| format!("{chat} #{}", row.seq));
            verdict.add(Breach::Lost, || {
                format!("{request} was acked as {} #{seq}, but is stored as {found:?}", change.chat)
            });
        }
    }
    if new > 1 {
        verdict.add(Breach::Duplicate, || format!("{request} was acked as new more than once"));
    }
}
