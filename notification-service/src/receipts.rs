//! Receipts: a member has read a chat up to a message.

use std::sync::Arc;

use neonchat_common::{
    error::ApiError,
    ids::{ChatId, Seq},
};

use crate::{
    chat_service::{ChatService, ReadUpdate},
    delivery::Delivery,
    hub::{Hub, Socket},
};

/// Moves read markers.
pub(crate) struct Receipts {
    pub(crate) hub: Arc<Hub>,
    pub(crate) chat_service: ChatService,
    pub(crate) delivery: Delivery,
}

impl Receipts {
    /// Moves a member's read marker and sends the receipt to the other sockets of the chat. Skips chat-service if this
    /// instance knows that the marker is there already.
    pub(crate) async fn mark_read(&self, socket: &Socket, chat: ChatId, read: Seq) -> Result<(), ApiError> {
        let user = socket.user;
        if !self.hub.is_new_receipt(user, chat, read) {
            return Ok(());
        }
        // Before the call: the socket may leave the chat meanwhile.
        let class = self.hub.class(chat);
        let update = self.chat_service.mark_read(user, chat, read).await?;
        self.hub.set_read(user, chat, read, update.read());
        if let ReadUpdate::Moved(read) = update {
            self.delivery.deliver_receipt((chat, class), user, read, socket.id).await;
        }
        Ok(())
    }
}
