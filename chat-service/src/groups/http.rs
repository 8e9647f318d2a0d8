//! `POST /chats`, and `/chats/{id}` of groups and channels.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, SendId, UserId},
};
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{
    error::{GroupError, Quantity},
    handle::Handle,
    joining_http, members_http,
    model::{
        Caller, ChangeResult, CreatedGroup, GroupPageLimit, GroupPatch, InviteLink, MAX_USERS, NewGroup, NotAdded,
        Room, SettingsPatch,
    },
    moderation_http,
    service::Groups,
    settings::{self, parse_choice},
    texts::{parse_description, parse_title},
    timer_http,
};
use crate::{
    chats::{
        error::ChatError,
        model::{ChatItem, GetOrCreate},
        service::Chats,
    },
    http::{
        extract::Body,
        problems::problems,
        routes::{Routes, routes},
    },
    rights::{ChatKind, ChatSettings, GroupType, HistoryVisibility},
    sessions::extract::Authenticated,
    validation::{ValidationError, ValidationErrors, parse_distinct_ids, parse_id},
};

problems! {
    NoSuchPartner: ChatError::NoSuchPartner;
    HandleTaken: GroupError::HandleTaken;
    TooManyChats: ChatError::TooMany(5000);
    NoSuchChat: GroupError::NoSuchChat;
    RoleTooLow: GroupError::Role;
    DirectChat: GroupError::DirectChat;
    LimitReached: GroupError::LimitReached(Quantity::Members, 10_000);
    OtherContent: GroupError::IdempotencyMismatch;
    GroupsDisabled: GroupError::EventsDisabled;
}

pub(crate) fn routes() -> Routes {
    routes!(create, get, update, close)
        .and(members_http::routes())
        .and(joining_http::routes())
        .and(moderation_http::routes())
        .and(timer_http::routes())
}

/// Either `partner_id`, or `type` and `title`.
#[derive(Deserialize, ToSchema)]
#[schema(examples(json!({ "type": "group", "title": "Team", "member_ids": ["7c9e6679-7425-40de-944b-e07fc1f90ae7"] })))]
struct CreateRequest {
    /// For a direct chat: the id of the user to chat with.
    #[schema(value_type = Option<UserId>)]
    partner_id: Option<String>,
    /// For a group or channel: which of them.
    #[serde(rename = "type")]
    #[schema(value_type = Option<GroupType>)]
    kind: Option<String>,
    /// The title, 1 to 128 characters, at least one of them visible. It contains no control characters, and no others that break
    /// the line or change its direction.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]*$",
        examples("Team")
    )]
    title: Option<String>,
    /// The description. Of the control characters it may contain line breaks.
    #[schema(max_length = 1024, pattern = r"^[^\x00-\x09\x0B\x0C\x0E-\x1F\x7F-\x9F]*$")]
    description: Option<String>,
    /// The name of a public chat: everybody can find it and join. Some names are reserved, such as `admin` and `support`.
    #[schema(pattern = "^[a-z0-9_]{5,32}$", examples("rust_users"))]
    handle: Option<String>,
    /// Whether newcomers see the history before they joined. By default they do in channels and public groups.
    #[schema(value_type = Option<HistoryVisibility>)]
    history: Option<String>,
    /// The ids of at most 100 users who become members.
    #[schema(value_type = Option<Vec<UserId>>, max_items = 100)]
    member_ids: Option<Vec<String>>,
    /// An idempotency key that the client chooses. A repeated request with the same `request_id` returns the same chat; one with
    /// other content is refused. Not for a direct chat.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// A new chat, and the users who were not added.
#[derive(Serialize, ToSchema)]
struct CreateAnswer {
    #[serde(flatten)]
    chat: ChatItem,
    /// The users who were not added. Only for groups and channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    not_added: Option<Vec<NotAdded>>,
    /// An invite that the caller can send to those who were not added. Absent if all were added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    invite: Option<InviteLink>,
}

/// Opens the direct chat with a user, or creates a group or channel.
///
/// Two users have at most one direct chat. Opening it again, by either of them, returns the same chat. A user who has 5,000
/// direct chats cannot open another, but others can still open chats with that user.
///
/// The caller becomes the owner of a group or channel. Its sequence starts at 0 without an event for the founding members.
/// A repeated request is answered with `not_found` after the chat was closed.
#[utoipa::path(
    post, path = "/chats", tag = "chats", operation_id = "open_chat", security(("bearer" = [])),
    request_body = CreateRequest,
    responses(
        (status = 201, description = "The new chat.", body = CreateAnswer),
        (status = 200, description = "The existing chat.", body = CreateAnswer),
        NoSuchPartner, NoSuchChat, TooManyChats, LimitReached, HandleTaken, OtherContent, GroupsDisabled,
    ),
)]
async fn create(
    chats: Data<Chats>,
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    Body(body): Body<CreateRequest>,
) -> Result<HttpResponse, ApiError> {
    let answer = |is_new: bool, body: CreateAnswer| {
        let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
        response.json(body)
    };
    if body.kind.is_none() {
        let mut invalid = ValidationErrors::default();
        let missing = || ValidationError::new("required", "is missing; or give `type` for a group or channel");
        let partner = body.partner_id.as_deref().ok_or_else(missing).and_then(parse_id::<UserId>);
        let partner = invalid.check("partner_id", partner).ok_or(invalid)?;
        let (is_new, chat) = match chats.open(user, partner).await? {
            GetOrCreate::Created(chat) => (true, chat),
            GetOrCreate::Existing(chat) => (false, chat),
        };
        return Ok(answer(is_new, CreateAnswer { chat, not_added: None, invite: None }));
    }
    let (group, request_id) = body.group(user)?;
    let CreatedGroup { item: chat, not_added, invite, is_duplicate } = groups.create(user, request_id, group).await?;
    Ok(answer(!is_duplicate, CreateAnswer { chat, not_added: Some(not_added), invite }))
}

impl CreateRequest {
    fn group(self, creator: UserId) -> Result<(NewGroup, SendId), ValidationErrors> {
        let mut invalid = ValidationErrors::default();
        if self.partner_id.is_some() {
            invalid.push("partner_id", ValidationError::new("conflict", "is for direct chats; give `member_ids`"));
        }
        let missing = || ValidationError::new("required", "is missing");
        let kind = invalid.check("type", self.kind.ok_or_else(missing).and_then(|kind| parse_type(&kind)));
        let title = invalid.check("title", self.title.ok_or_else(missing).and_then(parse_title));
        let description = invalid.check("description", parse_description(self.description.unwrap_or_default()));
        let handle = self.handle.map(|handle| invalid.check("handle", Handle::choose(&handle)));
        let history = self.history.map(|history| invalid.check("history", parse_choice(history.into())));
        let ids = self.member_ids.unwrap_or_default();
        let members = if ids.is_empty() { Ok(Vec::new()) } else { parse_users(&ids) };
        let members = invalid.check("member_ids", members);
        let request_id = invalid.check("request_id", parse_request_id(self.request_id.as_deref()));
        let (Some(kind), Some(title), Some(description), Some(mut members), Some(request_id), true) =
            (kind, title, description, members, request_id, invalid.is_empty())
        else {
            return Err(invalid);
        };
        members.retain(|member| *member != creator);
        let handle = handle.flatten();
        let settings = ChatSettings::of_new(kind, handle.is_some(), history.flatten());
        Ok((NewGroup { kind, title, description, handle, settings, members }, request_id))
    }
}

/// A chat: of the caller, or a public one of others.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum ChatOrRoom {
    /// The caller is a member.
    Chat(Box<ChatItem>),
    /// The caller is not a member, and the chat is public.
    Room(Room),
}

/// Returns a chat.
///
/// Users who are not members see the card of a public group or channel: what it is called, and how many members it has.
#[utoipa::path(
    get, path = "/chats/{id}", tag = "chats", operation_id = "get_chat", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    responses((status = 200, description = "The chat.", body = ChatOrRoom), NoSuchChat),
)]
async fn get(
    chats: Data<Chats>,
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
) -> Result<Json<ChatOrRoom>, ApiError> {
    match chats.get(user, *chat).await {
        Ok(item) => Ok(Json(ChatOrRoom::Chat(Box::new(item)))),
        Err(ChatError::NotFound) => {
            let room = groups.room(*chat).await?.ok_or(GroupError::NoSuchChat)?;
            Ok(Json(ChatOrRoom::Room(room)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The changed values. Absent ones stay.
#[derive(Deserialize, ToSchema)]
struct UpdateRequest {
    /// The title, 1 to 128 characters, at least one of them visible. It contains no control characters, and no others that break
    /// the line or change its direction.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]*$",
        examples("Team")
    )]
    title: Option<String>,
    /// The description. Of the control characters it may contain line breaks.
    #[schema(max_length = 1024, pattern = r"^[^\x00-\x09\x0B\x0C\x0E-\x1F\x7F-\x9F]*$")]
    description: Option<String>,
    /// The name of a public chat; `null` makes the chat private. Some names are reserved, such as `admin` and `support`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9_]{5,32}$", examples("rust_users"))]
    #[expect(clippy::option_option, reason = "absent, null, or a value")]
    handle: Option<Option<String>>,
    /// The changed settings. Absent ones stay.
    #[schema(value_type = Option<SettingsPatch>)]
    settings: Option<Map<String, Value>>,
    /// It is one of the settings. A client must not believe that it changed it here.
    #[serde(default, deserialize_with = "present")]
    #[schema(ignore)]
    #[expect(clippy::option_option, reason = "absent, null, or a value")]
    history: Option<Option<IgnoredAny>>,
    /// An idempotency key that the client chooses.
    #[schema(value_type = Option<SendId>)]
    request_id: Option<String>,
}

/// Changes title, description or settings of a group or channel.
///
/// The members get a `chat_updated` event. One value without the right refuses the whole request.
#[utoipa::path(
    patch, path = "/chats/{id}", tag = "groups", operation_id = "update_chat", security(("bearer" = [])),
    params(("id" = ChatId, Path)),
    request_body = UpdateRequest,
    responses(
        (status = 200, description = "The chat.", body = ChatItem),
        NoSuchChat, RoleTooLow, DirectChat, HandleTaken, OtherContent, GroupsDisabled,
    ),
)]
async fn update(
    chats: Data<Chats>,
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    Body(body): Body<UpdateRequest>,
) -> Result<Json<ChatItem>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let title = body.title.map(|title| invalid.check("title", parse_title(title)));
    let description = body.description.map(|text| invalid.check("description", parse_description(text)));
    // Whether it is reserved depends on the present one, which stays valid.
    let handle = body.handle.map(|handle| handle.map(|handle| invalid.check("handle", handle.parse())));
    let request_id = invalid.check("request_id", parse_request_id(body.request_id.as_deref()));
    if body.history.is_some() {
        invalid.push("history", ValidationError::new("unknown", "is a setting; give it in `settings`"));
    }
    let (Some(request_id), true) = (request_id, invalid.is_empty()) else { return Err(invalid.into()) };
    let handle = handle.map(Option::flatten);
    let settings = settings::parse(body.settings.unwrap_or_default(), groups.timer_min_s)?;
    let patch = GroupPatch { title: title.flatten(), description: description.flatten(), handle, settings };
    groups.update(Caller { user, chat: *chat, request_id }, patch).await?;
    Ok(Json(chats.get(user, *chat).await?))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct PageQuery {
    /// The `next` of another page.
    after: Option<String>,
    /// Maximum number of items to return.
    #[param(value_type = GroupPageLimit, inline, required = false)]
    limit: Option<String>,
}

impl PageQuery {
    /// Returns the place after which the page begins, and the limit.
    pub(super) fn parse<T>(
        &self,
        place: impl FnOnce(&str) -> Result<T, ValidationError>,
    ) -> Result<(Option<T>, GroupPageLimit), ValidationErrors> {
        let mut invalid = ValidationErrors::default();
        let after = self.after.as_deref().map(|after| invalid.check("after", place(after)));
        let limit = invalid.check("limit", GroupPageLimit::parse(self.limit.as_deref()));
        match limit.filter(|_| invalid.is_empty()) {
            Some(limit) => Ok((after.flatten(), limit)),
            None => Err(invalid),
        }
    }
}

/// The ids in the path of a user of a chat.
#[derive(Deserialize)]
pub(super) struct UserPath {
    pub(super) id: ChatId,
    pub(super) user_id: UserId,
}

/// The idempotency key of a call without a body.
#[derive(Deserialize, IntoParams)]
pub(super) struct RequestIdQuery {
    /// An idempotency key that the client chooses.
    #[param(value_type = SendId, required = false)]
    request_id: Option<String>,
}

impl RequestIdQuery {
    pub(super) fn parse(&self) -> Result<SendId, ValidationErrors> {
        let mut invalid = ValidationErrors::default();
        invalid.check("request_id", parse_request_id(self.request_id.as_deref())).ok_or(invalid)
    }
}

/// Closes a group or channel for all.
///
/// Only its owner can do this. The members get a `chat_closed` event, and the chat no longer exists for anybody.
#[utoipa::path(
    delete, path = "/chats/{id}", tag = "groups", operation_id = "close_chat", security(("bearer" = [])),
    params(("id" = ChatId, Path), RequestIdQuery),
    responses(
        (status = 200, description = "The last event of the chat.", body = ChangeResult),
        NoSuchChat, RoleTooLow, DirectChat, OtherContent, GroupsDisabled,
    ),
)]
async fn close(
    groups: Data<Groups>,
    Authenticated(user): Authenticated,
    chat: Path<ChatId>,
    query: Query<RequestIdQuery>,
) -> Result<Json<ChangeResult>, ApiError> {
    let request_id = query.parse()?;
    Ok(Json(groups.close(Caller { user, chat: *chat, request_id }).await?))
}

/// Reads a value that is present, also if it is `null`.
#[expect(clippy::option_option, reason = "absent, null, or a value")]
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Parses an idempotency key, and chooses one if the client did not.
pub(super) fn parse_request_id(text: Option<&str>) -> Result<SendId, ValidationError> {
    text.map_or_else(|| Ok(SendId::new()), parse_id)
}

/// Parses the ids of 1 to [`MAX_USERS`] users. Repeated ones are dropped.
pub(super) fn parse_users(ids: &[String]) -> Result<Vec<UserId>, ValidationError> {
    parse_distinct_ids(ids, MAX_USERS)
}

fn parse_type(kind: &str) -> Result<ChatKind, ValidationError> {
    match ChatKind::from_name(kind) {
        Some(kind @ (ChatKind::Group | ChatKind::Channel)) => Ok(kind),
        _ => Err(ValidationError::new("value", "should be group or channel")),
    }
}
