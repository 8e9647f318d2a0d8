//! What members have set for themselves, in Postgres.

mod change;
mod clear;
mod draft;
mod row;
mod unread;

use chrono::Utc;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, QueryDsl as _, QueryResult,
    SelectableHelper as _,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, Seq, UserId};
use uuid::Uuid;

pub(crate) use self::row::{COLUMNS, Columns, PrefsRow};
pub(super) use self::{
    change::change,
    clear::{ClearUpdate, clear},
    draft::set_draft,
    unread::unread,
};
use super::model::{ChatPrefs, ChatSettingsFrame};
use crate::{
    db::{Db, DbResult},
    schema::{chat_members, chat_prefs, chats},
};

/// What a member has set about a chat, with what it depends on.
struct Found {
    chat: ChatId,
    read_seq: Seq,
    from_seq: Seq,
    prefs: ChatPrefs,
}

/// Returns what a user has set about those of the chats of which the user is a member.
async fn find(connection: &mut AsyncPgConnection, user: UserId, chats: &[ChatId]) -> QueryResult<Vec<Found>> {
    let own = chat_prefs::chat_id.eq(chat_members::chat_id).and(chat_prefs::user_id.eq(chat_members::user_id));
    let rows = chat_members::table
        .inner_join(chats::table)
        .left_join(chat_prefs::table.on(own))
        .filter(chat_members::user_id.eq(user.0))
        .filter(chat_members::chat_id.eq_any(chats.iter().map(|chat| chat.0)))
        .filter(chats::is_closed.eq(false))
        .select((
            chat_members::chat_id,
            chat_members::read_seq,
            chat_members::from_seq,
            Option::<PrefsRow>::as_select(),
        ))
        .load::<(Uuid, Seq, Seq, Option<PrefsRow>)>(connection)
        .await?;
    let now = Utc::now();
    let found = |(chat, read_seq, from_seq, row): (Uuid, Seq, Seq, Option<PrefsRow>)| {
        let prefs = row.unwrap_or_default().prefs(read_seq, now)?;
        Ok(Found { chat: ChatId(chat), read_seq, from_seq, prefs })
    };
    rows.into_iter().map(found).collect()
}

/// Returns the frames that tell a user's sockets what the user has set about chats.
pub(super) async fn settings(db: &Db, user: UserId, chats: &[ChatId]) -> DbResult<Vec<ChatSettingsFrame>> {
    let found = db.query(async |connection| find(connection, user, chats).await).await?;
    let frame = |Found { chat, from_seq, prefs, .. }| ChatSettingsFrame::new(chat, prefs, from_seq + 1);
    Ok(found.into_iter().map(frame).collect())
}
