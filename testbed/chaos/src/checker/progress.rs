//! Checks the order and completeness of each chat on one connection: `seq` rises, and no event is missing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use neonchat_common::ids::{ChatId, SendId, Seq};

use super::{
    evidence::{Answer, Chat, Client, Connection, Event, Evidence},
    memberships::{Memberships, Periods},
    trail::Trail,
    verdict::{Breach, Verdict},
};

pub(super) fn check(
    client: &Client,
    connection: &Connection,
    evidence: &Evidence,
    memberships: &Memberships,
    verdict: &mut Verdict,
) {
    let user = client.user;
    for (id, progress) in follow(connection, |chat| memberships.get(chat, user)) {
        let Some(chat) = evidence.chats.get(&id) else { continue };
        let trail = |seq| Trail::around(connection, id, seq);
        for seq in &progress.repeated {
            verdict.add(Breach::Duplicate, || format!("{user} received {id} #{seq} twice: {}", trail(*seq)));
        }
        for (seq, position) in &progress.late {
            verdict.add(Breach::Order, || format!("{user} received {id} #{seq} after #{position}: {}", trail(*seq)));
        }
        let periods = memberships.get(id, user);
        for seq in progress.missing(client, connection, chat, periods) {
            verdict.add(Breach::Skip, || {
                format!("{user} received {id} #{}, but not #{seq}: {}", progress.position, trail(seq))
            });
        }
    }
}

/// One chat on one connection.
#[derive(Debug, Default)]
struct Progress {
    /// The cursor that the client sent.
    cursor: Option<Seq>,
    /// The first event that this connection must deliver.
    begin: Option<Seq>,
    /// The highest event so far.
    position: Seq,
    messages: BTreeSet<Seq>,
    /// The client's own messages, which are acked instead of delivered, and whether the ack was a duplicate.
    acked: BTreeMap<Seq, bool>,
    /// The announced gaps, both ends included.
    left_out: Vec<(Seq, Seq)>,
    repeated: Vec<Seq>,
    late: Vec<(Seq, Seq)>,
    /// Whether the client was told that its user is not a member, and nothing came after that.
    has_left: bool,
    /// Whether the client has forgotten the chat.
    is_over: bool,
}

/// `periods` are the memberships of the user. A client that forgets a chat has it several times.
fn follow<'a>(connection: &Connection, periods: impl Fn(ChatId) -> Periods<'a>) -> Vec<(ChatId, Progress)> {
    let mut chats: BTreeMap<ChatId, Progress> = BTreeMap::new();
    let mut forgotten = Vec::new();
    for event in &connection.events {
        if let Some((chat, seq)) = event.place() {
            let progress = chats.entry(chat).or_default();
            progress.join_before(seq, periods(chat));
            if connection.reconnects {
                progress.join_unheard(seq, periods(chat));
            }
            progress.message(seq);
        }
        match event {
            Event::Sync { cursors } => {
                for (chat, cursor) in cursors {
                    chats.entry(*chat).or_default().sync(*cursor);
                }
            }
            Event::Acked { ack, .. } => chats.entry(ack.chat).or_default().ack(ack.seq, ack.duplicate),
            Event::Lagged { chat, from, head } => {
                let progress = chats.entry(*chat).or_default();
                progress.join_before(*head + 1, periods(*chat));
                progress.leave_out(*from, *head);
            }
            Event::Synced { chat, first, head, complete } => {
                chats.entry(*chat).or_default().synced(*first, *head, *complete);
            }
            Event::Joined { chat, head } if connection.reconnects => chats.entry(*chat).or_default().begin_after(*head),
            Event::Left { chat } if connection.reconnects => {
                forgotten.push((*chat, chats.entry(*chat).or_default().forget()));
            }
            Event::Joined { chat, head } => chats.entry(*chat).or_default().announced(*head),
            Event::Left { chat } => chats.entry(*chat).or_default().leave(periods(*chat)),
            Event::Message(_) | Event::Changed(_) | Event::Sent { .. } | Event::Seen { .. } => {}
        }
    }
    forgotten.into_iter().chain(chats).collect()
}

impl Progress {
    /// The client sends its cursor, for the first time or again. It has everything up to there. Events that were left out before may
    /// come now. Events that were delivered must not come again.
    fn sync(&mut self, cursor: Seq) {
        self.cursor = Some(cursor);
        self.left_out.push((1, cursor));
        self.position = self.messages.last().copied().unwrap_or(0);
    }

    fn message(&mut self, seq: Seq) {
        let is_own = self.acked.get(&seq) == Some(&false);
        if !self.messages.insert(seq) || is_own {
            self.repeated.push(seq);
        } else if seq <= self.position {
            self.late.push((seq, self.position));
        }
        self.reach(seq, seq);
    }

    /// An ack may arrive before earlier messages of others. The origin of a message does not get it as an event as well.
    fn ack(&mut self, seq: Seq, duplicate: bool) {
        self.acked.insert(seq, duplicate);
        if !duplicate && self.messages.contains(&seq) {
            self.repeated.push(seq);
        }
    }

    fn leave_out(&mut self, from: Seq, head: Seq) {
        self.left_out.push((from, head));
        self.reach(from, head);
    }

    /// Events before `first` do not exist for the user.
    fn synced(&mut self, first: Seq, head: Seq, complete: bool) {
        let from = (self.cursor.unwrap_or(0) + 1).max(first);
        if !complete {
            self.left_out.push((from, head));
        }
        self.reach(from, head);
    }

    /// The events after `head` follow. Those up to it are read in another way; some may come, if the announcement was early.
    fn announced(&mut self, head: Seq) {
        self.left_out.push((self.position + 1, head));
        self.begin = Some(self.begin.map_or(head + 1, |begin| begin.min(head + 1)));
        self.has_left = false;
    }

    /// The user is not a member any more. The last events of the membership may be missing, if the connection was catching up.
    fn leave(&mut self, periods: Periods<'_>) {
        if let Some(removed) = periods.removal_after(self.position) {
            self.left_out.push((self.position + 1, removed));
        }
        (self.cursor, self.has_left) = (None, true);
    }

    /// An event shows that the user is a member again. Events before the user joined do not come.
    fn join_before(&mut self, seq: Seq, periods: Periods<'_>) {
        if std::mem::take(&mut self.has_left) {
            let joined = periods.joined_before(seq).unwrap_or(0);
            self.left_out.push((self.position + 1, joined));
        }
    }

    /// The SDK is not told of a removal and an addition while it is not connected. What is between does not exist for the user.
    fn join_unheard(&mut self, seq: Seq, periods: Periods<'_>) {
        if let Some(from) = periods.begin_of(seq).filter(|from| *from > self.position) {
            self.left_out.push((self.position + 1, from));
        }
    }

    /// The SDK knows the chat. It delivers the events after `head`, and all of those up to it that follow the first one that it
    /// delivers.
    fn begin_after(&mut self, head: Seq) {
        self.begin = Some(self.begin.map_or(head + 1, |begin| begin.min(head + 1)));
        self.has_left = false;
    }

    /// The SDK forgets the chat. Returns what it had of it.
    fn forget(&mut self) -> Self {
        let left = Self { has_left: true, ..Self::default() };
        Self { is_over: true, ..std::mem::replace(self, left) }
    }

    fn reach(&mut self, from: Seq, to: Seq) {
        self.begin = Some(self.begin.map_or(from, |begin| begin.min(from)));
        self.position = self.position.max(to);
    }

    /// Returns the events that this connection should have delivered and did not.
    fn missing<'a>(
        &'a self,
        client: &'a Client,
        connection: &'a Connection,
        chat: &'a Chat,
        periods: Periods<'a>,
    ) -> impl Iterator<Item = Seq> + 'a {
        let own = own(client, connection, chat);
        // A connection that is open at the end had time to deliver everything.
        let (begin, end) = if connection.is_open && !self.is_over {
            // If the user has left, nothing more is expected until it joins again.
            let head = if self.has_left { 0 } else { chat.seqs().max().unwrap_or(0) };
            (self.begin.or_else(|| Some(self.cursor? + 1)), head.max(self.position))
        } else {
            (self.begin, self.position)
        };
        let range = begin.into_iter().flat_map(move |begin| begin..=end);
        range.filter(move |seq| periods.deliver(*seq)).filter(move |seq| {
            let is_delivered = self.messages.contains(seq) || self.acked.contains_key(seq) || own.contains(seq);
            !is_delivered && !self.left_out.iter().any(|(from, head)| (from..=head).contains(&seq))
        })
    }
}

/// Returns the `seq` of each message that was sent on this connection and that the client learns of by an ack: one that came
/// over another way, or one that was in flight when the connection ended.
fn own(client: &Client, connection: &Connection, chat: &Chat) -> HashSet<Seq> {
    let sent = connection.events.iter().filter_map(|event| match event {
        Event::Sent { request_id } => Some(*request_id),
        _ => None,
    });
    let sent: HashSet<SendId> = sent.collect();
    let is_acked = |request_id| {
        let answers = client.sends.get(&request_id).map(|send| send.answers.as_slice()).unwrap_or_default();
        answers.iter().any(|answer| matches!(answer, Answer::Acked(_)))
    };
    let rows = chat.rows.iter().filter(|row| row.message.sender == client.user && sent.contains(&row.request_id));
    rows.filter(|row| !connection.is_open || is_acked(row.request_id)).map(|row| row.message.seq).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(does: impl FnOnce(&mut Progress)) -> Progress {
        let mut progress = Progress::default();
        does(&mut progress);
        progress
    }

    #[test]
    fn announced_gaps_are_not_missing() {
        let left_out = progress(|chat| {
            chat.message(4);
            chat.leave_out(5, 9);
            chat.message(10);
        });
        assert_eq!((left_out.begin, left_out.position), (Some(4), 10));
        assert!(left_out.late.is_empty() && left_out.repeated.is_empty());
        let late = progress(|chat| {
            chat.leave_out(5, 9);
            chat.message(7);
        });
        assert_eq!(late.late, [(7, 9)]);
    }

    #[test]
    fn left_out_events_may_come_after_another_sync() {
        let again = progress(|chat| {
            chat.message(4);
            chat.leave_out(5, 9);
            chat.sync(4);
            (5..=10).for_each(|seq| chat.message(seq));
        });
        assert!(again.late.is_empty() && again.repeated.is_empty());
    }

    #[test]
    fn answered_sync_requires_events_after_its_cursor() {
        let synced = progress(|chat| {
            chat.sync(2);
            chat.synced(1, 5, true);
        });
        assert_eq!((synced.begin, synced.position), (Some(3), 5));
        assert_eq!(synced.left_out, [(1, 2)]);
    }
}
