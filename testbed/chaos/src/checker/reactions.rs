//! Checks the reactions: who has which at the end, and the counts that clients saw.

mod wishes;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use neonchat_common::ids::{ChatId, MessageId, Seq, UserId};

use self::wishes::Wishes;
use super::{
    evidence::{Changed, Chat, Durable, Event, Evidence, Message, Reactor, Shown, Tally, View, What},
    verdict::{Breach, Verdict},
};

/// The users of each emoji.
type Users<'a> = BTreeMap<&'a str, BTreeSet<UserId>>;

pub(super) fn check(evidence: &Evidence, verdict: &mut Verdict) {
    let wishes = Wishes::of(evidence);
    verdict.figures.reactions = wishes.acked();
    for (id, chat) in &evidence.chats {
        for row in &chat.rows {
            check_message(*id, chat, &row.message, &wishes, verdict);
        }
    }
    let last = last_events(evidence);
    for client in &evidence.clients {
        let received = client.connections.iter().flat_map(|connection| &connection.events);
        let received =
            received.filter_map(|event| if let Event::Changed(change) = event { Some(change) } else { None });
        let read = client.fetched.iter().chain(&client.reads);
        let read =
            read.filter_map(|fetched| if let Durable::Change(change) = &fetched.event { Some(change) } else { None });
        for change in received.chain(read) {
            check_event(client.user, change, evidence, &last, &wishes, verdict);
        }
    }
}

/// Returns the `seq` of the last event about the reactions to each message.
fn last_events(evidence: &Evidence) -> HashMap<MessageId, Seq> {
    let rows = evidence.chats.values().flat_map(|chat| &chat.changes).filter(|row| row.kind.is_of_reactions());
    let mut last = HashMap::new();
    for row in rows {
        for message in &row.messages {
            let seq = last.entry(*message).or_insert(row.seq);
            *seq = row.seq.max(*seq);
        }
    }
    last
}

/// At the end, the list of a message has the users who reacted, and every member is told their number.
fn check_message(id: ChatId, chat: &Chat, message: &Message, wishes: &Wishes<'_>, verdict: &mut Verdict) {
    let listed = chat.reactors.get(&message.id).map(Vec::as_slice).unwrap_or_default();
    let what = format!("{id} #{}", message.seq);
    let users = users(listed);
    if users.values().map(BTreeSet::len).sum::<usize>() != listed.len() {
        verdict.add(Breach::Reactions, || format!("{what}: a user is listed twice with one emoji: {listed:?}"));
    }
    if !message.is_deleted {
        wishes.check(message.id, &users, &what, verdict);
    }
    for view in chat.views.iter().filter(|view| view.messages.iter().any(|seen| seen.id == message.id)) {
        let shown = view.reactions.get(&message.id).cloned().unwrap_or_default();
        check_view(view, &shown, &users, &what, verdict);
    }
}

fn check_view(view: &View, shown: &Shown, users: &Users<'_>, what: &str, verdict: &mut Verdict) {
    let reader = view.reader;
    if !is_count_of(&shown.tallies, users) {
        verdict.add(Breach::Reactions, || {
            format!("{reader} reads {:?} of {what}, but its list is {users:?}", shown.tallies)
        });
    }
    let own = users.iter().filter(|(_, users)| users.contains(&reader)).map(|(emoji, _)| *emoji);
    if !own.eq(shown.own.iter().map(String::as_str)) {
        let own = &shown.own;
        verdict.add(Breach::Reactions, || {
            format!("{reader} reads {own:?} as their own of {what}, but its list is {users:?}")
        });
    }
}

/// The last event of a message has the counts of the end. Any other has no user twice, and at most all who ever reacted.
fn check_event(
    reader: UserId,
    change: &Changed,
    evidence: &Evidence,
    last: &HashMap<MessageId, Seq>,
    wishes: &Wishes<'_>,
    verdict: &mut Verdict,
) {
    let Changed { chat: id, seq, what: What::Reacted { message, tallies }, .. } = change else { return };
    let Some(chat) = evidence.chats.get(id) else { return };
    if tallies.iter().any(|tally| !is_possible(tally, wishes.ever(*message, &tally.emoji))) {
        verdict
            .add(Breach::Reactions, || format!("{reader} received {tallies:?} in {id} #{seq}: more than ever reacted"));
    }
    let is_deleted = chat.rows.iter().any(|row| row.message.id == *message && row.message.is_deleted);
    let listed = chat.reactors.get(message).map(Vec::as_slice).unwrap_or_default();
    if last.get(message) == Some(seq) && !is_deleted && !is_count_of(tallies, &users(listed)) {
        verdict.add(Breach::Reactions, || {
            format!(
                "{reader} received {tallies:?} in {id} #{seq}, the last event of {message}, but its list is {listed:?}"
            )
        });
    }
}

fn is_possible(tally: &Tally, ever: usize) -> bool {
    let recent: BTreeSet<_> = tally.recent.iter().collect();
    let (count, named) = (usize::try_from(tally.count).unwrap_or(0), tally.recent.len());
    recent.len() == named && (1..=ever).contains(&count) && named <= count
}

/// Returns whether the tallies have each emoji once, with the number of its users and the names of some.
fn is_count_of(tallies: &[Tally], users: &Users<'_>) -> bool {
    let is_right = |tally: &Tally| {
        let users = users.get(tally.emoji.as_str());
        users.is_some_and(|users| {
            usize::try_from(tally.count) == Ok(users.len()) && tally.recent.iter().all(|user| users.contains(user))
        })
    };
    let kinds: BTreeSet<_> = tallies.iter().map(|tally| &tally.emoji).collect();
    kinds.len() == tallies.len() && tallies.len() == users.len() && tallies.iter().all(is_right)
}

fn users(listed: &[Reactor]) -> Users<'_> {
    let mut users = Users::new();
    for (user, emoji) in listed {
        users.entry(emoji.as_str()).or_default().insert(*user);
    }
    users
}
