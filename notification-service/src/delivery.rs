//! The way of a message: chat-service stores it, the sockets here get it, Redis carries it to the other instances, and
//! the sender gets the ack.

use std::sync::Arc;

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
    chat_service::{ChatService, NewMessage, Stored, StoredMessage},
    connection::protocol::{DeliveryStatus, Frame},
    hub::{Accepted, DurableEvent, Hub, SocketId},
    repair::Repair,
};

/// See the module.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) instance: InstanceId,
    pub(crate) hub: Arc<Hub>,
    pub(crate) chat_service: ChatService,
    pub(crate) publisher: Publisher,
    pub(crate) repair: Arc<Repair>,
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
            let stored = this.chat_service.store(message.clone()).await?;
            if this.hub.next_seq(message.chat_id).is_none() {
                // A chat that is so new that the word of it has not come here, or was lost.
                this.repair.refresh_users([message.sender_id]);
            }
            let message = StoredMessage {
                id: stored.message_id,
                chat_id: message.chat_id,
                sender_id: message.sender_id,
                text: message.text.into_string(),
                created_at: stored.created_at,
                updated_at: stored.created_at,
                seq: stored.seq,
            };
            let (_, status) = this.deliver(&message, Some(origin)).await;
            Ok((stored, status))
        };
        self.tasks.spawn(correlation::carry(work)).await.map_err(ApiError::internal)?
    }

    /// Delivers a message that is stored: first to the sockets here, which do not wait for Redis, then to the other
    /// instances. Returns how many sockets here got it.
    pub(crate) async fn deliver(&self, message: &StoredMessage, origin: Option<SocketId>) -> (usize, DeliveryStatus) {
        let event = DurableEvent::message(message, origin);
        let frame = event.frame.clone();
        let delivered = match self.hub.deliver(message.chat_id, event) {
            Accepted::Delivered(sockets) => sockets,
            Accepted::Held | Accepted::Duplicate => 0,
        };
        (delivered, self.publish_durable(message.chat_id, message.seq, &frame).await)
    }

    async fn publish_durable(&self, chat: ChatId, seq: Seq, frame: &Frame) -> DeliveryStatus {
        let published =
            self.publish(Channel::Chat(chat), Some(self.instance), |frame| Event::Durable { seq, frame }, frame);
        if published.await { DeliveryStatus::Delivered } else { DeliveryStatus::Stored }
    }

    /// Tells the other members of a chat what matters only now.
    pub(crate) async fn tell_chat(&self, chat: ChatId, user_id: UserId, frame: &Frame) {
        self.publish(Channel::Chat(chat), None, |frame| Event::Ephemeral { user_id, frame }, frame).await;
    }

    /// Tells a user of the presence of somebody with whom the user shares `chat_ids`.
    pub(crate) async fn tell_presence(&self, to: UserId, chat_ids: Vec<ChatId>, frame: &Frame) {
        self.publish(Channel::User(to), None, |frame| Event::Presence { chat_ids, frame }, frame).await;
    }

    /// Publishes an event with a frame; returns whether Redis took it.
    async fn publish<'a>(
        &self,
        channel: Channel,
        instance: Option<InstanceId>,
        event: impl FnOnce(&'a RawValue) -> Event<'a>,
        frame: &'a Frame,
    ) -> bool {
        let id = correlation::current();
        // A frame of ours is JSON.
        let Ok(frame) = serde_json::from_str(frame) else { return false };
        let envelope = Envelope { instance, request_id: id.as_str().into(), event: event(frame) };
        let published = self.publisher.publish(channel, &envelope).await;
        if let Err(error) = &published {
            tracing::debug!(error.cause = %error, "not published");
        }
        published.is_ok()
    }
}
