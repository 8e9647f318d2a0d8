//! Histories broken by hand.

use neonchat_common::ids::{ChatId, MessageId, SendId, UserId};

use super::model::{MEMBERS, Model, Sending};
use crate::checker::{Answer, Breach, Chat, Client, Connection, Event, Evidence, Message, View, check};

const ALICE: usize = 0;
const BOB: usize = 1;
const STRANGER: usize = MEMBERS;

/// A bit of everything: seven messages that are stored, one that is refused, two of which their senders do not know.
fn good() -> (Evidence, ChatId) {
    let mut model = Model::new();
    model.send(ALICE, Sending::Acked);
    model.send(BOB, Sending::Acked);
    model.send(ALICE, Sending::Rest);
    model.send(BOB, Sending::Resent);
    model.send(ALICE, Sending::Refused);
    model.send(BOB, Sending::Vanished);
    model.lag(ALICE, 2);
    model.send(ALICE, Sending::Indefinite);
    model.connect(BOB, false);
    let chat = model.chat;
    (model.finish(), chat)
}

/// What the checker says of a good run after something was done to it.
fn broken(hand: impl FnOnce(&mut Evidence, ChatId)) -> Vec<Breach> {
    let (mut evidence, chat) = good();
    hand(&mut evidence, chat);
    check(&evidence).breaches.into_keys().collect()
}

fn chat(evidence: &mut Evidence, id: ChatId) -> &mut Chat {
    evidence.chats.get_mut(&id).expect("the chat")
}

/// Removes a message from the history, whoever reads it.
fn remove(chat: &mut Chat, index: usize) {
    chat.rows.remove(index);
    for view in &mut chat.views {
        view.messages.remove(index);
    }
}

fn events(client: &mut Client, connection: usize) -> &mut Vec<Event> {
    &mut client.connections[connection].events
}

/// Where the events of a connection tell of a message.
fn told(events: &[Event], nth: usize) -> usize {
    let is_message = |(_, event): &(usize, &Event)| matches!(event, Event::Message(_));
    events.iter().enumerate().filter(is_message).nth(nth).expect("a message").0
}

fn answer(client: &mut Client, is_wanted: impl Fn(&Answer) -> bool) -> &mut Answer {
    let mut answers = client.sends.values_mut().flat_map(|send| &mut send.answers);
    answers.find(|answer| is_wanted(answer)).expect("an answer")
}

#[test]
fn a_good_run_is_green() {
    let (evidence, _) = good();
    let verdict = check(&evidence);
    assert!(verdict.passed(), "{verdict}");
    let figures = verdict.figures;
    assert_eq!((figures.messages, figures.acked, figures.refused, figures.unknown), (9, 6, 1, 2));
    assert_eq!((figures.refusals, figures.in_doubt), (2, 1));
}

#[test]
fn an_acked_message_that_is_not_there_is_lost() {
    assert!(broken(|evidence, id| remove(chat(evidence, id), 5)).contains(&Breach::Lost));
    assert_eq!(
        broken(|evidence, id| {
            chat(evidence, id).views[0].messages.pop();
        }),
        [Breach::Lost],
        "to one of its readers alone"
    );
}

#[test]
fn an_ack_that_names_another_place_is_lost() {
    let moved = broken(|evidence, _| {
        let answer = answer(&mut evidence.clients[BOB], |answer| matches!(answer, Answer::Acked(_)));
        let Answer::Acked(ack) = answer else { unreachable!() };
        ack.seq += 1;
    });
    assert!(moved.contains(&Breach::Lost));
}

#[test]
fn a_refused_message_that_is_there_is_aborted() {
    let stored_after_all = broken(|evidence, _| {
        *answer(&mut evidence.clients[ALICE], |answer| matches!(answer, Answer::Acked(_))) = Answer::Refused;
    });
    assert!(stored_after_all.contains(&Breach::Aborted));
    let said_so = broken(|evidence, _| {
        *answer(&mut evidence.clients[ALICE], |answer| *answer == Answer::Indefinite) = Answer::Refused;
    });
    assert_eq!(said_so, [Breach::Aborted]);
}

#[test]
fn what_nobody_sent_is_a_phantom() {
    let made_up = broken(|evidence, id| {
        let chat = chat(evidence, id);
        let mut row = chat.rows[5].clone();
        (row.message.seq, row.message.id, row.request, row.created_at) = (8, MessageId::new(), SendId::new(), 1000);
        for view in &mut chat.views {
            view.messages.push(row.message.clone());
        }
        chat.rows.push(row);
    });
    assert!(made_up.contains(&Breach::Phantom));
    let changed = broken(|evidence, id| {
        let chat = chat(evidence, id);
        chat.rows[0].message.text.push('!');
        for view in &mut chat.views {
            view.messages[0].text.push('!');
        }
    });
    assert!(changed.contains(&Breach::Phantom));
}

#[test]
fn a_client_that_is_told_of_what_is_not_there_saw_a_phantom() {
    let told_of_more = broken(|evidence, _| {
        let events = events(&mut evidence.clients[BOB], 0);
        let at = told(events, 0);
        let Event::Message(message) = &mut events[at] else { unreachable!() };
        message.id = MessageId::new();
    });
    assert_eq!(told_of_more, [Breach::Phantom]);
}

#[test]
fn a_request_that_is_stored_twice_is_a_duplicate() {
    let twice = broken(|evidence, id| {
        let chat = chat(evidence, id);
        let mut row = chat.rows[2].clone();
        (row.message.seq, row.message.id, row.created_at) = (8, MessageId::new(), 1000);
        for view in &mut chat.views {
            view.messages.push(row.message.clone());
        }
        chat.rows.push(row);
    });
    assert!(twice.contains(&Breach::Duplicate));
}

#[test]
fn an_event_that_is_told_twice_is_a_duplicate() {
    for client in [ALICE, BOB] {
        let twice = broken(|evidence, _| {
            let events = events(&mut evidence.clients[client], 0);
            let at = told(events, 0);
            events.insert(at, events[at].clone());
        });
        assert_eq!(twice, [Breach::Duplicate]);
    }
    let echo = broken(|evidence, id| {
        let own = chat(evidence, id).rows[0].message.clone();
        events(&mut evidence.clients[ALICE], 0).insert(2, Event::Message(own));
    });
    assert_eq!(echo, [Breach::Duplicate], "the socket that caused it gets the ack and not the event");
}

#[test]
fn a_message_that_is_read_twice_is_a_duplicate() {
    let twice = broken(|evidence, id| {
        let messages = &mut chat(evidence, id).views[0].messages;
        messages.insert(1, messages[1].clone());
    });
    assert_eq!(twice, [Breach::Duplicate]);
}

#[test]
fn a_history_that_is_not_1_to_n_is_out_of_order() {
    let gap = broken(|evidence, id| chat(evidence, id).rows[5].message.seq += 1);
    assert!(gap.contains(&Breach::Order));
    let backwards = broken(|evidence, id| chat(evidence, id).rows[3].created_at = 0);
    assert_eq!(backwards, [Breach::Order]);
    let swapped = broken(|evidence, id| chat(evidence, id).views[1].messages.swap(1, 2));
    assert_eq!(swapped, [Breach::Order]);
}

#[test]
fn a_connection_that_does_not_rise_is_out_of_order() {
    let swapped = broken(|evidence, _| {
        let events = events(&mut evidence.clients[BOB], 0);
        let (first, second) = (told(events, 0), told(events, 1));
        events.swap(first, second);
    });
    assert_eq!(swapped, [Breach::Order]);
    let late = broken(|evidence, _| {
        let events = events(&mut evidence.clients[BOB], 1);
        let synced = events.iter().position(|event| matches!(event, Event::Synced { .. })).expect("synced");
        let message = events.remove(told(events, 0));
        events.insert(synced, message);
    });
    assert_eq!(late, [Breach::Order], "what a sync brings comes before its answer");
}

#[test]
fn an_event_that_never_comes_is_a_skip() {
    let hole = broken(|evidence, _| {
        let events = events(&mut evidence.clients[BOB], 0);
        events.remove(told(events, 0));
    });
    assert_eq!(hole, [Breach::Skip]);
    let unannounced = broken(|evidence, _| {
        evidence.clients[ALICE].connections[0].events.retain(|event| !matches!(event, Event::Lagged { .. }));
    });
    assert_eq!(unannounced, [Breach::Skip]);
    let unfetched = broken(|evidence, _| {
        evidence.clients[ALICE].fetched.pop().expect("something that was fetched");
    });
    assert_eq!(unfetched, [Breach::Skip]);
}

#[test]
fn the_last_event_that_never_comes_is_a_skip() {
    let (mut evidence, _) = {
        let mut model = Model::new();
        model.send(ALICE, Sending::Acked);
        let chat = model.chat;
        (model.finish(), chat)
    };
    assert!(check(&evidence).passed());
    let events = events(&mut evidence.clients[BOB], 0);
    events.remove(told(events, 0));
    assert_eq!(check(&evidence).count(Breach::Skip), 2, "on the connection, and all in all");
    // Whoever is not connected gets it another time.
    evidence.clients[BOB].connections[0].is_open = false;
    assert!(check(&evidence).passed());
}

#[test]
fn an_own_message_that_was_refused_but_stored_and_never_acked_is_a_skip_too() {
    let (mut evidence, _) = good();
    let client = &mut evidence.clients[ALICE];
    let first = client.connections[0].events.iter().position(|event| matches!(event, Event::Acked { .. }));
    let Event::Acked { request, .. } = client.connections[0].events.remove(first.expect("an ack")) else {
        unreachable!()
    };
    client.sends.get_mut(&request).expect("a send").answers.clear();
    let breaches: Vec<Breach> = check(&evidence).breaches.into_keys().collect();
    assert_eq!(breaches, [Breach::Skip]);
}

#[test]
fn whatever_a_stranger_sees_is_a_leak() {
    type Sight = fn(ChatId, UserId, &Message) -> Event;
    let sights: [Sight; 5] = [
        |_, _, message| Event::Message(message.clone()),
        |chat, _, _| Event::Lagged { chat, from: 1, head: 2 },
        |chat, _, _| Event::Synced { chat, head: 0, complete: true },
        |chat, _, _| Event::Seen { kind: "typing".to_owned(), chat: Some(chat), user: None },
        |_, user, _| Event::Seen { kind: "presence".to_owned(), chat: None, user: Some(user) },
    ];
    for sight in sights {
        let seen = broken(|evidence, id| {
            let message = chat(evidence, id).rows[0].message.clone();
            let event = sight(id, evidence.clients[ALICE].user, &message);
            events(&mut evidence.clients[STRANGER], 0).push(event);
        });
        assert!(seen.contains(&Breach::Leak), "{seen:?}");
    }
    let read = broken(|evidence, id| {
        let message = chat(evidence, id).rows[0].message.clone();
        evidence.clients[STRANGER].fetched.push(message);
    });
    assert_eq!(read, [Breach::Leak]);
    let listed = broken(|evidence, id| {
        let (reader, chat) = (evidence.clients[STRANGER].user, chat(evidence, id));
        let messages = chat.views[0].messages.clone();
        chat.views.push(View { reader, messages });
    });
    assert_eq!(listed, [Breach::Leak]);
}

#[test]
fn a_chat_that_nobody_made_is_a_leak_to_everybody() {
    let seen = broken(|evidence, _| {
        let message =
            Message { chat: ChatId::new(), seq: 1, id: MessageId::new(), sender: UserId::new(), text: String::new() };
        let events = vec![Event::Message(message)];
        evidence.clients[ALICE].connections.insert(0, Connection { events, is_open: false });
    });
    assert_eq!(seen, [Breach::Leak]);
}
