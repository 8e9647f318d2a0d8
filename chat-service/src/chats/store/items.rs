//! Reads chats with their partners, profiles and last messages, by one statement for all of them.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::Error as QueryError,
    sql_types::{Array, BigInt, Integer, Jsonb, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, MessageId, Seq, UserId};
use uuid::Uuid;

use crate::{
    chats::{
        model::{ChatItem, LastMessage, Partner},
        store::{
            parse_class, parse_kind, parse_role,
            unread::{mention_count, unread_count},
        },
    },
    messages::extra::Extra,
    prefs::store::{self as prefs, PrefsRow},
    rights::{ChatKind, ChatSettings, ShownSettings},
    users::model::Status,
};

/// Returns one chat, if the user is a member of it. `online` is not filled in.
pub(super) async fn find(connection: &mut AsyncPgConnection, user: UserId, chat: ChatId) -> QueryResult<ChatItem> {
    let query = ItemsOf { chat: chat.0, users: vec![user.0] };
    query.get_result::<Row>(connection).await?.item()
}

/// Returns one chat as each of the users sees it who are members of it. `online` is not filled in.
pub(super) async fn of_users(
    connection: &mut AsyncPgConnection,
    chat: ChatId,
    users: &[UserId],
) -> QueryResult<Vec<(UserId, ChatItem)>> {
    let query = ItemsOf { chat: chat.0, users: users.iter().map(|user| user.0).collect() };
    let rows = query.load::<Row>(connection).await?;
    rows.into_iter().map(|row| Ok((UserId(row.user_id), row.item()?))).collect()
}

// diesel does not support LATERAL, and does not cache the prepared statement of an `sql_query`. A query type of our own is
// prepared once per connection. The chats are selected first, so that partners, profiles and last messages are looked up only
// for them.

/// Pushes the start of a statement. Conditions on `member` and `chats` follow, each after an AND.
pub(super) fn push_chosen(out: &mut AstPass<'_, '_, Pg>) {
    out.push_sql("SELECT ");
    out.push_sql(prefs::COLUMNS);
    out.push_sql(CHOSEN);
}

const CHOSEN: &str = concat!(
    ",
           chat.user_id, chat.id, chat.kind, chat.last_seq, chat.updated_at, chat.read_seq, chat.from_seq, chat.role,
           chat.restricted_until, chat.access_version, chat.member_count, chat.class, chat.slow_s,
           chat.ttl_s, ",
    unread_count!("chat", "chat", "chat.seen_seq"),
    ", ",
    mention_count!("chat", "chat", "chat.seen_seq"),
    ", partner.id, partner.username, partner.last_seen_at,
           their.read_seq, greatest(their.read_seq, their.delivered_seq), profile.title, profile.description, profile.handle, profile.settings,
           last.id, last.seq, last.text, last.sender_id, last.created_at, last.extra
      FROM (SELECT chats.*, member.user_id, member.read_seq, member.from_seq, member.role, member.restricted_until, member.passive_seq,
                   greatest(member.read_seq, member.from_seq, chats.floor_seq) AS seen_seq
              FROM chat_members AS member JOIN chats ON chats.id = member.chat_id
             WHERE NOT chats.is_closed"
);

/// The end of a statement. Only direct chats have partners, and the others have profiles: NULL as the key spares the look-up. The
/// order is that of a list.
pub(super) const WITH_REST: &str = "
           ) AS chat
      LEFT JOIN chat_prefs AS prefs ON prefs.user_id = chat.user_id AND prefs.chat_id = chat.id
      LEFT JOIN users AS partner
        ON partner.id = CASE chat.user_id WHEN chat.user1_id THEN chat.user2_id ELSE chat.user1_id END
      LEFT JOIN chat_members AS their ON their.chat_id = chat.id AND their.user_id = partner.id
      LEFT JOIN chat_profiles AS profile ON profile.chat_id = CASE WHEN chat.user1_id IS NULL THEN chat.id END
      LEFT JOIN LATERAL (SELECT id, seq, text, sender_id, created_at, extra FROM messages
                          WHERE messages.chat_id = chat.id AND seq > greatest(chat.from_seq, chat.floor_seq)
                                AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > now())
                          ORDER BY seq DESC LIMIT 1) AS last ON TRUE
     ORDER BY prefs.pin_place, chat.updated_at DESC, chat.id DESC";

pub(super) type Columns = (
    Nullable<prefs::Columns>,
    SqlUuid,
    SqlUuid,
    Text,
    BigInt,
    Timestamptz,
    BigInt,
    BigInt,
    (SmallInt, Nullable<Timestamptz>, Integer),
    Integer,
    SmallInt,
    (Integer, Integer),
    (BigInt, BigInt),
    Nullable<(SqlUuid, Text, Nullable<Timestamptz>)>,
    Nullable<(BigInt, BigInt)>,
    Nullable<(Text, Text, Nullable<Text>, Text)>,
    Nullable<(SqlUuid, BigInt, Text, SqlUuid, Timestamptz, Nullable<Jsonb>)>,
);

/// A chat as some of its members see it.
#[derive(QueryId)]
struct ItemsOf {
    chat: Uuid,
    users: Vec<Uuid>,
}

impl Query for ItemsOf {
    type SqlType = Columns;
}

impl QueryFragment<Pg> for ItemsOf {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_chosen(&mut out);
        out.push_sql(" AND member.chat_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.chat)?;
        out.push_sql(" AND member.user_id = ANY(");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.users)?;
        out.push_sql(")");
        out.push_sql(WITH_REST);
        Ok(())
    }
}

/// What [`push_chosen`] selects.
#[derive(Queryable)]
pub(super) struct Row {
    prefs: Option<PrefsRow>,
    user_id: Uuid,
    id: Uuid,
    kind: String,
    last_seq: Seq,
    updated_at: DateTime<Utc>,
    read_seq: Seq,
    from_seq: Seq,
    rights: RightsRow,
    member_count: i32,
    class: i16,
    limits: LimitsRow,
    unread: UnreadRow,
    partner: Option<PartnerRow>,
    partner_markers: Option<(Seq, Seq)>,
    profile: Option<ProfileRow>,
    last: Option<LastRow>,
}

#[derive(Queryable)]
pub(super) struct RightsRow {
    role: i16,
    restricted_until: Option<DateTime<Utc>>,
    access_version: i32,
}

#[derive(Queryable)]
pub(super) struct LimitsRow {
    slow_s: i32,
    ttl_s: i32,
}

#[derive(Queryable)]
pub(super) struct UnreadRow {
    messages: i64,
    mentions: i64,
}

#[derive(Queryable)]
pub(super) struct PartnerRow {
    id: Uuid,
    username: String,
    last_seen_at: Option<DateTime<Utc>>,
}

#[derive(Queryable)]
pub(super) struct ProfileRow {
    title: String,
    description: String,
    handle: Option<String>,
    settings: String,
}

#[derive(Queryable)]
pub(super) struct LastRow {
    id: Uuid,
    seq: Seq,
    text: String,
    sender_id: Uuid,
    created_at: DateTime<Utc>,
    extra: Option<Extra>,
}

impl Row {
    /// Returns the item. `online` is not filled in.
    pub(super) fn item(self) -> QueryResult<ChatItem> {
        let RightsRow { role, restricted_until, access_version } = self.rights;
        let LimitsRow { slow_s, ttl_s } = self.limits;
        let (kind, role) = (parse_kind(&self.kind)?, parse_role(role)?);
        let is_group = kind != ChatKind::Direct;
        let mut prefs = self.prefs.unwrap_or_default();
        let draft = prefs.take_draft();
        let (title, description, handle, settings) = match self.profile {
            Some(ProfileRow { title, description, handle, settings }) => {
                let settings = ChatSettings::from_stored(&settings, kind, handle.is_some(), slow_s)
                    .map_err(|error| QueryError::DeserializationError(error.into()))?
                    .with_ttl_s(ttl_s);
                (Some(title), Some(description), Some(handle), ShownSettings::Group(settings.into()))
            }
            None => (None, None, None, ShownSettings::direct(ttl_s)),
        };
        let (partner_read_seq, partner_delivered_seq) = self.partner_markers.unzip();
        Ok(ChatItem {
            id: ChatId(self.id),
            kind,
            partner: self.partner.map(Partner::from),
            title,
            description,
            handle,
            role: is_group.then_some(role),
            member_count: is_group.then_some(self.member_count),
            last_class: parse_class(self.class)?,
            restricted_until,
            access_version,
            settings,
            last_message: self.last.map(LastMessage::from),
            unread_count: self.unread.messages,
            mention_count: self.unread.mentions,
            first_seq: self.from_seq + 1,
            last_seq: self.last_seq,
            read_seq: self.read_seq,
            prefs: prefs.prefs(self.read_seq, Utc::now())?,
            draft,
            partner_read_seq,
            partner_delivered_seq,
            updated_at: self.updated_at,
        })
    }
}

impl From<PartnerRow> for Partner {
    fn from(PartnerRow { id, username, last_seen_at }: PartnerRow) -> Self {
        Self { id: UserId(id), username, online: false, status: Status::Offline, last_seen_at }
    }
}

impl From<LastRow> for LastMessage {
    fn from(LastRow { id, seq, text, sender_id, created_at, extra }: LastRow) -> Self {
        let entities = extra.unwrap_or_default().entities;
        Self { id: MessageId(id), seq, text, entities, sender_id: UserId(sender_id), created_at }
    }
}
