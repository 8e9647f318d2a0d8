//! The lock of chats that others change at the same time.

use diesel::{ExpressionMethods as _, QueryDsl as _, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::ChatId;
use uuid::Uuid;

use crate::schema::chats;

/// Locks the rows of chats, for the rest of the transaction.
///
/// A statement that decides before it has the lock, and finds then that the chat was changed meanwhile, has to be repeated. After
/// this the repetition cannot fail for that reason again: it has waited for its turn, however many others change the chat.
pub(crate) async fn lock_chats(
    connection: &mut AsyncPgConnection,
    chats: impl Iterator<Item = ChatId>,
) -> QueryResult<()> {
    let rows = chats::table.filter(chats::id.eq_any(chats.map(|chat| chat.0).collect::<Vec<_>>()));
    // In the order of the statements, so that nobody waits in a circle.
    let rows = rows.order(chats::id).select(chats::id).for_no_key_update();
    rows.load::<Uuid>(connection).await.map(drop)
}
