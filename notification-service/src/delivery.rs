//! The way of a message: chat-service stores it, the sockets here get it, Redis carries it to the other instances, and
//! the sender gets the ack.

use std::{sync::Arc, time::Instant};

use neonchat_common::{
    bus::{Channel, Envelope, Event},
    correlation,
    error::ApiError,
    ids::{ChatId, InstanceId, Seq, UserId},
    lifecycle::Tasks,
};
use serde_json::value::RawValue;

use crate::{
    bus::Publisher,
    chat_service::{ChatService, NewMessage, Stored, StoredMessage, UserChat},
    connection::protocol::{DeliveryStatus, Frame, ServerFrame},
    hub::{Accepted, DurableEvent, Hub, Socket, SocketId},
};

/// See the module.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) instance: InstanceId,
    pub(crate) hub: Arc<Hub>,
    pub(crate) chat_service: ChatService,
    pub(crate) publisher: Publisher,
    pub(crate) tasks: Tasks,
}

impl Delivery {
    /// Stores a message and delivers it. When it returns, the message is committed.
    ///
    /// It is a task of its own: a socket that closes half-way must not keep a stored message from the others.
    pub(crate) async fn send(
        &self,
        origin: SocketId,
        message: NewMessage,
    ) -> Result<(Stored, DeliveryStatus), ApiError> {
        let this = self.clone();
        let work = async move {
            let (user, request) = (message.sender_id, message.request_id);
            this.hub.sending(user, request, origin);
            let sent = this.store_and_deliver(message).await;
            this.hub.sent(user, request, origin);
            sent
        };
        self.tasks.spawn(correlation::carry(work)).await.map_err(ApiError::internal)?
    }

    async fn store_and_deliver(&self, message: NewMessage) -> Result<(Stored, DeliveryStatus), ApiError> {
        let accepted = Instant::now();
        let stored = self.chat_service.store(message.clone()).await?;
        metrics::histogram!("message_store_duration_seconds").record(accepted.elapsed());
        let message = StoredMessage {
            id: stored.message_id,
            chat_id: message.chat_id,
            sender_id: message.sender_id,
            request_id: Some(message.request_id),
            text: message.text.into_string(),
            created_at: stored.created_at,
            updated_at: stored.created_at,
            seq: stored.seq,
        };
        let (_, status) = self.deliver(&message).await;
        // To the outboxes of the sockets here, and to Redis.
        metrics::histogram!("message_delivery_duration_seconds").record(accepted.elapsed());
        Ok((stored, status))
    }

    /// Delivers a message that is stored: first to the sockets here, which do not wait for Redis, then to the other
    /// instances. Returns how many sockets here got it.
    pub(crate) async fn deliver(&self, message: &StoredMessage) -> (usize, DeliveryStatus) {
        let origins = message.request_id.map(|request| self.hub.senders(message.sender_id, request));
        let event = DurableEvent::message(message, origins.unwrap_or_default());
        let frame = event.frame.clone();
        let delivered = match self.hub.deliver(message.chat_id, event) {
            Accepted::Delivered(sockets) => sockets,
            Accepted::Held | Accepted::Duplicate => 0,
        };
        let event = Event::Durable {
            seq: message.seq,
            user_id: message.sender_id,
            send_id: message.request_id,
            frame: json(&frame),
        };
        let published = self.publish(Channel::Chat(message.chat_id), Some(self.instance), event).await;
        (delivered, if published { DeliveryStatus::Delivered } else { DeliveryStatus::Stored })
    }

    /// Looks whether a user is a member of a chat that is not known here. From then on it is.
    pub(crate) async fn learn(&self, user: UserId, chat: ChatId) -> Result<bool, ApiError> {
        let Some(UserChat { id, last_seq, partners }) = self.chat_service.chat_of(user, chat).await? else {
            return Ok(false);
        };
        // The other members were not told of it either.
        let members = || partners.iter().copied().chain([user]);
        for member in members() {
            let partners = members().filter(|other| *other != member).collect();
            self.hub.learn(member, &[UserChat { id, last_seq, partners }]);
        }
        Ok(true)
    }

    /// A member has read a chat up to a `seq`: the other sockets of the chat are told of it.
    pub(crate) async fn mark_read(&self, socket: &Socket, chat: ChatId, read: Seq) -> Result<(), ApiError> {
        let user_id = socket.user;
        let (read, changed) = self.chat_service.mark_read(user_id, chat, read).await?;
        if changed {
            let frame = ServerFrame::Receipt { chat_id: chat, user_id, read }.encode();
            self.hub.tell_chat(chat, |other| other.id != socket.id, &frame);
            self.publish(Channel::Chat(chat), Some(self.instance), Event::Receipt { user_id, read }).await;
        }
        Ok(())
    }

    /// Tells the other members of a chat that somebody began or ended typing.
    pub(crate) async fn tell_typing(&self, chat: ChatId, user_id: UserId, frame: &Frame) {
        self.publish(Channel::Chat(chat), None, Event::Ephemeral { user_id, frame: json(frame) }).await;
    }

    /// Tells a user of the presence of somebody with whom the user shares `chat_ids`. Returns whether Redis took it.
    pub(crate) async fn tell_presence(&self, to: UserId, chat_ids: Vec<ChatId>, frame: &Frame) -> bool {
        self.publish(Channel::User(to), None, Event::Presence { chat_ids, frame: json(frame) }).await
    }

    /// Tells every socket of every instance. Returns whether the other instances could be told.
    pub(crate) async fn tell_all(&self, text: &str) -> bool {
        let frame = ServerFrame::System { text }.encode();
        self.hub.tell_all(&frame);
        self.publish(Channel::System, Some(self.instance), Event::System { frame: json(&frame) }).await
    }

    /// Publishes an event; returns whether Redis took it. `instance` is ours where our own sockets have it already.
    async fn publish(&self, channel: Channel, instance: Option<InstanceId>, event: Event<'_>) -> bool {
        let id = correlation::current();
        let envelope = Envelope { instance, request_id: id.as_str().into(), event };
        let published = self.publisher.publish(channel, &envelope).await;
        if let Err(error) = &published {
            tracing::debug!(error.cause = %error, "not published");
        }
        published.is_ok()
    }
}

/// A frame as a part of other JSON.
fn json(frame: &Frame) -> &RawValue {
    // A frame of ours is JSON.
    serde_json::from_str(frame).unwrap_or(RawValue::NULL)
}
