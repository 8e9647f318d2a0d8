//! Histories with reactions, with one breach each.

use neonchat_common::ids::{SendId, UserId};

use super::model::{Changing, Model, Sending};
use crate::checker::{Breach, ChangeAnswer, ChangeKind, Changed, Chat, Event, Evidence, Reactor, Tally, What, check};

const ALICE: usize = 0;
const BOB: usize = 1;

/// The requests of the run.
struct Requests {
    refused: SendId,
    taken_back: SendId,
}

/// Returns a good run. #1 is a message of Alice. By #2 to #5 both react with 👍, and Bob with 🎉, which he takes back. #6 is a reaction
/// of Alice with 🎉 without a definite answer. #7 gathers those of both with 😢.
fn good() -> (Evidence, Requests) {
    let mut model = Model::new();
    model.send(ALICE, Sending::Acked);
    let mut react = |member, emoji, on, changing| model.react(member, emoji, on, changing).expect("a message");
    react(ALICE, "👍", true, Changing::Applied);
    react(BOB, "👍", true, Changing::Repeated);
    react(BOB, "🎉", true, Changing::Applied);
    let taken_back = react(BOB, "🎉", false, Changing::Applied);
    react(BOB, "🎉", false, Changing::Applied);
    react(ALICE, "🎉", true, Changing::Indefinite);
    let refused = react(BOB, "🎉", true, Changing::Refused);
    model.react_together([ALICE, BOB], "😢");
    (model.finish(), Requests { refused, taken_back })
}

fn breaches_after(change: impl FnOnce(&mut Evidence, &mut Chat, &Requests)) -> Vec<Breach> {
    let (mut evidence, requests) = good();
    let (id, mut chat) = evidence.chats.pop_first().expect("the chat");
    change(&mut evidence, &mut chat, &requests);
    evidence.chats.insert(id, chat);
    check(&evidence).breaches.into_keys().collect()
}

fn listed(chat: &mut Chat) -> &mut Vec<Reactor> {
    chat.reactors.first_entry().expect("a message with reactions").into_mut()
}

fn shown(chat: &mut Chat, view: usize) -> &mut Vec<Tally> {
    &mut chat.views[view].reactions.first_entry().expect("a message with reactions").into_mut().tallies
}

/// Returns the reactions in an event that Bob received.
fn received(evidence: &mut Evidence, wanted: i64) -> &mut Vec<Tally> {
    let mut events = evidence.clients[BOB].connections[0].events.iter_mut();
    let tallies = events.find_map(|event| match event {
        Event::Changed(Changed { seq, what: What::Reacted { tallies, .. }, .. }) if *seq == wanted => Some(tallies),
        _ => None,
    });
    tallies.expect("an event of reactions")
}

fn set_answer(evidence: &mut Evidence, request: SendId, answer: ChangeAnswer) {
    evidence.clients[BOB].changes.get_mut(&request).expect("the request").answers[0].1 = answer;
}

#[test]
fn accepts_a_good_run() {
    let (evidence, _) = good();
    let verdict = check(&evidence);
    assert!(verdict.passed(), "{verdict}");
    assert_eq!((verdict.figures.reactions, verdict.figures.changes), (7, 0));
}

#[test]
fn user_who_is_missing_in_the_list_is_found() {
    assert_eq!(
        breaches_after(|_, chat, _| {
            listed(chat).pop();
        }),
        [Breach::Reactions]
    );
}

#[test]
fn user_who_is_counted_twice_is_found() {
    let twice_in_list = breaches_after(|_, chat, _| {
        let again = listed(chat)[0].clone();
        listed(chat).push(again);
    });
    assert_eq!(twice_in_list, [Breach::Reactions]);
    assert_eq!(breaches_after(|_, chat, _| shown(chat, 1)[0].count += 1), [Breach::Reactions], "in the history");
    let last = breaches_after(|evidence, _, _| received(evidence, 7)[0].count += 1);
    assert_eq!(last, [Breach::Reactions], "in the last event");
    let before = breaches_after(|evidence, _, _| received(evidence, 3)[0].count += 1);
    assert_eq!(before, [Breach::Reactions], "in an earlier event: more than ever reacted");
    let twice_in_recent = breaches_after(|evidence, _, _| {
        let recent = &mut received(evidence, 3)[0].recent;
        recent[0] = recent[1];
    });
    assert_eq!(twice_in_recent, [Breach::Reactions]);
}

#[test]
fn only_the_last_event_must_have_the_last_counts() {
    let late = breaches_after(|evidence, _, _| *received(evidence, 2) = received(evidence, 7).clone());
    assert!(late.is_empty(), "an event that is read late has later reactions: {late:?}");
    let early = breaches_after(|evidence, _, _| *received(evidence, 7) = received(evidence, 2).clone());
    assert_eq!(early, [Breach::Reactions]);
}

#[test]
fn reaction_that_was_refused_or_taken_back_is_not_listed() {
    let applied_after_all = breaches_after(|evidence, _, Requests { refused, .. }| {
        set_answer(evidence, *refused, ChangeAnswer::Unchanged);
    });
    assert_eq!(applied_after_all, [Breach::Reactions], "acked, but not listed");
    let not_taken_back = breaches_after(|evidence, chat, _| {
        let bob = evidence.clients[BOB].user;
        listed(chat).push((bob, "🎉".to_owned()));
    });
    assert_eq!(not_taken_back, [Breach::Reactions]);
    let made_up = breaches_after(|_, chat, _| listed(chat).push((UserId::new(), "👍".to_owned())));
    assert_eq!(made_up, [Breach::Reactions]);
}

#[test]
fn request_without_an_answer_may_be_applied_or_not() {
    let open = breaches_after(|evidence, _, Requests { refused, .. }| {
        set_answer(evidence, *refused, ChangeAnswer::Indefinite);
    });
    assert!(open.is_empty(), "not applied: {open:?}");
    let open = breaches_after(|evidence, _, Requests { taken_back, .. }| {
        set_answer(evidence, *taken_back, ChangeAnswer::Indefinite);
    });
    assert!(open.is_empty(), "applied: {open:?}");
}

#[test]
fn wrong_own_reactions_are_found() {
    let forgotten = breaches_after(|_, chat, _| {
        chat.views[0].reactions.first_entry().expect("a message with reactions").into_mut().own.clear();
    });
    assert_eq!(forgotten, [Breach::Reactions]);
}

#[test]
fn event_of_another_message_is_a_phantom() {
    let (mut evidence, _) = good();
    let chat = evidence.chats.values_mut().next().expect("the chat");
    let row = chat.changes.iter_mut().find(|row| row.kind == ChangeKind::Gathered).expect("the event");
    row.kind = ChangeKind::Title;
    assert!(check(&evidence).count(Breach::Phantom) > 0);
}
