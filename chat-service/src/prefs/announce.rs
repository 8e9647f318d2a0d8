//! Tells the sockets of a user what the user has set about chats.

use neonchat_common::{
    ids::{ChatId, UserId},
    json,
};

use super::store;
use crate::{db::Db, notifier::Notifier};

/// Sends all sockets of a user what the user has set about each of the chats, as it is now. A lost announcement is not repeated: it is
/// in the next list of chats.
pub(crate) async fn announce(db: &Db, notifier: &Notifier, user: UserId, chats: &[ChatId]) {
    // Most changes change nothing else.
    if chats.is_empty() {
        return;
    }
    match store::settings(db, user, chats).await {
        Ok(frames) => {
            for frame in frames {
                notifier.chat_settings(user, frame.chat_id, frame.first_seq, &json::raw(&frame)).await;
            }
        }
        Err(error) => tracing::warn!(user.id = %user, error.cause = %error, "settings of chats not announced"),
    }
}
