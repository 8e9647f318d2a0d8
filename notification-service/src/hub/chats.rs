//! The chats of an instance, each behind a lock of its own: while an event goes to the 10,000 sockets of one chat, no other chat waits.
//!
//! The map is locked only to find, insert or remove a chat, never while a chat is locked or waited for. So a chat may be removed between
//! being found and being locked. It is retired first, and who finds a retired chat looks again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use neonchat_common::ids::{ChatId, Seq};

use super::chat::{Chat, RingMemory};

/// The most bytes of the last events of all chats. With more, those of the least recently used chats are removed.
const MAX_RING_BYTES: usize = 64 * 1024 * 1024;

/// The chats that have sockets here.
#[derive(Debug, Default)]
pub(super) struct Chats {
    slots: DashMap<ChatId, Arc<Slot>>,
    ring_memory: Arc<RingMemory>,
    /// Locked while the last events of chats are removed.
    eviction: Mutex<()>,
}

/// A chat; `None` once it is retired.
#[derive(Debug)]
struct Slot(Mutex<Option<Chat>>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<Chat>> {
        // A panic may leave an event out for some sockets. Their clients see the gap with the next event and fetch it, so a poisoned
        // lock guards a usable chat.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chats {
    /// Calls `work` with a chat, locked. Returns `None` if the chat has no sockets here.
    pub(super) fn with<R>(&self, chat: ChatId, work: impl FnOnce(&mut Chat) -> R) -> Option<R> {
        loop {
            let slot = Arc::clone(self.slots.get(&chat)?.value());
            if let Some(found) = slot.lock().as_mut() {
                return Some(work(found));
            }
            self.forget(chat, &slot);
        }
    }

    /// Calls `work` with a chat, locked. Creates it after `last_seq` if it has no sockets here.
    pub(super) fn with_or_create<R>(&self, chat: ChatId, last_seq: Seq, work: impl FnOnce(&mut Chat) -> R) -> R {
        let create = || Arc::new(Slot(Mutex::new(Some(Chat::new(chat, last_seq, Arc::clone(&self.ring_memory))))));
        loop {
            let slot = Arc::clone(self.slots.entry(chat).or_insert_with(create).value());
            if let Some(found) = slot.lock().as_mut() {
                return work(found);
            }
            self.forget(chat, &slot);
        }
    }

    /// Removes a chat if it has no sockets. Returns whether it did.
    pub(super) fn remove_if_empty(&self, chat: ChatId) -> bool {
        let Some(slot) = self.slots.get(&chat).map(|slot| Arc::clone(slot.value())) else { return false };
        let is_retired = slot.lock().take_if(|found| found.is_empty()).is_some();
        if is_retired {
            self.forget(chat, &slot);
        }
        is_retired
    }

    /// Removes a retired chat from the map, if no new one has replaced it.
    fn forget(&self, chat: ChatId, retired: &Arc<Slot>) {
        self.slots.remove_if(&chat, |_, slot| Arc::ptr_eq(slot, retired));
    }

    /// Removes the last events of the least recently used chats if all chats together have too many bytes of them. Removes a quarter,
    /// so that the search for these chats is rare.
    pub(super) fn bound_rings(&self) {
        self.bound_rings_to(MAX_RING_BYTES);
    }

    fn bound_rings_to(&self, max: usize) {
        if self.ring_memory.bytes() <= max {
            return;
        }
        let Ok(_eviction) = self.eviction.try_lock() else { return };
        let last_use = |chat| self.with(chat, |found| found.last_use()).flatten().map(|used| (used, chat));
        let mut used: Vec<_> = self.ids().into_iter().filter_map(last_use).collect();
        used.sort_unstable();
        for (_, chat) in used {
            if self.ring_memory.bytes() <= max / 4 * 3 {
                return;
            }
            self.with(chat, Chat::forget_recent);
        }
    }

    pub(super) fn contains(&self, chat: ChatId) -> bool {
        self.slots.contains_key(&chat)
    }

    pub(super) fn ids(&self) -> Vec<ChatId> {
        self.slots.iter().map(|entry| *entry.key()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use neonchat_common::ids::{TokenId, UserId};

    use super::*;
    use crate::{
        hub::{DurableEvent, EventFrames, Socket, SocketId, UserChat},
        protocol::Frame,
    };

    #[test]
    fn no_socket_joins_a_retired_chat() {
        let (chats, chat, threads) = (Chats::default(), ChatId::new(), 4);
        let (member, start) = (UserChat::direct(chat, 0, UserId::new()).member(), Barrier::new(threads));
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..2000 {
                        let socket = Arc::new(Socket::new(SocketId::for_test(), UserId::new(), TokenId::new(), None));
                        assert!(chats.with_or_create(chat, 0, |found| found.join(&socket, member)));
                        let is_left =
                            chats.with(chat, |found| found.leave(socket.id)).expect("the socket is in the chat");
                        assert!(is_left, "the socket was in the chat");
                        chats.remove_if_empty(chat);
                    }
                });
            }
        });
        assert!(chats.ids().is_empty());
    }

    #[test]
    fn other_chats_do_not_wait_for_a_busy_one() {
        let (chats, ids) = (Chats::default(), (0..200).map(|_| ChatId::new()).collect::<Vec<_>>());
        for chat in &ids {
            chats.with_or_create(*chat, 0, |_| ());
        }
        chats.with(ids[0], |_| {
            for chat in &ids[1..] {
                assert_eq!(chats.with(*chat, |found| found.next()), Some(1));
                assert!(chats.remove_if_empty(*chat));
            }
        });
        assert_eq!(chats.ids(), ids[..1]);
    }

    #[test]
    fn removes_last_events_of_least_recently_used_chats() {
        let (chats, ids) = (Chats::default(), [(); 4].map(|()| ChatId::new()));
        let deliver = |chat: ChatId| {
            chats.with_or_create(chat, 0, |found| {
                let frame = Frame::opaque(format!(r#"{{"type":"new_message","text":"{}"}}"#, "x".repeat(1000)));
                found.accept(DurableEvent::new(found.next(), None, EventFrames::of_message(frame, None)));
            });
        };
        for chat in ids.into_iter().chain([ids[0]]) {
            deliver(chat);
        }
        let has_recent = || ids.map(|chat| chats.with(chat, |found| found.has_recent(0)) == Some(true));
        chats.bound_rings_to(chats.ring_memory.bytes());
        assert_eq!(has_recent(), [true; 4]);
        chats.bound_rings_to(chats.ring_memory.bytes() - 1);
        assert_eq!(has_recent(), [true, false, false, true], "a quarter is removed");
        for chat in ids {
            assert!(chats.remove_if_empty(chat));
        }
        assert_eq!(chats.ring_memory.bytes(), 0);
    }
}
