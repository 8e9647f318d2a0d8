//! Invites, requests to join, public chats, bans, and the audit log.

use chrono::{DateTime, Utc};
use neonchat_common::{
    chat::Role,
    ids::{ChatId, UserId},
    time,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{Object, Type},
};

/// A public chat, as everybody sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Room {
    /// The id of the chat.
    pub(crate) id: ChatId,
    /// The type of the chat.
    #[serde(rename = "type")]
    #[schema(examples("group"))]
    pub(crate) kind: String,
    /// The title.
    #[schema(examples("Team"))]
    pub(crate) title: String,
    /// The description.
    #[schema(examples(""))]
    pub(crate) description: String,
    /// The name.
    #[schema(examples("rust_users"))]
    pub(crate) handle: String,
    /// The number of members.
    #[schema(minimum = 1, examples(12))]
    pub(crate) member_count: i32,
    /// `null`: the caller is not a member.
    #[schema(required, schema_with = null)]
    pub(crate) role: Option<Role>,
}

/// Returns the schema of `null`.
fn null() -> Object {
    Object::builder().schema_type(Type::Null).description(Some("`null`: the caller is not a member.")).build()
}

/// A page of public chats, ordered by handle.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rooms {
    /// The public chats on this page.
    pub(crate) rooms: Vec<Room>,
    /// The value of `after` for the next page; `null` if this is the last one.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// An invite to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewInvite {
    /// For how many seconds it is valid; `None` is until it is revoked.
    pub(crate) expires_in: Option<i64>,
    /// How many users may join with it; `None` is any number.
    pub(crate) max_uses: Option<i32>,
    /// Whether an admin has to accept each user.
    pub(crate) approve: bool,
}

/// A code by which users join a chat.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct InviteItem {
    /// The code.
    #[schema(examples("wGx0VFg1Rn2x6tTtq1pY3Q"))]
    pub(crate) code: String,
    /// The link for people.
    #[schema(examples("http://localhost:8080/join/wGx0VFg1Rn2x6tTtq1pY3Q"))]
    pub(crate) url: String,
    /// The id of the user who made it.
    pub(crate) by: UserId,
    /// Whether an admin has to accept each user.
    pub(crate) approve: bool,
    /// How many users joined with it.
    #[schema(minimum = 0, examples(3))]
    pub(crate) uses: i32,
    /// How many users may join with it; `null` is any number.
    #[schema(required, minimum = 1)]
    pub(crate) max_uses: Option<i32>,
    /// When it ceases to be valid; `null` is when it is revoked.
    #[serde(serialize_with = "time::serialize_option")]
    #[schema(required)]
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// When it was made.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) created_at: DateTime<Utc>,
}

/// An invite for users who could not be added.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct InviteLink {
    /// The code.
    #[schema(examples("wGx0VFg1Rn2x6tTtq1pY3Q"))]
    pub(crate) code: String,
    /// The link for people.
    #[schema(examples("http://localhost:8080/join/wGx0VFg1Rn2x6tTtq1pY3Q"))]
    pub(crate) url: String,
}

/// What a user sees of a chat before joining with an invite.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct InvitePreview {
    /// The type of the chat.
    #[serde(rename = "type")]
    #[schema(examples("group"))]
    pub(crate) kind: String,
    /// The title.
    #[schema(examples("Team"))]
    pub(crate) title: String,
    /// The description.
    #[schema(examples(""))]
    pub(crate) description: String,
    /// The number of members.
    #[schema(minimum = 1, examples(12))]
    pub(crate) member_count: i32,
    /// Whether an admin has to accept the user.
    pub(crate) approve: bool,
}

/// A user who asked to join.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RequestItem {
    /// The id of the user.
    pub(crate) user_id: UserId,
    /// The username.
    #[schema(examples("bob"))]
    pub(crate) username: String,
    /// When the user asked.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) at: DateTime<Utc>,
}

/// A user who is kept out of a chat.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BanItem {
    /// The id of the user.
    pub(crate) user_id: UserId,
    /// The username.
    #[schema(examples("bob"))]
    pub(crate) username: String,
    /// The id of the user who banned them.
    pub(crate) by: UserId,
    /// When.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) at: DateTime<Utc>,
    /// Why, in the words of that user; `null` if they did not say.
    #[schema(required)]
    pub(crate) reason: Option<String>,
}

/// Who did what in a chat.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AuditEntry {
    /// When.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) at: DateTime<Utc>,
    /// The id of the user.
    pub(crate) by: UserId,
    /// What: the type of an event, or `banned`, `unbanned`, `invite_made`, `invite_revoked`, `request_accepted`,
    /// `request_rejected`.
    #[schema(examples("members_removed"))]
    pub(crate) action: String,
    /// What the action names: users, a role, a code. For `chat_updated`, the changed fields with their new values: `title`, `description`,
    /// `handle`, and the changed members of `settings`. `null` if the action names nothing, and for `chat_updated` in entries that an earlier
    /// version wrote.
    #[schema(value_type = Option<Object>, required)]
    pub(crate) details: Value,
}

/// A page of the audit log, the newest entry first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Audit {
    /// The entries on this page.
    pub(crate) audit: Vec<AuditEntry>,
    /// The value of `after` for the next page; `null` if this is the last one.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// A page of invites, ordered by code.
#[derive(Serialize, ToSchema)]
pub(crate) struct Invites {
    /// The invites on this page.
    pub(crate) invites: Vec<InviteItem>,
    /// The value of `after` for the next page; `null` if this is the last one.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// A page of users who asked to join, ordered by user.
#[derive(Serialize, ToSchema)]
pub(crate) struct Requests {
    /// The users who asked to join on this page.
    pub(crate) requests: Vec<RequestItem>,
    /// The value of `after` for the next page; `null` if this is the last one.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// A page of bans, ordered by user.
#[derive(Serialize, ToSchema)]
pub(crate) struct Bans {
    /// The bans on this page.
    pub(crate) bans: Vec<BanItem>,
    /// The value of `after` for the next page; `null` if this is the last one.
    #[schema(required)]
    pub(crate) next: Option<String>,
}
