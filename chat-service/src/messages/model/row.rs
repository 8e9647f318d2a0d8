//! Messages, as they are read from the database.

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, HasQuery, NullableExpressionMethods as _, Queryable,
    Selectable, deserialize, dsl::now, pg::Pg,
};
use neonchat_common::ids::Seq;
use uuid::Uuid;

use super::Message;
use crate::{
    messages::extra::{Extra, Reactions},
    schema::messages,
};

/// Whether a message is deleted or has expired, in statements whose only columns of these names are those of `messages`.
/// [`MessageRow`] has it too.
pub(crate) const IS_GONE: &str = "(deleted_at IS NOT NULL OR expires_at <= now())";

/// The columns of a message. Every [`Message`] that was read is made from them, so that none has the content of an expired one.
#[derive(HasQuery)]
#[diesel(table_name = messages)]
pub(crate) struct MessageRow {
    pub(crate) id: Uuid,
    pub(crate) chat_id: Uuid,
    pub(crate) sender_id: Uuid,
    #[diesel(select_expression = messages::request_id.nullable())]
    pub(crate) request_id: Option<Uuid>,
    pub(crate) text: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) seq: Seq,
    pub(crate) changed_seq: Option<Seq>,
    /// `None` stands for `false`, as in SQL.
    #[diesel(select_expression = messages::deleted_at.is_not_null().or(messages::expires_at.le(now)))]
    pub(crate) is_gone: Option<bool>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) extra: Option<Extra>,
    pub(crate) reactions: Option<Reactions>,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        let is_deleted = row.is_gone.unwrap_or_default();
        let message = Self {
            id: row.id.into(),
            chat_id: row.chat_id.into(),
            sender_id: row.sender_id.into(),
            request_id: row.request_id,
            text: row.text,
            created_at: row.created_at,
            updated_at: row.updated_at,
            seq: row.seq,
            changed_seq: row.changed_seq,
            is_deleted,
            expires_at: row.expires_at,
            extra: row.extra.into(),
            reactions: row.reactions.into(),
            my_reactions: Vec::new(),
        };
        if is_deleted { message.without_content() } else { message }
    }
}

impl Message {
    /// Returns what is left of a message that is deleted or has expired.
    fn without_content(self) -> Self {
        Self { text: String::new(), expires_at: None, extra: Extra::default(), reactions: Reactions::default(), ..self }
    }
}

impl<Columns> Queryable<Columns, Pg> for Message
where
    MessageRow: Queryable<Columns, Pg>,
{
    type Row = <MessageRow as Queryable<Columns, Pg>>::Row;

    fn build(row: Self::Row) -> deserialize::Result<Self> {
        MessageRow::build(row).map(Self::from)
    }
}

impl Selectable<Pg> for Message {
    type SelectExpression = <MessageRow as Selectable<Pg>>::SelectExpression;

    fn construct_selection() -> Self::SelectExpression {
        <MessageRow as Selectable<Pg>>::construct_selection()
    }
}

impl HasQuery<Pg> for Message {
    type BaseQuery = <MessageRow as HasQuery<Pg>>::BaseQuery;

    fn base_query() -> Self::BaseQuery {
        <MessageRow as HasQuery<Pg>>::base_query()
    }
}
