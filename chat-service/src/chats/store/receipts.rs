//! Read and delivered markers in Postgres.

use diesel::{
    QueryResult, Queryable,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Bool, Integer, SmallInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::Seq;
use uuid::Uuid;

use super::{parse_class, parse_kind};
use crate::{
    chats::{
        model::{Marked, ReadState, Receipt},
        store::unread::unread_count,
    },
    db::{Attempts, Db, DbResult},
    rights::ChatKind,
};

/// Moves the markers of one member. Returns `None` if the user is not a member of the chat.
///
/// A message that the user sends at the same time never becomes unread by this: only a lower marker is replaced, and Postgres checks
/// the condition again after it has locked the row.
pub(in crate::chats) async fn mark(db: &Db, receipt: Receipt) -> DbResult<Option<Marked>> {
    let attempts = Attempts::default();
    db.query(async |connection| mark_one(connection, receipt, attempts.begin()).await).await
}

/// Moves markers, of each member once. Returns the outcome of each receipt; `None` if the user is not a member of the chat.
pub(in crate::chats) async fn mark_many(db: &Db, receipts: &[Receipt]) -> DbResult<Vec<Option<Marked>>> {
    let attempts = Attempts::default();
    db.query(async |connection| {
        let is_repeat = attempts.begin();
        let mut outcomes = vec![None; receipts.len()];
        for row in Advance::<true>(Columns::of(receipts)).load::<Row>(connection).await? {
            let place = row.place();
            outcomes[place] = Some(row.marked(true)?);
        }
        let unmoved: Vec<_> = (0..receipts.len()).filter(|place| outcomes[*place].is_none()).collect();
        if unmoved.is_empty() {
            return Ok(outcomes);
        }
        let rest: Vec<_> = unmoved.iter().map(|place| receipts[*place]).collect();
        for row in Current(Columns::of(&rest)).load::<Row>(connection).await? {
            let place = unmoved[row.place()];
            outcomes[place] = if row.is_behind {
                // Its row was locked. Alone it can wait without holding up others.
                mark_one(connection, receipts[place], is_repeat).await?
            } else {
                Some(row.marked(is_repeat)?)
            };
        }
        Ok(outcomes)
    })
    .await
}

async fn mark_one(
    connection: &mut AsyncPgConnection,
    receipt: Receipt,
    is_repeat: bool,
) -> QueryResult<Option<Marked>> {
    let columns = Columns::of(&[receipt]);
    // `load` reads the answer to its end: the first row arrives before the commit.
    let moved = Advance::<false>(columns.clone()).load::<Row>(connection).await?.pop();
    if let Some(row) = moved {
        return row.marked(true).map(Some);
    }
    // A separate statement, which sees the change that the first one may have waited for. The first attempt may have moved a
    // marker. Publishing a receipt twice does no harm.
    let row = Current(columns).load::<Row>(connection).await?.pop();
    row.map(|row| row.marked(is_repeat)).transpose()
}

/// The receipts, as parameters of a statement.
#[derive(Clone)]
struct Columns {
    chats: Vec<Uuid>,
    users: Vec<Uuid>,
    reads: Vec<Seq>,
    delivered: Vec<Seq>,
}

impl Columns {
    fn of(receipts: &[Receipt]) -> Self {
        Self {
            chats: receipts.iter().map(|receipt| receipt.chat.0).collect(),
            users: receipts.iter().map(|receipt| receipt.user.0).collect(),
            reads: receipts.iter().map(|receipt| receipt.read).collect(),
            delivered: receipts.iter().map(|receipt| receipt.delivered).collect(),
        }
    }
}

/// The receipts with the rows of their members and chats.
impl QueryFragment<Pg> for Columns {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(" FROM unnest(");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.chats)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.users)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.reads)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.delivered)?;
        out.push_sql(
            ") WITH ORDINALITY AS receipt (chat_id, user_id, read, delivered, n)
              JOIN chats ON chats.id = receipt.chat_id AND NOT chats.is_closed
              JOIN chat_members AS member ON member.chat_id = receipt.chat_id AND member.user_id = receipt.user_id",
        );
        Ok(())
    }
}

/// What both statements select at the end.
const STATE: &str = concat!(
    "member.read_seq, greatest(member.read_seq, member.delivered_seq), ",
    unread_count!("chats", "member", "greatest(member.read_seq, member.from_seq, chats.floor_seq)"),
    ", chats.kind, chats.class, chats.member_count"
);

type State = (BigInt, Bool, BigInt, BigInt, BigInt, Text, SmallInt, Integer, Bool);

/// Moves markers. Returns no row for a receipt that moves nothing.
///
/// With `SKIPS_LOCKED` it also leaves out a row that another transaction has locked, so it never waits while it holds locks: a statement
/// that stores messages locks the rows of several members too, in another order.
///
/// Written by hand because diesel's UPDATE has no FROM.
#[derive(QueryId)]
struct Advance<const SKIPS_LOCKED: bool>(Columns);

impl<const SKIPS_LOCKED: bool> Query for Advance<SKIPS_LOCKED> {
    type SqlType = State;
}

impl<const SKIPS_LOCKED: bool> QueryFragment<Pg> for Advance<SKIPS_LOCKED> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH target AS MATERIALIZED (
                SELECT receipt.n, member.chat_id, member.user_id,
                       least(receipt.read, chats.last_seq) AS read, least(receipt.delivered, chats.last_seq) AS delivered",
        );
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(
            " WHERE member.read_seq < least(receipt.read, chats.last_seq)
                    OR greatest(member.read_seq, member.delivered_seq) < least(receipt.delivered, chats.last_seq)
              ORDER BY member.chat_id, member.user_id
                FOR NO KEY UPDATE OF member",
        );
        if SKIPS_LOCKED {
            out.push_sql(" SKIP LOCKED");
        }
        out.push_sql(
            ")
             UPDATE chat_members AS member
                SET read_seq = greatest(member.read_seq, target.read),
                    delivered_seq = greatest(member.delivered_seq, target.delivered)
               FROM target JOIN chats ON chats.id = target.chat_id
              WHERE member.chat_id = target.chat_id AND member.user_id = target.user_id
                    AND (member.read_seq < target.read
                         OR greatest(member.read_seq, member.delivered_seq) < target.delivered)
             RETURNING target.n, FALSE, ",
        );
        out.push_sql(STATE);
        out.push_sql(", FALSE");
        Ok(())
    }
}

/// The markers as they are. Ends the marks as unread, which any receipt for what was read does: one that moves the read marker needs no
/// write for it.
#[derive(QueryId)]
struct Current(Columns);

impl Query for Current {
    type SqlType = State;
}

impl QueryFragment<Pg> for Current {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH unmarked AS (UPDATE chat_prefs AS prefs SET marked_seq = NULL");
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(
            " WHERE receipt.read > 0 AND prefs.user_id = member.user_id AND prefs.chat_id = member.chat_id
                    AND prefs.marked_seq = member.read_seq
              RETURNING prefs.user_id, prefs.chat_id)
             SELECT receipt.n,
                    member.read_seq < least(receipt.read, chats.last_seq)
                    OR greatest(member.read_seq, member.delivered_seq) < least(receipt.delivered, chats.last_seq), ",
        );
        out.push_sql(STATE);
        out.push_sql(
            ", EXISTS (SELECT FROM unmarked
                        WHERE unmarked.user_id = member.user_id AND unmarked.chat_id = member.chat_id)",
        );
        self.0.walk_ast(out)
    }
}

#[derive(Queryable)]
struct Row {
    /// The number of the receipt, from 1.
    n: i64,
    /// Whether the receipt would move a marker.
    is_behind: bool,
    read_seq: Seq,
    delivered_seq: Seq,
    unread_count: i64,
    kind: String,
    class: i16,
    member_count: i32,
    /// Whether the chat was marked as unread, and is not any more.
    was_marked: bool,
}

impl Row {
    fn place(&self) -> usize {
        usize::try_from(self.n - 1).unwrap_or(usize::MAX)
    }

    fn marked(self, has_moved: bool) -> QueryResult<Marked> {
        let Self { read_seq, delivered_seq, unread_count, member_count, .. } = self;
        let kind = parse_kind(&self.kind)?;
        Ok(Marked {
            state: ReadState { read_seq, delivered_seq, unread_count },
            has_moved,
            is_unmarked: self.was_marked,
            class: kind.class(parse_class(self.class)?, member_count),
            is_group: kind != ChatKind::Direct,
        })
    }
}
