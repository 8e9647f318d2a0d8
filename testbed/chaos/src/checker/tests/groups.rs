//! Histories of a group with one breach each.

use neonchat_common::ids::{ChatId, SendId, Seq, UserId};

use super::model::{Changing, GUEST, Model, STRANGER, Sending};
use crate::checker::{
    Breach, ChangeAnswer, ChangeKind, Chat, Durable, Event, Evidence, Fetched, Message, Moment, View, What, check,
};

const OWNER: usize = 0;
const BOB: usize = 1;

/// A moment after all others.
const LATE: Moment = Moment::MAX;

/// Returns a good run. #1 is a message of Bob. #2 adds the guest, who sends #3. Bob edits #1 by #4. #5 removes the guest. Bob
/// sends #6, #7 makes Bob an admin, and #8 is a title. #9 adds the guest again, and Bob sends #10.
pub(super) fn good(shows_history: bool) -> (Evidence, ChatId) {
    let mut model = Model::group(shows_history);
    model.send(BOB, Sending::Acked);
    assert_eq!(model.add_guest(OWNER, Changing::Repeated), 2);
    model.send(GUEST, Sending::Acked);
    assert!(model.change(BOB, ChangeKind::Edit, Changing::Applied));
    assert_eq!(model.remove_guest(OWNER, Changing::Applied), 5);
    model.send(GUEST, Sending::Refused);
    model.send(BOB, Sending::Rest);
    assert_eq!((model.set_admin(OWNER, BOB), model.rename(OWNER)), (7, 8));
    assert_eq!(model.add_guest(OWNER, Changing::Applied), 9);
    model.send(BOB, Sending::Acked);
    let chat = model.chat;
    (model.finish(), chat)
}

/// Returns a run at whose end the guest is not a member: #1 adds the guest, #2 removes the guest, #3 is a message of Bob.
fn without_guest() -> (Evidence, ChatId) {
    let mut model = Model::group(true);
    model.add_guest(OWNER, Changing::Applied);
    model.remove_guest(OWNER, Changing::Applied);
    model.send(BOB, Sending::Acked);
    let chat = model.chat;
    (model.finish(), chat)
}

pub(super) fn breaches(
    (mut evidence, id): (Evidence, ChatId),
    change: impl FnOnce(&mut Evidence, &mut Chat),
) -> Vec<Breach> {
    let mut chat = evidence.chats.remove(&id).expect("the chat");
    change(&mut evidence, &mut chat);
    evidence.chats.insert(id, chat);
    check(&evidence).breaches.into_keys().collect()
}

/// Returns the breaches after a change to a good run, in which new members do not see the history.
fn breaches_after(change: impl FnOnce(&mut Evidence, &mut Chat)) -> Vec<Breach> {
    breaches(good(false), change)
}

fn message(chat: &Chat, seq: Seq) -> Message {
    chat.rows.iter().find(|row| row.message.seq == seq).expect("a message").message.clone()
}

fn events(evidence: &mut Evidence, client: usize) -> &mut Vec<Event> {
    &mut evidence.clients[client].connections[0].events
}

/// Returns the index of the event with this `seq` on the connection of a client.
fn at(evidence: &Evidence, client: usize, seq: Seq) -> usize {
    let mut events = evidence.clients[client].connections[0].events.iter();
    let has_seq = |event: &Event| match event {
        Event::Message(message) => message.seq == seq,
        Event::Changed(change) => change.seq == seq,
        _ => false,
    };
    events.position(has_seq).expect("an event")
}

/// Returns what a client received as the content of a change.
fn what(evidence: &mut Evidence, client: usize, seq: Seq) -> &mut What {
    let at = at(evidence, client, seq);
    let Event::Changed(change) = &mut events(evidence, client)[at] else { unreachable!() };
    &mut change.what
}

/// Makes the guest the sender of a stored message, also for all who received it.
fn forge_sender(evidence: &mut Evidence, chat: &mut Chat, seq: Seq) {
    let guest = evidence.clients[GUEST].user;
    let row = chat.rows.iter_mut().find(|row| row.message.seq == seq).expect("a message");
    let bob = std::mem::replace(&mut row.message.sender, guest);
    let sender = evidence.clients.iter_mut().find(|client| client.user == bob).expect("the sender");
    let send = sender.sends.remove(&row.request_id).expect("a send");
    evidence.clients[GUEST].sends.insert(row.request_id, send);
}

#[test]
fn accepts_good_runs() {
    for run in [good(false), good(true), without_guest()] {
        let verdict = check(&run.0);
        assert!(verdict.passed(), "{verdict}");
    }
    let figures = check(&good(false).0).figures;
    assert_eq!((figures.messages, figures.changes, figures.group_changes), (5, 1, 5));
}

#[test]
fn message_or_change_of_a_removed_user_is_after_removal() {
    let message = breaches_after(|evidence, chat| forge_sender(evidence, chat, 6));
    assert!(message.contains(&Breach::AfterRemoval), "{message:?}");
    let before = breaches_after(|evidence, chat| forge_sender(evidence, chat, 1));
    assert!(before.contains(&Breach::AfterRemoval), "{before:?}");
    let change = breaches_after(|evidence, chat| {
        chat.changes.iter_mut().find(|row| row.seq == 7).expect("a change").actor = evidence.clients[GUEST].user;
    });
    assert!(change.contains(&Breach::AfterRemoval), "{change:?}");
    let stranger = breaches_after(|evidence, chat| {
        chat.changes.iter_mut().find(|row| row.seq == 7).expect("a change").actor = evidence.clients[STRANGER].user;
    });
    assert!(stranger.contains(&Breach::AfterRemoval), "{stranger:?}");
}

#[test]
fn event_on_the_socket_of_a_removed_user_is_after_removal() {
    let after: [fn(&Chat, ChatId) -> Event; 3] = [
        |chat, _| Event::Message(message(chat, 6)),
        |_, chat| Event::Lagged { chat, from: 6, head: 6 },
        |_, chat| Event::Lagged { chat, from: 4, head: 8 },
    ];
    for event in after {
        let seen = breaches_after(|evidence, chat| {
            let event = event(chat, chat.rows[0].message.chat);
            let removal = at(evidence, GUEST, 5);
            // Before and after `chat_removed`.
            events(evidence, GUEST).insert(removal + 1, event.clone());
            events(evidence, GUEST).insert(removal + 3, event);
        });
        assert!(seen.contains(&Breach::AfterRemoval), "{seen:?}");
    }
    let last = breaches(without_guest(), |evidence, chat| {
        let message = message(chat, 3);
        events(evidence, GUEST).push(Event::Message(message));
    });
    assert_eq!(last, [Breach::AfterRemoval]);
}

#[test]
fn earlier_event_after_the_removal_is_after_removal() {
    let again = breaches(without_guest(), |evidence, chat| {
        let (chat, events) = (chat.rows[0].message.chat, events(evidence, GUEST));
        events.push(Event::Lagged { chat, from: 1, head: 1 });
    });
    assert_eq!(again, [Breach::AfterRemoval]);
}

#[test]
fn removal_that_a_socket_does_not_learn_of_is_a_skip() {
    let untold = breaches(without_guest(), |evidence, _| {
        let removal = at(evidence, GUEST, 2);
        events(evidence, GUEST).truncate(removal);
    });
    assert_eq!(untold, [Breach::Skip]);
    let only_told = breaches(without_guest(), |evidence, _| {
        let removal = at(evidence, GUEST, 2);
        events(evidence, GUEST).remove(removal);
    });
    assert!(only_told.is_empty(), "a connection that is catching up gets only `chat_removed`");
}

#[test]
fn member_gets_every_event_after_joining() {
    for shows_history in [false, true] {
        for (client, seq) in [(BOB, 2), (BOB, 5), (BOB, 9), (GUEST, 4), (GUEST, 10)] {
            let missing = breaches(good(shows_history), |evidence, _| {
                let at = at(evidence, client, seq);
                events(evidence, client).remove(at);
            });
            assert!(missing.contains(&Breach::Skip), "#{seq} for {client}: {missing:?}");
        }
    }
    let unread = breaches_after(|evidence, _| evidence.clients[GUEST].fetched.retain(|read| read.event.place().1 != 9));
    assert_eq!(unread, [Breach::Skip], "the event by which the guest joined exists for the guest");
}

/// Returns the index of the second announcement on the guest's connection.
fn rejoin(evidence: &Evidence) -> usize {
    let events = evidence.clients[GUEST].connections[0].events.iter();
    events.enumerate().filter(|(_, event)| matches!(event, Event::Joined { .. })).nth(1).expect("an announcement").0
}

#[test]
fn user_who_has_joined_again_may_learn_of_it_before_the_removal() {
    let early = breaches_after(|evidence, _| {
        let (rejoin, removal) = (rejoin(evidence), at(evidence, GUEST, 5));
        let events = events(evidence, GUEST);
        let joined = events.remove(rejoin);
        assert!(matches!(events.remove(removal + 1), Event::Left { .. }));
        events.insert(removal, joined);
    });
    assert!(early.is_empty(), "{early:?}");
}

#[test]
fn lagged_replaces_an_announcement_that_did_not_fit() {
    let lagged = breaches_after(|evidence, chat| {
        let (rejoin, chat) = (rejoin(evidence), chat.rows[0].message.chat);
        events(evidence, GUEST)[rejoin] = Event::Lagged { chat, from: 9, head: 9 };
    });
    assert!(lagged.is_empty(), "{lagged:?}");
    let silent = breaches_after(|evidence, _| {
        let rejoin = rejoin(evidence);
        events(evidence, GUEST).remove(rejoin);
    });
    assert!(silent.is_empty(), "the next message may come without an announcement: {silent:?}");
}

#[test]
fn what_is_from_before_a_member_joined_is_a_leak() {
    let viewed = breaches_after(|evidence, chat| {
        let (guest, old) = (evidence.clients[GUEST].user, message(chat, 6));
        view(chat, guest).messages.insert(0, old);
    });
    assert_eq!(viewed, [Breach::Leak]);
    let fetched = breaches_after(|evidence, chat| {
        let event = Durable::Message(message(chat, 6));
        evidence.clients[GUEST].fetched.push(Fetched { begun: LATE, event });
    });
    assert_eq!(fetched, [Breach::Leak]);
    let text = breaches_after(|evidence, _| {
        let shown = what(evidence, BOB, 4).clone();
        *what(evidence, GUEST, 4) = shown;
    });
    assert_eq!(text, [Breach::Leak], "#1 is not a message for the guest, but #4 is an event");
    let seen_by_all = breaches(good(true), |_, _| {});
    assert!(seen_by_all.is_empty(), "{seen_by_all:?}");
}

#[test]
fn text_is_missing_only_for_those_who_joined_later() {
    let hidden = breaches_after(|evidence, _| {
        let hidden = what(evidence, GUEST, 4).clone();
        *what(evidence, BOB, 4) = hidden;
    });
    assert_eq!(hidden, [Breach::Phantom]);
}

#[test]
fn answer_that_begins_after_the_ack_of_a_removal_is_a_leak() {
    let read = |begun| {
        breaches(without_guest(), |evidence, _| {
            let mut fetched = evidence.clients[GUEST].fetched[0].clone();
            fetched.begun = begun;
            evidence.clients[GUEST].reads.push(fetched);
        })
    };
    assert_eq!(read(LATE), [Breach::Leak]);
    assert!(read(0).is_empty());
}

#[test]
fn only_members_can_read_at_the_end() {
    let stranger = breaches(without_guest(), |evidence, chat| {
        let view = View { reader: evidence.clients[GUEST].user, ..chat.views[0].clone() };
        chat.views.push(view);
    });
    assert_eq!(stranger, [Breach::Leak]);
    let member = breaches_after(|evidence, chat| {
        let guest = evidence.clients[GUEST].user;
        chat.views.retain(|view| view.reader != guest);
    });
    assert_eq!(member, [Breach::Lost]);
}

#[test]
fn unread_count_begins_where_the_chat_begins_for_the_member() {
    for (read_seq, unread_count, is_right) in [(9, 1, true), (0, 1, true), (0, 3, false), (9, 0, false)] {
        let found = breaches_after(|evidence, chat| {
            let guest = evidence.clients[GUEST].user;
            let view = view(chat, guest);
            (view.read_seq, view.unread_count) = (read_seq, unread_count);
        });
        let expected: &[Breach] = if is_right { &[] } else { &[Breach::Unread] };
        assert_eq!(found, expected, "{unread_count} after #{read_seq}");
    }
}

fn view(chat: &mut Chat, reader: UserId) -> &mut View {
    chat.views.iter_mut().find(|view| view.reader == reader).expect("a view")
}

#[test]
fn change_of_membership_that_changes_nothing_is_out_of_order() {
    for (seq, kind) in [(5, ChangeKind::Addition), (9, ChangeKind::Removal)] {
        let twice = breaches_after(|_, chat| {
            chat.changes.iter_mut().find(|row| row.seq == seq).expect("a change").kind = kind;
        });
        assert!(twice.contains(&Breach::Order), "{twice:?}");
    }
}

#[test]
fn acked_change_of_a_group_is_stored_once() {
    let lost = breaches_after(|evidence, chat| {
        chat.changes.retain(|row| row.seq != 8);
        evidence.clients[OWNER].connections.clear();
    });
    assert!(lost.contains(&Breach::Lost), "a title, {lost:?}");
    let moved = breaches_after(|evidence, chat| {
        let request = chat.changes.iter().find(|row| row.seq == 5).expect("a removal").request;
        let change = evidence.clients[OWNER].changes.get_mut(&request).expect("a change");
        change.answers[0].1 = ChangeAnswer::Applied { seq: 6, duplicate: false };
    });
    assert!(moved.contains(&Breach::Lost), "{moved:?}");
    let refused = breaches_after(|evidence, chat| {
        let request = chat.changes.iter().find(|row| row.seq == 8).expect("a title").request;
        evidence.clients[OWNER].changes.get_mut(&request).expect("a change").answers[0].1 = ChangeAnswer::Refused;
    });
    assert_eq!(refused, [Breach::Aborted]);
    let made_up = breaches_after(|_, chat| {
        chat.changes.iter_mut().find(|row| row.seq == 8).expect("a title").request = SendId::new();
    });
    assert!(made_up.contains(&Breach::Phantom), "{made_up:?}");
    let other_user = breaches_after(|evidence, chat| {
        let row = chat.changes.iter_mut().find(|row| row.seq == 7).expect("a role");
        row.users = [evidence.clients[OWNER].user].into();
    });
    assert!(other_user.contains(&Breach::Phantom), "{other_user:?}");
}

#[test]
fn received_change_of_a_group_that_differs_from_its_event_is_a_phantom() {
    let forge = |seq, forge: &dyn Fn(&mut What)| breaches_after(|evidence, _| forge(what(evidence, BOB, seq)));
    let users = forge(2, &|what| {
        if let What::Added { users, .. } = what {
            *users = [UserId::new()].into();
        }
    });
    let count = forge(5, &|what| {
        if let What::Removed { members, .. } = what {
            *members += 1;
        }
    });
    let role = forge(7, &|what| {
        if let What::RoleSet { admin, .. } = what {
            *admin = false;
        }
    });
    let title = forge(8, &|what| *what = What::Renamed("another".to_owned()));
    for found in [users, count, role, title] {
        assert_eq!(found, [Breach::Phantom]);
    }
}
