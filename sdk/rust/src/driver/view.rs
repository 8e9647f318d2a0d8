//! What the handles of a client see without asking: the last state, the chats, the outbox; and who is told.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{
    mpsc::{self, error::TrySendError},
    watch,
};

use crate::{Chat, ChatEvent, ChatId, Event, OutboxKind, Pending, RequestId, Session, Status};

/// More events than this do not wait for a slow reader.
pub(crate) const WAITING: usize = 10_000;

/// What a driver shares with the handles of its client.
pub(crate) struct Shared {
    pub(crate) status: watch::Sender<Status>,
    view: Mutex<View>,
}

#[derive(Default)]
struct View {
    session: Option<Session>,
    chats: HashMap<ChatId, Chat>,
    outbox: HashMap<RequestId, Pending>,
    readers: Vec<Reader>,
    has_ended: bool,
}

/// A stream of events.
struct Reader {
    events: mpsc::Sender<Event>,
    /// The number of events that were left out.
    missed: u64,
}

impl Shared {
    pub(crate) fn new(session: Option<Session>) -> Self {
        let status = watch::Sender::new(Status::Stopped { reason: None });
        Self { status, view: Mutex::new(View { session, ..View::default() }) }
    }

    fn view(&self) -> MutexGuard<'_, View> {
        // Nothing panics while it holds the lock, and no change is half done.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session(&self) -> Option<Session> {
        self.view().session.clone()
    }

    pub(crate) fn set_session(&self, session: Option<&Session>) {
        let mut view = self.view();
        if view.session.as_ref() != session {
            view.session = session.cloned();
        }
    }

    pub(crate) fn chat(&self, id: ChatId) -> Option<Chat> {
        self.view().chats.get(&id).cloned()
    }

    /// Returns the pinned chats by their places, then the most recently active.
    pub(crate) fn chats(&self) -> Vec<Chat> {
        let mut chats: Vec<_> = self.view().chats.values().cloned().collect();
        chats.sort_by_key(|chat| (chat.pin_place.unwrap_or(u64::MAX), std::cmp::Reverse(chat.updated_at)));
        chats
    }

    pub(crate) fn outbox(&self) -> Vec<Pending> {
        let mut rows: Vec<_> = self.view().outbox.values().cloned().collect();
        rows.sort_unstable_by_key(|row| row.created);
        rows
    }

    /// Returns the events from now on.
    pub(crate) fn subscribe(&self) -> mpsc::Receiver<Event> {
        let (events, receiver) = mpsc::channel(WAITING);
        let mut view = self.view();
        // Without a sender the stream ends at once.
        if !view.has_ended {
            view.readers.push(Reader { events, missed: 0 });
        }
        drop(view);
        receiver
    }

    /// All streams of events end, also those of handles that are still there.
    pub(crate) fn end(&self) {
        let mut view = self.view();
        view.has_ended = true;
        view.readers.clear();
    }

    pub(crate) fn load<'a>(&self, chats: impl Iterator<Item = Chat>, outbox: impl Iterator<Item = &'a Pending>) {
        let mut view = self.view();
        view.chats = chats.map(|chat| (chat.id, chat)).collect();
        view.outbox = outbox.map(|row| (row.request_id, row.clone())).collect();
    }

    pub(crate) fn tell(&self, event: &Event) {
        let mut view = self.view();
        match event {
            Event::State(status) => drop(self.status.send_replace(status.clone())),
            Event::Chat(ChatEvent::Created { chat } | ChatEvent::Changed { chat }) => {
                view.chats.insert(chat.id, (**chat).clone());
            }
            Event::Chat(ChatEvent::Removed { chat_id, .. }) => drop(view.chats.remove(chat_id)),
            Event::Outbox(outbox) => {
                let entry = &outbox.entry;
                match outbox.kind {
                    OutboxKind::Added | OutboxKind::Failed => view.outbox.insert(entry.request_id, entry.clone()),
                    OutboxKind::Done | OutboxKind::Cancelled => view.outbox.remove(&entry.request_id),
                };
            }
            _ => {}
        }
        view.readers.retain_mut(|reader| reader.tell(event.clone()));
    }
}

impl Reader {
    /// Returns whether somebody still reads.
    fn tell(&mut self, event: Event) -> bool {
        if self.missed > 0 && self.events.try_send(Event::Missed(self.missed)).is_ok() {
            self.missed = 0;
        }
        let sent = if self.missed > 0 { Err(TrySendError::Full(event)) } else { self.events.try_send(event) };
        match sent {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed += 1;
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(n: u64) -> Event {
        Event::Missed(n)
    }

    #[test]
    fn streams_end_with_the_client_after_the_last_event() {
        let shared = Shared::new(None);
        let mut events = shared.subscribe();
        shared.tell(&numbered(1));
        shared.end();
        assert!(matches!(events.try_recv(), Ok(Event::Missed(1))));
        assert_eq!(events.try_recv().err(), Some(mpsc::error::TryRecvError::Disconnected));
        assert_eq!(shared.subscribe().try_recv().err(), Some(mpsc::error::TryRecvError::Disconnected));
    }

    #[test]
    fn tells_a_slow_reader_how_many_events_it_missed() {
        let shared = Shared::new(None);
        let mut events = shared.subscribe();
        let all = WAITING as u64;
        for n in 0..all + 3 {
            shared.tell(&numbered(n));
        }
        for n in 0..2 {
            assert!(matches!(events.try_recv(), Ok(Event::Missed(got)) if got == n));
        }
        shared.tell(&Event::System(crate::Frame::default()));
        let rest: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        let [.., Event::Missed(last), Event::Missed(missed), Event::System(_)] = &rest[..] else {
            panic!("not in order: {:?}", rest.last());
        };
        assert_eq!((*last, *missed, rest.len()), (all - 1, 3, WAITING));
    }
}
