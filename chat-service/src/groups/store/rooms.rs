//! Public chats.

use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
    TextExpressionMethods as _,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    invites::is_banned,
    joins::join,
    locked::{Change, LockedChat, Member},
};
use crate::{
    db::{Db, DbResult},
    event_kind::EventKind,
    groups::{
        error::GroupError,
        handle::Handle,
        model::{Caller, GroupPageLimit, Joined, Room, Via},
    },
    schema::{chat_profiles, chats},
};

/// Returns the text in which the search for public chats looks.
pub(super) fn search_key(handle: Option<&str>, title: &str, description: &str) -> String {
    format!("{} {title} {description}", handle.unwrap_or_default()).to_lowercase()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = chat_profiles)]
struct Row {
    #[diesel(select_expression = chats::id)]
    id: Uuid,
    #[diesel(select_expression = chats::kind)]
    kind: String,
    title: String,
    description: String,
    handle: Option<String>,
    #[diesel(select_expression = chats::member_count)]
    member_count: i32,
}

/// The shortest text that is looked up in the index of search keys, in characters: it has trigrams.
const TRIGRAM: usize = 3;

/// Returns the public chats that contain a text, ordered by handle, after a handle: one more than the limit, if there are more. A
/// text of one or two characters is the beginning of a handle.
pub(in crate::groups) async fn rooms(
    db: &Db,
    text: &str,
    after: Option<&Handle>,
    limit: GroupPageLimit,
) -> DbResult<Vec<Room>> {
    let text = text.to_lowercase();
    let rows = db.query(async |connection| {
        let mut query = chat_profiles::table
            .inner_join(chats::table)
            .filter(chat_profiles::handle.gt(after.map_or("", Handle::as_str)))
            .into_boxed();
        if text.chars().count() >= TRIGRAM {
            query = query.filter(chat_profiles::handle.is_not_null());
            query = query.filter(chat_profiles::search_key.like(format!("%{}%", escape(&text))));
        } else if !text.is_empty() {
            // A range of the index of handles. All their characters are less than `~`.
            query = query.filter(chat_profiles::handle.ge(text.clone()));
            query = query.filter(chat_profiles::handle.lt(format!("{text}~")));
        }
        query.order(chat_profiles::handle).limit(limit.plus_one()).select(Row::as_select()).load(connection).await
    });
    Ok(rows.await?.into_iter().filter_map(room).collect())
}

/// Returns a chat as everybody sees it, if it is public.
pub(in crate::groups) async fn room_of(db: &Db, chat: ChatId) -> DbResult<Option<Room>> {
    let row = db.query(async move |connection| {
        let public = chat_profiles::table
            .inner_join(chats::table)
            .filter(chat_profiles::chat_id.eq(chat.0))
            .filter(chat_profiles::handle.is_not_null());
        public.select(Row::as_select()).first(connection).await.optional()
    });
    Ok(row.await?.and_then(room))
}

fn room(row: Row) -> Option<Room> {
    let Row { id, kind, title, description, handle, member_count } = row;
    Some(Room { id: ChatId(id), kind, title, description, handle: handle?, member_count, role: None })
}

/// Escapes the wildcards of `LIKE`.
fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}

/// Joins a public chat.
#[derive(Clone, Copy, Debug)]
pub(in crate::groups) struct JoinPublic;

impl Change for JoinPublic {
    type Done = Joined;

    const KINDS: &'static [EventKind] = &[EventKind::MembersAdded];

    fn is_same(&self, body: &Value) -> bool {
        body["via"] == json!(Via::Join)
    }

    fn newcomers(&self, caller: Caller) -> Vec<UserId> {
        vec![caller.user]
    }

    async fn admit_stranger(&self, connection: &mut AsyncPgConnection, caller: Caller) -> Result<(), GroupError> {
        let chat = chat_profiles::table.find(caller.chat.0).filter(chat_profiles::handle.is_not_null());
        let found = chat.select(chat_profiles::chat_id).first::<Uuid>(connection).await.optional()?;
        found.map(drop).ok_or(GroupError::NoSuchChat)
    }

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Joined, GroupError> {
        if actor.is_some() {
            return Ok(Joined::AlreadyMember);
        }
        if chat.profile.handle.is_none() {
            return Err(GroupError::NoSuchChat);
        }
        if is_banned(connection, chat.id, caller.user).await? {
            return Err(GroupError::Banned);
        }
        join(connection, chat, caller, caller.user, Via::Join).await.map(Joined::Member)
    }
}
