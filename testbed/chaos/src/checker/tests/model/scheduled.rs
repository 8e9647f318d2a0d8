//! Members schedule messages.

use neonchat_common::ids::SendId;

use super::Model;
use crate::checker::{Answer, CancelAnswer, Cancellation};

impl Model {
    /// Schedules a message that is sent.
    pub(in crate::checker::tests) fn schedule(&mut self, member: usize) -> SendId {
        let request = self.submit(member);
        self.send_answers(member, request, Answer::Scheduled);
        let seq = self.commit(member, request).seq;
        self.deliver_to_all(seq);
        request
    }

    /// Schedules a message and cancels it, by an answer to the second attempt.
    pub(in crate::checker::tests) fn schedule_and_cancel(&mut self, member: usize, answer: CancelAnswer) -> SendId {
        let request = self.submit(member);
        self.send_answers(member, request, Answer::Scheduled);
        let cancellation = Cancellation { attempts: 2, answers: vec![CancelAnswer::Indefinite, answer] };
        self.evidence.clients[member].cancellations.insert(request, cancellation);
        request
    }

    fn send_answers(&mut self, member: usize, request: SendId, answer: Answer) {
        self.evidence.clients[member].sends.get_mut(&request).expect("the send").answers.push(answer);
    }
}
