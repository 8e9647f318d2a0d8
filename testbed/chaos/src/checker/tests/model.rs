//! A model of a correct messenger. It produces the logs of its clients.

mod groups;
mod reactions;
mod scheduled;

use std::collections::{BTreeMap, BTreeSet};

use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};

use crate::checker::{
    Ack, Action, Answer, Change, ChangeAnswer, ChangeKind, ChangeRow, Changed, Chat, Client, Connection, Durable,
    Event, Evidence, Fetched, Message, Moment, Row, Send, View, What,
};

/// The number of clients whose users are always members of the chat.
pub(super) const MEMBERS: usize = 2;

/// The client of a user without a chat.
pub(super) const STRANGER: usize = MEMBERS;

/// The client of a user who is added to the group, and removed.
pub(super) const GUEST: usize = MEMBERS + 1;

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// Over the socket, and acked.
    Acked,
    /// Over REST, and acked.
    Rest,
    /// Over the socket; stored, but the connection ends before the ack. The client retries on the next one.
    Resent,
    /// Over the socket; refused, and not stored.
    Refused,
    /// Over the socket; stored, but the answer leaves that open, and the client does not retry.
    Indefinite,
    /// Over the socket; never stored, and the connection ends before an answer.
    Vanished,
}

/// How a change is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changing {
    /// Applied.
    Applied,
    /// Applied, but the first answer leaves that open. The client tries again.
    Repeated,
    /// Applied, but the answer leaves that open, and the client does not try again.
    Indefinite,
    /// Applied; the answer has no `seq`.
    Done,
    /// Refused, and not applied.
    Refused,
}

/// A chat of two clients, and two other clients: one that has no chat, and a guest of groups.
pub(super) struct Model {
    pub(super) evidence: Evidence,
    pub(super) chat: ChatId,
    cursors: [Seq; GUEST + 1],
    count: i64,
    now: Moment,
    /// Where the chat begins for the guest, and the event by which the guest joined. `None` if the guest is not a member.
    guest: Option<(Seq, Seq)>,
}

impl Model {
    pub(super) fn new() -> Self {
        let (chat, users) = (ChatId::new(), [(); GUEST + 1].map(|()| UserId::new()));
        let mut evidence = Evidence::default();
        let founders = users[..MEMBERS].iter().copied().collect();
        evidence.chats.insert(chat, Chat { founders, ..Chat::default() });
        evidence.clients = users.map(Client::new).into();
        let mut this = Self { evidence, chat, cursors: [0; GUEST + 1], count: 0, now: 0, guest: None };
        for member in 0..MEMBERS {
            this.connect(member, true);
        }
        for client in [STRANGER, GUEST] {
            this.evidence.clients[client].connections.push(Connection { is_open: true, ..Connection::default() });
        }
        this
    }

    fn log(&mut self, client: usize, event: Event) {
        let connection = self.evidence.clients[client].connections.last_mut().expect("find connection");
        connection.events.push(event);
    }

    fn rows(&mut self) -> &mut Vec<Row> {
        &mut self.evidence.chats.get_mut(&self.chat).expect("find chat").rows
    }

    /// Returns a later moment at each call.
    fn now(&mut self) -> Moment {
        self.now += 10;
        self.now
    }

    fn chat(&self) -> &Chat {
        &self.evidence.chats[&self.chat]
    }

    /// Returns the clients whose users are members.
    fn present(&self) -> Vec<usize> {
        (0..MEMBERS).chain(self.guest.map(|_| GUEST)).collect()
    }

    /// Returns the `seq` up to which nothing exists for a client.
    fn from(&self, client: usize) -> Seq {
        self.guest.filter(|_| client == GUEST).map_or(0, |(from, _)| from)
    }

    /// Returns an event as a client reads it now.
    fn event(&self, seq: Seq, client: usize) -> Durable {
        let message = |is_wanted: &dyn Fn(&Message) -> bool| {
            self.chat().rows.iter().map(|row| &row.message).find(|message| is_wanted(message)).cloned()
        };
        if let Some(message) = message(&|message| message.seq == seq) {
            return Durable::Message(message);
        }
        let row = self.chat().changes.iter().find(|row| row.seq == seq).expect("an event").clone();
        let what = match row.kind {
            ChangeKind::Deletion => What::Deleted(row.messages),
            ChangeKind::Edit => {
                let message = message(&|message| row.messages.contains(&message.id)).expect("the edited message");
                let has_text = message.changed_seq == Some(seq) && message.seq > self.from(client);
                if has_text { What::Edited(message) } else { What::Superseded(message.id) }
            }
            ChangeKind::Reaction | ChangeKind::Gathered => self.reacted(&row),
            _ => self.group_event(&row),
        };
        Durable::Change(Changed {
            chat: self.chat,
            seq,
            by: Some(row.actor).filter(|_| !row.kind.is_of_reactions()),
            what,
        })
    }

    fn fetch(&mut self, client: usize, seq: Seq) {
        let (begun, event) = (self.now(), self.event(seq, client));
        self.evidence.clients[client].fetched.push(Fetched { begun, event });
    }

    /// Replaces the connection of a member. The missed messages come over the new one, or are fetched.
    pub(super) fn connect(&mut self, member: usize, complete: bool) {
        let (chat, head, first) = (self.chat, self.count, self.from(member) + 1);
        let cursor = self.cursors[member];
        let connections = &mut self.evidence.clients[member].connections;
        if let Some(last) = connections.last_mut() {
            last.is_open = false;
        }
        connections.push(Connection { is_open: true, ..Connection::default() });
        self.log(member, Event::Sync { cursors: BTreeMap::from([(chat, cursor)]) });
        if !self.present().contains(&member) {
            self.log(member, Event::Left { chat });
            return;
        }
        for seq in first.max(cursor + 1)..=head {
            if complete {
                self.deliver(seq, member);
            } else {
                self.fetch(member, seq);
            }
        }
        self.cursors[member] = head;
        self.log(member, Event::Synced { chat, first, head, complete });
    }

    /// Leaves out the next `count` messages of another member. The client gets `lagged` and fetches them.
    pub(super) fn lag(&mut self, member: usize, count: i64) {
        let (chat, from) = (self.chat, self.count + 1);
        let sender = usize::from(member == 0);
        for _ in 0..count {
            self.store(sender, false, Some(member));
            self.fetch(member, self.count);
        }
        let head = self.count;
        self.log(member, Event::Lagged { chat, from, head });
        self.cursors[member] = head;
    }

    pub(super) fn send(&mut self, member: usize, sending: Sending) -> SendId {
        match sending {
            Sending::Acked => self.store(member, true, None),
            Sending::Rest => self.store(member, false, None),
            Sending::Resent => {
                let request_id = self.submit(member);
                self.log(member, Event::Sent { request_id });
                let ack = self.commit(member, request_id);
                self.deliver_to_others(ack.seq, member, None);
                self.connect(member, true);
                self.log(member, Event::Sent { request_id });
                let ack = Ack { duplicate: true, ..ack };
                self.log(member, Event::Acked { request_id, ack });
                let send = self.evidence.clients[member].sends.get_mut(&request_id).expect("find send");
                send.attempts += 1;
                send.answers.push(Answer::Acked(ack));
                request_id
            }
            Sending::Indefinite => {
                let request_id = self.submit(member);
                self.log(member, Event::Sent { request_id });
                let ack = self.commit(member, request_id);
                let send = self.evidence.clients[member].sends.get_mut(&request_id).expect("find send");
                send.answers.push(Answer::Indefinite);
                self.deliver_to_all(ack.seq);
                request_id
            }
            Sending::Refused => {
                let request_id = self.submit(member);
                self.log(member, Event::Sent { request_id });
                let send = self.evidence.clients[member].sends.get_mut(&request_id).expect("find send");
                send.answers.push(Answer::Refused);
                request_id
            }
            Sending::Vanished => {
                let request_id = self.submit(member);
                self.log(member, Event::Sent { request_id });
                self.connect(member, true);
                request_id
            }
        }
    }

    /// Stores and acks a message. The sender gets it as an event if it was not sent over the socket. `left_out` does not get it.
    fn store(&mut self, member: usize, over_socket: bool, left_out: Option<usize>) -> SendId {
        let request_id = self.submit(member);
        if over_socket {
            self.log(member, Event::Sent { request_id });
        }
        let ack = self.commit(member, request_id);
        let send = self.evidence.clients[member].sends.get_mut(&request_id).expect("find send");
        send.answers.push(Answer::Acked(ack));
        if over_socket {
            self.log(member, Event::Acked { request_id, ack });
            self.cursors[member] = ack.seq;
        } else {
            self.deliver(ack.seq, member);
        }
        self.deliver_to_others(ack.seq, member, left_out);
        request_id
    }

    fn submit(&mut self, member: usize) -> SendId {
        let request_id = SendId::new();
        let send = Send { chat: self.chat, text: request_id.to_string(), attempts: 1, answers: Vec::new() };
        self.evidence.clients[member].sends.insert(request_id, send);
        request_id
    }

    fn commit(&mut self, member: usize, request_id: SendId) -> Ack {
        self.count += 1;
        let (chat, seq, id, sender) = (self.chat, self.count, MessageId::new(), self.evidence.clients[member].user);
        let text = request_id.to_string();
        let message = Message { chat, seq, id, sender, text, changed_seq: None, is_deleted: false };
        self.rows().push(Row { message, request_id, created_at: 10 * seq });
        Ack { chat, seq, id, duplicate: false }
    }

    fn deliver_to_all(&mut self, seq: Seq) {
        for client in self.present() {
            self.deliver(seq, client);
        }
    }

    fn deliver_to_others(&mut self, seq: Seq, sender: usize, left_out: Option<usize>) {
        for client in self.present().into_iter().filter(|client| *client != sender && Some(*client) != left_out) {
            self.deliver(seq, client);
        }
    }

    fn deliver(&mut self, seq: Seq, member: usize) {
        self.log(
            member,
            match self.event(seq, member) {
                Durable::Message(message) => Event::Message(message),
                Durable::Change(change) => Event::Changed(change),
            },
        );
        self.cursors[member] = seq;
    }

    /// Edits the newest message of a member that is not deleted, or deletes it. Returns whether there is one.
    pub(super) fn change(&mut self, member: usize, kind: ChangeKind, changing: Changing) -> bool {
        let (user, from) = (self.evidence.clients[member].user, self.from(member));
        let mut own = self.chat().rows.iter().map(|row| &row.message).rev();
        let is_own = |message: &&Message| message.sender == user && !message.is_deleted && message.seq > from;
        let Some(id) = own.find(is_own).map(|message| message.id) else { return false };
        let (request, begun) = (SendId::new(), self.now());
        let action = match kind {
            ChangeKind::Edit => Action::Edit { message: id, text: request.to_string() },
            _ => Action::Delete { messages: [id].into() },
        };
        if changing != Changing::Refused {
            self.apply(member, request, kind, id);
        }
        self.answer(member, request, action, begun, changing);
        true
    }

    /// Answers a change. If it was applied, it is the last event.
    fn answer(&mut self, client: usize, request: SendId, action: Action, begun: Moment, changing: Changing) {
        let (chat, seq, at) = (self.chat, self.count, self.now());
        let answers = match changing {
            Changing::Applied => vec![ChangeAnswer::Applied { seq, duplicate: false }],
            Changing::Repeated => {
                vec![ChangeAnswer::Indefinite, ChangeAnswer::Applied { seq, duplicate: true }]
            }
            Changing::Indefinite => vec![ChangeAnswer::Indefinite],
            Changing::Done => vec![ChangeAnswer::Done],
            Changing::Refused => vec![ChangeAnswer::Refused],
        };
        let (attempts, answers) = (answers.len(), answers.into_iter().map(|answer| (at, answer)).collect());
        self.evidence.clients[client].changes.insert(request, Change { chat, action, begun, attempts, answers });
    }

    fn apply(&mut self, actor: usize, request: SendId, kind: ChangeKind, id: MessageId) {
        self.count += 1;
        let (seq, actor) = (self.count, self.evidence.clients[actor].user);
        let row = self.rows().iter_mut().find(|row| row.message.id == id).expect("the message");
        row.message.changed_seq = Some(seq);
        row.message.is_deleted = kind == ChangeKind::Deletion;
        row.message.text = if row.message.is_deleted { String::new() } else { request.to_string() };
        if kind == ChangeKind::Deletion {
            self.reactors().remove(&id);
        }
        let (created_at, messages, users) = (10 * seq, [id].into(), BTreeSet::new());
        self.store_change(ChangeRow { seq, actor, request, created_at, kind, messages, users });
        self.deliver_to_all(seq);
    }

    fn store_change(&mut self, row: ChangeRow) {
        self.evidence.chats.get_mut(&self.chat).expect("the chat").changes.push(row);
    }

    /// Returns the evidence of the finished run.
    pub(super) fn finish(mut self) -> Evidence {
        let members = self.present();
        let chat = self.evidence.chats.get_mut(&self.chat).expect("the chat");
        let views = members.into_iter().map(|client| {
            let (from, joined) = self.guest.filter(|_| client == GUEST).unwrap_or_default();
            let reader = self.evidence.clients[client].user;
            let messages = chat.rows.iter().map(|row| row.message.clone()).filter(|message| message.seq > from);
            let messages: Vec<Message> = messages.collect();
            // Sending a message reads up to it, and so does joining.
            let own = messages.iter().filter(|message| message.sender == reader).map(|message| message.seq);
            let read_seq = own.max().unwrap_or(0).max(joined);
            let unread = messages.iter().filter(|message| message.seq > read_seq && !message.is_deleted).count();
            let unread_count = i64::try_from(unread).expect("a small number");
            let reactions = reactions::shown(chat, reader, &messages);
            View { reader, name: reader.to_string(), messages, reactions, read_seq, unread_count, mention_count: 0 }
        });
        chat.views = views.collect();
        self.evidence
    }
}
