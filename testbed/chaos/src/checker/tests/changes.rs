//! Histories with edits and deletions, with one breach each.

use neonchat_common::ids::{ChatId, MessageId, SendId};

use super::model::{Changing, Model, Sending};
use crate::checker::{
    Action, Breach, ChangeAnswer, ChangeKind, Chat, Connection, Durable, Event, Evidence, Fetched, Message, Moment,
    What, check,
};

const ALICE: usize = 0;
const BOB: usize = 1;

/// A moment after all others.
const LATE: Moment = Moment::MAX;

/// Returns a good run. #1, #2 and #8 are messages of Alice, #3 one of Bob. #4 and #5 edit #2, #6 and #7 delete #2 and #3. #9
/// edits #8, without a definite answer.
fn good() -> (Evidence, ChatId) {
    let mut model = Model::new();
    model.send(ALICE, Sending::Acked);
    model.send(ALICE, Sending::Acked);
    model.send(BOB, Sending::Rest);
    for (member, kind, changing) in [
        (ALICE, ChangeKind::Edit, Changing::Applied),
        (ALICE, ChangeKind::Edit, Changing::Repeated),
        (ALICE, ChangeKind::Deletion, Changing::Repeated),
        (BOB, ChangeKind::Deletion, Changing::Applied),
        (ALICE, ChangeKind::Edit, Changing::Refused),
    ] {
        assert!(model.change(member, kind, changing));
    }
    model.send(ALICE, Sending::Acked);
    assert!(model.change(ALICE, ChangeKind::Edit, Changing::Indefinite));
    let chat = model.chat;
    (model.finish(), chat)
}

fn breaches_after(change: impl FnOnce(&mut Evidence, &mut Chat)) -> Vec<Breach> {
    let (mut evidence, id) = good();
    let mut chat = evidence.chats.remove(&id).expect("the chat");
    change(&mut evidence, &mut chat);
    evidence.chats.insert(id, chat);
    check(&evidence).breaches.into_keys().collect()
}

/// Returns the answers to the change that made an event.
fn answers<'a>(evidence: &'a mut Evidence, chat: &Chat, seq: i64) -> &'a mut Vec<(Moment, ChangeAnswer)> {
    let row = chat.changes.iter().find(|row| row.seq == seq).expect("a change");
    let client = evidence.clients.iter_mut().find(|client| client.user == row.actor).expect("the actor");
    &mut client.changes.get_mut(&row.request).expect("a change").answers
}

/// Returns the events of a connection that are changes.
fn changed(evidence: &Evidence, client: usize) -> Vec<usize> {
    let events = evidence.clients[client].connections[0].events.iter().enumerate();
    events.filter(|(_, event)| matches!(event, Event::Changed(_))).map(|(index, _)| index).collect()
}

fn events(evidence: &mut Evidence, client: usize) -> &mut Vec<Event> {
    &mut evidence.clients[client].connections[0].events
}

/// Changes a message in the history and in every view.
fn set(chat: &mut Chat, index: usize, change: impl Fn(&mut Message)) {
    change(&mut chat.rows[index].message);
    chat.views.iter_mut().for_each(|view| change(&mut view.messages[index]));
}

#[test]
fn accepts_a_good_run() {
    let (evidence, _) = good();
    let verdict = check(&evidence);
    assert!(verdict.passed(), "{verdict}");
    assert_eq!((verdict.figures.messages, verdict.figures.changes), (4, 5));
}

#[test]
fn acked_change_without_an_event_is_lost() {
    let lost = breaches_after(|_, chat| {
        chat.changes.remove(0);
    });
    assert!(lost.contains(&Breach::Lost) && lost.contains(&Breach::Order), "{lost:?}");
    let moved = breaches_after(|evidence, chat| {
        answers(evidence, chat, 4)[0].1 = ChangeAnswer::Applied { seq: 5, duplicate: false };
    });
    assert!(moved.contains(&Breach::Lost), "{moved:?}");
}

#[test]
fn refused_change_with_an_event_is_aborted() {
    for answer in [ChangeAnswer::Refused, ChangeAnswer::Unchanged] {
        let stored = breaches_after(|evidence, chat| answers(evidence, chat, 9)[0].1 = answer);
        assert_eq!(stored, [Breach::Aborted]);
    }
    let lost_answer = breaches_after(|evidence, chat| answers(evidence, chat, 9).clear());
    assert!(lost_answer.is_empty(), "it may be stored or not");
}

#[test]
fn change_that_is_applied_twice_is_a_duplicate() {
    let stored = breaches_after(|_, chat| {
        let mut row = chat.changes[0].clone();
        (row.seq, row.created_at) = (10, 100);
        chat.changes.push(row);
    });
    assert!(stored.contains(&Breach::Duplicate));
    let acked = breaches_after(|evidence, chat| {
        let answers = answers(evidence, chat, 4);
        answers.push(answers[0]);
    });
    assert_eq!(acked, [Breach::Duplicate]);
}

#[test]
fn change_that_nobody_asked_for_is_a_phantom() {
    let kind = breaches_after(|_, chat| chat.changes[0].kind = ChangeKind::Deletion);
    assert!(kind.contains(&Breach::Phantom));
    let target = breaches_after(|_, chat| chat.changes[4].messages = [chat.rows[0].message.id].into());
    assert!(target.contains(&Breach::Phantom));
    let actor = breaches_after(|_, chat| chat.changes[0].actor = chat.rows[2].message.sender);
    assert!(actor.contains(&Breach::Phantom));
    let request = breaches_after(|_, chat| chat.changes[4].request = SendId::new());
    assert!(request.contains(&Breach::Phantom));
}

#[test]
fn later_request_with_a_lower_seq_is_out_of_order() {
    let late = breaches_after(|evidence, chat| {
        let row = &chat.changes[0];
        evidence.clients[ALICE].changes.get_mut(&row.request).expect("a change").begun = LATE;
    });
    assert_eq!(late, [Breach::Order]);
}

#[test]
fn change_of_a_deleted_message_is_out_of_order() {
    let revived = breaches_after(|evidence, chat| {
        let row = &mut chat.changes[4];
        let deleted = chat.rows[1].message.id;
        row.messages = [deleted].into();
        let change = evidence.clients[ALICE].changes.get_mut(&row.request).expect("a change");
        change.action = Action::Edit { message: deleted, text: row.request.to_string() };
    });
    assert!(revived.contains(&Breach::Order), "{revived:?}");
}

#[test]
fn numbers_of_changes_are_part_of_the_sequence() {
    let gap = breaches_after(|_, chat| chat.changes[4].seq += 1);
    assert!(gap.contains(&Breach::Order));
    let backwards = breaches_after(|_, chat| chat.changes[0].created_at = 0);
    assert_eq!(backwards, [Breach::Order]);
}

#[test]
fn message_that_is_not_as_its_last_change_left_it_is_stale() {
    let undone = breaches_after(|evidence, chat| {
        let request = chat.rows[3].request_id;
        let text = evidence.clients[ALICE].sends[&request].text.clone();
        set(chat, 3, |message| (message.text, message.changed_seq) = (text.clone(), None));
    });
    assert!(undone.contains(&Breach::Stale), "{undone:?}");
    let kept = breaches_after(|_, chat| set(chat, 1, |message| message.text.push_str("deleted?")));
    assert!(kept.contains(&Breach::Phantom), "{kept:?}");
    let one_reader = breaches_after(|_, chat| chat.views[1].messages[1].text.push_str("deleted?"));
    assert_eq!(one_reader, [Breach::Phantom]);
}

#[test]
fn replaced_text_in_a_later_answer_is_stale() {
    for (kind, seen) in [("the text as sent", 0), ("the edited text", 2)] {
        let read = |begun| {
            breaches_after(|evidence, chat| {
                let event = Durable::Message(sighting(evidence, chat, seen));
                evidence.clients[BOB].reads.push(Fetched { begun, event });
            })
        };
        assert_eq!(read(LATE), [Breach::Stale], "{kind}");
        assert!(read(0).is_empty(), "{kind}: the answer began before");
    }
}

/// The event was on its way to the instance when the socket was opened, and nothing tells it from an event that was read.
#[test]
fn late_event_of_a_socket_has_the_text_as_sent() {
    let late = breaches_after(|evidence, chat| {
        let message = sighting(evidence, chat, 0);
        let chat = message.chat;
        let sync = Event::Sync { cursors: [(chat, 0)].into() };
        let events = vec![sync, Event::Message(message), Event::Lagged { chat, from: 3, head: 9 }];
        evidence.clients[BOB].connections.insert(0, Connection { events, ..Connection::default() });
    });
    assert!(late.is_empty(), "{late:?}");
}

/// Returns the deleted message #2 as it was before: as sent, or after this many edits.
fn sighting(evidence: &Evidence, chat: &Chat, edits: usize) -> Message {
    let mut message = chat.rows[1].message.clone();
    message.is_deleted = false;
    (message.text, message.changed_seq) = match edits {
        0 => (evidence.clients[ALICE].sends[&chat.rows[1].request_id].text.clone(), None),
        _ => (chat.changes[edits - 1].request.to_string(), Some(chat.changes[edits - 1].seq)),
    };
    message
}

#[test]
fn unread_count_is_the_number_of_messages_of_others_that_are_not_deleted() {
    let miscounted = breaches_after(|_, chat| chat.views[0].unread_count += 1);
    assert_eq!(miscounted, [Breach::Unread]);
    let unread = breaches_after(|evidence, chat| {
        let bob = evidence.clients[BOB].user;
        let view = chat.views.iter_mut().find(|view| view.reader == bob).expect("the view");
        (view.read_seq, view.unread_count) = (0, 2);
    });
    assert!(unread.is_empty(), "#1 and #8 are unread, #2 is deleted");
    let by_subtraction = breaches_after(|_, chat| {
        for view in &mut chat.views {
            view.unread_count = 9 - view.read_seq;
        }
    });
    assert_eq!(by_subtraction, [Breach::Unread]);
}

#[test]
fn mention_count_is_the_number_of_unread_messages_that_name_the_user() {
    let counted = |mention_count: i64, text: fn(&str) -> String| {
        breaches_after(|evidence, chat| {
            let bob = evidence.clients[BOB].user;
            let text = text(&bob.to_string());
            chat.rows[0].message.text.clone_from(&text);
            let view = chat.views.iter_mut().find(|view| view.reader == bob).expect("the view");
            (view.read_seq, view.unread_count, view.mention_count) = (0, 2, mention_count);
        })
        .contains(&Breach::Mentions)
    };
    let mention = |name: &str| format!("look, @{name} !");
    assert_eq!([0, 1, 2].map(|count| counted(count, mention)), [true, false, true]);
    assert_eq!([0, 1].map(|count| counted(count, |name| format!("@{name}2 "))), [false, true]);
}

#[test]
fn missing_change_is_a_skip() {
    let hole = breaches_after(|evidence, _| {
        let at = changed(evidence, BOB)[1];
        events(evidence, BOB).remove(at);
    });
    assert_eq!(hole, [Breach::Skip]);
    let last = breaches_after(|evidence, _| {
        let at = *changed(evidence, ALICE).last().expect("a change");
        events(evidence, ALICE).remove(at);
    });
    assert_eq!(last, [Breach::Skip]);
}

#[test]
fn change_delivered_twice_is_a_duplicate() {
    let twice = breaches_after(|evidence, _| {
        let at = changed(evidence, BOB)[1];
        let events = events(evidence, BOB);
        events.insert(at, events[at].clone());
    });
    assert_eq!(twice, [Breach::Duplicate]);
}

#[test]
fn change_delivered_before_an_earlier_one_is_out_of_order() {
    let swapped = breaches_after(|evidence, _| {
        let at = changed(evidence, BOB);
        events(evidence, BOB).swap(at[0], at[1]);
    });
    assert_eq!(swapped, [Breach::Order]);
}

#[test]
fn received_change_that_differs_from_its_event_is_a_phantom() {
    let forge = |nth: usize, forge: &dyn Fn(&mut What)| {
        breaches_after(|evidence, _| {
            let at = changed(evidence, BOB)[nth];
            let Event::Changed(change) = &mut events(evidence, BOB)[at] else { unreachable!() };
            forge(&mut change.what);
        })
    };
    let other_text = forge(0, &|what| {
        if let What::Edited(message) = what {
            message.text.push('?');
        }
    });
    assert_eq!(other_text, [Breach::Phantom]);
    let other_messages = forge(2, &|what| *what = What::Deleted([MessageId::new()].into()));
    assert_eq!(other_messages, [Breach::Phantom]);
    let not_superseded = forge(4, &|what| {
        if let What::Edited(message) = what {
            *what = What::Superseded(message.id);
        }
    });
    assert_eq!(not_superseded, [Breach::Phantom], "nothing follows this edit");
    let superseded = forge(0, &|what| {
        if let What::Edited(message) = what {
            *what = What::Superseded(message.id);
        }
    });
    assert!(superseded.is_empty());
}
