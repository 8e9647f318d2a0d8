//! The kinds of durable events that are no messages.

/// The kind of an event, as `chat_events.kind` stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub(crate) enum EventKind {
    /// A message was edited.
    Edited = 1,
    /// Messages were deleted.
    Deleted = 2,
    /// The reactions to a message changed.
    Reactions = 3,
    /// A message was pinned.
    Pinned = 4,
    /// A message is not pinned any more.
    Unpinned = 5,
    /// Users became members.
    MembersAdded = 6,
    /// Users ceased to be members.
    MembersRemoved = 7,
    /// A member got another role, or was restricted.
    MemberChanged = 8,
    /// Title, description, handle or settings changed.
    ChatUpdated = 9,
    /// The chat was closed.
    ChatClosed = 10,
}

impl EventKind {
    const ALL: [Self; 10] = [
        Self::Edited,
        Self::Deleted,
        Self::Reactions,
        Self::Pinned,
        Self::Unpinned,
        Self::MembersAdded,
        Self::MembersRemoved,
        Self::MemberChanged,
        Self::ChatUpdated,
        Self::ChatClosed,
    ];

    /// Returns the name of the event on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "message_edited",
            Self::Deleted => "messages_deleted",
            Self::Reactions => "reactions",
            Self::Pinned | Self::Unpinned => "pinned",
            Self::MembersAdded => "members_added",
            Self::MembersRemoved => "members_removed",
            Self::MemberChanged => "member_changed",
            Self::ChatUpdated => "chat_updated",
            Self::ChatClosed => "chat_closed",
        }
    }

    /// Returns the kind with this number; `None` for 0, which is a message, and for kinds of a newer version.
    pub(crate) fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i16 == number)
    }
}
