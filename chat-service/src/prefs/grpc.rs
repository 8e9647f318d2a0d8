//! The gRPC call for drafts.

use neonchat_common::error::ApiError;
use neonchat_proto::chat::v1::{SetDraftRequest, SetDraftResponse};

use super::{http::parse_draft, model::NewDraft, service::Prefs};
use crate::validation::{ValidationErrors, parse_id, parse_optional_id};

/// Stores the draft of a member in a chat. The caller publishes it, if it is another one than before.
pub(crate) async fn set_draft(prefs: &Prefs, request: SetDraftRequest) -> Result<SetDraftResponse, ApiError> {
    let mut invalid = ValidationErrors::default();
    let chat = invalid.check("chat_id", parse_id(&request.chat_id));
    let user = invalid.check("user_id", parse_id(&request.user_id));
    let text = invalid.check("text", parse_draft(request.text));
    let reply_to = invalid.check("reply_to", parse_optional_id(&request.reply_to));
    let (Some(chat), Some(user), Some(text), Some(reply_to)) = (chat, user, text, reply_to) else {
        return Err(invalid.into());
    };
    let update = prefs.store_draft(user, chat, &NewDraft { text, reply_to }).await?;
    Ok(SetDraftResponse { updated_at_micros: update.draft.updated_at.timestamp_micros(), changed: update.is_changed })
}
