//! The messages that a device schedules.

use neonchat_common::ids::SendId;
use tokio::time::Instant;

use super::State;
use crate::{
    checker::{Answer, CancelAnswer},
    traffic::frames::Refusal,
};

impl State {
    /// Records that a message is scheduled.
    pub(in crate::traffic) fn scheduled(&self, request_id: SendId) {
        let mut inner = self.lock();
        inner.answer(request_id, Answer::Scheduled);
        inner.unanswered.remove(&request_id);
    }

    /// Records a refusal of a message that may be tried again.
    pub(in crate::traffic) fn not_scheduled(&self, request_id: SendId, refusal: &Refusal) {
        self.lock().answer(request_id, refusal.answer());
    }

    /// Records that a message is not tried again.
    pub(in crate::traffic) fn end_send(&self, request_id: SendId) {
        self.lock().unanswered.remove(&request_id);
    }

    /// Counts an attempt to cancel a scheduled message.
    pub(in crate::traffic) fn attempt_cancel(&self, request_id: SendId) {
        let mut inner = self.lock();
        inner.log.cancellations.entry(request_id).or_default().attempts += 1;
        inner.unanswered.entry(request_id).or_insert_with(Instant::now);
    }

    /// Records an answer to a cancellation.
    pub(in crate::traffic) fn cancel_answered(&self, request_id: SendId, answer: CancelAnswer) {
        self.lock().log.cancellations.entry(request_id).or_default().answers.push(answer);
    }
}
