//! Changes of what a member has set about a chat.

use std::collections::BTreeMap;

use chrono::Utc;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, QueryResult,
    sql_types::{Array, SmallInt, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{ChatId, Seq, UserId};
use uuid::Uuid;

use super::{Found, find};
use crate::{
    db::{Attempts, Db, prepared},
    prefs::{
        error::PrefsError,
        model::{ChatPrefs, MAX_PIN_PLACE, PrefsPatch},
    },
    schema::{chat_members, chat_prefs, chats, users},
};

/// Changes what a member has set about a chat. Returns the chats for which something changed: also other pinned ones, if they had to make
/// room.
pub(in crate::prefs) async fn change(
    db: &Db,
    user: UserId,
    chat: ChatId,
    patch: &PrefsPatch,
) -> Result<Vec<ChatId>, PrefsError> {
    let attempts = Attempts::default();
    db.run(async |connection| {
        let is_repeat = attempts.begin();
        let apply = async |connection: &mut AsyncPgConnection| apply(connection, user, chat, patch).await;
        let mut changed = connection.transaction(apply).await?;
        // The first attempt may have changed it. Announcing it twice does no harm.
        if is_repeat && changed.is_empty() {
            changed.push(chat);
        }
        Ok(changed)
    })
    .await
}

async fn apply(
    connection: &mut AsyncPgConnection,
    user: UserId,
    chat: ChatId,
    patch: &PrefsPatch,
) -> Result<Vec<ChatId>, PrefsError> {
    // The user's row is the lock of all that the user sets: two devices may pin chats at the same time.
    let lock = users::table.find(user.0).select(users::id).for_no_key_update();
    lock.first::<Uuid>(connection).await.optional()?.ok_or(PrefsError::NoSuchChat)?;
    // The row goes with the membership: who removes the member waits, and deletes it afterwards.
    let membership = chat_members::table.find((chat.0, user.0)).select(chat_members::user_id).for_key_share();
    membership.first::<Uuid>(connection).await.optional()?.ok_or(PrefsError::NoSuchChat)?;
    let Found { read_seq, prefs: before, .. } =
        find(connection, user, &[chat]).await?.pop().ok_or(PrefsError::NoSuchChat)?;
    let prefs = patch.apply(&before, Utc::now());
    if prefs == before {
        return Ok(Vec::new());
    }
    let mut changed = vec![chat];
    if let Some(place) = prefs.pin_place.filter(|_| prefs.pin_place != before.pin_place) {
        changed.extend(make_room(connection, user, chat, place).await?);
    }
    // A receipt may end the mark at the same time.
    let marked = patch.marked_unread.map(|is_marked| is_marked.then_some(read_seq));
    write(connection, user, chat, prefs, marked).await?;
    Ok(changed)
}

/// Moves the chat at a place one place down, and so on up to the first free place. Returns the moved chats.
async fn make_room(
    connection: &mut AsyncPgConnection,
    user: UserId,
    chat: ChatId,
    place: i16,
) -> Result<Vec<ChatId>, PrefsError> {
    let membership = chat_members::chat_id.eq(chat_prefs::chat_id).and(chat_members::user_id.eq(chat_prefs::user_id));
    let pins = chat_prefs::table
        .inner_join(chats::table)
        .left_join(chat_members::table.on(membership))
        .filter(chat_prefs::user_id.eq(user.0))
        .filter(chat_prefs::pin_place.is_not_null())
        .select((
            chat_prefs::pin_place.assume_not_null(),
            chat_prefs::chat_id,
            chats::is_closed,
            chat_members::user_id.nullable(),
        ))
        .load::<(i16, Uuid, bool, Option<Uuid>)>(connection)
        .await?;
    // The user does not see a closed chat, or one that an instance of an earlier version removed the user from. It loses its place, as
    // this chat does.
    let is_out =
        |(_, id, is_closed, member): &(i16, Uuid, bool, Option<Uuid>)| *is_closed || member.is_none() || *id == chat.0;
    let (out, seen): (Vec<_>, Vec<_>) = pins.into_iter().partition(is_out);
    let taken: BTreeMap<i16, Uuid> = seen.into_iter().map(|(place, id, ..)| (place, id)).collect();
    let mut moved = Vec::new();
    for place in place.. {
        let Some(occupant) = taken.get(&place) else { break };
        if place == MAX_PIN_PLACE {
            return Err(PrefsError::TooManyPins);
        }
        moved.push((*occupant, place + 1));
    }
    // First out of the way: no two chats have the same place at any time.
    let cleared = out.iter().map(|(_, id, ..)| *id).chain(moved.iter().map(|(id, _)| *id));
    diesel::update(chat_prefs::table)
        .filter(chat_prefs::user_id.eq(user.0))
        .filter(chat_prefs::chat_id.eq_any(cleared))
        .set(chat_prefs::pin_place.eq(None::<i16>))
        .execute(connection)
        .await?;
    let (ids, places): (Vec<_>, Vec<_>) = moved.into_iter().unzip();
    if !ids.is_empty() {
        move_to(connection, user, &ids, &places).await?;
    }
    Ok(ids.into_iter().map(ChatId).collect())
}

async fn move_to(
    connection: &mut AsyncPgConnection,
    user: UserId,
    chats: &[Uuid],
    places: &[i16],
) -> QueryResult<usize> {
    const MOVE: &str = "UPDATE chat_prefs SET pin_place = place FROM unnest($2, $3) AS moved (id, place)
         WHERE user_id = $1 AND chat_id = moved.id";
    let update = prepared(MOVE).bind::<SqlUuid, _>(user.0);
    update.bind::<Array<SqlUuid>, _>(chats).bind::<Array<SmallInt>, _>(places).execute(connection).await
}

/// Writes what a member has set about a chat. `marked` is what becomes of the mark, if that changes.
#[expect(clippy::option_option, reason = "unchanged, NULL, or a value")]
async fn write(
    connection: &mut AsyncPgConnection,
    user: UserId,
    chat: ChatId,
    prefs: ChatPrefs,
    marked: Option<Option<Seq>>,
) -> QueryResult<usize> {
    let ChatPrefs { muted_until, level, archived, pin_place, marked_unread: _, folder } = prefs;
    let values = (
        chat_prefs::muted_until.eq(muted_until),
        chat_prefs::level.eq(level as i16),
        chat_prefs::archived.eq(archived),
        chat_prefs::pin_place.eq(pin_place),
        chat_prefs::folder.eq(folder),
        marked.map(|marked| chat_prefs::marked_seq.eq(marked)),
    );
    diesel::insert_into(chat_prefs::table)
        .values((chat_prefs::user_id.eq(user.0), chat_prefs::chat_id.eq(chat.0), values.clone()))
        .on_conflict((chat_prefs::user_id, chat_prefs::chat_id))
        .do_update()
        .set(values)
        .execute(connection)
        .await
}
