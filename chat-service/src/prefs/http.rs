//! `/chats/{id}/me`, `/chats/{id}/draft`, `/chats/{id}/clear` and `/unread`.

use actix_web::web::{Data, Json, Path};
use chrono::{DateTime, Utc};
use neonchat_common::{
    draft::DraftText,
    error::ApiError,
    ids::{ChatId, MessageId, Seq},
    time,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    error::PrefsError,
    model::{Cleared, Draft, Level, MAX_FOLDER, MAX_PIN_PLACE, NewDraft, PrefsPatch, UnreadTotals},
    service::Prefs,
};
use crate::{
    chats::model::ChatItem,
    groups::{http::present, settings::parse_choice, texts::parse_line},
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    sessions::extract::Authenticated,
    validation::{ValidationError, ValidationErrors, check_seq, parse_id, parse_time},
};

problems! {
    NoSuchChat: PrefsError::NoSuchChat;
    TooManyPins: PrefsError::TooManyPins;
}

pub(crate) fn routes() -> Routes {
    routes!(change, set_draft, clear, unread)
}

#[derive(Deserialize, ToSchema)]
#[expect(clippy::option_option, reason = "absent, null, or a value")]
struct PrefsRequest {
    /// Mutes the chat until then; `null`, or a time that has passed, ends it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    muted_until: Option<Option<String>>,
    /// Of which messages clients notify the member.
    #[schema(value_type = Option<Level>)]
    level: Option<String>,
    /// Whether the chat is archived. A new message does not change that.
    archived: Option<bool>,
    /// Pins the chat at this place; `null` unpins it. If another chat is there, it moves one place down, and so on up to the first free
    /// place.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i16>, minimum = 1, maximum = 20, examples(1))]
    pin_place: Option<Option<i64>>,
    /// Whether the chat is marked as unread.
    marked_unread: Option<bool>,
    /// Puts the chat into this folder; `null` takes it out.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64, examples("Work"))]
    folder: Option<Option<String>>,
}

impl PrefsRequest {
    fn parse(self) -> Result<PrefsPatch, ValidationErrors> {
        let Self { muted_until, level, archived, pin_place, marked_unread, folder } = self;
        let mut invalid = ValidationErrors::default();
        let muted_until = muted_until.map(|text| text.map(|text| invalid.check("muted_until", parse_muted(&text))));
        let level = level.map(|level| invalid.check("level", parse_level(level)));
        let pin_place = pin_place.map(|place| place.map(|place| invalid.check("pin_place", parse_place(place))));
        let folder = folder.map(|name| name.map(|name| invalid.check("folder", parse_folder(name))));
        if !invalid.is_empty() {
            return Err(invalid);
        }
        Ok(PrefsPatch {
            muted_until: muted_until.map(Option::flatten),
            level: level.flatten(),
            archived,
            pin_place: pin_place.map(Option::flatten),
            marked_unread,
            folder: folder.map(Option::flatten),
        })
    }
}

/// Parses a time with the precision of Postgres, so that setting the same time again changes nothing.
fn parse_muted(text: &str) -> Result<DateTime<Utc>, ValidationError> {
    let time = parse_time(text)?;
    time::from_micros(time.timestamp_micros()).ok_or_else(|| ValidationError::new("range", "is out of range"))
}

fn parse_level(level: String) -> Result<Level, ValidationError> {
    parse_choice(level.into())
}

fn parse_place(place: i64) -> Result<i16, ValidationError> {
    let place = i16::try_from(place).ok().filter(|place| (1..=MAX_PIN_PLACE).contains(place));
    place.ok_or_else(|| ValidationError::new("range", "should be 1 to 20"))
}

/// Parses the name of a folder.
pub(crate) fn parse_folder(name: String) -> Result<String, ValidationError> {
    parse_line(name, MAX_FOLDER)
}

/// Changes what the caller has set about a chat, for the caller alone.
///
/// What is absent stays. All connections of the caller get a `chat_settings` frame.
#[utoipa::path(
    patch, path = "/chats/{id}/me", tag = "chats", operation_id = "change_own_settings", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = PrefsRequest,
    responses((status = 200, description = "The chat.", body = ChatItem), NoSuchChat, TooManyPins),
)]
async fn change(
    prefs: Data<Prefs>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<PrefsRequest>,
) -> Result<Json<ChatItem>, ApiError> {
    Ok(Json(prefs.change(user, *chat, body.parse()?).await?))
}

#[derive(Deserialize, ToSchema)]
struct DraftRequest {
    /// The text, of at most 4096 characters and without U+0000. An empty one deletes the draft.
    #[schema(max_length = 4096, pattern = r"^[^\u0000]*$", examples("Hello"))]
    text: String,
    /// The id of the message that the draft answers. It is stored as it is.
    #[schema(value_type = Option<MessageId>)]
    reply_to: Option<String>,
}

/// Stores what the caller has written in a chat and not sent.
///
/// The last write holds. All connections of the caller get a `draft` frame. Sending a message does not delete the draft.
#[utoipa::path(
    put, path = "/chats/{id}/draft", tag = "chats", operation_id = "set_draft", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = DraftRequest,
    responses((status = 200, description = "The draft.", body = Draft), NoSuchChat),
)]
async fn set_draft(
    prefs: Data<Prefs>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<DraftRequest>,
) -> Result<Json<Draft>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let text = invalid.check("text", parse_draft(body.text));
    let reply_to = invalid.check("reply_to", body.reply_to.as_deref().map(parse_id).transpose());
    let (Some(text), Some(reply_to)) = (text, reply_to) else { return Err(invalid.into()) };
    Ok(Json(prefs.set_draft(user, *chat, NewDraft { text, reply_to }).await?))
}

/// Parses the text of a draft.
pub(super) fn parse_draft(text: String) -> Result<DraftText, ValidationError> {
    DraftText::try_from(text).map_err(|error| ValidationError::new(error.code(), error.to_string()))
}

#[derive(Deserialize, ToSchema)]
struct ClearRequest {
    /// The `seq` of the last event that no longer exists for the caller.
    #[schema(value_type = i64, minimum = 0, examples(41))]
    upto: Seq,
}

/// Clears the history of a chat up to an event, for the caller alone.
///
/// The beginning never moves back, and never past the last event of the chat. All connections of the caller get a `chat_settings` frame.
#[utoipa::path(
    post, path = "/chats/{id}/clear", tag = "chats", operation_id = "clear_chat", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = ClearRequest,
    responses((status = 200, description = "Where the chat begins for the caller.", body = Cleared), NoSuchChat),
)]
async fn clear(
    prefs: Data<Prefs>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<ClearRequest>,
) -> Result<Json<Cleared>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let upto = invalid.check("upto", check_seq(body.upto)).ok_or(invalid)?;
    Ok(Json(prefs.clear(user, *chat, upto).await?))
}

/// Returns what the caller has not read, in all chats that are neither archived nor muted.
#[utoipa::path(
    get, path = "/unread", tag = "chats", operation_id = "count_unread", security(("bearer" = [])),
    responses((status = 200, description = "The totals.", body = UnreadTotals)),
)]
async fn unread(prefs: Data<Prefs>, Authenticated(user): Authenticated) -> Result<Json<UnreadTotals>, ApiError> {
    Ok(Json(prefs.unread(user).await?))
}
