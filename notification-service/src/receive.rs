//! Handles the publications that arrive on this instance.

use std::sync::Arc;

use fred::types::Message;
use neonchat_common::{
    bus::{Channel, Envelope, Event},
    ids::InstanceId,
    redis::namespace::Namespace,
    trace::{self, TraceContext},
};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    deployment::Deployments,
    hub::{DurableEvent, EventFrames, Hub, Request, UserChat},
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
        (Channel::Chat(chat), Event::Durable { seq, user_id, send_id, change_id, frame, actor_frame }) => {
            // A local socket may be causing the same event, stored by the call of another instance.
            let request = send_id.map(Request::Message).or(change_id.map(Request::Change));
            let exclude = request.map(|request| hub.requesting_sockets(user_id, request, chat, seq));
            let exclude = exclude.unwrap_or_default();
            let frame = Frame::opaque(frame.get());
            let frames = match actor_frame {
                None => EventFrames::of_message(frame, send_id),
                Some(actor_frame) => EventFrames::of_change(frame, Some(Frame::opaque(actor_frame.get()))),
            };
            let event = DurableEvent { seq, sender: Some(user_id), frames, exclude };
            let accepted = hub.deliver(chat, event);
            trace.set_socket_count(accepted.sockets());
        }
        (Channel::Chat(chat), Event::Ephemeral { user_id, frame }) => {
            hub.notify_chat(chat, |socket| socket.user != user_id, &Frame::opaque(frame.get()));
        }
        (Channel::Chat(chat), Event::Receipt { user_id, read }) => {
            hub.notify_chat(chat, |_| true, &ServerFrame::Receipt { chat_id: chat, user_id, read }.encode());
        }
        (Channel::User(user), Event::SessionRevoked { token_id }) => hub.revoke_token(user, token_id),
        (Channel::System, Event::System { frame }) => hub.broadcast(&Frame::opaque(frame.get())),
        (Channel::User(user), Event::Presence { chat_ids, frame }) => {
            hub.notify_user(user, &chat_ids, &Frame::opaque(frame.get()));
        }
        (Channel::User(user), Event::ChatCreated { chat_id, last_seq, partner_ids, chat }) => {
            let announcement = ServerFrame::ChatCreated { chat }.encode();
            hub.announce_chat(user, UserChat { id: chat_id, last_seq, partners: partner_ids }, &announcement);
        }
        (channel, _) => anyhow::bail!("event does not belong on {channel:?}"),
    }
    Ok(())
}
