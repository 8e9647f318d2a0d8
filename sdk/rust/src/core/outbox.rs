//! Messages and changes that are not acknowledged. They are sent for ever, with the same `request_id`, until the server says that
//! they are stored, or that they are not.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Core, Timer};
use crate::{
    Ack, ChatId, Error, Event, Frame, OutboxEvent, OutboxKind, RequestId,
    frame::Object,
    model::typed,
    store::{Op, Pending, PendingState},
};

/// How many messages and changes may be without an answer, one of each chat.
const IN_FLIGHT: usize = 16;
/// A connection that does not answer within this time is broken.
const ANSWER: u64 = 10_000;
/// The pause after a refusal that does not name one.
const RETRY: u64 = 1_000;

/// What is pending.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    rows: HashMap<RequestId, Pending>,
    /// The chats with something to send, in the order in which they get their turn.
    lanes: VecDeque<Lane>,
    /// The highest `created`.
    last: u64,
    /// Receipts without an answer.
    pub(super) receipts: HashSet<RequestId>,
}

/// What is pending in a chat.
#[derive(Debug)]
struct Lane {
    chat: ChatId,
    /// In order.
    ids: VecDeque<RequestId>,
    /// What was sent and is not answered.
    busy: Option<RequestId>,
}

impl Outbox {
    pub(super) fn new(rows: Vec<Pending>) -> Self {
        let rows = rows.into_iter().map(|row| (row.request_id, row)).collect();
        let mut outbox = Self { rows, ..Self::default() };
        outbox.reset();
        outbox
    }

    /// Forgets what was sent.
    pub(super) fn reset(&mut self) {
        self.lanes.clear();
        let rows: Vec<_> = self.list().map(|row| (row.created, row.state, row.chat_id, row.request_id)).collect();
        for (created, state, chat, request) in rows {
            self.last = self.last.max(created);
            if state == PendingState::Pending {
                self.queue(chat, request);
            }
        }
    }

    /// Returns everything in order, with what failed.
    pub(super) fn list(&self) -> impl Iterator<Item = &Pending> {
        let mut rows: Vec<_> = self.rows.values().collect();
        rows.sort_unstable_by_key(|row| row.created);
        rows.into_iter()
    }

    fn lane(&mut self, chat: ChatId) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.chat == chat)
    }

    fn queue(&mut self, chat: ChatId, request: RequestId) {
        match self.lane(chat) {
            Some(lane) => lane.ids.push_back(request),
            None => self.lanes.push_back(Lane { chat, ids: [request].into(), busy: None }),
        }
    }

    /// Ends the wait for an answer. Returns whether there was one.
    fn answered(&mut self, chat: ChatId, request: RequestId) -> bool {
        let Some(place) = self.lanes.iter().position(|lane| lane.chat == chat && lane.busy == Some(request)) else {
            return false;
        };
        // The other lanes come first next time.
        if let Some(mut lane) = self.lanes.remove(place) {
            lane.busy = None;
            self.lanes.push_back(lane);
        }
        true
    }
}

impl Core {
    /// Returns everything in the outbox, in order.
    pub(crate) fn outbox(&self) -> impl Iterator<Item = &Pending> {
        self.outbox.list()
    }

    fn tell_outbox(&mut self, kind: OutboxKind, entry: Pending, ack: Option<Ack>) {
        self.emit(Event::Outbox(Box::new(OutboxEvent { kind, entry, ack })));
    }

    /// Returns whether something with this ID is in the outbox.
    pub(crate) fn has_pending(&self, request: RequestId) -> bool {
        self.outbox.rows.contains_key(&request)
    }

    /// Adds something to send, unless it is there already and has not failed. What a user writes whose session has ended waits for
    /// the next sign-in of this user.
    pub(super) fn add_pending(&mut self, entry: Pending) -> Result<(), Error> {
        if self.session.owner.is_none() {
            return Err(Error::SignedOut("no_session".to_owned()));
        }
        match self.outbox.rows.get(&entry.request_id) {
            Some(row) if row.state == PendingState::Pending && row.frame == entry.frame => Ok(()),
            Some(row) if row.state == PendingState::Pending => Err(Error::Refused {
                code: "idempotency_mismatch".to_owned(),
                reason: None,
                detail: Some("something else with this request ID is pending".to_owned()),
            }),
            _ => {
                self.enqueue(entry);
                Ok(())
            }
        }
    }

    fn enqueue(&mut self, mut row: Pending) {
        self.outbox.last = self.time.wall.max(self.outbox.last + 1);
        row.created = self.outbox.last;
        row.state = PendingState::Pending;
        self.outbox.rows.insert(row.request_id, row.clone());
        self.outbox.queue(row.chat_id, row.request_id);
        // It is sent when it is stored: nothing is sent that a restart forgets.
        self.write(Op::Pending { row: row.clone() });
        self.tell_outbox(OutboxKind::Added, row, None);
        self.pump();
    }

    /// Sends what may be sent.
    pub(super) fn pump(&mut self) {
        if !self.is_live {
            return;
        }
        self.outbox.lanes.retain(|lane| !lane.ids.is_empty());
        let in_flight = self.outbox.lanes.iter().filter(|lane| lane.busy.is_some()).count();
        let timers = &self.timers;
        let free =
            self.outbox.lanes.iter_mut().filter(|lane| lane.busy.is_none() && !timers.is_set(Timer::Pause(lane.chat)));
        let mut next = Vec::new();
        for lane in free.take(IN_FLIGHT - in_flight.min(IN_FLIGHT)) {
            lane.busy = lane.ids.front().copied();
            next.extend(lane.busy.map(|request| (lane.chat, request)));
        }
        for (chat, request) in next {
            self.set_timer(Timer::Answer(chat), ANSWER);
            if let Some(frame) = self.outbox.rows.get(&request).map(|row| row.frame.0.clone()) {
                self.send(&frame.into());
            }
        }
    }

    fn end_wait(&mut self, chat: ChatId, request: RequestId) -> bool {
        let was_sent = self.outbox.answered(chat, request);
        if was_sent {
            self.timers.clear(Timer::Answer(chat));
        }
        was_sent
    }

    fn leave(&mut self, row: &Pending) {
        self.end_wait(row.chat_id, row.request_id);
        if let Some(lane) = self.outbox.lane(row.chat_id) {
            lane.ids.retain(|id| *id != row.request_id);
        }
    }

    /// The server has it. Returns what was sent, if this outbox did.
    pub(super) fn acked(&mut self, request: RequestId, ack: &Object) -> Option<Pending> {
        let row = self.outbox.rows.remove(&request)?;
        self.leave(&row);
        self.write(Op::DropPending { id: request });
        let ack = typed(ack).unwrap_or_else(|_| Ack {
            request_id: request,
            chat_id: row.chat_id,
            seq: None,
            duplicate: false,
            message_id: None,
            extra: ack.clone(),
        });
        self.tell_outbox(OutboxKind::Done, row.clone(), Some(ack));
        self.pump();
        Some(row)
    }

    /// Takes an `error`. Returns whether it concerns the outbox.
    pub(super) fn send_refused(&mut self, request: RequestId, error: &Frame) -> bool {
        let Some(row) = self.outbox.rows.get(&request).cloned() else { return false };
        if error.is("retryable") {
            if self.end_wait(row.chat_id, request) {
                self.set_timer(Timer::Pause(row.chat_id), error.wait("retry_after_ms").unwrap_or(RETRY));
            }
        } else {
            self.leave(&row);
            let text = |name: &str| error.text(name).map(str::to_owned);
            let code = Some(text("code").unwrap_or_else(|| "unknown".to_owned()));
            let failed =
                Pending { state: PendingState::Failed, code, reason: text("reason"), detail: text("message"), ..row };
            self.outbox.rows.insert(request, failed.clone());
            self.write(Op::Pending { row: failed.clone() });
            self.tell_outbox(OutboxKind::Failed, failed, None);
        }
        self.pump();
        true
    }

    /// Sends again what failed, as the last one of its chat.
    pub(super) fn retry(&mut self, request: RequestId) -> bool {
        let row = self.outbox.rows.get(&request).filter(|row| row.state == PendingState::Failed).cloned();
        let Some(row) = row else { return false };
        self.enqueue(Pending { code: None, reason: None, detail: None, ..row });
        true
    }

    /// Removes what failed or is not sent at the moment. Returns false if it is on its way, or not there.
    pub(super) fn cancel(&mut self, request: RequestId) -> bool {
        if self.outbox.lanes.iter().any(|lane| lane.busy == Some(request)) {
            return false;
        }
        let Some(row) = self.outbox.rows.remove(&request) else { return false };
        self.leave(&row);
        self.write(Op::DropPending { id: request });
        self.tell_outbox(OutboxKind::Cancelled, row, None);
        true
    }

    pub(super) fn outbox_closed(&mut self) {
        self.outbox.receipts.clear();
        for lane in &mut self.outbox.lanes {
            lane.busy = None;
            self.timers.clear(Timer::Answer(lane.chat));
            self.timers.clear(Timer::Pause(lane.chat));
        }
    }

    pub(super) fn outbox_wiped(&mut self) {
        self.outbox_closed();
        let rows: Vec<_> = self.outbox.list().cloned().collect();
        self.outbox = Outbox::default();
        for row in rows {
            self.tell_outbox(OutboxKind::Cancelled, row, None);
        }
    }
}
