//! The gRPC call for reactions.

use neonchat_common::{
    error::ApiError,
    ids::{ChatId, SendId, UserId},
};
use neonchat_proto::chat::v1::{ChangeMessageResponse, React};

use super::{
    emoji::Emoji,
    model::NewReaction,
    service::{Reacted, ReactionService},
};
use crate::{
    changes::service::Changed,
    timeline::grpc::change_to_wire,
    validation::{ValidationErrors, parse_id},
};

/// Applies a change of a reaction. The caller delivers the event and the frame.
pub(crate) async fn react(
    reactions: &ReactionService,
    (chat, user, request_id): (Option<ChatId>, Option<UserId>, Option<SendId>),
    React { message_id, emoji, on }: React,
    mut invalid: ValidationErrors,
) -> Result<ChangeMessageResponse, ApiError> {
    let message = invalid.check("message_id", parse_id(&message_id));
    let emoji = invalid.check("emoji", Emoji::parse(&emoji));
    let (Some(chat), Some(user), request_id @ Some(_), Some(message), Some(emoji)) =
        (chat, user, request_id, message, emoji)
    else {
        return Err(invalid.into());
    };
    let new = NewReaction { chat, user, message, emoji, is_on: on, request_id };
    let Reacted { is_duplicate, changed, frame } = reactions.react(new).await?;
    Ok(ChangeMessageResponse {
        seq: changed.as_ref().map_or(0, Changed::seq),
        duplicate: is_duplicate,
        event: changed.as_ref().map(|changed| change_to_wire(&changed.event)),
        personal_frame: frame.map(|frame| frame.get().to_owned().into_bytes()),
    })
}
