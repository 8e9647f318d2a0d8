//! The way of a message that is stored: the sockets here get it, and Redis carries it to the other instances.

use std::sync::Arc;

use neonchat_common::{
    bus::{Channel, Event},
    correlation::{self, CorrelationId},
    error::ApiError,
    ids::{ChatId, InstanceId, Seq, UserId},
    lifecycle::Tasks,
    trace::{self, TraceContext},
};
use serde_json::value::RawValue;

use crate::{
    bus::{Publication, Publisher},
    chat_service::{ChatService, StoredMessage, UserChat},
    deployment::Deployments,
    hub::{DurableEvent, Hub, Socket, Told, Typing},
    protocol::{DeliveryStatus, Frame, ServerFrame},
};

/// See the module.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) instance: InstanceId,
    pub(crate) deployments: Arc<Deployments>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) chat_service: ChatService,
    pub(crate) publisher: Publisher,
    pub(crate) tasks: Tasks,
}

impl Delivery {
    /// Delivers a message that is stored: first to the sockets here, which do not wait for Redis, then to the other
    /// instances. Returns how many sockets here got it.
    pub(crate) async fn deliver(&self, message: &StoredMessage) -> (usize, DeliveryStatus) {
        let (delivered, publication) =
            self.deliver_here(message, correlation::current().as_str(), &correlation::current_trace());
        let published = self.publisher.publish(publication).await;
        (delivered, if published { DeliveryStatus::Delivered } else { DeliveryStatus::Stored })
    }

    /// Delivers a message that is stored to the sockets here. Returns to how many, and what the other instances are to be
    /// told, under the id of the request that caused it and as a part of its trace.
    pub(crate) fn deliver_here(
        &self,
        message: &StoredMessage,
        request_id: &str,
        trace: &TraceContext,
    ) -> (usize, Publication) {
        let StoredMessage { chat_id, sender_id, seq, .. } = *message;
        let (channel, frame) = (Channel::Chat(chat_id), message.frame());
        let json = frame.to_json();
        let event = Event::Durable { seq, user_id: sender_id, send_id: message.request_id, frame: &json };
        let deployment = self.deployments.own.id();
        let publication = Publication::new(channel, deployment, Some(self.instance), request_id, event, trace);

        let origins = message.request_id.map(|request| self.hub.senders(sender_id, request, chat_id, seq));
        let frame = Some(Frame::new(frame.kind(), json));
        let event = DurableEvent { seq, sender: Some(sender_id), frame, origins: origins.unwrap_or_default() };
        let mut delivery = trace::Span::child(trace, || trace::deliver_local(channel));
        let delivered = self.hub.deliver(chat_id, event).sockets();
        delivery.set_socket_count(delivered);
        (delivered, publication)
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

    /// A member has read a chat up to a `seq`: the other sockets of the chat are told of it. chat-service is not asked where it
    /// is known to have read that far.
    pub(crate) async fn mark_read(&self, socket: &Socket, chat: ChatId, read: Seq) -> Result<(), ApiError> {
        let user_id = socket.user;
        if !self.hub.is_new_receipt(user_id, chat, read) {
            return Ok(());
        }
        let receipt = read;
        let (read, changed) = self.chat_service.mark_read(user_id, chat, receipt).await?;
        self.hub.has_read(user_id, chat, receipt, read);
        if changed {
            let frame = ServerFrame::Receipt { chat_id: chat, user_id, read }.encode();
            self.hub.tell_chat(chat, |other| other.id != socket.id, &frame);
            self.publish(Channel::Chat(chat), Some(self.instance), Event::Receipt { user_id, read }).await;
        }
        Ok(())
    }

    /// The worker that tells the other members of a chat that somebody began or ended typing.
    pub(crate) async fn tell_typing(&self) {
        let mut looks = Typing::looks();
        loop {
            let told = self.hub.typing.next(&mut looks).await;
            let publications = told.into_iter().map(|told| self.typing(told)).collect();
            self.publisher.publish_all(publications).await;
        }
    }

    fn typing(&self, Told { user, chat, is_typing }: Told) -> Publication {
        let frame = ServerFrame::Typing { user_id: user, chat_id: chat, is_typing }.to_json();
        let event = Event::Ephemeral { user_id: user, frame: &frame };
        let (deployment, id) = (self.deployments.own.id(), CorrelationId::new());
        Publication::new(Channel::Chat(chat), deployment, None, id.as_str(), event, &TraceContext::default())
    }

    /// Tells users of the presence of somebody with whom each shares these chats. Returns whether Redis took all of it.
    pub(crate) async fn tell_presence(
        &self,
        to: impl Iterator<Item = (UserId, Vec<ChatId>)>,
        frame: &RawValue,
    ) -> bool {
        let (id, trace) = (correlation::current(), correlation::current_trace());
        let deployment = self.deployments.own.id();
        let publication = |(user, chat_ids)| {
            let event = Event::Presence { chat_ids, frame };
            Publication::new(Channel::User(user), deployment, None, id.as_str(), event, &trace)
        };
        self.publisher.publish_all(to.map(publication).collect()).await.into_iter().all(|published| published)
    }

    /// Tells every socket of every instance. Returns whether the other instances could be told.
    pub(crate) async fn tell_all(&self, text: &str) -> bool {
        let frame = ServerFrame::System { text };
        self.hub.tell_all(&frame.encode());
        self.publish(Channel::System, Some(self.instance), Event::System { frame: &frame.to_json() }).await
    }

    /// Publishes an event; returns whether Redis took it. `instance` is ours where our own sockets have it already.
    async fn publish(&self, channel: Channel, instance: Option<InstanceId>, event: Event<'_>) -> bool {
        let (id, trace) = (correlation::current(), correlation::current_trace());
        let deployment = self.deployments.own.id();
        let publication = Publication::new(channel, deployment, instance, id.as_str(), event, &trace);
        // Boxed: each connection has room for the largest thing that it may have to wait for, and this would be 6 KiB.
        Box::pin(self.publisher.publish(publication)).await
    }
}
