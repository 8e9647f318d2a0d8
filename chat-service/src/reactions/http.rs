//! `/chats/{id}/messages/{message_id}/reactions`.

use std::time::Duration;

use actix_web::web::{Data, Json, Path, Query};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, MessageId, SendId, Seq, UserId},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    emoji::Emoji,
    model::{MAX_OF_USER, NewReaction, ReactionList, ReactionPlace, ReactionsLimit},
    service::{Reacted, ReactionService},
};
use crate::{
    changes::service::Changed,
    http::{
        problems::problems,
        routes::{Routes, routes},
    },
    messages::{
        error::{MessageError, Quantity},
        extra::Reactions,
    },
    sessions::extract::Authenticated,
    validation::{ValidationErrors, parse_id},
};

problems! {
    NoSuchChat: MessageError::NoSuchChat;
    NoSuchMessage: MessageError::NoSuchMessage;
    RoleTooLow: MessageError::Role;
    Restricted: MessageError::Restricted;
    EventsDisabled: MessageError::EventsDisabled;
    TooManyReactions: MessageError::LimitReached(Quantity::Reactions, MAX_OF_USER);
    TooFast: MessageError::RateLimited(Duration::from_secs(1));
    OtherContent: MessageError::IdempotencyMismatch;
}

pub(crate) fn routes() -> Routes {
    routes!(list_reactions, react, unreact)
}

/// The parts of the path of a reaction.
#[derive(Deserialize)]
struct ReactionPath {
    id: ChatId,
    message_id: MessageId,
    emoji: String,
}

#[derive(Deserialize, IntoParams)]
struct ReactionQuery {
    /// An idempotency key that the client chooses. A repeated request with the same `request_id` changes nothing and returns the `seq`
    /// of the first one, also if the reaction was changed since.
    #[param(value_type = SendId, required = false)]
    request_id: Option<String>,
}

/// The reactions to a message after a change.
#[derive(Serialize, ToSchema)]
struct ReactionAnswer {
    /// The reactions of all users. In larger chats they may be up to 5 s old.
    reactions: Reactions,
    /// The emoji with which the caller reacted, the oldest first.
    #[schema(examples("👍"))]
    my_reactions: Vec<String>,
    /// The `seq` of the event; `null` if nothing changed, or the event follows together with those of other users.
    #[schema(value_type = Option<i64>, required, minimum = 1, examples(45))]
    seq: Option<Seq>,
    /// Whether an earlier request with this `request_id` made the change.
    duplicate: bool,
}

/// Reacts to a message.
///
/// A user may react to a message with up to 3 emoji, and a message may have up to 20. An emoji with a skin tone is another one than
/// without. Reacting twice with the same emoji changes nothing. In a group or channel this needs the role of its setting `react`.
///
/// In a chat of up to 100 members the members get a `reactions` event at once. In larger ones the changes of 1 s, or 5 s in chats of
/// more than 1,000 members and in channels, are gathered into one event.
#[utoipa::path(
    put, path = "/chats/{id}/messages/{message_id}/reactions/{emoji}", tag = "messages", operation_id = "add_reaction",
    security(("bearer" = [])),
    params(
        ("id" = ChatId, Path), ("message_id" = MessageId, Path),
        ("emoji" = String, Path, description = "One emoji, percent-encoded.", example = "👍"), ReactionQuery,
    ),
    responses(
        (status = 200, description = "The reactions.", body = ReactionAnswer),
        NoSuchChat, NoSuchMessage, RoleTooLow, Restricted, EventsDisabled, TooManyReactions, TooFast, OtherContent,
    ),
)]
async fn react(
    reactions: Data<ReactionService>,
    Authenticated(user): Authenticated,
    path: Path<ReactionPath>,
    query: Query<ReactionQuery>,
) -> Result<Json<ReactionAnswer>, ApiError> {
    change(&reactions, user, path.into_inner(), &query, true).await
}

/// Takes a reaction back.
///
/// If the caller has no such reaction, nothing changes.
#[utoipa::path(
    delete, path = "/chats/{id}/messages/{message_id}/reactions/{emoji}", tag = "messages", operation_id = "remove_reaction",
    security(("bearer" = [])),
    params(
        ("id" = ChatId, Path), ("message_id" = MessageId, Path),
        ("emoji" = String, Path, description = "One emoji, percent-encoded.", example = "👍"), ReactionQuery,
    ),
    responses(
        (status = 200, description = "The reactions.", body = ReactionAnswer),
        NoSuchChat, NoSuchMessage, RoleTooLow, Restricted, EventsDisabled, TooFast, OtherContent,
    ),
)]
async fn unreact(
    reactions: Data<ReactionService>,
    Authenticated(user): Authenticated,
    path: Path<ReactionPath>,
    query: Query<ReactionQuery>,
) -> Result<Json<ReactionAnswer>, ApiError> {
    change(&reactions, user, path.into_inner(), &query, false).await
}

async fn change(
    reactions: &ReactionService,
    user: UserId,
    path: ReactionPath,
    query: &ReactionQuery,
    is_on: bool,
) -> Result<Json<ReactionAnswer>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let emoji = invalid.check("emoji", Emoji::parse(&path.emoji));
    let request_id = invalid.check("request_id", query.request_id.as_deref().map(parse_id).transpose());
    let (Some(emoji), Some(request_id)) = (emoji, request_id) else { return Err(invalid.into()) };
    let new = NewReaction { chat: path.id, user, message: path.message_id, emoji, is_on, request_id };
    let Reacted { is_duplicate, changed, .. } = reactions.react_and_publish(new).await?;
    let message = reactions.message_after(new).await?;
    let (reactions, my_reactions) =
        message.map_or_else(Default::default, |message| (message.reactions, message.my_reactions));
    let seq = changed.as_ref().map(Changed::seq);
    Ok(Json(ReactionAnswer { reactions, my_reactions, seq, duplicate: is_duplicate }))
}

#[derive(Deserialize, IntoParams)]
struct ReactionsParams {
    /// Return only reactions with this emoji.
    #[param(required = false, example = "👍")]
    emoji: Option<String>,
    /// Maximum number of reactions to return.
    #[param(value_type = ReactionsLimit, inline, required = false)]
    limit: Option<String>,
    /// Return the reactions after this one: the `next` of the previous page.
    #[param(required = false)]
    after: Option<String>,
}

/// Returns who reacted to a message, the newest first.
///
/// In a channel only admins can see this.
#[utoipa::path(
    get, path = "/chats/{id}/messages/{message_id}/reactions", tag = "messages", operation_id = "list_reactions",
    security(("bearer" = [])),
    params(("id" = ChatId, Path), ("message_id" = MessageId, Path), ReactionsParams),
    responses(
        (status = 200, description = "A page of reactions.", body = ReactionList), NoSuchChat, NoSuchMessage, RoleTooLow,
    ),
)]
async fn list_reactions(
    reactions: Data<ReactionService>,
    Authenticated(user): Authenticated,
    path: Path<(ChatId, MessageId)>,
    query: Query<ReactionsParams>,
) -> Result<Json<ReactionList>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let emoji = invalid.check("emoji", query.emoji.as_deref().map(Emoji::parse).transpose());
    let limit = invalid.check("limit", ReactionsLimit::parse(query.limit.as_deref()));
    let after = invalid.check("after", query.after.as_deref().map(ReactionPlace::parse).transpose());
    let (Some(emoji), Some(limit), Some(after)) = (emoji, limit, after) else { return Err(invalid.into()) };
    Ok(Json(reactions.list(user, *path, emoji, after, limit).await?))
}
