//! A row of `chat_prefs`.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, Queryable, Selectable,
    result::Error as QueryError,
    sql_types::{BigInt, Bool, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use neonchat_common::ids::{MessageId, Seq};
use uuid::Uuid;

use crate::{
    prefs::model::{ChatPrefs, Draft, Level},
    schema::chat_prefs,
};

/// What a member has set about a chat, as it is stored. The default is what holds without a row.
#[derive(Default, Queryable, Selectable)]
#[diesel(table_name = chat_prefs)]
pub(crate) struct PrefsRow {
    muted_until: Option<DateTime<Utc>>,
    level: i16,
    archived: bool,
    pin_place: Option<i16>,
    marked_seq: Option<Seq>,
    folder: Option<String>,
    draft: Option<String>,
    reply_to: Option<Uuid>,
    draft_at: Option<DateTime<Utc>>,
}

/// The columns of a [`PrefsRow`] in statements that are written as text.
pub(crate) const COLUMNS: &str = "prefs.muted_until, prefs.level, prefs.archived, prefs.pin_place, prefs.marked_seq, prefs.folder, \
                                  prefs.draft, prefs.reply_to, prefs.draft_at";

pub(crate) type Columns = (
    Nullable<Timestamptz>,
    SmallInt,
    Bool,
    Nullable<SmallInt>,
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<SqlUuid>,
    Nullable<Timestamptz>,
);

impl PrefsRow {
    /// Returns what holds at a time for a member with this read marker.
    pub(crate) fn prefs(self, read_seq: Seq, now: DateTime<Utc>) -> QueryResult<ChatPrefs> {
        let Self { muted_until, level, archived, pin_place, marked_seq, folder, .. } = self;
        Ok(ChatPrefs {
            muted_until: muted_until.filter(|until| *until > now),
            level: Level::from_number(level)
                .ok_or_else(|| QueryError::DeserializationError("unknown level of notifications".into()))?,
            archived,
            pin_place,
            marked_unread: marked_seq == Some(read_seq),
            folder,
        })
    }

    /// Takes the draft out.
    pub(crate) fn take_draft(&mut self) -> Option<Draft> {
        let (text, updated_at) = self.draft.take().zip(self.draft_at)?;
        Some(Draft { text, reply_to: self.reply_to.map(MessageId), updated_at })
    }
}
