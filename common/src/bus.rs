//! The publications on Redis Pub/Sub between all instances of both services.
//!
//! An [`Envelope`] is JSON, so that `redis-cli` shows it. The publisher encodes the frame inside once. Receivers copy its bytes
//! and do not parse them.

use std::{borrow::Cow, fmt};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    chat::{self, ChatClass, MembershipChange, RemovalReason, Role},
    ids::{ChatId, DeploymentId, InstanceId, SendId, Seq, SessionId, TokenId, UserId},
    json,
    token::TokenRef,
};

const CHAT_PREFIX: &str = "chat:";
const USER_PREFIX: &str = "user:";
const SYSTEM: &str = "system";
const DEPLOYMENTS: &str = "deployments";

/// A channel of Redis. [`Display`](fmt::Display) writes its name without the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// The channel of a chat, for its durable events and typing.
    Chat(ChatId),
    /// The channel of a user, for events that concern only this user.
    User(UserId),
    /// The channel of all users.
    System,
    /// The channel on which deployments announce themselves.
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
    /// Parses the name of a channel, without the namespace. Returns `None` if the name is not one of these.
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

    /// Returns the name with a placeholder for the id, for metrics and spans, whose values have to be bounded.
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

/// A publication.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope<'a> {
    /// The publishing instance of notification-service, which has already delivered the event to its own sockets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// The publishing deployment. Versions without deployments omit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentId>,
    /// The id of the request that caused the event, for the logs.
    #[serde(borrow)]
    pub request_id: Cow<'a, str>,
    /// The `traceparent` of the publication (W3C Trace Context), if it is traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Cow<'a, str>>,
    /// The event.
    #[serde(borrow)]
    pub event: Event<'a>,
}

/// An event on a channel.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event<'a> {
    /// On the channel of a chat: a durable event.
    Durable {
        /// The number of the event in its chat.
        seq: Seq,
        /// The user who caused it.
        user_id: UserId,
        /// The `request_id` of the sender. With the user it identifies the socket that caused the event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        send_id: Option<SendId>,
        /// The `request_id` of the user who made a change. With the user it identifies the socket that gets an ack instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_id: Option<SendId>,
        /// The frame for the sockets of the members.
        #[serde(borrow)]
        frame: &'a RawValue,
        /// The frame for the sockets of `user_id`, if they get more than the others.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        actor_frame: Option<&'a RawValue>,
        /// The frame for members who may see less than the others.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        hidden: Option<HiddenFrame<'a>>,
        /// Who ceases to be a member, or gets another role, with this event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        membership: Option<MembershipChange>,
        /// When the message in the frame disappears. Not in other events.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<DateTime<Utc>>,
    },
    /// On the channel of a chat: an ephemeral event, which may be lost.
    Ephemeral {
        /// The user who caused it, whose sockets do not get the frame.
        user_id: UserId,
        /// The frame for the sockets of the other members.
        #[serde(borrow)]
        frame: &'a RawValue,
    },
    /// On the channel of a chat of medium size: a member began or ended typing. It may be lost.
    Typing {
        /// The member.
        user_id: UserId,
        /// Whether the member types.
        is_typing: bool,
    },
    /// On the channel of a user: the presence of a user who shares chats with this one.
    Presence {
        /// The shared chats.
        chat_ids: Vec<ChatId>,
        /// The frame for the sockets of the user.
        #[serde(borrow)]
        frame: &'a RawValue,
    },
    /// On the channel of all users: a message of the operators.
    System {
        /// The frame for all sockets.
        #[serde(borrow)]
        frame: &'a RawValue,
    },
    /// On the channel of a user: the user became a member of a chat.
    ChatCreated {
        /// The chat.
        chat_id: ChatId,
        /// Its last `seq`.
        last_seq: Seq,
        /// The other member of a direct chat.
        partner_ids: Vec<UserId>,
        /// Events up to this `seq` do not exist for the user.
        #[serde(default)]
        from_seq: Seq,
        /// The size of the chat.
        #[serde(default)]
        class: ChatClass,
        /// The role of the user.
        #[serde(default, deserialize_with = "chat::published_role")]
        role: Role,
        /// The users who see the presence of the user because of the chat.
        #[serde(default)]
        presence_ids: Vec<UserId>,
        /// The lowest role that may send messages.
        #[serde(default, deserialize_with = "chat::published_role")]
        send_role: Role,
        /// Until then the user may only read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restricted_until: Option<DateTime<Utc>>,
        /// The access version of the chat. Older versions omit it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access_version: Option<i32>,
        /// One item of `GET /chats`, as this user sees it.
        #[serde(borrow)]
        chat: &'a RawValue,
    },
    /// On the channel of a user: the user ceased to be a member of a chat without an event of the chat, as in large chats.
    Left {
        /// The chat.
        chat_id: ChatId,
        /// Why.
        reason: RemovalReason,
        /// The access version of the chat when the user was not a member any more. Older versions omit it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access_version: Option<i32>,
    },
    /// On the channel of a small chat: a member moved a marker. It may be lost.
    Receipt {
        /// The member.
        user_id: UserId,
        /// The read marker.
        read: Seq,
        /// The delivered marker, if it is higher. Older versions omit it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivered: Option<Seq>,
        /// The unread count of the member, for the member's own sockets. Older versions omit it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unread_count: Option<i64>,
        /// Whether the chat is a group: the other members are told with the receipts of others. Older versions omit it.
        #[serde(default)]
        is_group: bool,
    },
    /// On the channel of a user: the user moved a marker in a larger chat, whose other members are not told. It may be lost.
    OwnReceipt {
        /// The chat.
        chat_id: ChatId,
        /// The read marker.
        read: Seq,
        /// The delivered marker, if it is higher. Older versions omit it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivered: Option<Seq>,
        /// The unread count. Older versions omit it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unread_count: Option<i64>,
    },
    /// On the channel of a user: something that concerns this user alone in one of the user's chats. It may be lost.
    Personal {
        /// The chat.
        chat_id: ChatId,
        /// The frame for the sockets of the user.
        #[serde(borrow)]
        frame: &'a RawValue,
    },
    /// On the channel of a user: what the user has set about a chat changed, or where the chat begins for the user. It may be lost.
    ChatSettings {
        /// The chat.
        chat_id: ChatId,
        /// Events up to this `seq` do not exist for the user.
        from_seq: Seq,
        /// The frame for the sockets of the user.
        #[serde(borrow)]
        frame: &'a RawValue,
    },
    /// On the channel of a user: a token was revoked. All sockets that were opened with it have to close.
    SessionRevoked {
        /// The token's `jti`.
        token_id: TokenId,
    },
    /// On the channel of a user: sessions ended. All sockets that were opened with their tokens have to close.
    SessionsEnded(EndedSessions),
}

/// Sessions of a user that ended together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedSessions {
    /// The sessions. Their tokens are revoked.
    pub session_ids: Vec<SessionId>,
    /// Tokens without a session are revoked, too, if they were issued before this time, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<u64>,
}

impl EndedSessions {
    /// Returns whether a token is revoked with the sessions.
    #[must_use]
    pub fn revoke(&self, token: &TokenRef) -> bool {
        match token.sid {
            Some(session) => self.session_ids.contains(&session),
            None => self.issued_before.is_some_and(|before| token.iat.is_some_and(|iat| iat < before)),
        }
    }
}

/// A frame for members who may see less than the others.
#[derive(Debug, Serialize, Deserialize)]
pub struct HiddenFrame<'a> {
    /// The frame.
    #[serde(borrow)]
    pub frame: &'a RawValue,
    /// It is for members for whom this `seq` does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_seq: Option<Seq>,
    /// It is for members without an office.
    #[serde(default)]
    pub for_members: bool,
}

impl Envelope<'_> {
    /// Returns the start of every publication of an instance. An instance recognizes its own publications by it and does not
    /// parse them.
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
    fn round_trip_keeps_bytes_of_frame() {
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
                change_id: None,
                frame: serde_json::from_str(frame).expect("JSON"),
                actor_frame: Some(serde_json::from_str("{}").expect("JSON")),
                hidden: None,
                membership: None,
                expires_at: None,
            },
        };
        let text = envelope.encode();
        assert!(text.starts_with(&Envelope::prefix(envelope.instance.expect("instance is set"))));
        assert!(!text.starts_with(&Envelope::prefix(InstanceId::new())));
        let back: Envelope<'_> = serde_json::from_str(&text).expect("parse envelope");
        let Event::Durable { seq, frame: got, actor_frame, .. } = back.event else { panic!("another event") };
        assert_eq!((back.instance, back.request_id.as_ref(), seq), (envelope.instance, "abc", 7));
        assert_eq!((back.deployment, back.traceparent), (envelope.deployment, envelope.traceparent));
        assert_eq!((got.get(), actor_frame.map(RawValue::get)), (frame, Some("{}")));
    }

    #[test]
    fn reads_envelope_without_deployment() {
        let text =
            r#"{"instance":"9b2d4f8e-3c1a-4e57-8f06-d15c7a90b3e4","request_id":"abc","event":{"system":{"frame":{}}}}"#;
        let envelope: Envelope<'_> = serde_json::from_str(text).expect("parse envelope");
        assert_eq!(envelope.deployment, None);
        // This version sends the same while it does not know its deployment.
        assert_eq!(envelope.encode(), text);
    }

    #[test]
    fn old_version_reads_envelope_with_deployment() {
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
            event: Event::Receipt {
                user_id: UserId::new(),
                read: 7,
                delivered: None,
                unread_count: None,
                is_group: false,
            },
        };
        let (instance, text) = (text.instance, text.encode());
        let before: Before<'_> = serde_json::from_str(&text).expect("parse envelope");
        assert_eq!((before.instance, before.request_id.as_ref()), (instance, "abc"));
        assert!(matches!(before.event, Event::Receipt { read: 7, .. }));
    }

    #[test]
    fn end_of_sessions_revokes_their_tokens_and_older_ones_without_a_session() {
        let (ended, other) = (SessionId::new(), SessionId::new());
        let token = |sid, iat| TokenRef { sid, iat, ..TokenId::new().into() };
        let sessions = EndedSessions { session_ids: vec![ended], issued_before: None };
        assert!(sessions.revoke(&token(Some(ended), Some(900))));
        assert!(!sessions.revoke(&token(Some(other), Some(1))) && !sessions.revoke(&token(None, Some(1))));
        let everything = EndedSessions { issued_before: Some(1000), ..sessions };
        assert!(everything.revoke(&token(None, Some(999))) && !everything.revoke(&token(None, Some(1000))));
        assert!(!everything.revoke(&token(Some(other), Some(1))) && !everything.revoke(&token(None, None)));
    }

    #[test]
    fn parses_names_of_channels() {
        for channel in
            [Channel::Chat(ChatId::new()), Channel::User(UserId::new()), Channel::System, Channel::Deployments]
        {
            assert_eq!(Channel::parse(&channel.to_string()), Some(channel));
        }
        assert_eq!(Channel::parse("chat:x"), None);
        assert_eq!(Channel::parse("room:x"), None);
    }
}
