//! What differs for an ordinary client.

use std::time::Duration;

use neonchat_common::ids::SendId;

use super::State;
use crate::checker::{Answer, ChangeAnswer, Connection};

/// What is answered later than this may have been sent before, by an earlier connection: the SDK does not tell the application of that attempt,
/// and rarely connects and sends again within this time.
const AGAIN: Duration = Duration::from_millis(100);

impl State {
    /// Opens the connection that stands for all connections of the SDK.
    pub(in crate::traffic) fn open_for_good(&self) {
        let connection = Connection { is_open: true, reconnects: true, ..Connection::default() };
        self.lock().log.connections.push(connection);
    }

    /// Records the answer to a message. The client gets its message as an event as well, so the answer does not count as received.
    pub(in crate::traffic) fn sent(&self, request_id: SendId, answer: Answer) {
        let mut inner = self.lock();
        let is_late = inner.unanswered.remove(&request_id).is_some_and(|begun| begun.elapsed() > AGAIN);
        if let Some(send) = inner.log.sends.get_mut(&request_id) {
            send.attempts += usize::from(is_late);
        }
        inner.answer(request_id, answer);
        inner.acks += usize::from(matches!(answer, Answer::Acked(_)));
    }

    /// Records the answer to a change, which is the last one.
    pub(in crate::traffic) fn changed(&self, request: SendId, answer: ChangeAnswer) {
        self.change_answered(request, answer);
        let mut inner = self.lock();
        let is_late = inner.unanswered.remove(&request).is_some_and(|begun| begun.elapsed() > AGAIN);
        if let Some(change) = inner.log.changes.get_mut(&request) {
            change.attempts += usize::from(is_late);
        }
    }
}
