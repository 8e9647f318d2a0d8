//! Members react to messages.

use std::collections::{BTreeMap, BTreeSet};

use neonchat_common::ids::{MessageId, SendId, UserId};
use uuid::Uuid;

use super::{Changing, Model};
use crate::checker::{Action, Change, ChangeAnswer, ChangeKind, ChangeRow, Chat, Message, Reactor, Shown, Tally, What};

impl Model {
    pub(super) fn reactors(&mut self) -> &mut BTreeMap<MessageId, Vec<Reactor>> {
        &mut self.evidence.chats.get_mut(&self.chat).expect("the chat").reactors
    }

    /// A member reacts to the newest message that is not deleted, or takes the reaction back. Returns whether there is one.
    pub(in crate::checker::tests) fn react(
        &mut self,
        member: usize,
        emoji: &str,
        on: bool,
        changing: Changing,
    ) -> Option<SendId> {
        let (user, message) = (self.evidence.clients[member].user, self.newest(member)?);
        let (request, begun) = (SendId::new(), self.now());
        let action = Action::React { message, emoji: emoji.to_owned(), on };
        if changing == Changing::Refused {
            self.answer(member, request, action, begun, changing);
        } else if self.set_reaction(message, user, emoji, on) {
            self.store_reaction(ChangeKind::Reaction, user, request, message);
            self.answer(member, request, action, begun, changing);
        } else {
            self.answer_without_seq(member, request, action, ChangeAnswer::Unchanged);
        }
        Some(request)
    }

    /// Two members react to the newest message, and one event gathers both reactions. The request of the second is repeated.
    pub(in crate::checker::tests) fn react_together(&mut self, members: [usize; 2], emoji: &str) {
        let Some(message) = self.newest(members[0]) else { return };
        let answers = [ChangeAnswer::Unchanged, ChangeAnswer::Gathered];
        for (member, answer) in members.into_iter().zip(answers) {
            let user = self.evidence.clients[member].user;
            let action = Action::React { message, emoji: emoji.to_owned(), on: true };
            self.set_reaction(message, user, emoji, true);
            self.answer_without_seq(member, SendId::new(), action, answer);
        }
        self.store_reaction(ChangeKind::Gathered, UserId(Uuid::nil()), SendId(Uuid::nil()), message);
    }

    fn newest(&self, member: usize) -> Option<MessageId> {
        let from = self.from(member);
        let mut messages = self.chat().rows.iter().map(|row| &row.message).rev();
        messages.find(|message| !message.is_deleted && message.seq > from).map(|message| message.id)
    }

    /// Returns whether this changes anything.
    fn set_reaction(&mut self, message: MessageId, user: UserId, emoji: &str, on: bool) -> bool {
        let reactors = self.reactors().entry(message).or_default();
        let before = reactors.len();
        reactors.retain(|(other, with)| *other != user || with != emoji);
        let had = reactors.len() < before;
        if on {
            reactors.push((user, emoji.to_owned()));
        }
        had != on
    }

    fn store_reaction(&mut self, kind: ChangeKind, actor: UserId, request: SendId, message: MessageId) {
        self.count += 1;
        let seq = self.count;
        let (created_at, messages, users) = (10 * seq, [message].into(), BTreeSet::new());
        self.store_change(ChangeRow { seq, actor, request, created_at, kind, messages, users });
        self.deliver_to_all(seq);
    }

    fn answer_without_seq(&mut self, member: usize, request: SendId, action: Action, answer: ChangeAnswer) {
        let (begun, chat) = (self.now(), self.chat);
        let answers = vec![(self.now(), answer)];
        self.evidence.clients[member].changes.insert(request, Change { chat, action, begun, attempts: 1, answers });
    }

    /// Returns the content of an event of reactions.
    pub(super) fn reacted(&self, row: &ChangeRow) -> What {
        let message = *row.messages.first().expect("a message");
        What::Reacted { message, tallies: tallies(self.chat(), message) }
    }
}

fn tallies(chat: &Chat, message: MessageId) -> Vec<Tally> {
    let reactors = chat.reactors.get(&message).map(Vec::as_slice).unwrap_or_default();
    let mut tallies: Vec<Tally> = Vec::new();
    for (user, emoji) in reactors {
        if let Some(tally) = tallies.iter_mut().find(|tally| tally.emoji == *emoji) {
            tally.count += 1;
            tally.recent.insert(0, *user);
        } else {
            tallies.push(Tally { emoji: emoji.clone(), count: 1, recent: vec![*user] });
        }
    }
    tallies
}

/// Returns the reactions to these messages as a member reads them.
pub(super) fn shown(chat: &Chat, reader: UserId, messages: &[Message]) -> BTreeMap<MessageId, Shown> {
    let shown = |message: &Message| {
        let own = chat.reactors.get(&message.id).into_iter().flatten().filter(|(user, _)| *user == reader);
        let shown = Shown { tallies: tallies(chat, message.id), own: own.map(|(_, emoji)| emoji.clone()).collect() };
        (shown != Shown::default()).then_some((message.id, shown))
    };
    messages.iter().filter_map(shown).collect()
}
