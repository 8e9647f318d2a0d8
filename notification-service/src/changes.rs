//! Changes of stored messages that clients make over their sockets.

use std::sync::Arc;

use neonchat_common::{
    correlation,
    error::ApiError,
    ids::{ChatId, RequestId, SendId, Seq, UserId},
    tasks::Tasks,
};

use crate::{
    chat_service::{ChangeOutcome, ChatService},
    delivery::Delivery,
    hub::{Hub, Socket, SocketId},
    protocol::{NewChange, ServerFrame},
};

/// Makes changes.
#[derive(Clone)]
pub(crate) struct Changes {
    pub(crate) hub: Arc<Hub>,
    pub(crate) chat_service: ChatService,
    pub(crate) delivery: Delivery,
    pub(crate) tasks: Tasks,
}

/// A change that a client asked for.
struct Request {
    user: UserId,
    socket: SocketId,
    chat: ChatId,
    id: SendId,
    change: NewChange,
}

/// A change that is stored, now or before.
struct Made {
    /// `None` if it changes nothing.
    seq: Option<Seq>,
    is_duplicate: bool,
}

impl Changes {
    /// Makes a change and delivers its event to the sockets of the chat, except to this one, which gets the returned ack instead.
    /// If it was made before, this socket gets the event too: the ack of a repeated request does not stand for it.
    pub(crate) async fn make(
        &self,
        socket: &Socket,
        chat_id: ChatId,
        request_id: RequestId,
        change: NewChange,
    ) -> Result<ServerFrame<'static>, ApiError> {
        let request = Request { user: socket.user, socket: socket.id, chat: chat_id, id: request_id.id(), change };
        let this = self.clone();
        // In a task: the event is delivered although the connection may end meanwhile.
        let work = async move { this.make_and_deliver(request).await };
        let made = self.tasks.spawn(correlation::in_current_scope(work)).await.map_err(ApiError::internal)?;
        let Made { seq, is_duplicate } = made?;
        Ok(ServerFrame::Ack { request_id, chat_id, seq, duplicate: is_duplicate })
    }

    async fn make_and_deliver(&self, request: Request) -> Result<Made, ApiError> {
        let Request { user, socket, chat, id, change } = request;
        self.hub.begin_change(user, id, socket);
        let outcome = self.chat_service.change(user, chat, id, &change).await;
        if !matches!(outcome, Ok(ChangeOutcome { duplicate: false, .. })) {
            // From here on the socket is not left out of the event. If it was left out already, it gets `lagged`.
            self.hub.fail_change(user, id, socket);
        }
        let made = self.deliver(chat, outcome).await;
        match made {
            Ok(_) => self.hub.end_change(user, id, socket),
            Err(_) => self.hub.fail_change(user, id, socket),
        }
        made
    }

    async fn deliver(&self, chat: ChatId, outcome: Result<ChangeOutcome, ApiError>) -> Result<Made, ApiError> {
        let ChangeOutcome { duplicate, event } = outcome?;
        let seq = event.as_ref().map(|event| event.seq);
        if let Some(event) = event {
            // Without Redis, the other instances find the event by their resync.
            let _ = self.delivery.deliver_change(chat, event).await?;
        }
        Ok(Made { seq, is_duplicate: duplicate })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use neonchat_common::ids::{MessageId, TokenId};

    use super::*;
    use crate::unreachable;

    #[tokio::test(start_paused = true)]
    async fn continues_if_connection_ends() {
        let (hub, user, chat, tasks) = (Arc::<Hub>::default(), UserId::new(), ChatId::new(), Tasks::new());
        hub.reserve(user);
        let socket = hub.register(user, TokenId::new(), None, &[]);
        let changes = Changes {
            hub: Arc::clone(&hub),
            chat_service: unreachable::chat_service(),
            delivery: unreachable::delivery(&hub),
            tasks: tasks.clone(),
        };
        let id = SendId::new();
        let change = NewChange::Delete { message_ids: vec![MessageId::new()] };
        // The connection's future is dropped while chat-service has not answered.
        assert!(changes.make(&socket, chat, id.into(), change).now_or_never().is_none());
        tokio::task::yield_now().await;
        assert_eq!(hub.changing_sockets(user, id, chat, 1), [socket.id]);
        assert!(tasks.finish(Duration::from_secs(10)).await, "the change ends");
        assert!(hub.changing_sockets(user, id, chat, 1).is_empty());
    }
}
