//! Drafts: what a user has written in a chat and not sent.

use neonchat_common::{error::ApiError, ids::ChatId};

use crate::{
    chat_service::{ChatService, DraftUpdate},
    delivery::Delivery,
    hub::Socket,
    protocol::{NewDraft, ServerFrame},
};

/// Stores drafts.
pub(crate) struct Drafts {
    pub(crate) chat_service: ChatService,
    pub(crate) delivery: Delivery,
}

impl Drafts {
    /// Stores the draft of a user, and sends it to the user's other sockets if it is another one than before.
    pub(crate) async fn set(&self, socket: &Socket, chat_id: ChatId, draft: &NewDraft) -> Result<(), ApiError> {
        let DraftUpdate { updated_at, is_changed } = self.chat_service.set_draft(socket.user, chat_id, draft).await?;
        if is_changed {
            // Without a text there is no draft.
            let reply_to = draft.reply_to.filter(|_| !draft.text.as_str().is_empty());
            let frame = ServerFrame::Draft { chat_id, text: draft.text.as_str(), reply_to, updated_at };
            self.delivery.deliver_to_other_sockets(socket, chat_id, &frame).await;
        }
        Ok(())
    }
}
