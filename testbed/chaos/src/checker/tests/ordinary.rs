//! Logs of the SDK, whose connections are one.

use std::collections::BTreeSet;

use neonchat_common::ids::{ChatId, Seq};

use super::{
    groups::{breaches, good},
    model::{Changing, GUEST, Model, Sending},
};
use crate::checker::{Breach, ChangeKind, Changed, Chat, Connection, Event, Evidence, What, check};

const ALICE: usize = 0;

/// What the SDK of the guest tells.
enum Told {
    Joined(Seq),
    Left,
    Events(std::ops::RangeInclusive<Seq>),
}
use Told::{Events, Joined, Left};

/// Returns the event with this `seq` as the guest received it, or else another client.
fn event(evidence: &Evidence, chat: &Chat, seq: Seq) -> Event {
    if let Some(row) = chat.rows.iter().find(|row| row.message.seq == seq) {
        return Event::Message(row.message.clone());
    }
    let mut received = evidence.clients.iter().rev().flat_map(|client| &client.connections[0].events);
    received.find(|event| matches!(event, Event::Changed(change) if change.seq == seq)).expect("a change").clone()
}

/// Returns the breaches of the run of the tests of groups, in which the guest is a member from #2 to #5 and from #9 on, if the guest has the
/// SDK and it tells this.
fn breaches_if(shows_history: bool, told: &[Told]) -> Vec<Breach> {
    breaches(good(shows_history), |evidence, chat| {
        let id = chat.rows[0].message.chat;
        let events = told.iter().flat_map(|told| match told {
            Joined(head) => vec![Event::Joined { chat: id, head: *head }],
            Left => vec![Event::Left { chat: id }],
            Events(seqs) => seqs.clone().map(|seq| event(evidence, chat, seq)).collect(),
        });
        let connection = Connection { events: events.collect(), is_open: true, reconnects: true };
        evidence.clients[GUEST].connections = vec![connection];
    })
}

#[test]
fn accepts_each_event_once_and_in_order() {
    for shows_history in [false, true] {
        let told = [Joined(2), Events(3..=5), Left, Joined(9), Events(10..=10)];
        assert_eq!(breaches_if(shows_history, &told), []);
    }
}

#[test]
fn forgotten_chat_starts_over() {
    let again = [Joined(2), Events(3..=5), Left, Joined(9), Events(1..=10)];
    assert_eq!(breaches_if(true, &again), []);
    let gap = [Joined(2), Events(3..=5), Left, Joined(9), Events(1..=3), Events(5..=10)];
    assert_eq!(breaches_if(true, &gap), [Breach::Skip]);
}

#[test]
fn removal_that_the_sdk_was_not_told_of_hides_what_does_not_exist() {
    let told = [Joined(2), Events(3..=3), Events(10..=10)];
    assert_eq!(breaches_if(false, &told), []);
    // Here it exists.
    assert_eq!(breaches_if(true, &told), [Breach::Skip]);
}

#[test]
fn missing_event_is_a_skip() {
    let in_the_middle = [Joined(2), Events(3..=3), Events(5..=5), Left, Joined(9), Events(10..=10)];
    let first = [Joined(2), Events(4..=5), Left, Joined(9), Events(10..=10)];
    let last = [Joined(2), Events(3..=5), Left, Joined(9)];
    for told in [&in_the_middle[..], &first, &last] {
        assert_eq!(breaches_if(false, told), [Breach::Skip]);
    }
}

#[test]
fn repeated_event_is_a_duplicate_and_late_event_is_out_of_order() {
    let twice = [Joined(2), Events(3..=4), Events(4..=5), Left, Joined(9), Events(10..=10)];
    assert_eq!(breaches_if(false, &twice), [Breach::Duplicate]);
    let late = [Joined(2), Events(4..=4), Events(3..=3), Events(5..=5), Left, Joined(9), Events(10..=10)];
    assert_eq!(breaches_if(false, &late), [Breach::Order]);
}

#[test]
fn event_after_the_removal_is_after_removal() {
    let after = [Joined(2), Events(3..=5), Left, Events(6..=6), Joined(9), Events(10..=10)];
    assert!(breaches_if(false, &after).contains(&Breach::AfterRemoval));
}

/// #1 to #3 are messages of Alice. #4 deletes #3, and #5 deletes #2.
fn with_deletions() -> (Evidence, ChatId) {
    let mut model = Model::new();
    for _ in 0..3 {
        model.send(ALICE, Sending::Acked);
    }
    assert!(model.change(ALICE, ChangeKind::Deletion, Changing::Applied));
    assert!(model.change(ALICE, ChangeKind::Deletion, Changing::Applied));
    let chat = model.chat;
    (model.finish(), chat)
}

/// Returns the breaches if the SDK of Alice tells, for #5, that these messages are gone.
fn breaches_if_gone(seqs: &[usize]) -> Vec<Breach> {
    let (mut evidence, id) = with_deletions();
    let messages: BTreeSet<_> = seqs.iter().map(|seq| evidence.chats[&id].rows[seq - 1].message.id).collect();
    for event in &mut evidence.clients[ALICE].connections[0].events {
        if let Event::Changed(Changed { seq: 5, what, .. }) = event {
            *what = What::Gone(messages.clone());
        }
    }
    check(&evidence).breaches.into_keys().collect()
}

#[test]
fn gone_messages_have_lost_their_text_by_the_event_or_before() {
    assert_eq!(breaches_if_gone(&[2]), []);
    assert_eq!(breaches_if_gone(&[2, 3]), []);
    assert_eq!(breaches_if_gone(&[1, 2]), [Breach::Phantom]);
    assert_eq!(breaches_if_gone(&[3]), [Breach::Phantom]);
}
