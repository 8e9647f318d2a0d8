//! Identifiers. All are UUIDs; a chat is never passed for a user.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )*};
}

impl RequestId {
    /// Returns an ID that is always the same for the same arguments: a UUID of version 5. As the ID of an answer to `message` it makes sure that
    /// a program that handles a message twice, because it was killed in between, answers it once. `purpose` tells several answers to
    /// one message apart.
    #[must_use]
    pub fn derived(message: MessageId, purpose: &str) -> Self {
        Self(Uuid::new_v5(&message.0, purpose.as_bytes()))
    }
}

ids! {
    /// The ID of a chat.
    ChatId
    /// The ID of a message.
    MessageId
    /// The ID of a user.
    UserId
    /// What makes sending idempotent: the ID of a request, which the client chooses.
    RequestId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_the_same_id_as_the_sdk_for_javascript() {
        let message = "0191d5a2-0000-7000-8000-000000000001".parse().expect("ID");
        assert_eq!(RequestId::derived(message, "answer").to_string(), "4c0af25d-9110-5a27-bc35-208c2a955565");
    }
}
