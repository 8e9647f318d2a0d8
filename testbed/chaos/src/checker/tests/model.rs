//! A model of a correct messenger. It produces the logs of its clients.

use std::collections::BTreeMap;

use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};

use crate::checker::{Ack, Answer, Chat, Client, Connection, Event, Evidence, Message, Row, Send, View};

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

/// A direct chat with two clients, and a third client without a chat.
pub(super) struct Model {
    pub(super) evidence: Evidence,
    pub(super) chat: ChatId,
    cursors: [Seq; MEMBERS],
    count: i64,
}

impl Model {
    pub(super) fn new() -> Self {
        let (chat, users) = (ChatId::new(), [UserId::new(), UserId::new(), UserId::new()]);
        let mut evidence = Evidence::default();
        let members = users[..MEMBERS].iter().copied().collect();
        evidence.chats.insert(chat, Chat { members, ..Chat::default() });
        evidence.clients = users.map(Client::new).into();
        let mut this = Self { evidence, chat, cursors: [0; MEMBERS], count: 0 };
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

    fn head(&mut self) -> Seq {
        self.rows().last().map_or(0, |row| row.message.seq)
    }

    fn message(&mut self, seq: Seq) -> Message {
        let index = usize::try_from(seq - 1).expect("seq is positive");
        self.rows()[index].message.clone()
    }

    /// Replaces the connection of a member. The missed messages come over the new one, or are fetched.
    pub(super) fn connect(&mut self, member: usize, complete: bool) {
        let (chat, head, cursor) = (self.chat, self.head(), self.cursors[member]);
        let connections = &mut self.evidence.clients[member].connections;
        if let Some(last) = connections.last_mut() {
            last.is_open = false;
        }
        connections.push(Connection { is_open: true, ..Connection::default() });
        self.log(member, Event::Sync { cursors: BTreeMap::from([(chat, cursor)]) });
        for seq in cursor + 1..=head {
            let message = self.message(seq);
            if complete {
                self.log(member, Event::Message(message));
            } else {
                self.evidence.clients[member].fetched.push(message);
            }
        }
        self.cursors[member] = head;
        self.log(member, Event::Synced { chat, head, complete });
    }

    /// Leaves out the next `count` messages of the other member. The client gets `lagged` and fetches them.
    pub(super) fn lag(&mut self, member: usize, count: i64) {
        let (chat, from) = (self.chat, self.head() + 1);
        for _ in 0..count {
            self.store(1 - member, false, false);
            let message = self.message(self.count);
            self.evidence.clients[member].fetched.push(message);
        }
        let head = self.head();
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
        let message = Message { chat, seq, id, sender, text: request_id.to_string() };
        self.rows().push(Row { message, request_id, created_at: 10 * seq });
        Ack { chat, seq, id, duplicate: false }
    }

    fn deliver(&mut self, seq: Seq, member: usize) {
        let message = self.message(seq);
        self.log(member, Event::Message(message));
        self.cursors[member] = seq;
    }

    /// Returns the evidence of the finished run.
    pub(super) fn finish(mut self) -> Evidence {
        let messages: Vec<Message> = self.rows().iter().map(|row| row.message.clone()).collect();
        let chat = self.evidence.chats.get_mut(&self.chat).expect("find chat");
        chat.views = chat.members.iter().map(|reader| View { reader: *reader, messages: messages.clone() }).collect();
        self.evidence
    }
}
