//! Histories with scheduled messages, with one breach each.

use neonchat_common::ids::{MessageId, SendId};

use super::model::{Model, Sending};
use crate::checker::{Answer, Breach, CancelAnswer, Evidence, check};

const ALICE: usize = 0;
const BOB: usize = 1;

/// The requests of the run, all of Alice.
struct Requests {
    sent: SendId,
    canceled: SendId,
}

/// Returns a good run. #2 is a scheduled message of Alice, who has canceled another one.
fn good() -> (Evidence, Requests) {
    let mut model = Model::new();
    model.send(BOB, Sending::Acked);
    let canceled = model.schedule_and_cancel(ALICE, CancelAnswer::Canceled);
    let sent = model.schedule(ALICE);
    (model.finish(), Requests { sent, canceled })
}

fn breaches_after(change: impl FnOnce(&mut Evidence, &Requests)) -> Vec<Breach> {
    let (mut evidence, requests) = good();
    change(&mut evidence, &requests);
    check(&evidence).breaches.into_keys().collect()
}

/// Stores the scheduled message again as the last one, with another request.
fn send_again(evidence: &mut Evidence, request: SendId) {
    let chat = evidence.chats.values_mut().next().expect("the chat");
    let mut row = chat.rows[1].clone();
    (row.message.seq, row.message.id, row.request_id, row.created_at) = (3, MessageId::new(), request, 1000);
    chat.rows.push(row);
}

#[test]
fn accepts_a_good_run() {
    let (evidence, _) = good();
    let verdict = check(&evidence);
    assert!(verdict.passed(), "{verdict}");
    assert_eq!((verdict.figures.messages, verdict.figures.acked, verdict.figures.scheduled), (3, 3, 2));
}

#[test]
fn message_that_is_sent_twice_is_found() {
    let twice = breaches_after(|evidence, _| send_again(evidence, SendId::new()));
    assert!(twice.contains(&Breach::Scheduled), "{twice:?}");
}

#[test]
fn message_that_is_not_sent_is_found() {
    let lost = breaches_after(|evidence, Requests { canceled, .. }| {
        evidence.clients[ALICE].cancellations.remove(canceled);
    });
    assert_eq!(lost, [Breach::Scheduled]);
    let being_sent = breaches_after(|evidence, Requests { canceled, .. }| {
        let cancellation = evidence.clients[ALICE].cancellations.get_mut(canceled).expect("the cancellation");
        cancellation.answers = vec![CancelAnswer::NotFound; 2];
    });
    assert_eq!(being_sent, [Breach::Scheduled], "it could not be canceled any more");
}

#[test]
fn message_that_is_sent_although_it_was_canceled_is_found() {
    let cancel = |evidence: &mut Evidence, request: SendId| {
        let client = &mut evidence.clients[ALICE];
        let cancellation = client.cancellations.first_entry().expect("a cancellation").get().clone();
        client.cancellations.insert(request, cancellation);
    };
    let sent = breaches_after(|evidence, Requests { sent, .. }| cancel(evidence, *sent));
    assert_eq!(sent, [Breach::Scheduled]);
    let scheduled_again = breaches_after(|evidence, Requests { sent, .. }| {
        cancel(evidence, *sent);
        evidence.clients[ALICE].sends.get_mut(sent).expect("the send").attempts += 1;
    });
    assert!(scheduled_again.is_empty(), "an attempt without an answer may schedule it again: {scheduled_again:?}");
}

#[test]
fn cancellation_without_an_answer_may_be_effective_or_not() {
    let not_found = breaches_after(|evidence, Requests { canceled, .. }| {
        let cancellation = evidence.clients[ALICE].cancellations.get_mut(canceled).expect("the cancellation");
        cancellation.answers[1] = CancelAnswer::NotFound;
    });
    assert!(not_found.is_empty(), "the first attempt may have canceled it: {not_found:?}");
}

#[test]
fn refused_message_that_is_sent_is_aborted() {
    let refused = breaches_after(|evidence, Requests { sent, .. }| {
        evidence.clients[ALICE].sends.get_mut(sent).expect("the send").answers = vec![Answer::Refused];
    });
    assert_eq!(refused, [Breach::Aborted]);
}
