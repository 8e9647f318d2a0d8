//! Random runs: the checker accepts good ones, and finds any single fault.

use neonchat_common::ids::{MessageId, SendId};
use proptest::{prelude::*, sample::Index};

use super::model::{Changing, GUEST, MEMBERS, Model, STRANGER, Sending};
use crate::checker::{Answer, ChangeKind, Durable, Event, Evidence, Fetched, check};

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize, Sending),
    Change(usize, ChangeKind, Changing),
    React(usize, bool, Changing),
    Schedule(usize),
    Connect(usize, bool),
    Lag(usize, i64),
    /// The guest is added to the group, or else removed.
    Toggle(Changing),
    Rename,
}

fn step() -> impl Strategy<Value = Step> {
    let sendings =
        [Sending::Acked, Sending::Rest, Sending::Resent, Sending::Refused, Sending::Indefinite, Sending::Vanished];
    let sending = prop::sample::select(sendings.to_vec());
    let kind = prop::sample::select(vec![ChangeKind::Edit, ChangeKind::Edit, ChangeKind::Deletion]);
    let changings = [Changing::Applied, Changing::Repeated, Changing::Indefinite, Changing::Refused];
    let changing = prop::sample::select(changings.to_vec());
    let client = || prop::sample::select(vec![0, 1, GUEST]);
    let change = (client(), kind, changing.clone());
    let react = (client(), any::<bool>(), changing.clone());
    prop_oneof![
        6 => (client(), sending).prop_map(|(member, sending)| Step::Send(member, sending)),
        3 => change.prop_map(|(member, kind, changing)| Step::Change(member, kind, changing)),
        3 => react.prop_map(|(member, on, changing)| Step::React(member, on, changing)),
        1 => client().prop_map(Step::Schedule),
        1 => (client(), any::<bool>()).prop_map(|(member, complete)| Step::Connect(member, complete)),
        1 => (client(), 1..4_i64).prop_map(|(member, count)| Step::Lag(member, count)),
        2 => changing.prop_map(Step::Toggle),
        1 => Just(Step::Rename),
    ]
}

const EMOJI: &str = "👍";

/// Runs steps in a group. A guest who is not a member can only connect, and be refused.
fn run(steps: &[Step], shows_history: bool) -> Evidence {
    let mut model = Model::group(shows_history);
    // Gives each mutation something to change.
    for member in 0..MEMBERS {
        model.send(member, Sending::Acked);
        model.send(member, Sending::Refused);
        model.change(member, ChangeKind::Edit, Changing::Applied);
        model.react(member, EMOJI, true, Changing::Applied);
        model.schedule(member);
    }
    for step in steps {
        let is_outside = |member| member == GUEST && !model.has_guest();
        match *step {
            Step::Send(member, _) if is_outside(member) => {
                model.send(member, Sending::Refused);
            }
            Step::Send(member, sending) => {
                model.send(member, sending);
            }
            Step::Change(member, ..) | Step::React(member, ..) | Step::Lag(member, _) | Step::Schedule(member)
                if is_outside(member) => {}
            Step::Change(member, kind, changing) => {
                model.change(member, kind, changing);
            }
            Step::React(member, on, changing) => {
                model.react(member, EMOJI, on, changing);
            }
            Step::Schedule(member) => {
                model.schedule(member);
            }
            Step::Connect(member, complete) => model.connect(member, complete),
            Step::Lag(member, count) => model.lag(member, count),
            Step::Toggle(changing) if model.has_guest() => {
                model.remove_guest(0, changing);
            }
            Step::Toggle(changing) => {
                model.add_guest(0, changing);
            }
            Step::Rename => {
                model.rename(0);
            }
        }
    }
    model.finish()
}

/// A single fault in a run.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    LoseRow,
    RepeatRequest,
    MakeUpRow,
    SwapRows,
    ForgetInView,
    StoreRefused,
    MoveAck,
    DropFrame,
    RepeatFrame,
    SwapFrames,
    ForgeFrame,
    LeakFrame,
    LeakFetch,
    LoseChange,
    UndoChange,
    MoveChange,
    MiscountUnread,
    SendAfterRemoval,
    DeliverAfterRemoval,
}

const MUTATIONS: [Mutation; 19] = [
    Mutation::LoseRow,
    Mutation::RepeatRequest,
    Mutation::MakeUpRow,
    Mutation::SwapRows,
    Mutation::ForgetInView,
    Mutation::StoreRefused,
    Mutation::MoveAck,
    Mutation::DropFrame,
    Mutation::RepeatFrame,
    Mutation::SwapFrames,
    Mutation::ForgeFrame,
    Mutation::LeakFrame,
    Mutation::LeakFetch,
    Mutation::LoseChange,
    Mutation::UndoChange,
    Mutation::MoveChange,
    Mutation::MiscountUnread,
    Mutation::SendAfterRemoval,
    Mutation::DeliverAfterRemoval,
];

impl Mutation {
    /// Applies the mutation. Returns whether there was anything to change.
    fn apply(self, evidence: &mut Evidence, at: Index) -> bool {
        match self {
            Self::LoseRow | Self::RepeatRequest | Self::MakeUpRow | Self::SwapRows | Self::ForgetInView => {
                self.change_history(evidence, at)
            }
            Self::StoreRefused | Self::MoveAck => self.change_answer(evidence, at),
            Self::DropFrame | Self::RepeatFrame | Self::SwapFrames | Self::ForgeFrame => {
                self.change_frame(evidence, at)
            }
            Self::LeakFrame | Self::LeakFetch => {
                let rows = &evidence.chats.values().next().expect("find chat").rows;
                let message = rows[at.index(rows.len())].message.clone();
                let stranger = &mut evidence.clients[STRANGER];
                if matches!(self, Self::LeakFrame) {
                    stranger.connections[0].events.push(Event::Message(message));
                } else {
                    stranger.fetched.push(Fetched { begun: 0, event: Durable::Message(message) });
                }
                true
            }
            Self::LoseChange | Self::UndoChange | Self::MoveChange | Self::MiscountUnread => {
                self.change_changes(evidence, at)
            }
            Self::SendAfterRemoval | Self::DeliverAfterRemoval => self.outlast_removal(evidence),
        }
    }

    fn change_history(self, evidence: &mut Evidence, at: Index) -> bool {
        let chat = evidence.chats.values_mut().next().expect("find chat");
        let index = at.index(chat.rows.len());
        match self {
            Self::LoseRow => {
                chat.rows.remove(index);
            }
            Self::SwapRows if index == 0 => return false,
            Self::SwapRows => chat.rows.swap(index - 1, index),
            Self::ForgetInView => {
                let messages = &mut chat.views[0].messages;
                messages.remove(at.index(messages.len()));
            }
            _ => {
                let mut row = chat.rows[index].clone();
                let last = chat.rows.last().expect("find row");
                (row.message.seq, row.created_at) = (last.message.seq + 1, last.created_at + 1);
                row.message.id = MessageId::new();
                if matches!(self, Self::MakeUpRow) {
                    row.request_id = SendId::new();
                }
                chat.rows.push(row);
            }
        }
        true
    }

    fn change_changes(self, evidence: &mut Evidence, at: Index) -> bool {
        let chat = evidence.chats.values_mut().next().expect("a chat");
        let index = at.index(chat.changes.len());
        match self {
            Self::LoseChange => {
                chat.changes.remove(index);
            }
            Self::UndoChange => {
                let mut changed = chat.rows.iter_mut().filter(|row| row.message.changed_seq.is_some());
                changed.next().expect("a changed message").message.text.push_str("as before");
            }
            Self::MoveChange => chat.changes[index].seq += 1,
            _ => chat.views[at.index(MEMBERS)].unread_count += 1,
        }
        true
    }

    /// Lets the last message be of the guest, or reach the guest, if the guest was removed before.
    fn outlast_removal(self, evidence: &mut Evidence) -> bool {
        let guest = evidence.clients[GUEST].user;
        let chat = evidence.chats.values_mut().next().expect("a chat");
        let last = chat.changes.iter().rfind(|row| row.users.contains(&guest));
        let Some(removal) = last.filter(|row| row.kind == ChangeKind::Removal) else { return false };
        let row = chat.rows.last_mut().expect("a message");
        if row.message.seq < removal.seq {
            return false;
        }
        if matches!(self, Self::SendAfterRemoval) {
            row.message.sender = guest;
        } else {
            let connection = evidence.clients[GUEST].connections.last_mut().expect("a connection");
            connection.events.push(Event::Message(row.message.clone()));
        }
        true
    }

    fn change_answer(self, evidence: &mut Evidence, at: Index) -> bool {
        let clients = evidence.clients.iter_mut();
        let sends =
            clients.flat_map(|client| client.sends.values_mut()).filter(|send| send.answers.len() == send.attempts);
        let mut acked: Vec<_> =
            sends.flat_map(|send| &mut send.answers).filter(|answer| matches!(answer, Answer::Acked(_))).collect();
        let index = at.index(acked.len());
        if let (Self::MoveAck, Answer::Acked(ack)) = (self, &mut *acked[index]) {
            ack.seq += 1;
        } else {
            *acked[index] = Answer::Refused;
        }
        true
    }

    /// Changes a message of others on an open connection.
    fn change_frame(self, evidence: &mut Evidence, at: Index) -> bool {
        let client = &mut evidence.clients[at.index(MEMBERS)];
        let events = &mut client.connections.last_mut().expect("find connection").events;
        let is_other = |event: &Event| matches!(event, Event::Message(message) if message.sender != client.user);
        let messages: Vec<usize> = (0..events.len()).filter(|index| is_other(&events[*index])).collect();
        if messages.len() < 2 {
            return false;
        }
        let nth = at.index(messages.len() - 1);
        let (first, second) = (messages[nth], messages[nth + 1]);
        match self {
            Self::DropFrame => {
                events.remove(first);
            }
            Self::RepeatFrame => events.insert(first, events[first].clone()),
            Self::SwapFrames => events.swap(first, second),
            _ => {
                if let Event::Message(message) = &mut events[first] {
                    message.text.push('?');
                }
            }
        }
        true
    }
}

proptest! {
    #[test]
    fn accepts_good_runs(steps in prop::collection::vec(step(), 0..40), shows_history in any::<bool>()) {
        let verdict = check(&run(&steps, shows_history));
        prop_assert!(verdict.passed(), "{verdict}");
    }

    #[test]
    fn finds_any_single_mutation(
        steps in prop::collection::vec(step(), 0..40),
        shows_history in any::<bool>(),
        mutation in prop::sample::select(MUTATIONS.to_vec()),
        at in any::<Index>(),
    ) {
        let mut evidence = run(&steps, shows_history);
        prop_assume!(mutation.apply(&mut evidence, at));
        prop_assert!(!check(&evidence).passed(), "{mutation:?}");
    }
}
