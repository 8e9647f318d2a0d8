//! Handles the publications that arrive on this instance.

use std::sync::Arc;

use fred::types::Message;
use neonchat_common::{
    bus::{Channel, Envelope, Event},
    chat::ChatClass,
    ids::InstanceId,
    redis::namespace::Namespace,
    trace::{self, TraceContext},
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};

use crate::{
    deployment::Deployments,
    hub::{DurableEvent, EventFrames, HiddenFrame, Hub, Markers, MovedMarkers, Request, Revocation, UserChat},
    protocol::{Frame, ServerFrame},
    resync::Resync,
};

/// Passes publications to the hub.
pub(crate) struct Receiver {
    pub(crate) instance: InstanceId,
    pub(crate) namespace: Namespace,
    pub(crate) deployments: Arc<Deployments>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) resync: Arc<Resync>,
}

impl Receiver {
    /// Receives publications until the client ends.
    pub(crate) async fn run(&self, mut messages: broadcast::Receiver<Message>) {
        let own_prefix = Envelope::prefix(self.instance);
        loop {
            match messages.recv().await {
                // The local sockets had this event before it was published.
                Ok(message)
                    if message.value.as_bytes().is_some_and(|payload| payload.starts_with(own_prefix.as_bytes())) => {}
                Ok(message) => {
                    if let Err(error) = self.handle(&message) {
                        tracing::error!(redis.channel = %message.channel, error.cause = %error, "publication could not be handled");
                    }
                }
                Err(RecvError::Lagged(count)) => {
                    tracing::warn!(count, "publications lost, receive buffer full");
                    metrics::counter!("redis_subscriber_lagged_total").increment(1);
                    self.resync.check_heads(self.hub.chats());
                    self.resync.refresh_users(self.hub.users());
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn handle(&self, message: &Message) -> anyhow::Result<()> {
        let channel = self.namespace.strip(&message.channel).and_then(Channel::parse);
        let Some(channel) = channel else { anyhow::bail!("unknown channel") };
        let Some(payload) = message.value.as_bytes() else { anyhow::bail!("payload is not a string") };
        if channel == Channel::Deployments {
            self.deployments.record_announcement(&serde_json::from_slice(payload)?);
            return Ok(());
        }
        let envelope: Envelope<'_> = serde_json::from_slice(payload)?;
        if !self.deployments.accepts(envelope.deployment) {
            return Ok(());
        }
        tracing::debug!(request.id = %envelope.request_id, redis.channel = %message.channel, "publication received");
        deliver(&self.hub, channel, envelope)
    }
}

fn deliver(hub: &Hub, channel: Channel, envelope: Envelope<'_>) -> anyhow::Result<()> {
    let publication = TraceContext::accept(envelope.traceparent.as_deref());
    let mut trace = trace::Span::child(&publication, || trace::deliver_received(channel));
    match (channel, envelope.event) {
        (
            Channel::Chat(chat),
            Event::Durable { seq, user_id, send_id, change_id, frame, actor_frame, hidden, membership, expires_at },
        ) => {
            let hidden = hidden.map(|hidden| HiddenFrame {
                frame: Frame::opaque(hidden.frame.get()),
                target_seq: hidden.target_seq,
                for_members: hidden.for_members,
            });
            let frame = Frame::opaque(frame.get());
            let frames = if send_id.is_some() {
                EventFrames::of_message(frame, send_id)
            } else {
                EventFrames::of_change(frame, actor_frame.map(|frame| Frame::opaque(frame.get())), hidden)
            };
            let event = DurableEvent { membership, expires_at, ..DurableEvent::new(seq, Some(user_id), frames) };
            let request = send_id.map(Request::Message).or(change_id.map(Request::Change));
            let accepted = hub.deliver_requested(chat, event, request);
            trace.set_socket_count(accepted.sockets());
        }
        (Channel::Chat(chat), Event::Ephemeral { user_id, frame }) => {
            hub.notify_chat(chat, |socket| socket.user != user_id, &Frame::opaque(frame.get()));
        }
        (Channel::Chat(chat), Event::Typing { user_id, is_typing }) => {
            hub.gathered_typing.record(chat, user_id, is_typing, Instant::now());
        }
        (Channel::User(user), Event::OwnReceipt { chat_id: chat, read, delivered, unread_count }) => {
            let markers = Markers { read, delivered: delivered.unwrap_or(read) };
            let moved = MovedMarkers { chat, user, markers, unread_count, class: None, is_group: false };
            hub.notify_markers(moved, None);
        }
        (Channel::Chat(chat), Event::Receipt { user_id: user, read, delivered, unread_count, is_group }) => {
            let markers = Markers { read, delivered: delivered.unwrap_or(read) };
            let class = Some(ChatClass::Small);
            hub.notify_markers(MovedMarkers { chat, user, markers, unread_count, class, is_group }, None);
        }
        (Channel::User(user), Event::Personal { chat_id, frame }) => {
            hub.notify_user(user, &[chat_id], |_| true, &Frame::opaque(frame.get()));
        }
        (Channel::User(user), Event::ChatSettings { chat_id, from_seq, frame }) => {
            hub.apply_settings(user, chat_id, from_seq);
            hub.notify_user(user, &[chat_id], |_| true, &Frame::opaque(frame.get()));
        }
        (Channel::User(user), Event::SessionRevoked { token_id }) => hub.revoke(user, Revocation::Token(token_id)),
        (Channel::User(user), Event::SessionsEnded(ended)) => hub.revoke(user, Revocation::Sessions(ended)),
        (Channel::System, Event::System { frame }) => hub.broadcast(&Frame::opaque(frame.get())),
        (Channel::User(user), Event::Presence { chat_ids, frame }) => {
            hub.notify_user(user, &chat_ids, |_| true, &Frame::opaque(frame.get()));
        }
        (
            Channel::User(user),
            Event::ChatCreated {
                chat_id: id,
                last_seq,
                partner_ids,
                from_seq,
                class,
                role,
                presence_ids,
                send_role,
                restricted_until,
                access_version,
                chat,
            },
        ) => {
            let announcement = ServerFrame::ChatCreated { chat }.encode();
            // The user was a member when the chat had this `last_seq`, so a removal up to it is an earlier one.
            let joined_seq = last_seq;
            let partner = partner_ids.first().copied();
            // Versions without groups send only `partner_ids`.
            let presence = if presence_ids.is_empty() { partner_ids } else { presence_ids };
            let chat = UserChat {
                id,
                last_seq,
                partner,
                presence,
                from_seq,
                class,
                role,
                joined_seq,
                send_role,
                restricted_until,
                access_version,
            };
            hub.announce_chat(user, chat, &announcement);
        }
        (Channel::User(user), Event::Left { chat_id, reason, access_version }) => {
            hub.remove_leaver(user, chat_id, access_version, reason);
        }
        (channel, _) => anyhow::bail!("event does not belong on {channel:?}"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use neonchat_common::ids::{ChatId, TokenId, UserId};

    use super::*;

    fn receive(hub: &Hub, user: UserId, event: &str) {
        let json = format!(r#"{{"instance":null,"request_id":"abc","event":{event}}}"#);
        let envelope = serde_json::from_str(&json).expect("parse envelope");
        deliver(hub, Channel::User(user), envelope).expect("deliver event");
    }

    #[test]
    fn reads_announcement_of_another_version() {
        let (hub, user, partner, chat) = (Hub::default(), UserId::new(), UserId::new(), ChatId::new());
        hub.reserve(user);
        hub.register(user, TokenId::new(), None, &[]);
        let announcement = |more| {
            format!(
                r#"{{"chat_created":{{"chat_id":"{chat}","last_seq":3,"partner_ids":["{partner}"],{more}"chat":{{}}}}}}"#
            )
        };
        receive(&hub, user, &announcement(""));
        assert_eq!(hub.presence_audience(user)[&partner], [chat], "of a version without groups");
        receive(&hub, user, &announcement(r#""role":"guest","class":"huge","send_role":"guest","#));
        assert_eq!(hub.memberships(user), [(chat, 3)]);
    }

    #[test]
    fn announcement_tells_who_may_send() {
        let (hub, user, chat, now) = (Hub::default(), UserId::new(), ChatId::new(), Utc::now());
        hub.reserve(user);
        hub.register(user, TokenId::new(), None, &[]);
        let shown_after = |last_seq, more: &str| {
            let event = format!(r#"{{"chat_id":"{chat}","last_seq":{last_seq},"partner_ids":[],{more}"chat":{{}}}}"#);
            receive(&hub, user, &format!(r#"{{"chat_created":{event}}}"#));
            hub.class_for_typing(user, chat, now).is_some()
        };
        assert!(shown_after(1, ""), "of a version that does not tell");
        assert!(!shown_after(2, r#""send_role":"admin","#));
        assert!(!shown_after(3, r#""send_role":"member","restricted_until":"2999-01-01T00:00:00Z","#));
        assert!(shown_after(4, r#""send_role":"member","#));
    }

    #[test]
    fn departure_ends_the_membership_that_it_is_later_than() {
        let (hub, user, chat) = (Hub::default(), UserId::new(), ChatId::new());
        hub.reserve(user);
        let known = |version| UserChat {
            partner: None,
            access_version: Some(version),
            ..UserChat::direct(chat, 7, UserId::new())
        };
        hub.register(user, TokenId::new(), None, &[known(5)]);
        let left = |more| format!(r#"{{"left":{{"chat_id":"{chat}","reason":"left"{more}}}}}"#);
        receive(&hub, user, &left(r#","access_version":5"#));
        assert_eq!(hub.memberships(user), [(chat, 0)]);
        receive(&hub, user, &left(r#","access_version":6"#));
        assert_eq!(hub.memberships(user), []);
        hub.add_chats(user, &[known(6)]);
        receive(&hub, user, &left(""));
        assert_eq!(hub.memberships(user), [], "of a version that does not tell");
    }

    #[test]
    fn chats_are_listed_again_if_the_user_leaves_during_a_handshake() {
        let (hub, user, chat) = (Hub::default(), UserId::new(), ChatId::new());
        hub.reserve(user);
        assert!(hub.has_handshake(user));
        receive(&hub, user, &format!(r#"{{"left":{{"chat_id":"{chat}","reason":"left"}}}}"#));
        assert!(hub.stale_users.take().contains(&user));
        hub.register(user, TokenId::new(), None, &[]);
        assert!(!hub.has_handshake(user));
    }
}
