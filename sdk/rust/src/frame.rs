//! Frames of the server, with what this version does not know.

use std::str::FromStr;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{ChatId, MessageId, Reaction, UserId};

/// A JSON object.
pub type Object = Map<String, Value>;

/// A frame of the server, with all its members. [`Frame::change`] has those of the known types.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Frame(pub Object);

impl Frame {
    /// Returns the type, such as `message_edited`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("type").unwrap_or_default()
    }

    /// Returns the chat that the frame is about.
    #[must_use]
    pub fn chat_id(&self) -> Option<ChatId> {
        self.id("chat_id")
    }

    /// Returns the place in the stream of the chat, if the frame is a durable event.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        self.number("seq").filter(|seq| *seq > 0)
    }

    /// Returns a member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns the frame as a change of a chat. A frame of another type, or with unexpected members, is [`Change::Unknown`].
    #[must_use]
    pub fn change(&self) -> Change {
        self.parse().unwrap_or(Change::Unknown)
    }

    /// Returns the frame as a type of the application.
    ///
    /// # Errors
    /// The members are not those of the type.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        T::deserialize(Value::Object(self.0.clone()))
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        number(&self.0, name)
    }

    /// Returns for how many milliseconds the server asks to wait.
    pub(crate) fn wait(&self, name: &str) -> Option<u64> {
        self.number(name).map(waited)
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }

    pub(crate) fn object(&self, name: &str) -> Option<&Object> {
        self.0.get(name)?.as_object()
    }

    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.0.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }
}

/// What is nested more deeply is not taken: it could not be read again, together with what is around it in a journal.
const DEEPEST: usize = 100;

/// Reads what a server has sent.
pub(crate) fn from_server<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok().filter(|_| nesting(text.as_bytes()) <= DEEPEST)
}

/// Returns how deeply a JSON text is nested.
pub(crate) fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut is_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Between these numbers of milliseconds a wait is that the server asks for: 0.1 s and a day.
const WAITS: (u64, u64) = (100, 24 * 3_600_000);

/// Returns how long to wait if the server asks for this, in milliseconds.
pub(crate) fn waited(ms: u64) -> u64 {
    ms.clamp(WAITS.0, WAITS.1)
}

/// The highest integer that every JSON parser reads exactly. Sums of what is below do not overflow.
const SAFE: u64 = (1 << 53) - 1;

/// Returns a member that is a number.
pub(crate) fn number(object: &Object, name: &str) -> Option<u64> {
    object.get(name)?.as_u64().filter(|number| *number <= SAFE)
}

/// A change of a chat or of its messages. `docs/PROTOCOL.md` describes each frame.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// A message has a new text.
    MessageEdited {
        /// Absent: it was changed again since, and a later event has the newer text.
        message: Option<Edit>,
    },
    /// Messages were deleted for everybody.
    MessagesDeleted {
        /// The messages.
        messages: Vec<Deleted>,
        /// Who did it.
        by: Option<UserId>,
    },
    /// The reactions to a message changed.
    Reactions {
        /// The message.
        message_id: MessageId,
        /// Its `seq`.
        message_seq: u64,
        /// All reactions there are now.
        reactions: Vec<Reaction>,
    },
    /// A message was pinned, or is not pinned any more.
    Pinned {
        /// The message.
        message_id: MessageId,
        /// Whether it is pinned.
        on: bool,
        /// Who did it.
        by: Option<UserId>,
    },
    /// Users became members.
    MembersAdded {
        /// The new members.
        #[serde(default)]
        user_ids: Vec<UserId>,
        /// Who added or accepted them.
        by: Option<UserId>,
        /// `add`, `invite`, `join` or `request`.
        via: Option<String>,
        /// The number of members after it.
        member_count: Option<u64>,
    },
    /// Users are no longer members.
    MembersRemoved {
        /// The users.
        #[serde(default)]
        user_ids: Vec<UserId>,
        /// Who removed them.
        by: Option<UserId>,
        /// `left`, `kicked` or `banned`.
        how: Option<String>,
        /// The number of members after it.
        member_count: Option<u64>,
    },
    /// A member has another role, or was restricted.
    MemberChanged {
        /// The member; absent in a channel for those who may not see it.
        user_id: Option<UserId>,
        /// The role after it.
        role: Option<String>,
    },
    /// Title, description, handle or settings changed.
    ChatUpdated {
        /// The title; absent in direct chats.
        title: Option<String>,
        /// The description.
        description: Option<String>,
        /// The handle of a public chat.
        handle: Option<String>,
        /// The settings.
        #[serde(default)]
        settings: Object,
    },
    /// The owner closed the chat.
    ChatClosed {
        /// Who closed it.
        by: Option<UserId>,
    },
    /// A frame of another type.
    #[serde(other)]
    Unknown,
}

/// The new text of a message.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Edit {
    /// The message.
    pub id: MessageId,
    /// Its `seq`, if it is known.
    pub seq: Option<u64>,
    /// The text.
    #[serde(default)]
    pub text: String,
    /// All other members of the message as it is now; after an own edit only those that were sent.
    #[serde(flatten)]
    pub extra: Object,
}

/// A message that was deleted.
#[derive(Clone, Copy, Debug, Deserialize)]
#[non_exhaustive]
pub struct Deleted {
    /// The message.
    pub id: MessageId,
    /// Its `seq`, if it is known.
    pub seq: Option<u64>,
}
