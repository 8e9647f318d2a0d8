//! Changes of stored messages that clients make over their sockets.

use std::{sync::Arc, time::Duration};

use neonchat_common::{
    correlation,
    error::ApiError,
    ids::{ChatId, RequestId, SendId, Seq, UserId},
    tasks::Tasks,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use crate::{
    chat_service::{ChangeOutcome, ChatService},
    delivery::Delivery,
    hub::{Hub, Request, Socket, SocketId},
    protocol::{Acked, NewChange, ServerFrame},
};

/// The most changes that chat-service is asked for at the same time. More would not be faster, because chat-service applies those
/// that wait by one statement. They would only time out, which opens the circuit breaker that messages share.
const MAX_CALLS: usize = 64;

/// How long a client waits for the answer to a change.
const CHANGE_TIMEOUT: Duration = Duration::from_millis(1800);

/// Makes changes.
#[derive(Clone)]
pub(crate) struct Changes {
    hub: Arc<Hub>,
    chat_service: ChatService,
    delivery: Delivery,
    tasks: Tasks,
    permits: Arc<Semaphore>,
}

/// A change that a client asked for.
struct ClientChange {
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
    pub(crate) fn new(hub: Arc<Hub>, chat_service: ChatService, delivery: Delivery, tasks: Tasks) -> Self {
        Self { hub, chat_service, delivery, tasks, permits: Arc::new(Semaphore::new(MAX_CALLS)) }
    }

    /// Makes a change and delivers its event to the sockets of the chat, except to this one, which gets the returned ack instead.
    /// If it was made before, this socket gets the event too: the ack of a repeated request does not stand for it.
    pub(crate) async fn make(
        &self,
        socket: &Socket,
        chat_id: ChatId,
        request_id: RequestId,
        change: NewChange,
    ) -> Result<ServerFrame<'static>, ApiError> {
        let change = ClientChange { user: socket.user, socket: socket.id, chat: chat_id, id: request_id.id(), change };
        let this = self.clone();
        // In a task: the event is delivered although the connection may end meanwhile.
        let work = async move { this.make_and_deliver(change).await };
        let made = self.tasks.spawn(correlation::in_current_scope(work)).await.map_err(ApiError::internal)?;
        let Made { seq, is_duplicate } = made?;
        let acked = Acked::Change { seq, duplicate: is_duplicate };
        Ok(ServerFrame::Ack { request_id: request_id.to_string().into(), chat_id, acked })
    }

    async fn make_and_deliver(&self, change: ClientChange) -> Result<Made, ApiError> {
        let deadline = Instant::now() + CHANGE_TIMEOUT;
        let Ok(Ok(permit)) = timeout_at(deadline, self.permits.acquire()).await else {
            return Err(ApiError::remote_unavailable());
        };
        let ClientChange { user, socket, chat, id, change } = change;
        let request = Request::Change(id);
        self.hub.begin_request(user, request, socket);
        let timeout = deadline.saturating_duration_since(Instant::now());
        let outcome = self.chat_service.change(user, chat, id, &change, timeout).await;
        drop(permit);
        if !matches!(outcome, Ok(ChangeOutcome { duplicate: false, .. })) {
            // From here on the socket is not left out of the event. If it was left out already, it gets `lagged`.
            self.hub.fail_request(user, request, socket);
            return self.deliver(chat, outcome?).await;
        }
        let mut outcome = outcome?;
        let personal_frame = outcome.personal_frame.take();
        let made = self.deliver(chat, outcome).await;
        match made {
            Ok(_) => self.hub.end_request(user, request, socket),
            Err(_) => self.hub.fail_request(user, request, socket),
        }
        if let Some(frame) = personal_frame {
            self.delivery.pass_to_other_sockets((user, socket), chat, frame).await?;
        }
        made
    }

    async fn deliver(&self, chat: ChatId, outcome: ChangeOutcome) -> Result<Made, ApiError> {
        let ChangeOutcome { duplicate, event, .. } = outcome;
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
    use futures_util::FutureExt as _;
    use neonchat_common::{
        error::ErrorCode,
        ids::{MessageId, TokenId},
    };

    use super::*;
    use crate::unreachable;

    /// Returns the changes of an instance without dependencies.
    fn changes(hub: &Arc<Hub>, tasks: &Tasks) -> Changes {
        Changes::new(Arc::clone(hub), unreachable::chat_service(), unreachable::delivery(hub), tasks.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_in_time_while_too_many_changes_are_made() {
        let (hub, user, chat) = (Arc::<Hub>::default(), UserId::new(), ChatId::new());
        hub.reserve(user);
        let (socket, changes) = (hub.register(user, TokenId::new(), None, &[]), changes(&hub, &Tasks::new()));
        let _others = changes.permits.acquire_many(MAX_CALLS.try_into().expect("number")).await.expect("permits");
        let (began, change) = (Instant::now(), NewChange::Delete { message_ids: vec![MessageId::new()] });
        let error = changes.make(&socket, chat, SendId::new().into(), change).await.expect_err("no permit");
        assert_eq!((error.code, began.elapsed()), (ErrorCode::Unavailable, CHANGE_TIMEOUT));
    }

    #[tokio::test(start_paused = true)]
    async fn continues_if_connection_ends() {
        let (hub, user, chat, tasks) = (Arc::<Hub>::default(), UserId::new(), ChatId::new(), Tasks::new());
        hub.reserve(user);
        let socket = hub.register(user, TokenId::new(), None, &[]);
        let changes = changes(&hub, &tasks);
        let id = SendId::new();
        let change = NewChange::Delete { message_ids: vec![MessageId::new()] };
        // The connection's future is dropped while chat-service has not answered.
        assert!(changes.make(&socket, chat, id.into(), change).now_or_never().is_none());
        tokio::task::yield_now().await;
        assert_eq!(hub.requesting_sockets(user, Request::Change(id), chat, 1), [socket.id]);
        assert!(tasks.finish(Duration::from_secs(10)).await, "the change ends");
        assert!(hub.requesting_sockets(user, Request::Change(id), chat, 1).is_empty());
    }
}
