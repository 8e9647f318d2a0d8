//! The markers of members: what this instance knows of them, and whom it tells.

use neonchat_common::{
    chat::ChatClass,
    ids::{ChatId, Seq, UserId},
};

use super::{Hub, Socket, SocketId};
use crate::protocol::ServerFrame;

/// How far a member has read a chat, and has it on a device. In a receipt, 0 is a marker that is not to be moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Markers {
    pub(crate) read: Seq,
    pub(crate) delivered: Seq,
}

impl Markers {
    /// Returns the higher one of each marker.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { read: self.read.max(other.read), delivered: self.delivered.max(other.delivered) }
    }

    /// Returns whether one of them is higher than that of another one. What is read is delivered too.
    fn exceed(self, other: Self) -> bool {
        self.read > other.read || self.delivered > other.delivered.max(other.read)
    }
}

/// The markers of a member after one of them moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MovedMarkers {
    pub(crate) chat: ChatId,
    pub(crate) user: UserId,
    pub(crate) markers: Markers,
    /// `None` if another version moved them.
    pub(crate) unread_count: Option<i64>,
    /// The size of the chat; `None` if it is not known.
    pub(crate) class: Option<ChatClass>,
    pub(crate) is_group: bool,
}

/// What is known of a user's markers in a chat.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KnownMarkers {
    markers: Markers,
    /// The last answered receipt, and the chat's next `seq` at that time.
    answered: (Markers, Option<Seq>),
}

impl KnownMarkers {
    /// Returns whether a receipt may move a marker. A receipt ahead of the chat's head moves nothing until the head has moved.
    fn are_exceeded_by(&self, receipt: Markers, next: Option<Seq>) -> bool {
        let (answered, answered_at) = self.answered;
        receipt.exceed(self.markers) && (receipt.exceed(answered) || next != answered_at)
    }

    /// Records the answer of chat-service to a receipt.
    fn answered(&mut self, receipt: Markers, next: Option<Seq>, markers: Markers) {
        self.answered = (receipt, next);
        self.markers = self.markers.max(markers);
    }
}

impl Hub {
    /// Returns whether a receipt may move a marker, as far as this instance knows.
    pub(crate) fn are_new_markers(&self, user: UserId, chat: ChatId, receipt: Markers) -> bool {
        let next = self.next_seq(chat);
        let entry = self.users.get(&user);
        let membership = entry.as_ref().and_then(|entry| entry.chats.get(&chat));
        membership.is_none_or(|membership| membership.markers.are_exceeded_by(receipt, next))
    }

    /// Records the answer to a receipt: the markers of the user.
    pub(crate) fn set_markers(&self, user: UserId, chat: ChatId, receipt: Markers, markers: Markers) {
        let next = self.next_seq(chat);
        if let Some(mut entry) = self.users.get_mut(&user)
            && let Some(membership) = entry.chats.get_mut(&chat)
        {
            membership.markers.answered(receipt, next, markers);
        }
    }

    /// Tells the user's own sockets, except for the one whose client caused it, and in a small chat those of the other members. In a
    /// small group the others are told later, with what other members have read.
    pub(crate) fn notify_markers(&self, moved: MovedMarkers, cause: Option<SocketId>) {
        let MovedMarkers { chat, user, markers, unread_count, class, is_group } = moved;
        let frame = |unread_count| {
            let Markers { read, delivered } = markers;
            ServerFrame::Receipt { chat_id: chat, user_id: user, read, delivered, unread_count }.encode()
        };
        self.notify_user(user, &[chat], |socket| Some(socket.id) != cause, &frame(unread_count));
        match class {
            Some(ChatClass::Small) if is_group => self.gathered_receipts.record(chat, user, markers),
            Some(ChatClass::Small) => self.notify_chat(chat, |socket| socket.user != user, &frame(None)),
            Some(ChatClass::Medium | ChatClass::Large) | None => {}
        }
    }

    /// Sends, at most once a second in each small group, how far members have read it.
    pub(crate) async fn notify_gathered_receipts(&self) {
        loop {
            for (chat_id, members) in self.gathered_receipts.next().await {
                let only = members.keys().next().copied().filter(|_| members.len() == 1);
                let reads = members.iter().map(|(user, markers)| (*user, markers.read)).collect();
                let delivered = members.iter().map(|(user, markers)| (*user, markers.delivered)).collect();
                let frame = ServerFrame::Receipts { chat_id, reads, delivered }.encode();
                self.notify_chat(chat_id, |socket: &Socket| Some(socket.user) != only, &frame);
            }
        }
    }
}
