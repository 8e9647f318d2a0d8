//! Drafts in Postgres.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{ChatId, UserId};
use uuid::Uuid;

use crate::{
    db::{Attempts, Db, DbResult},
    prefs::model::{Draft, DraftUpdate, NewDraft},
};

/// Stores the draft of a member in a chat, or deletes it if it is empty: the last write holds. Returns `None` if the user is not a member.
pub(in crate::prefs) async fn set_draft(
    db: &Db,
    user: UserId,
    chat: ChatId,
    draft: &NewDraft,
) -> DbResult<Option<DraftUpdate>> {
    let text = Some(draft.text.as_str()).filter(|text| !text.is_empty());
    let reply_to = draft.reply_to.filter(|_| text.is_some());
    let statement = SetDraft { user: user.0, chat: chat.0, text, reply_to: reply_to.map(|id| id.0) };
    let attempts = Attempts::default();
    let stored = db.query(async |connection| {
        let is_repeat = attempts.begin();
        // `load` reads the answer to its end: the first row arrives before the commit.
        if let Some(at) = statement.load::<DateTime<Utc>>(connection).await?.pop() {
            return Ok(Some((at, true)));
        }
        let find = FindDraft { user: user.0, chat: chat.0 };
        let at: Option<DateTime<Utc>> = find.get_result(connection).await.optional()?;
        // The first attempt may have stored it.
        Ok(at.map(|at| (at, is_repeat)))
    });
    let draft = |(updated_at, is_changed)| DraftUpdate {
        draft: Draft { text: draft.text.as_str().to_owned(), reply_to, updated_at },
        is_changed,
    };
    Ok(stored.await?.map(draft))
}

/// It returns no row if nothing changes: the draft is the same, or there was none and there will be none. The membership is locked as
/// for a change of the other settings.
#[derive(Clone, Copy)]
struct SetDraft<'a> {
    user: Uuid,
    chat: Uuid,
    text: Option<&'a str>,
    reply_to: Option<Uuid>,
}

impl Query for SetDraft<'_> {
    type SqlType = Timestamptz;
}

impl QueryId for SetDraft<'_> {
    type QueryId = SetDraft<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Pg> for SetDraft<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO chat_prefs AS prefs (user_id, chat_id, draft, reply_to, draft_at)
             SELECT member.user_id, member.chat_id, given.text, given.reply_to, clock_timestamp()
               FROM chat_members AS member JOIN chats ON chats.id = member.chat_id,
                    (VALUES (",
        );
        out.push_bind_param::<Nullable<Text>, _>(&self.text)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<SqlUuid>, _>(&self.reply_to)?;
        out.push_sql(")) AS given (text, reply_to) WHERE NOT chats.is_closed AND member.chat_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(" AND member.user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        out.push_sql(
            "
                    AND (given.text IS NOT NULL
                         OR EXISTS (SELECT FROM chat_prefs AS stored WHERE stored.draft IS NOT NULL
                                     AND stored.user_id = member.user_id AND stored.chat_id = member.chat_id))
                FOR KEY SHARE OF member
             ON CONFLICT (user_id, chat_id) DO UPDATE
                SET draft = excluded.draft, reply_to = excluded.reply_to,
                    draft_at = greatest(excluded.draft_at, prefs.draft_at + interval '1 us')
              WHERE (prefs.draft, prefs.reply_to) IS DISTINCT FROM (excluded.draft, excluded.reply_to)
             RETURNING draft_at",
        );
        Ok(())
    }
}

/// When the draft was last changed; now if there was none.
#[derive(Clone, Copy, QueryId)]
struct FindDraft {
    user: Uuid,
    chat: Uuid,
}

impl Query for FindDraft {
    type SqlType = Timestamptz;
}

impl QueryFragment<Pg> for FindDraft {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT coalesce(prefs.draft_at, clock_timestamp())
               FROM chat_members AS member JOIN chats ON chats.id = member.chat_id
               LEFT JOIN chat_prefs AS prefs ON prefs.user_id = member.user_id AND prefs.chat_id = member.chat_id
              WHERE NOT chats.is_closed AND member.chat_id = ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(" AND member.user_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.user)?;
        Ok(())
    }
}
