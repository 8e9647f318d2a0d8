//! Whom a device can mention, and what it can react to.

use std::collections::BTreeMap;

use neonchat_common::ids::{ChatId, MessageId, Seq};

use super::{Inner, State};
use crate::checker::Message;

/// Of this number of messages of a chat, one gets reactions. So several users react to it.
const EVERY: Seq = 8;

/// How many messages of a chat get reactions at the same time: the newest.
const NEWEST: usize = 3;

/// Of this number of choices, one is the largest chat.
const LARGEST: u8 = 3;

impl State {
    /// Uses these names of the other members of chats whose members stay.
    pub(in crate::traffic) fn with_partners(self, partners: BTreeMap<ChatId, Vec<String>>) -> Self {
        self.lock().partners = partners;
        self
    }

    /// Returns the username of another member of a chat, if the members stay.
    pub(in crate::traffic) fn partner(&self, chat: ChatId, rng: &mut fastrand::Rng) -> Option<String> {
        rng.choice(self.lock().partners.get(&chat)?).cloned()
    }

    /// Returns a chat whose members stay.
    pub(in crate::traffic) fn lasting_chat(&self, rng: &mut fastrand::Rng) -> Option<ChatId> {
        self.lock().choose(rng, |inner, rng| rng.choice(inner.partners.keys()).copied())
    }

    /// Returns a message of a chat to react to.
    pub(in crate::traffic) fn newest_message(&self, rng: &mut fastrand::Rng) -> Option<(ChatId, MessageId)> {
        let inner = self.lock();
        let chat = inner.choose(rng, |inner, rng| rng.choice(inner.newest.keys()).copied())?;
        rng.choice(inner.newest.get(&chat)?).map(|message| (chat, *message))
    }
}

impl Inner {
    pub(super) fn add_newest(&mut self, message: &Message) {
        if message.seq % EVERY != 1 {
            return;
        }
        let newest = self.newest.entry(message.chat).or_default();
        newest.push_back(message.id);
        if newest.len() > NEWEST {
            newest.pop_front();
        }
    }

    /// Returns the largest chat, or another one.
    fn choose(
        &self,
        rng: &mut fastrand::Rng,
        other: impl Fn(&Self, &mut fastrand::Rng) -> Option<ChatId>,
    ) -> Option<ChatId> {
        let largest = self.partners.iter().max_by_key(|(_, partners)| partners.len()).map(|(chat, _)| *chat);
        largest.filter(|_| rng.u8(..LARGEST) == 0).or_else(|| other(self, rng))
    }
}
