//! Histories with one breach each.

use neonchat_common::ids::{ChatId, MessageId, SendId, UserId};

use super::model::{Model, STRANGER, Sending};
use crate::checker::{
    Answer, Breach, Chat, Client, Connection, Durable, Event, Evidence, Fetched, Message, View, check,
};

const ALICE: usize = 0;
const BOB: usize = 1;

/// Returns a good run with messages of each kind: some stored, one refused, and two without a definite answer.
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

/// Returns the breaches that the checker finds after a change to a good run.
fn breaches_after(change: impl FnOnce(&mut Evidence, ChatId)) -> Vec<Breach> {
    let (mut evidence, chat) = good();
    change(&mut evidence, chat);
    check(&evidence).breaches.into_keys().collect()
}

fn chat(evidence: &mut Evidence, id: ChatId) -> &mut Chat {
    evidence.chats.get_mut(&id).expect("find chat")
}

/// Removes a message from the history and from every view.
fn remove(chat: &mut Chat, index: usize) {
    chat.rows.remove(index);
    for view in &mut chat.views {
        view.messages.remove(index);
    }
}

fn events(client: &mut Client, connection: usize) -> &mut Vec<Event> {
    &mut client.connections[connection].events
}

/// Returns the index of the nth message among the events.
fn nth_message(events: &[Event], nth: usize) -> usize {
    let is_message = |(_, event): &(usize, &Event)| matches!(event, Event::Message(_));
    events.iter().enumerate().filter(is_message).nth(nth).expect("find message").0
}

fn answer(client: &mut Client, is_wanted: impl Fn(&Answer) -> bool) -> &mut Answer {
    let mut answers = client.sends.values_mut().flat_map(|send| &mut send.answers);
    answers.find(|answer| is_wanted(answer)).expect("find answer")
}

#[test]
fn accepts_a_good_run() {
    let (evidence, _) = good();
    let verdict = check(&evidence);
    assert!(verdict.passed(), "{verdict}");
    let figures = verdict.figures;
    assert_eq!((figures.messages, figures.acked, figures.refused, figures.unknown), (9, 6, 1, 2));
    assert_eq!((figures.refusals, figures.in_doubt), (2, 1));
}

#[test]
fn missing_acked_message_is_lost() {
    assert!(breaches_after(|evidence, id| remove(chat(evidence, id), 5)).contains(&Breach::Lost));
    assert_eq!(
        breaches_after(|evidence, id| {
            chat(evidence, id).views[0].messages.pop();
        }),
        [Breach::Lost],
        "missing for one reader only"
    );
}

#[test]
fn ack_with_another_seq_is_lost() {
    let moved = breaches_after(|evidence, _| {
        let answer = answer(&mut evidence.clients[BOB], |answer| matches!(answer, Answer::Acked(_)));
        let Answer::Acked(ack) = answer else { unreachable!() };
        ack.seq += 1;
    });
    assert!(moved.contains(&Breach::Lost));
}

#[test]
fn stored_refused_message_is_aborted() {
    let stored_after_all = breaches_after(|evidence, _| {
        *answer(&mut evidence.clients[ALICE], |answer| matches!(answer, Answer::Acked(_))) = Answer::Refused;
    });
    assert!(stored_after_all.contains(&Breach::Aborted));
    let said_so = breaches_after(|evidence, _| {
        *answer(&mut evidence.clients[ALICE], |answer| *answer == Answer::Indefinite) = Answer::Refused;
    });
    assert_eq!(said_so, [Breach::Aborted]);
}

#[test]
fn message_that_was_not_sent_is_a_phantom() {
    let made_up = breaches_after(|evidence, id| {
        let chat = chat(evidence, id);
        let mut row = chat.rows[5].clone();
        (row.message.seq, row.message.id, row.request_id, row.created_at) = (8, MessageId::new(), SendId::new(), 1000);
        for view in &mut chat.views {
            view.messages.push(row.message.clone());
        }
        chat.rows.push(row);
    });
    assert!(made_up.contains(&Breach::Phantom));
    let changed = breaches_after(|evidence, id| {
        let chat = chat(evidence, id);
        chat.rows[0].message.text.push('!');
        for view in &mut chat.views {
            view.messages[0].text.push('!');
        }
    });
    assert!(changed.contains(&Breach::Phantom));
}

#[test]
fn delivered_message_without_a_row_is_a_phantom() {
    let forged = breaches_after(|evidence, _| {
        let events = events(&mut evidence.clients[BOB], 0);
        let at = nth_message(events, 0);
        let Event::Message(message) = &mut events[at] else { unreachable!() };
        message.id = MessageId::new();
    });
    assert_eq!(forged, [Breach::Phantom]);
}

#[test]
fn request_stored_twice_is_a_duplicate() {
    let twice = breaches_after(|evidence, id| {
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
fn event_delivered_twice_is_a_duplicate() {
    for client in [ALICE, BOB] {
        let twice = breaches_after(|evidence, _| {
            let events = events(&mut evidence.clients[client], 0);
            let at = nth_message(events, 0);
            events.insert(at, events[at].clone());
        });
        assert_eq!(twice, [Breach::Duplicate]);
    }
    let echo = breaches_after(|evidence, id| {
        let own = chat(evidence, id).rows[0].message.clone();
        events(&mut evidence.clients[ALICE], 0).insert(2, Event::Message(own));
    });
    assert_eq!(echo, [Breach::Duplicate], "the origin gets the ack and not the event");
}

#[test]
fn message_read_twice_is_a_duplicate() {
    let twice = breaches_after(|evidence, id| {
        let messages = &mut chat(evidence, id).views[0].messages;
        messages.insert(1, messages[1].clone());
    });
    assert_eq!(twice, [Breach::Duplicate]);
}

#[test]
fn history_that_is_not_1_to_n_is_out_of_order() {
    let gap = breaches_after(|evidence, id| chat(evidence, id).rows[5].message.seq += 1);
    assert!(gap.contains(&Breach::Order));
    let backwards = breaches_after(|evidence, id| chat(evidence, id).rows[3].created_at = 0);
    assert_eq!(backwards, [Breach::Order]);
    let swapped = breaches_after(|evidence, id| chat(evidence, id).views[1].messages.swap(1, 2));
    assert_eq!(swapped, [Breach::Order]);
}

#[test]
fn connection_with_falling_seq_is_out_of_order() {
    let swapped = breaches_after(|evidence, _| {
        let events = events(&mut evidence.clients[BOB], 0);
        let (first, second) = (nth_message(events, 0), nth_message(events, 1));
        events.swap(first, second);
    });
    assert_eq!(swapped, [Breach::Order]);
    let late = breaches_after(|evidence, _| {
        let events = events(&mut evidence.clients[BOB], 1);
        let synced = events.iter().position(|event| matches!(event, Event::Synced { .. })).expect("synced");
        let message = events.remove(nth_message(events, 0));
        events.insert(synced, message);
    });
    assert_eq!(late, [Breach::Order], "missed events come before `synced`");
}

#[test]
fn missing_event_is_a_skip() {
    let hole = breaches_after(|evidence, _| {
        let events = events(&mut evidence.clients[BOB], 0);
        events.remove(nth_message(events, 0));
    });
    assert_eq!(hole, [Breach::Skip]);
    let unannounced = breaches_after(|evidence, _| {
        evidence.clients[ALICE].connections[0].events.retain(|event| !matches!(event, Event::Lagged { .. }));
    });
    assert_eq!(unannounced, [Breach::Skip]);
    let unfetched = breaches_after(|evidence, _| {
        evidence.clients[ALICE].fetched.pop().expect("find fetched message");
    });
    assert_eq!(unfetched, [Breach::Skip]);
}

/// The chat became known to the instance after the handshake, so `lagged` names what came before. The client has that, and more.
#[test]
fn event_up_to_the_cursor_is_not_missing_after_lagged() {
    let known = breaches_after(|evidence, chat| {
        let events = events(&mut evidence.clients[BOB], 1);
        let Event::Sync { cursors } = &events[0] else { unreachable!() };
        let cursor = cursors[&chat];
        assert!(cursor > 2);
        events.insert(1, Event::Lagged { chat, from: 1, head: cursor - 1 });
    });
    assert!(known.is_empty(), "{known:?}");
    let beyond = breaches_after(|evidence, chat| {
        let events = events(&mut evidence.clients[BOB], 1);
        let Event::Sync { cursors } = &mut events[0] else { unreachable!() };
        *cursors.get_mut(&chat).expect("find cursor") -= 2;
    });
    assert_eq!(beyond, [Breach::Skip]);
}

#[test]
fn missing_last_event_is_a_skip() {
    let (mut evidence, _) = {
        let mut model = Model::new();
        model.send(ALICE, Sending::Acked);
        let chat = model.chat;
        (model.finish(), chat)
    };
    assert!(check(&evidence).passed());
    let events = events(&mut evidence.clients[BOB], 0);
    events.remove(nth_message(events, 0));
    assert_eq!(check(&evidence).count(Breach::Skip), 2, "on the connection, and in total");
    // A client that is not connected would receive it later.
    evidence.clients[BOB].connections[0].is_open = false;
    assert!(check(&evidence).passed());
}

#[test]
fn own_stored_message_without_an_ack_is_a_skip() {
    let (mut evidence, _) = good();
    let client = &mut evidence.clients[ALICE];
    let first = client.connections[0].events.iter().position(|event| matches!(event, Event::Acked { .. }));
    let Event::Acked { request_id, .. } = client.connections[0].events.remove(first.expect("find ack")) else {
        unreachable!()
    };
    client.sends.get_mut(&request_id).expect("find send").answers.clear();
    let breaches: Vec<Breach> = check(&evidence).breaches.into_keys().collect();
    assert_eq!(breaches, [Breach::Skip]);
}

#[test]
fn anything_a_stranger_sees_is_a_leak() {
    type Sight = fn(ChatId, UserId, &Message) -> Event;
    let sights: [Sight; 5] = [
        |_, _, message| Event::Message(message.clone()),
        |chat, _, _| Event::Lagged { chat, from: 1, head: 2 },
        |chat, _, _| Event::Synced { chat, first: 1, head: 0, complete: true },
        |chat, _, _| Event::Seen { kind: "typing".to_owned(), chat: Some(chat), user: None },
        |_, user, _| Event::Seen { kind: "presence".to_owned(), chat: None, user: Some(user) },
    ];
    for sight in sights {
        let seen = breaches_after(|evidence, id| {
            let message = chat(evidence, id).rows[0].message.clone();
            let event = sight(id, evidence.clients[ALICE].user, &message);
            events(&mut evidence.clients[STRANGER], 0).push(event);
        });
        assert!(seen.contains(&Breach::Leak), "{seen:?}");
    }
    let read = breaches_after(|evidence, id| {
        let message = chat(evidence, id).rows[0].message.clone();
        evidence.clients[STRANGER].fetched.push(Fetched { begun: 0, event: Durable::Message(message) });
    });
    assert_eq!(read, [Breach::Leak]);
    let listed = breaches_after(|evidence, id| {
        let (reader, chat) = (evidence.clients[STRANGER].user, chat(evidence, id));
        let view = View { reader, read_seq: 7, unread_count: 0, ..chat.views[0].clone() };
        chat.views.push(view);
    });
    assert_eq!(listed, [Breach::Leak]);
}

#[test]
fn message_of_an_unknown_chat_is_a_leak() {
    let seen = breaches_after(|evidence, _| {
        let (chat, id, sender) = (ChatId::new(), MessageId::new(), UserId::new());
        let message = Message { chat, seq: 1, id, sender, text: String::new(), changed_seq: None, is_deleted: false };
        let events = vec![Event::Message(message)];
        evidence.clients[ALICE].connections.insert(0, Connection { events, ..Connection::default() });
    });
    assert_eq!(seen, [Breach::Leak]);
}
