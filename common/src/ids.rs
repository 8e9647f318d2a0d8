//! Identifiers as types, so that a chat's id is never passed for a user's.

mod request_id;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::request_id::RequestId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $new:ident, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[schema(examples($example))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Returns a new, unique id.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "each new id is different, so there is no default")]
            pub fn new() -> Self {
                Self(Uuid::$new())
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(
    /// A user. UUID v4.
    UserId,
    new_v4,
    "7c9e6679-7425-40de-944b-e07fc1f90ae7"
);
id!(
    /// A chat. UUID v7.
    ChatId,
    now_v7,
    "01890a5d-ac96-774b-bcce-b302099a8057"
);
id!(
    /// A message. UUID v7.
    MessageId,
    now_v7,
    "01890a5d-ac96-774b-bcce-b302099a8058"
);
id!(
    /// A message that is to be sent later. UUID v7.
    ScheduledId,
    now_v7,
    "01890a5d-ac96-774b-bcce-b302099a8060"
);
id!(
    /// The id that a client chooses for a message, so that a repeated send does not store it again.
    SendId,
    new_v4,
    "550e8400-e29b-41d4-a716-446655440000"
);
id!(
    /// A token's `jti`.
    TokenId,
    new_v4,
    "6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b"
);
id!(
    /// A session: one login on one device. UUID v7. A token names it as `sid`.
    SessionId,
    now_v7,
    "01890a5d-ac96-774b-bcce-b302099a8062"
);
id!(
    /// A running instance of notification-service.
    InstanceId,
    new_v4,
    "9b2d4f8e-3c1a-4e57-8f06-d15c7a90b3e4"
);
id!(
    /// A deployment: the services that share a database.
    DeploymentId,
    new_v4,
    "2f1c9a54-6b0e-4c7d-9a3f-58e1d0b7c642"
);

/// The number of a durable event in its chat: 1, 2, 3 … without gaps. 0 is before the first event.
pub type Seq = i64;
