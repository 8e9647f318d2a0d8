//! Delivers a stored message to the local sockets and publishes it to the other instances.

use std::sync::Arc;

use bytestring::ByteString;
use futures_util::{future::maybe_done, poll};
use neonchat_common::{
    bus::{Channel, Event, HiddenFrame},
    chat::ChatClass,
    correlation::{self, CorrelationId},
    error::ApiError,
    ids::{ChatId, InstanceId, UserId},
    trace::{self, TraceContext},
};
use serde_json::value::RawValue;

use crate::{
    bus::{Publication, Publisher},
    chat_service::{HiddenJson, StoredChange, StoredMessage},
    deployment::Deployments,
    event_frame::{self, EventFrame},
    hub::{DurableEvent, EventFrames, Hub, MovedMarkers, Request, Socket, SocketId, Typing, TypingChange},
    protocol::{DeliveryStatus, Frame, ServerFrame, Typists},
    receipts::Cause,
};

/// Delivers events to the local sockets and to the other instances.
#[derive(Clone)]
pub(crate) struct Delivery {
    instance: InstanceId,
    deployments: Arc<Deployments>,
    hub: Arc<Hub>,
    publisher: Publisher,
}

/// A message that the local sockets have.
#[derive(Debug)]
pub(crate) struct LocalDelivery {
    /// The number of local sockets that got the message.
    pub(crate) sockets: usize,
    /// The publication for the other instances.
    pub(crate) publication: Publication,
}

/// The result of [`Delivery::deliver`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeliveryReport {
    /// The number of local sockets that got the message.
    pub(crate) sockets: usize,
    pub(crate) status: DeliveryStatus,
}

impl Delivery {
    pub(crate) const fn new(
        instance: InstanceId,
        deployments: Arc<Deployments>,
        hub: Arc<Hub>,
        publisher: Publisher,
    ) -> Self {
        Self { instance, deployments, hub, publisher }
    }

    /// Delivers a stored message: first to the local sockets, which do not wait for Redis, then to the other instances.
    pub(crate) async fn deliver(&self, message: &StoredMessage) -> DeliveryReport {
        let LocalDelivery { sockets, publication } =
            self.deliver_locally(message, correlation::current().as_str(), &correlation::current_trace());
        let is_published = self.publisher.publish(publication).await;
        DeliveryReport { sockets, status: DeliveryStatus::of_published(is_published) }
    }

    /// Delivers a stored message to the local sockets. The publication carries the ID of the request that caused it and
    /// belongs to the request's trace.
    pub(crate) fn deliver_locally(
        &self,
        message: &StoredMessage,
        request_id: &str,
        trace: &TraceContext,
    ) -> LocalDelivery {
        let StoredMessage { chat_id, sender_id, seq, .. } = *message;
        let (channel, frame) = (Channel::Chat(chat_id), event_frame::new_message(message));
        let expires_at = message.expires_at();
        let json = frame.to_json();
        let event = Event::Durable {
            seq,
            user_id: sender_id,
            send_id: message.request_id,
            change_id: None,
            frame: &json,
            actor_frame: None,
            hidden: None,
            membership: None,
            expires_at,
        };
        let publication = self.publication(channel, Some(self.instance), request_id, event, trace);

        let frames = EventFrames::of_message(Frame::new(frame.kind(), json), message.request_id);
        let event = DurableEvent { expires_at, ..DurableEvent::new(seq, Some(sender_id), frames) };
        let mut span = trace::Span::child(trace, || trace::deliver_local(channel));
        let request = message.request_id.map(Request::Message);
        let sockets = self.hub.deliver_requested(chat_id, event, request).sockets();
        span.set_socket_count(sockets);
        LocalDelivery { sockets, publication }
    }

    /// Delivers a stored change to the local sockets. The publication carries the ID of the request that caused it and belongs to the
    /// request's trace.
    pub(crate) fn deliver_change_locally(
        &self,
        chat: ChatId,
        change: StoredChange,
        (cause, trace): (&CorrelationId, &TraceContext),
    ) -> Result<Publication, ApiError> {
        let StoredChange { seq, actor, request_id, .. } = change;
        let hidden = change.hidden.as_ref().map(|hidden| {
            let &HiddenJson { ref frame, target_seq, for_members } = hidden;
            raw(frame).map(|frame| HiddenFrame { frame, target_seq, for_members })
        });
        let event = Event::Durable {
            seq,
            user_id: actor,
            send_id: None,
            change_id: request_id,
            frame: raw(&change.frame)?,
            actor_frame: change.actor_frame.as_ref().map(raw).transpose()?,
            hidden: hidden.transpose()?,
            membership: change.membership.clone(),
            expires_at: None,
        };
        let publication = self.publication(Channel::Chat(chat), Some(self.instance), cause.as_str(), event, trace);
        let EventFrame { event, request } = change.into();
        self.hub.deliver_requested(chat, event, request);
        Ok(publication)
    }

    /// Starts publishing in this order. Returns a future that returns for each publication whether Redis accepted it.
    /// The publications are in the Redis client's queue when this returns, so that batches of one shard are published in the order of
    /// their calls.
    pub(crate) async fn start_publishing(
        &self,
        publications: Vec<Publication>,
    ) -> impl Future<Output = Vec<bool>> + Send + use<> {
        let publisher = self.publisher.clone();
        let mut results = Box::pin(maybe_done(async move { publisher.publish_all(publications).await }));
        // The first poll fills the queue.
        let _ = poll!(&mut results);
        async move {
            results.as_mut().await;
            // Taken once, so that there is a result. Without one, nothing counts as published.
            results.as_mut().take_output().unwrap_or_else(Vec::new)
        }
    }

    /// Publishes in this order. Returns for each publication whether Redis accepted it.
    pub(crate) async fn publish_all(&self, publications: Vec<Publication>) -> Vec<bool> {
        self.publisher.publish_all(publications).await
    }

    /// Tells that markers moved, as [`Hub::notify_markers`] does, on all instances. Each with the socket whose client caused it.
    pub(crate) async fn deliver_markers(&self, moved: &[(MovedMarkers, Cause)]) {
        let (id, trace) = (correlation::current(), correlation::current_trace());
        let publication = |(moved, cause): &(MovedMarkers, Cause)| {
            self.hub.notify_markers(*moved, *cause);
            let MovedMarkers { chat: chat_id, user: user_id, unread_count, is_group, .. } = *moved;
            let (read, delivered) = (moved.markers.read, Some(moved.markers.delivered));
            let (channel, event) = if moved.class == Some(ChatClass::Small) {
                (Channel::Chat(chat_id), Event::Receipt { user_id, read, delivered, unread_count, is_group })
            } else {
                (Channel::User(user_id), Event::OwnReceipt { chat_id, read, delivered, unread_count })
            };
            self.publication(channel, Some(self.instance), id.as_str(), event, &trace)
        };
        let publications = moved.iter().map(publication).collect();
        // Boxed, because each connection reserves memory for its largest future.
        Box::pin(self.publisher.publish_all(publications)).await;
    }

    /// Sends a frame about a chat to the sockets of a user, except to the one whose client caused it. If Redis is unavailable, the
    /// sockets of other instances do not get the frame.
    pub(crate) async fn deliver_to_other_sockets(&self, cause: &Socket, chat_id: ChatId, frame: &ServerFrame<'_>) {
        let json = frame.to_json();
        let encoded = Frame::new(frame.kind(), json.clone());
        self.hub.notify_user(cause.user, &[chat_id], |socket| socket.id != cause.id, &encoded);
        self.publish(Channel::User(cause.user), Some(self.instance), Event::Personal { chat_id, frame: &json }).await;
    }

    /// Passes a frame of chat-service about a chat to the local sockets of a user, except to the one whose client caused it. The
    /// publication is for those of the other instances.
    pub(crate) fn pass_to_other_sockets_locally(
        &self,
        (user, cause): (UserId, SocketId),
        chat_id: ChatId,
        frame: &ByteString,
        (request_id, trace): (&CorrelationId, &TraceContext),
    ) -> Result<Publication, ApiError> {
        let event = Event::Personal { chat_id, frame: raw(frame)? };
        self.hub.notify_user(user, &[chat_id], |socket| socket.id != cause, &Frame::opaque(frame.clone()));
        Ok(self.publication(Channel::User(user), Some(self.instance), request_id.as_str(), event, trace))
    }

    /// Runs the worker that publishes when users begin and end typing.
    pub(crate) async fn publish_typing(&self) {
        let mut checks = Typing::check_interval();
        loop {
            let changes = self.hub.typing.next(&mut checks).await;
            let publications = changes.into_iter().map(|change| self.typing_publication(change)).collect();
            self.publisher.publish_all(publications).await;
        }
    }

    /// Sends, at most once a second in each chat of medium size, who types there.
    pub(crate) async fn notify_gathered_typing(&self) {
        loop {
            let due = self.hub.gathered_typing.next().await;
            for (chat_id, typists) in due {
                self.hub.notify_typing(chat_id, typists);
            }
        }
    }

    fn typing_publication(&self, TypingChange { user: user_id, chat, class, is_typing }: TypingChange) -> Publication {
        let frame = ServerFrame::Typing { chat_id: chat, typists: Typists::One { user_id, is_typing } }.to_json();
        let event = match class {
            ChatClass::Small => Event::Ephemeral { user_id, frame: &frame },
            ChatClass::Medium | ChatClass::Large => Event::Typing { user_id, is_typing },
        };
        self.publication(Channel::Chat(chat), None, CorrelationId::new().as_str(), event, &TraceContext::default())
    }

    /// Publishes a user's presence to the users of the audience, each with the chats that both share. Returns whether Redis
    /// accepted every publication.
    pub(crate) async fn publish_presence(
        &self,
        to: impl Iterator<Item = (UserId, Vec<ChatId>)>,
        frame: &RawValue,
    ) -> bool {
        let (id, trace) = (correlation::current(), correlation::current_trace());
        let publication = |(user, chat_ids)| {
            let event = Event::Presence { chat_ids, frame };
            self.publication(Channel::User(user), None, id.as_str(), event, &trace)
        };
        self.publish_all(to.map(publication).collect()).await.into_iter().all(|published| published)
    }

    /// Sends a system message to every socket of every instance. Returns whether Redis accepted the publication.
    pub(crate) async fn broadcast_system(&self, text: &str) -> bool {
        let frame = ServerFrame::System { text };
        let json = frame.to_json();
        self.hub.broadcast(&Frame::new(frame.kind(), json.clone()));
        self.publish(Channel::System, Some(self.instance), Event::System { frame: &json }).await
    }

    /// Publishes an event and returns whether Redis accepted it. `instance` is this instance if the local sockets have the
    /// event already.
    async fn publish(&self, channel: Channel, instance: Option<InstanceId>, event: Event<'_>) -> bool {
        let (id, trace) = (correlation::current(), correlation::current_trace());
        let publication = self.publication(channel, instance, id.as_str(), event, &trace);
        // Boxed, because each connection reserves memory for its largest future, and this one takes 6 KiB.
        Box::pin(self.publisher.publish(publication)).await
    }

    /// Returns the publication of an event of this deployment.
    fn publication(
        &self,
        channel: Channel,
        instance: Option<InstanceId>,
        request_id: &str,
        event: Event<'_>,
        trace: &TraceContext,
    ) -> Publication {
        Publication::new(channel, self.deployments.own.id(), instance, request_id, event, trace)
    }
}

/// Returns the frame for use inside other JSON.
fn raw(frame: &ByteString) -> Result<&RawValue, ApiError> {
    serde_json::from_str(frame).map_err(|_| ApiError::internal("chat-service sent a frame that is not JSON"))
}
