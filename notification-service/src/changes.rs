//! Changes of stored messages that clients make over their sockets.

use std::sync::Arc;

use neonchat_common::{
    error::ApiError,
    ids::{ChatId, RequestId, Seq},
};

use crate::{
    chat_service::{ChangeOutcome, ChatService, StoredChange},
    delivery::Delivery,
    hub::{Hub, Socket},
    protocol::{NewChange, ServerFrame},
};

/// Makes changes.
pub(crate) struct Changes {
    pub(crate) hub: Arc<Hub>,
    pub(crate) chat_service: ChatService,
    pub(crate) delivery: Delivery,
}

impl Changes {
    /// Makes a change and delivers its event to the sockets of the chat, except to this one, which gets the returned ack instead.
    pub(crate) async fn make(
        &self,
        socket: &Socket,
        chat_id: ChatId,
        request_id: RequestId,
        change: &NewChange,
    ) -> Result<ServerFrame<'static>, ApiError> {
        let (user, id) = (socket.user, request_id.id());
        self.hub.begin_change(user, id, socket.id);
        let outcome = match self.chat_service.change(user, chat_id, id, change).await {
            Ok(ChangeOutcome { duplicate, event }) => self.deliver(chat_id, event).await.map(|seq| (seq, duplicate)),
            Err(error) => Err(error),
        };
        match outcome {
            Ok((seq, duplicate)) => {
                self.hub.end_change(user, id, socket.id);
                Ok(ServerFrame::Ack { request_id, chat_id, seq, duplicate })
            }
            Err(error) => {
                self.hub.fail_change(user, id, socket.id);
                Err(error)
            }
        }
    }

    async fn deliver(&self, chat: ChatId, event: Option<StoredChange>) -> Result<Option<Seq>, ApiError> {
        let Some(event) = event else { return Ok(None) };
        let seq = event.seq;
        // Without Redis, the other instances find the event by their resync.
        let _ = self.delivery.deliver_change(chat, event).await?;
        Ok(Some(seq))
    }
}
