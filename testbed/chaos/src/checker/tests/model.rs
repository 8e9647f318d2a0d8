//! A model of a correct messenger. It produces the logs of its clients.

use std::collections::BTreeMap;

use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};

use crate::checker::{
    Ack, Action, Answer, Change, ChangeAnswer, ChangeKind, ChangeRow, Changed, Chat, Client, Connection, Durable,
    Event, Evidence, Fetched, Message, Moment, Row, Send, View, What,
};

/// The number of members of the chat. Later clients are not members.
pub(super) const MEMBERS: usize = 2;

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
    /// Refused, and not applied.
    Refused,
}

/// A direct chat with two clients, and a third client without a chat.
pub(super) struct Model {
    pub(super) evidence: Evidence,
    pub(super) chat: ChatId,
    cursors: [Seq; MEMBERS],
    count: i64,
    now: Moment,
}

impl Model {
    pub(super) fn new() -> Self {
        let (chat, users) = (ChatId::new(), [UserId::new(), UserId::new(), UserId::new()]);
        let mut evidence = Evidence::default();
        let members = users[..MEMBERS].iter().copied().collect();
        evidence.chats.insert(chat, Chat { members, ..Chat::default() });
        evidence.clients = users.map(Client::new).into();
        let mut this = Self { evidence, chat, cursors: [0; MEMBERS], count: 0, now: 0 };
        for member in 0..MEMBERS {
            this.connect(member, true);
        }
        this.evidence.clients[MEMBERS].connections.push(Connection { is_open: true, ..Connection::default() });
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

    /// Returns an event as it is read now.
    fn event(&self, seq: Seq) -> Durable {
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
                if message.changed_seq == Some(seq) { What::Edited(message) } else { What::Superseded(message.id) }
            }
        };
        Durable::Change(Changed { chat: self.chat, seq, by: row.actor, what })
    }

    fn fetch(&mut self, client: usize, seq: Seq) {
        let (begun, event) = (self.now(), self.event(seq));
        self.evidence.clients[client].fetched.push(Fetched { begun, event });
    }

    /// Replaces the connection of a member. The missed messages come over the new one, or are fetched.
    pub(super) fn connect(&mut self, member: usize, complete: bool) {
        let (chat, head, cursor) = (self.chat, self.count, self.cursors[member]);
        let connections = &mut self.evidence.clients[member].connections;
        if let Some(last) = connections.last_mut() {
            last.is_open = false;
        }
        connections.push(Connection { is_open: true, ..Connection::default() });
        self.log(member, Event::Sync { cursors: BTreeMap::from([(chat, cursor)]) });
        for seq in cursor + 1..=head {
            if complete {
                self.deliver(seq, member);
            } else {
                self.fetch(member, seq);
            }
        }
        self.cursors[member] = head;
        self.log(member, Event::Synced { chat, head, complete });
    }

    /// Leaves out the next `count` messages of the other member. The client gets `lagged` and fetches them.
    pub(super) fn lag(&mut self, member: usize, count: i64) {
        let (chat, from) = (self.chat, self.count + 1);
        for _ in 0..count {
            self.store(1 - member, false, false);
            self.fetch(member, self.count);
        }
        let head = self.count;
        self.log(member, Event::Lagged { chat, from, head });
        self.cursors[member] = head;
    }

    pub(super) fn send(&mut self, member: usize, sending: Sending) -> SendId {
        match sending {
            Sending::Acked => self.store(member, true, true),
            Sending::Rest => self.store(member, false, true),
            Sending::Resent => {
                let request_id = self.submit(member);
                self.log(member, Event::Sent { request_id });
                let ack = self.commit(member, request_id);
                self.deliver(ack.seq, 1 - member);
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
                (0..MEMBERS).for_each(|member| self.deliver(ack.seq, member));
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

    /// Stores and acks a message. The sender gets it as an event if it was not sent over the socket.
    fn store(&mut self, member: usize, over_socket: bool, deliver_to_partner: bool) -> SendId {
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
        if deliver_to_partner {
            self.deliver(ack.seq, 1 - member);
        }
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

    fn deliver(&mut self, seq: Seq, member: usize) {
        self.log(
            member,
            match self.event(seq) {
                Durable::Message(message) => Event::Message(message),
                Durable::Change(change) => Event::Changed(change),
            },
        );
        self.cursors[member] = seq;
    }

    /// Edits the newest message of a member that is not deleted, or deletes it. Returns whether there is one.
    pub(super) fn change(&mut self, member: usize, kind: ChangeKind, changing: Changing) -> bool {
        let user = self.evidence.clients[member].user;
        let mut own = self.chat().rows.iter().map(|row| &row.message).rev();
        let Some(id) = own.find(|message| message.sender == user && !message.is_deleted).map(|message| message.id)
        else {
            return false;
        };
        let (request, chat, begun) = (SendId::new(), self.chat, self.now());
        let action = match kind {
            ChangeKind::Edit => Action::Edit { message: id, text: request.to_string() },
            ChangeKind::Deletion => Action::Delete { messages: [id].into() },
        };
        if changing != Changing::Refused {
            self.apply(member, request, kind, id);
        }
        let (seq, at) = (self.count, self.now());
        let answers = match changing {
            Changing::Applied => vec![ChangeAnswer::Applied { seq, duplicate: false }],
            Changing::Repeated => {
                vec![ChangeAnswer::Indefinite, ChangeAnswer::Applied { seq, duplicate: true }]
            }
            Changing::Indefinite => vec![ChangeAnswer::Indefinite],
            Changing::Refused => vec![ChangeAnswer::Refused],
        };
        let (attempts, answers) = (answers.len(), answers.into_iter().map(|answer| (at, answer)).collect());
        self.evidence.clients[member].changes.insert(request, Change { chat, action, begun, attempts, answers });
        true
    }

    fn apply(&mut self, actor: usize, request: SendId, kind: ChangeKind, id: MessageId) {
        self.count += 1;
        let (seq, actor) = (self.count, self.evidence.clients[actor].user);
        let row = self.rows().iter_mut().find(|row| row.message.id == id).expect("the message");
        row.message.changed_seq = Some(seq);
        row.message.is_deleted = kind == ChangeKind::Deletion;
        row.message.text = if row.message.is_deleted { String::new() } else { request.to_string() };
        let row = ChangeRow { seq, actor, request, created_at: 10 * seq, kind, messages: [id].into() };
        self.evidence.chats.get_mut(&self.chat).expect("the chat").changes.push(row);
        (0..MEMBERS).for_each(|member| self.deliver(seq, member));
    }

    /// Returns the evidence of the finished run.
    pub(super) fn finish(mut self) -> Evidence {
        let messages: Vec<Message> = self.rows().iter().map(|row| row.message.clone()).collect();
        let chat = self.evidence.chats.get_mut(&self.chat).expect("the chat");
        let view = |reader: &UserId| {
            // Sending a message reads up to it.
            let own = messages.iter().filter(|message| message.sender == *reader).map(|message| message.seq);
            let read_seq = own.max().unwrap_or(0);
            let unread = messages.iter().filter(|message| message.seq > read_seq && !message.is_deleted).count();
            let unread_count = i64::try_from(unread).expect("a small number");
            View { reader: *reader, messages: messages.clone(), read_seq, unread_count }
        };
        chat.views = chat.members.iter().map(view).collect();
        self.evidence
    }
}
