//! What travels on Redis Pub/Sub between all instances of both services (contract, section 7).
//!
//! An [`Envelope`] is JSON, so that it can be read with `redis-cli`. The frame inside is ready to be sent: it was encoded
//! once, where it arose, and who receives it copies its bytes and does not look into them.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    ids::{ChatId, DeploymentId, InstanceId, SendId, Seq, TokenId, UserId},
    json,
};

const CHAT_PREFIX: &str = "chat:";
const USER_PREFIX: &str = "user:";
const SYSTEM: &str = "system";
const DEPLOYMENTS: &str = "deployments";

/// A channel. [`Display`](fmt::Display) is its name on Redis, without the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Of a chat: its durable events, and typing.
    Chat(ChatId),
    /// Of a user: what concerns this one person on every instance.
    User(UserId),
    /// Of everybody.
    System,
    /// On which deployments announce themselves.
    Deployments,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(id) => write!(f, "{CHAT_PREFIX}{id}"),
            Self::User(id) => write!(f, "{USER_PREFIX}{id}"),
            Self::System => f.write_str(SYSTEM),
            Self::Deployments => f.write_str(DEPLOYMENTS),
        }
    }
}

impl Channel {
    /// The channel of this name, if it is one of ours.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name == SYSTEM {
            Some(Self::System)
        } else if name == DEPLOYMENTS {
            Some(Self::Deployments)
        } else if let Some(id) = name.strip_prefix(CHAT_PREFIX) {
            id.parse().ok().map(Self::Chat)
        } else {
            name.strip_prefix(USER_PREFIX)?.parse().ok().map(Self::User)
        }
    }

    /// Its name without the id, for where there must not be a name for each chat.
    #[must_use]
    pub const fn template(self) -> &'static str {
        match self {
            Self::Chat(_) => "chat:{chat_id}",
            Self::User(_) => "user:{user_id}",
            Self::System => SYSTEM,
            Self::Deployments => DEPLOYMENTS,
        }
    }
}

/// One publication.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope<'a> {
    /// The notification-service that published it. It has delivered it to its own sockets already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// The deployment that published it. Versions without deployments publish without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentId>,
    /// The id of the request that caused it, for the logs.
    #[serde(borrow)]
    pub request_id: Cow<'a, str>,
    /// The publication's place in a trace (W3C Trace Context), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Cow<'a, str>>,
    /// What happened.
    #[serde(borrow)]
    pub event: Event<'a>,
}

/// What happened.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event<'a> {
    /// On a chat's channel: a durable event, with its place in the chat.
    Durable {
        /// Its place.
        seq: Seq,
        /// Who did it.
        user_id: UserId,
        /// Under which id of the sender's: together with the user it tells the sockets that did it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        send_id: Option<SendId>,
        /// What the members' sockets get.
        #[serde(borrow)]
        frame: &'a RawValue,
    },
    /// On a chat's channel: something that matters only now. It may be lost.
    Ephemeral {
        /// Who did it: this user's sockets get no frame of it.
        user_id: UserId,
        /// What the other members' sockets get.
        #[serde(borrow)]
        frame: &'a RawValue,
    },
    /// On a user's channel: the presence of somebody with whom the user shares chats.
    Presence {
        /// The chats that they share.
        chat_ids: Vec<ChatId>,
        /// What the user's sockets get.
        #[serde(borrow)]
        frame: &'a RawValue,
    },
    /// On the channel of everybody: a word from those who run the server.
    System {
        /// What every socket gets.
        #[serde(borrow)]
        frame: &'a RawValue,
    },
    /// On a user's channel: the user is a member of a new chat.
    ChatCreated {
        /// The chat.
        chat_id: ChatId,
        /// Its last `seq`.
        last_seq: Seq,
        /// The other members.
        partner_ids: Vec<UserId>,
        /// One item of `GET /chats`, as this user sees it.
        #[serde(borrow)]
        chat: &'a RawValue,
    },
    /// On a chat's channel: a member has read it up to a `seq`. It may be lost.
    Receipt {
        /// The member.
        user_id: UserId,
        /// Every event up to this one is read.
        read: Seq,
    },
    /// On a user's channel: a token is good no longer, and no socket that was opened by it may stay.
    SessionRevoked {
        /// The token's `jti`.
        token_id: TokenId,
    },
}

impl Envelope<'_> {
    /// How every publication of an instance begins: it is known by that, and is not read.
    #[must_use]
    pub fn prefix(instance: InstanceId) -> String {
        format!(r#"{{"instance":"{instance}""#)
    }

    /// Returns the JSON to publish.
    #[must_use]
    pub fn encode(&self) -> String {
        json::text(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_comes_back_with_its_frame_untouched() {
        let frame = r#"{"type":"new_message",  "text":"\u041f"}"#;
        let envelope = Envelope {
            instance: Some(InstanceId::new()),
            deployment: Some(DeploymentId::new()),
            request_id: "abc".into(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            event: Event::Durable {
                seq: 7,
                user_id: UserId::new(),
                send_id: None,
                frame: serde_json::from_str(frame).expect("JSON"),
            },
        };
        let text = envelope.encode();
        assert!(text.starts_with(&Envelope::prefix(envelope.instance.expect("an instance"))));
        assert!(!text.starts_with(&Envelope::prefix(InstanceId::new())));
        let back: Envelope<'_> = serde_json::from_str(&text).expect("an envelope");
        let Event::Durable { seq, frame: got, .. } = back.event else { panic!("another event") };
        assert_eq!((back.instance, back.request_id.as_ref(), seq), (envelope.instance, "abc", 7));
        assert_eq!((back.deployment, back.traceparent), (envelope.deployment, envelope.traceparent));
        assert_eq!(got.get(), frame);
    }

    #[test]
    fn an_envelope_of_a_version_without_deployments_is_read() {
        let text =
            r#"{"instance":"9b2d4f8e-3c1a-4e57-8f06-d15c7a90b3e4","request_id":"abc","event":{"system":{"frame":{}}}}"#;
        let envelope: Envelope<'_> = serde_json::from_str(text).expect("an envelope");
        assert_eq!(envelope.deployment, None);
        // What such a version sends is also what this one sends as long as it does not know its deployment.
        assert_eq!(envelope.encode(), text);
    }

    #[test]
    fn versions_without_deployments_read_an_envelope_with_one() {
        #[derive(Deserialize)]
        struct Before<'a> {
            instance: Option<InstanceId>,
            #[serde(borrow)]
            request_id: Cow<'a, str>,
            #[serde(borrow)]
            event: Event<'a>,
        }
        let text = Envelope {
            instance: Some(InstanceId::new()),
            deployment: Some(DeploymentId::new()),
            request_id: "abc".into(),
            traceparent: None,
            event: Event::Receipt { user_id: UserId::new(), read: 7 },
        };
        let (instance, text) = (text.instance, text.encode());
        let before: Before<'_> = serde_json::from_str(&text).expect("an envelope");
        assert_eq!((before.instance, before.request_id.as_ref()), (instance, "abc"));
        assert!(matches!(before.event, Event::Receipt { read: 7, .. }));
    }

    #[test]
    fn channels_come_back_as_their_ids() {
        for channel in
            [Channel::Chat(ChatId::new()), Channel::User(UserId::new()), Channel::System, Channel::Deployments]
        {
            assert_eq!(Channel::parse(&channel.to_string()), Some(channel));
        }
        assert_eq!(Channel::parse("chat:x"), None);
        assert_eq!(Channel::parse("room:x"), None);
    }
}
